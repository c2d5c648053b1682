"""One charger in the hands of an automation: what it tells, and what a wish means in its points."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.control.surplus import Charger, Wish
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import LinkState, Origin, Path, Value, WriteRequest

#: A volatile and leased current, where the charger obeys one, and the one it stores.
CURRENTS: tuple[Path, ...] = ("/Link/ChargeCurrent", "/Settings/ChargeCurrentLimit")
LOWEST: Path = "/Settings/ChargeCurrentLimitMin"
MODE: Path = "/Mode"
VOLTS: Path = "/Dc/0/Voltage"
AMPS: Path = "/Dc/0/Current"
#: Seconds of a UTC day, in which the budget of writes is counted.
_DAY_S = 86400.0
#: A lease is renewed this many times in its length.
_RENEWALS = 3.0
#: Name of the value that switches on, among the choices of a mode.
_ON = "on"


@dataclass(frozen=True, slots=True)
class ChargerPlan:
    """A charger as the site wants it used. minimum, maximum: A, None for the device's own.

    current: the point that limits it, None for the first of `CURRENTS` that it obeys. efficiency: DC power
    given for AC power taken.
    """

    device: str
    minimum: float | None = None
    maximum: float | None = None
    current: Path | None = None
    efficiency: float = 0.9


class SteeredCharger:
    """Reads and names the points of one charger."""

    def __init__(self, device: Device, plan: ChargerPlan, origin: Origin, clock: Clock) -> None:
        self.device = device
        self.plan = plan
        self._origin = origin
        self._clock = clock

    @property
    def steerable(self) -> bool:
        """True while the charger can hear and has all that it takes: a mode with an off, and a current."""
        alive = self.device.link is LinkState.ONLINE and self.device.alive
        return alive and self._mode() is not None and self._current() is not None

    def seen(self, *, ours: bool) -> Charger:
        """Return the charger as it stands now."""
        plan, mode, current = self.plan, self._mode(), self._current()
        if not self.steerable or mode is None or current is None:
            return Charger(None, 0.0, None, None, 0.0, 0.0, plan.efficiency, ours=ours)
        switched = self.device.value(MODE)
        highest = self._number(current.maximum_from, current.maximum, math.inf)
        lowest = self._number(LOWEST, current.minimum, 0.0)
        maximum = min(highest, math.inf if plan.maximum is None else plan.maximum)
        return Charger(
            volts=self._number(VOLTS, None, math.nan) if self.device.value(VOLTS) is not None else None,
            amps=self._number(AMPS, None, 0.0),
            on=None if switched is None or math.isinf(maximum) else switched != mode.off,
            limit=self._limit(current),
            minimum=min(maximum, max(lowest, plan.minimum or 0.0)),
            maximum=maximum,
            efficiency=plan.efficiency,
            wear_left=self.device.status().wear_left if current.nonvolatile else None,
            day_left_s=_DAY_S - self._clock.now() % _DAY_S,
            ours=ours,
        )

    def changes(self, wish: Wish) -> dict[Path, Value]:
        """Return what must be written for a wish; the current comes before switching on."""
        mode, current = self._mode(), self._current()
        if mode is None or current is None or mode.off is None:
            return {}
        found: dict[Path, Value] = {} if wish.limit is None else {current.path: wish.limit}
        if wish.on is not None:
            found[MODE] = _on_value(mode) if wish.on else mode.off
        return found

    def renewal(self) -> dict[Path, Value]:
        """Return the leased current that is in force, to be written again before its lease ends."""
        current = self._current()
        value = None if current is None or current.lease is None else self.device.value(current.path)
        return {} if current is None or value is None else {current.path: value}

    def renew_every_s(self) -> float:
        """How often a leased current is to be renewed, in seconds; infinity where there is none."""
        current = self._current()
        return math.inf if current is None or current.lease is None else current.lease.seconds / _RENEWALS

    def _limit(self, current: PointSpec) -> float | None:
        """Return what bounds the charger now: the current steered by, or else the one it stores."""
        for path in (current.path, CURRENTS[-1]):
            value = self.device.value(path)
            if value is not None and not isinstance(value, str):
                return float(value)
        return None

    def _mode(self) -> PointSpec | None:
        spec = self._writable(MODE)
        return None if spec is None or spec.off is None else spec

    def _current(self) -> PointSpec | None:
        for path in CURRENTS if self.plan.current is None else (self.plan.current,):
            spec = self._writable(path)
            if spec is not None and (spec.lease is None or self._obeys(spec)):
                return spec
        return None

    def _writable(self, path: Path) -> PointSpec | None:
        spec = self.device.spec(path) if self.device.has(path) else None
        return None if spec is None or not spec.writable or path in self.device.fed else spec

    def _obeys(self, spec: PointSpec) -> bool:
        """Ask the device's own rules: a volatile current is offered only where it has not been found idle."""
        value = self._number(spec.maximum_from, spec.maximum, spec.minimum or 0.0)
        try:
            self.device.check(WriteRequest({spec.path: value}, self._origin))
        except WriteRefusal:
            return False
        return True

    def _number(self, path: Path | None, fixed: float | None, otherwise: float) -> float:
        value = None if path is None else self.device.value(path)
        if isinstance(value, int | float):
            return float(value)
        return otherwise if fixed is None else fixed


def _on_value(mode: PointSpec) -> Value:
    choices: Mapping[int, str] = mode.choices or {}
    named = next((value for value, name in choices.items() if name == _ON), None)
    return named if named is not None else next((value for value in choices if value != mode.off), 1)
