"""Surplus charging at work: it looks every second, decides every interval, and shows itself as a device."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.control.charger import ChargerPlan, SteeredCharger
from bridge.control.owners import OwnerWatch
from bridge.control.points import (
    CHARGERS_MAX,
    IDENTITY,
    LAW,
    PAUSE,
    RESUME,
    RUN,
    SWITCHES,
    TITLE,
    charger_paths,
    groups,
    specs,
)
from bridge.control.surplus import Charger, Decision, Reason, Rule, State, SurplusLaw, Wish, surplus_w
from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.device import Device
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.values import Identity, Origin, Outcome, Path, Value, WriteRequest
from bridge.datastore.wear import Wear

_log = logging.getLogger(__name__)

#: How often meter and chargers are looked at.
_LOOK_EVERY_S = 1.0
#: Part of an interval after which a change that was made at its beginning is settled, in meter and charger.
_SETTLED = 0.5
#: The longest that a charger may take to obey before the automation goes on.
_WITHIN_S = 3.0
_PRODUCT = "surplus_charging"
#: Under which the pause is saved.
_PAUSED = "paused"
#: Outcomes with which a charger does what it is asked, or will.
_TAKEN = frozenset({Outcome.CONFIRMED, Outcome.PENDING, Outcome.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class SurplusPlan:
    """What the site wants of one automation. `grid_power`: points as device and path, summed, W imported.

    chargers: the most important first. yield_s: how long a charger is left alone after somebody else wrote.
    """

    name: str
    grid_power: tuple[tuple[str, Path], ...]
    chargers: tuple[ChargerPlan, ...]
    rule: Rule = field(default_factory=Rule)
    interval_s: float = 30.0
    yield_s: float = 3600.0


class SurplusCharging:
    """One automation. It commands chargers, and is itself the adapter of the device that shows it.

    Raises KeyError for a device that is not among `devices`.
    """

    command_deadline_s = 2.0

    def __init__(
        self, device: Device, plan: SurplusPlan, devices: Mapping[str, Device], clock: Clock
    ) -> None:
        self._device = device
        self._plan = plan
        self._clock = clock
        self._origin = Origin("automation", plan.name)
        self._meters = tuple((devices[name], path) for name, path in plan.grid_power)
        self._chargers = tuple(
            SteeredCharger(devices[charger.device], charger, self._origin, clock) for charger in plan.chargers
        )
        self._law = SurplusLaw(plan.rule, len(plan.chargers))
        self._seen: deque[tuple[float, float | None]] = deque()
        self._woken = asyncio.Event()
        self._paused = device.memory.get(_PAUSED) is True
        owned = [charger.device for charger in self._chargers]
        self._owners = OwnerWatch(plan.name, device.memory, owned, plan.yield_s, clock)
        self._renewed_at = [-math.inf] * len(plan.chargers)
        self._refused = [False] * len(plan.chargers)
        self._state: State | None = None
        self._switches = 0
        self._writes = 0

    # -- as the adapter of its own device ------------------------------------------------------------

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Refuse nothing: any batch of the two switches makes sense."""

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:  # noqa: ARG002 - the contract's
        """Nothing of it wears anything."""
        return {}

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:  # noqa: ARG002 - the contract's
        """Pause or go on; take back chargers that were left to their owner."""
        if PAUSE in changes:
            self._paused = changes[PAUSE] == 1
            self._device.memory.put(_PAUSED, self._paused)
        if changes.get(RESUME) == 1:
            self._owners.forget()
        self._show_switches()
        self._woken.set()
        return dict.fromkeys(changes, Outcome.CONFIRMED)

    async def expired(self, paths: tuple[Path, ...]) -> bool:  # noqa: ARG002 - the contract's
        """Nothing of it is leased."""
        return True

    # -- at work -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look and decide until cancelled."""
        self._device.declare(specs(), groups(self._plan.interval_s), [[RUN]])
        serial = self._plan.name.replace("-", "_")
        self._device.learn(Identity(serial=serial, product=_PRODUCT, product_name=TITLE))
        numbers = range(len(self._chargers) + 1, CHARGERS_MAX + 1)
        lacking = dict.fromkeys(path for number in numbers for path in charger_paths(number))
        self._device.publish(IDENTITY, {"/Serial": serial, "/ProductName": TITLE, **lacking})
        self._show_switches()
        due = self._clock.monotonic() + self._plan.interval_s * _SETTLED
        look_at = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            if now >= look_at:
                look_at = max(look_at + _LOOK_EVERY_S, now)
                self._look(now)
            if now >= due or self._woken.is_set():
                self._woken.clear()
                due = max(due + self._plan.interval_s, now) if now >= due else due
                await self._decide(now)
            await self._renew(now)
            await event_or_time(self._clock, self._woken, min(look_at, due))

    def _look(self, now: float) -> None:
        """Take one sample of meter and chargers, and show it."""
        self._owners.look()
        chargers = self._chargers_now()
        grid = self._grid()
        surplus = None if grid is None else surplus_w(grid, chargers)
        self._seen.append((now, surplus))
        while self._seen[0][0] <= now - self._plan.interval_s * _SETTLED and len(self._seen) > 1:
            self._seen.popleft()
        shown: dict[Path, Value | None] = {
            "/GridPower": grid,
            "/SurplusPower": surplus,
            "/ChargePower": sum(charger.draw_w for charger in chargers),
        }
        for number, charger in enumerate(chargers, 1):
            paths = charger_paths(number)
            known = charger.on is not None
            shown |= {
                paths.current: charger.amps if known else None,
                paths.on: int(charger.on) if charger.on is not None else None,
                paths.wear_left: charger.wear_left,
            }
        self._device.publish(RUN, shown)

    async def _decide(self, now: float) -> None:
        """Decide by what was seen since the last change has settled, and tell the chargers."""
        self._owners.look()
        heard = [surplus for _, surplus in self._seen if surplus is not None]
        silent = not heard or self._grid() is None
        mean = None if silent else sum(heard) / len(heard)
        decision = self._law.decide(now, mean, self._chargers_now(), paused=self._paused)
        outcomes = await asyncio.gather(
            *(self._fulfil(number, wish) for number, wish in enumerate(decision.wishes))
        )
        self._show(decision, outcomes)

    async def _fulfil(self, number: int, wish: Wish) -> Reason:
        """Write what a wish asks for; returns its reason, or that the charger did not take it."""
        charger = self._chargers[number]
        changes = charger.changes(wish)
        if not changes:
            return wish.reason
        try:
            outcomes = await charger.device.write(WriteRequest(changes, self._origin), _WITHIN_S)
        except WriteRefusal as refusal:
            self._tell(number, str(refusal))
            return Reason.REFUSED
        now = self._clock.monotonic()
        if wish.limit is not None:
            self._writes += 1
            self._law.wrote(now, number)
            self._renewed_at[number] = now
        if wish.on is not None:
            self._switches += 1
        failed = {path: outcome for path, outcome in outcomes.items() if outcome not in _TAKEN}
        self._tell(number, ", ".join(f"{path} {outcome.word}" for path, outcome in failed.items()))
        return Reason.REFUSED if failed else wish.reason

    async def _renew(self, now: float) -> None:
        """Keep leased currents in force while they are the automation's; else their lease runs out."""
        if self._paused:
            return
        for number, charger in enumerate(self._chargers):
            if self._owners.has(charger.device) or now - self._renewed_at[number] < charger.renew_every_s():
                continue
            changes = charger.renewal()
            if changes and self._renewed_at[number] > -math.inf and charger.seen(ours=True).on:
                self._renewed_at[number] = now
                try:
                    await charger.device.write(WriteRequest(changes, self._origin), _WITHIN_S)
                except WriteRefusal as refusal:
                    self._tell(number, str(refusal))

    # -- what it shows -------------------------------------------------------------------------------

    def _show(self, decision: Decision, reasons: Sequence[Reason]) -> None:
        foremost = decision.reason
        if foremost not in (Reason.PAUSED, Reason.METER_SILENT) and Reason.REFUSED in reasons:
            foremost = Reason.REFUSED
        shown: dict[Path, Value | None] = {
            "/State": int(decision.state),
            "/Reason": int(foremost),
            "/TargetCurrent": sum(wish.target_a for wish in decision.wishes),
            "/Switches": self._switches,
            "/Writes": self._writes,
        }
        for number, (wish, reason) in enumerate(zip(decision.wishes, reasons, strict=True), 1):
            paths = charger_paths(number)
            shown |= {paths.target: wish.target_a, paths.reason: int(reason)}
        self._device.publish(LAW, shown)
        if decision.state is not self._state:
            before = "" if self._state is None else f" was={self._state.name.lower()}"
            _log.info(
                "device=%s state=%s%s reason=%s target=%.1f A",
                self._plan.name, decision.state.name.lower(), before, foremost.name.lower(),
                shown["/TargetCurrent"],
            )  # fmt: skip
            self._state = decision.state

    def _show_switches(self) -> None:
        self._device.publish(SWITCHES, {PAUSE: int(self._paused), RESUME: 0})

    def _tell(self, number: int, fault: str) -> None:
        """Log once that a charger does not take what it is asked, and once that it does again."""
        if bool(fault) == self._refused[number]:
            return
        self._refused[number] = bool(fault)
        name = self._chargers[number].device.name
        if fault:
            _log.warning("device=%s charger=%s does not take what is asked: %s", self._plan.name, name, fault)
        else:
            _log.info("device=%s charger=%s obeys again", self._plan.name, name)

    # -- what it sees --------------------------------------------------------------------------------

    def _grid(self) -> float | None:
        """Return the power taken from the grid, W; None while any part of it is not known."""
        total = 0.0
        for device, path in self._meters:
            value = device.value(path)
            if value is None or isinstance(value, str):
                return None
            total += value
        return total

    def _chargers_now(self) -> tuple[Charger, ...]:
        return tuple(c.seen(ours=not self._owners.has(c.device)) for c in self._chargers)
