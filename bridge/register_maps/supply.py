"""What a source supplies: one point, the first of several, or a sum, with what is missing told truthfully."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from bridge.register_maps.format import Missing, Source, SourcePoint
from bridge.register_maps.types import Value

#: A held sum reaches the saved state this often: as far as a restart can let it step back.
SAVE_EVERY_S = 60.0


class Supplied(NamedTuple):
    """A value, or None: then `stale` tells what is not known now from what the device does not have.

    `heard` is true for what was known at some time.
    """

    value: Value | None
    stale: bool = False
    heard: bool = True


ABSENT = Supplied(None, heard=False)
NEVER_HEARD = Supplied(None, stale=True, heard=False)

#: Gives one point as it stands.
Read = Callable[[SourcePoint], Supplied]


class Memory(Protocol):
    """What a held sum is saved in; the datastore's memory of a device is one."""

    def get(self, key: str) -> Any:
        """Return what was saved."""

    def put(self, key: str, value: Any) -> None:
        """Save a value soon."""


def first_of(points: Iterable[SourcePoint], read: Read) -> Supplied:
    """Return the first point that the device has; one never heard yields to one that was."""
    best = ABSENT
    for point in points:
        found = read(point)
        if found.value is not None or found.stale:
            best = found
            if found.heard:
                break
    return best


class Sums:
    """The sums of one unit: those that fail it now, and the last whole ones of energies.

    `key` names a sum and stays the same over restarts.
    """

    __slots__ = ("_last", "_memory", "failing")

    def __init__(self, memory: Memory) -> None:
        self.failing: set[str] = set()
        self._memory = memory
        self._last: dict[str, tuple[float, float]] = {}

    def total(self, key: str, source: Source, read: Read, now: float) -> Supplied:
        """Add up what is there at monotonic `now`; an absent part counts as nothing."""
        parts = [read(point) for point in source.points]
        numbers = [part.value for part in parts if part.value is not None and not isinstance(part.value, str)]
        total = math.fsum(numbers) if numbers else None
        stale = any(part.stale for part in parts)
        (self.failing.add if stale and source.missing is Missing.FAIL else self.failing.discard)(key)
        if source.missing is Missing.HOLD:
            if stale:
                total = self._held(key)
            elif total is not None:
                self._hold(key, total, now)
        elif source.missing is Missing.ZERO and stale:
            total = total or 0.0
        elif stale:
            total = None
        if total is not None:
            return Supplied(total)
        return NEVER_HEARD if stale else ABSENT

    def _hold(self, key: str, total: float, now: float) -> None:
        _, saved_at = self._last.get(key, (0.0, -math.inf))
        if now - saved_at >= SAVE_EVERY_S:
            self._memory.put(key, total)
            saved_at = now
        self._last[key] = total, saved_at

    def _held(self, key: str) -> float | None:
        """Return the last whole sum, of this run or the one before; None when there never was one."""
        if key in self._last:
            return self._last[key][0]
        saved = self._memory.get(key)
        return float(saved) if isinstance(saved, int | float) and not isinstance(saved, bool) else None
