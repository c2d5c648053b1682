"""A power limit that a SunSpec reader sets for a time: percent to watts, reversion as a lease.

A lease is open, and saved as open, before its limit goes out; a confirmed write moves its end. At the end the
device's limit is taken off again, tried until it obeys, and so it is with one found open at a start.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence

from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.device import Device
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.values import Origin, Outcome, Path, Value, WriteAttempt, WriteRequest
from bridge.register_maps.blocks.computed import SUNSPEC_CONTROLS
from bridge.register_maps.blocks.sunspec import ENABLE, ID, UNKNOWN_MODEL, Settings, shown
from bridge.register_maps.format import Register, RegisterMap
from bridge.register_maps.supply import ABSENT, Supplied
from bridge.register_maps.writing import ILLEGAL_ADDRESS, ILLEGAL_VALUE, MapRefusal, Wish

_log = logging.getLogger(__name__)

#: Pause before a device that did not take its limit off is asked again.
_RETRY_S = 5.0
_DONE = frozenset({Outcome.CONFIRMED, Outcome.ADJUSTED})


def control_of(
    loaded: RegisterMap, device: Device, clock: Clock, unit: int, changed: Callable[[], None]
) -> "LimitControl | None":
    """Return the control of a map that has one; `changed` is told when its registers must be encoded anew."""
    sources = next((r.source for r in loaded.registers if r.block == SUNSPEC_CONTROLS and r.source), None)
    if sources is None or len(sources.points) != 2:
        return None
    limit, rating = (point.path for point in sources.points)
    return LimitControl(device, limit, rating, clock, unit, changed)


class LimitControl:
    """The control of one unit: `limit` is the device's point for the watts allowed, `rating` for the most."""

    def __init__(
        self, device: Device, limit: Path, rating: Path, clock: Clock, unit: int, changed: Callable[[], None]
    ) -> None:
        self._device = device
        self._limit = limit
        self._rating = rating
        self._clock = clock
        self._unit = unit
        self._changed = changed
        self._settings = Settings()
        #: Asked for and not ended yet, with the watts of each: only what is confirmed is shown.
        self._asked: list[tuple[float, Settings]] = []
        self._known_rating: float | None = None
        self._ends = math.inf
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._complained = False
        self._key = f"sunspec {unit}"
        self._disconnect = device.attempted.connect(self._attempted)
        if device.memory.get(self._key):
            self._ends = clock.monotonic()
            self._watch()

    def close(self) -> None:
        """Stop following the device. An open lease stays saved: the next control ends it."""
        self._disconnect()
        if self._task is not None:
            self._task.cancel()

    # -- reading -----------------------------------------------------------------------------------

    def supply(self, path: str | None) -> Supplied:
        """Return what the model's register of a path shows."""
        rating = self._rating_w()
        if rating is None:
            return Supplied(UNKNOWN_MODEL) if path == ID else ABSENT
        limit = self._device.value(self._limit)
        known = limit if isinstance(limit, int | float) else None
        value = shown(self._settings, known, rating).get(path or "")
        return Supplied(None, stale=True) if value is None else Supplied(value)

    def _rating_w(self) -> float | None:
        """Return the rating, None for a device that cannot be limited. The last one known stays."""
        if not self._device.has(self._limit) or not self._device.spec(self._limit).writable:
            return None
        rating = self._device.value(self._rating)
        if isinstance(rating, int | float) and rating > 0:
            self._known_rating = float(rating)
        return self._known_rating

    # -- writing -----------------------------------------------------------------------------------

    def owns(self, wishes: Sequence[Wish]) -> bool:
        """True for a write of the model's registers; raises MapRefusal for one that reaches beyond them."""
        own = [isinstance(wish.entry, Register) and wish.entry.block == SUNSPEC_CONTROLS for wish in wishes]
        if any(own) and not all(own):
            where = f"0x{wishes[0].address:04X}"
            raise MapRefusal(ILLEGAL_ADDRESS, f"{where}: reaches beyond the power limit's registers")
        return any(own)

    def ask(self, fields: Mapping[str, Value]) -> tuple[Path, float]:
        """Return the change that a write of some registers means; raises MapRefusal.

        A write that changes a stored setting alone repeats the limit in force, so that it passes the same
        rights and rules, and counts from when the device has confirmed.
        """
        rating = self._rating_w()
        if rating is None:
            raise MapRefusal(ILLEGAL_ADDRESS, f"{self._device.name} has no power limit that could be set")
        settings = self._settings.written(fields)
        if not 0.0 <= settings.percent <= 100.0:
            raise MapRefusal(ILLEGAL_VALUE, f"found {settings.percent:g} %, expected 0 to 100")
        limit = settings.limit_w(rating, *self._range_w(rating))
        if ENABLE not in fields and not settings.enabled:
            in_force = self._device.value(self._limit)
            limit = float(in_force) if isinstance(in_force, int | float) else limit
        self._asked.append((limit, settings))
        if settings.enabled and settings.reversion_s:
            self._device.memory.put(self._key, {"limit_w": limit})
        return self._limit, limit

    def _range_w(self, rating: float) -> tuple[float, float]:
        """Return the lowest and the highest limit that the device takes."""
        spec = self._device.spec(self._limit)
        ends = []
        for fixed, live in ((spec.minimum, spec.minimum_from), (spec.maximum, spec.maximum_from)):
            learnt = None if live is None else self._device.value(live)
            ends.append([e for e in (fixed, learnt) if isinstance(e, int | float)])
        return max(ends[0], default=0.0), min([*ends[1], rating])

    def _attempted(self, attempt: WriteAttempt) -> None:
        """Take note of what became of a write through this unit."""
        if attempt.unit != self._unit or attempt.path != self._limit:
            return
        asked = next((item for item in self._asked if item[0] == attempt.new), None)
        if asked is None:
            return
        self._asked.remove(asked)
        if attempt.outcome in _DONE:
            self._settings = asked[1]
            if self._settings.enabled and self._settings.reversion_s:
                self._ends = self._clock.monotonic() + self._settings.reversion_s
                self._watch()
            else:
                self._close_lease()
        elif self._ends == math.inf and not self._asked:
            self._device.memory.put(self._key, None)  # it never came into force
        self._changed()

    # -- the lease ---------------------------------------------------------------------------------

    def _close_lease(self) -> None:
        self._ends = math.inf
        self._device.memory.put(self._key, None)
        self._stirred.set()

    def _watch(self) -> None:
        self._stirred.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(
                self._revert(), name=f"{self._device.name}.limit"
            )

    async def _revert(self) -> None:
        """End the lease in time, until cancelled."""
        while True:
            self._stirred.clear()
            if self._clock.monotonic() < self._ends:
                await event_or_time(self._clock, self._stirred, self._ends)
                continue
            due = self._ends
            fault = await self._take_off()
            if self._ends != due:
                continue  # a reader has set it anew meanwhile
            if fault is None:
                self._settings = Settings(self._settings.percent, self._settings.reversion_s)
                self._complained = False
                self._close_lease()
                self._changed()
                _log.info("device=%s unit=%d power limit not refreshed: off", self._device.name, self._unit)
                continue
            if not self._complained:
                self._complained = True
                _log.warning(
                    "device=%s unit=%d power limit not taken off yet (%s), trying on",
                    self._device.name, self._unit, fault,
                )  # fmt: skip
            self._ends = self._clock.monotonic() + _RETRY_S

    async def _take_off(self) -> str | None:
        """Set the highest limit; return why the device has not obeyed, None when it has."""
        rating = self._rating_w()
        if rating is None:
            return "the device is not known yet"
        highest = self._range_w(rating)[1]
        try:
            outcomes = await self._device.write(
                WriteRequest({self._limit: highest}, Origin("lease", f"unit {self._unit}"))
            )
        except WriteRefusal as refusal:
            return str(refusal)
        outcome = outcomes.get(self._limit, Outcome.REFUSED)
        return None if outcome in _DONE else outcome.word
