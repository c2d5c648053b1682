"""Sums over points, and the last whole sums of energies, which must not step back when a part is lost."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.register_maps.types import Value

#: A held sum reaches the saved state this often: as far as a restart can let it step back.
SAVE_EVERY_S = 60.0


class Memory(Protocol):
    """What a held sum is saved in; the datastore's memory of a device is one."""

    def get(self, key: str) -> Any:
        """Return what was saved."""

    def put(self, key: str, value: Any) -> None:
        """Save a value soon."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What there was to add: `total` is None when there was nothing, `stale` when a part is not known now."""

    total: float | None
    stale: bool


def add_up(parts: Iterable[tuple[Value | None, bool]]) -> Sum:
    """Add up numbers given as (value, is stale); an absent part counts as nothing."""
    numbers: list[float] = []
    stale = False
    for value, part_is_stale in parts:
        stale = stale or part_is_stale
        if value is not None and not isinstance(value, str):
            numbers.append(value)
    return Sum(math.fsum(numbers) if numbers else None, stale)


class HeldSums:
    """The last whole sums of one unit, by a key that stays the same over restarts."""

    __slots__ = ("_last", "_memory")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._last: dict[str, tuple[float, float]] = {}

    def keep(self, key: str, total: float, now: float) -> None:
        """Take a whole sum at monotonic `now`."""
        _, saved_at = self._last.get(key, (0.0, -math.inf))
        if now - saved_at >= SAVE_EVERY_S:
            self._memory.put(key, total)
            saved_at = now
        self._last[key] = total, saved_at

    def last(self, key: str) -> float | None:
        """Return the last whole sum, of this run or the one before; None when there never was one."""
        if key in self._last:
            return self._last[key][0]
        saved = self._memory.get(key)
        return float(saved) if isinstance(saved, int | float) and not isinstance(saved, bool) else None
