"""The wear budget: how often a device's nonvolatile memory may be written, counted before it happens.

Ordinary writes have a bucket of `burst`, refilled one in `refill_s`, and `per_day` of them a UTC day.
Beyond that a raise is refused; a lowering still goes out, at most one in `lowering_interval_s` and
`lowerings_per_day`, and after those only by switching off, which wears nothing.
"""

import enum
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace

from bridge.datastore.clock import Clock
from bridge.datastore.state import Memory

_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class WearLimits:
    """What a site allows per device. Raises ValueError for limits that mean nothing."""

    burst: int = 10
    refill_s: float = 60.0
    per_day: int = 100
    lowering_interval_s: float = 10.0
    lowerings_per_day: int = 200

    def __post_init__(self) -> None:
        if not (math.isfinite(self.refill_s) and self.refill_s > 0):
            raise ValueError(f"refill_s: found {self.refill_s}, expected seconds above zero")
        for name in ("burst", "per_day", "lowering_interval_s", "lowerings_per_day"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}: found {value}, expected zero or more")


class Wear(enum.Enum):
    """Which way a change of nonvolatile memory goes."""

    RAISE = "raise"
    LOWER = "lower"


class Verdict(enum.Enum):
    """What the budget says of a batch: go, wait, refused, or only by switching off."""

    GRANTED = "granted"
    WAIT = "wait"
    SPENT = "spent"
    OFF_ONLY = "off only"


@dataclass(frozen=True, slots=True)
class _Account:
    """What was written on `day` (days since 1970), and the bucket as it stood at wall time `time`."""

    day: float
    time: float
    tokens: float
    written: float = 0
    lowered: float = 0
    lowered_at: float = -math.inf


class WearBudget:
    """One device's account, kept in the saved state.

    Within a run the bucket fills by monotonic time, so that a clock correction neither fills nor
    freezes it. The day turns forwards only; after a correction backwards the old day's count stands
    until its day is reached again or the bridge has run a day without any turn, whichever is first.
    """

    _KEY = "wear"

    def __init__(self, clock: Clock, memory: Memory, limits: WearLimits | None = None) -> None:
        self._clock = clock
        self._memory = memory
        self._limits = limits or WearLimits()
        now, monotonic = clock.now(), clock.monotonic()
        self._turned_at = monotonic
        self._filled_at = monotonic
        self._next_lowering = -math.inf
        saved = _account(memory.get(self._KEY))
        if saved is None:
            self._account = _Account(day=now // _DAY_S, time=now, tokens=float(self._limits.burst))
            return
        away_s = max(0.0, now - saved.time)
        self._account = replace(saved, tokens=self._filled(saved.tokens, away_s))
        since_lowering = now - saved.lowered_at
        if 0 <= since_lowering < self._limits.lowering_interval_s:
            self._next_lowering = monotonic + self._limits.lowering_interval_s - since_lowering

    @property
    def left_today(self) -> int:
        """Ordinary writes left until the next UTC day."""
        return max(0, self._limits.per_day - int(self._today().written))

    def grant(self, wears: Iterable[Wear]) -> tuple[Verdict, float]:
        """Count a batch of writes if all of them may go now; else count nothing and say what it gets.

        The number is the seconds to wait where the verdict is WAIT. What is counted is durable only
        after `secure`, which must come before the first frame.
        """
        account = self._today()
        monotonic = self._clock.monotonic()
        tokens = self._filled(account.tokens, monotonic - self._filled_at)
        written, lowered, off_only = account.written, account.lowered, False
        for wear in wears:
            if written < self._limits.per_day and tokens >= 1.0 - 1e-9:
                written, tokens = written + 1, max(0.0, tokens - 1.0)
            elif wear is Wear.RAISE:
                return Verdict.SPENT, 0.0
            elif lowered >= self._limits.lowerings_per_day:
                off_only = True
            else:
                lowered += 1
        if off_only:
            return Verdict.OFF_ONLY, 0.0
        now = self._clock.now()
        if lowered > account.lowered:
            if self._next_lowering > monotonic:
                return Verdict.WAIT, self._next_lowering - monotonic
            self._next_lowering = monotonic + self._limits.lowering_interval_s
            account = replace(account, lowered=lowered, lowered_at=now)
        self._account = replace(account, written=written, tokens=tokens, time=now)
        self._filled_at = monotonic
        return Verdict.GRANTED, 0.0

    async def secure(self) -> None:
        """Return when what was granted is counted on disk."""
        await self._memory.save(self._KEY, asdict(self._account))

    def _filled(self, tokens: float, seconds: float) -> float:
        return min(float(self._limits.burst), max(0.0, tokens) + seconds / self._limits.refill_s)

    def _today(self) -> _Account:
        """Return the account with the day turned."""
        day, monotonic = self._clock.now() // _DAY_S, self._clock.monotonic()
        if day > self._account.day or monotonic - self._turned_at >= _DAY_S:
            self._account = replace(self._account, day=day, written=0, lowered=0)
            self._turned_at = monotonic
        return self._account


def _account(saved: object) -> _Account | None:
    """Return the account as saved, None for none or one that cannot be read."""
    if not isinstance(saved, dict):
        return None
    known = {field.name for field in fields(_Account)}
    numbers = {
        name: value
        for name, value in saved.items()
        if name in known and isinstance(value, int | float) and not math.isnan(value)
    }
    try:
        return _Account(**numbers)
    except TypeError:
        return None
