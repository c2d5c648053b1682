"""Time as the house sees it, passed in so that tests need no sleeps.

Ages and time-outs use `monotonic`; wall time (`now`) only stamps events and picks calendar days.
"""

import asyncio
import contextlib
import heapq
import itertools
import math
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol


class Clock(Protocol):
    """What every room that waits or stamps is given."""

    def now(self) -> float:
        """Wall time in seconds since 1970-01-01 UTC; may jump."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never runs backwards."""

    async def sleep(self, seconds: float) -> None:
        """Wait; a value of zero or less only yields to the loop."""

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """Bound a block as `asyncio.timeout` does; raises `TimeoutError` from the block."""


async def event_or_time(clock: Clock, event: asyncio.Event, due: float) -> None:
    """Wait until `event` is set or monotonic time `due` is reached; infinity waits for the event alone."""
    seconds = None if due == math.inf else max(0.0, due - clock.monotonic())
    with contextlib.suppress(TimeoutError):
        async with clock.timeout(seconds):
            await event.wait()


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        """Wall time in seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(max(0.0, seconds))

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """Bound a block in real time."""
        return asyncio.timeout(seconds)


class _Alarm:
    """One entry of a manual clock; `wake` is None once it rang or nobody waits for it any more."""

    __slots__ = ("wake",)

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake: Callable[[], None] | None = wake


class ManualClock:
    """A clock that stands still until `advance`: the official stand-in for tests and time-lapse."""

    #: Passes through the loop after each step, so that what was woken can run and wait again.
    SETTLE_PASSES = 25
    #: Alarms nobody waits for any more that are kept before they are swept out.
    _SPENT_KEPT = 64

    def __init__(self, now: float = 1_700_000_000.0, monotonic: float = 1000.0) -> None:
        self._now = now
        self._monotonic = monotonic
        self._order = itertools.count()
        self._due: list[tuple[float, int, _Alarm]] = []
        self._spent = 0

    def now(self) -> float:
        """Wall time as set and advanced."""
        return self._now

    def monotonic(self) -> float:
        """Monotonic time as advanced."""
        return self._monotonic

    @property
    def waiting(self) -> int:
        """How many sleeps and bounded blocks are under way."""
        return len(self._due) - self._spent

    def jump(self, seconds: float) -> None:
        """Move wall time alone, as a clock correction does."""
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        alarm = self._set(self._monotonic + seconds, wake)
        try:
            await future
        finally:
            self._unset(alarm)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """Bound a block in advanced time; zero or less ends it at its first wait."""
        return asyncio.timeout(None) if seconds is None else _ManualTimeout(self, self._monotonic + seconds)

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking sleepers in order and letting each run before the next."""
        end = self._monotonic + seconds
        await self._settle()
        while self._due and self._due[0][0] <= end:
            due, _, alarm = heapq.heappop(self._due)
            wake, alarm.wake = alarm.wake, None
            if wake is None:
                self._spent -= 1
                continue
            self._step_to(due)
            wake()
            await self._settle()
        self._step_to(end)
        await self._settle()

    def _set(self, due: float, wake: Callable[[], None]) -> _Alarm:
        alarm = _Alarm(wake)
        heapq.heappush(self._due, (due, next(self._order), alarm))
        return alarm

    def _unset(self, alarm: _Alarm) -> None:
        if alarm.wake is None:
            return
        alarm.wake = None
        self._spent += 1
        if self._spent > self._SPENT_KEPT and self._spent > len(self._due) // 2:
            self._due = [entry for entry in self._due if entry[2].wake is not None]
            heapq.heapify(self._due)
            self._spent = 0

    def _step_to(self, monotonic: float) -> None:
        if monotonic > self._monotonic:
            self._now += monotonic - self._monotonic
            self._monotonic = monotonic

    async def _settle(self) -> None:
        for _ in range(self.SETTLE_PASSES):
            await asyncio.sleep(0)


class _ManualTimeout(AbstractAsyncContextManager[object]):
    """`asyncio.timeout` on a manual clock."""

    def __init__(self, clock: ManualClock, due: float) -> None:
        self._clock = clock
        self._due = due
        self._bound = asyncio.timeout(None)
        self._alarm: _Alarm | None = None

    async def __aenter__(self) -> object:
        await self._bound.__aenter__()
        if self._due <= self._clock.monotonic():
            self._ring()
        else:
            self._alarm = self._clock._set(self._due, self._ring)
        return self._bound

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._alarm is not None:
            self._clock._unset(self._alarm)
        await self._bound.__aexit__(kind, fault, trace)  # raises TimeoutError, suppresses nothing

    def _ring(self) -> None:
        self._bound.reschedule(0.0)  # a loop time long past: at the loop's next pass
