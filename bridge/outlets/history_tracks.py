"""Points over time: each value lasts until the next one, and is believed no longer than its device says."""

import math

from bridge.outlets.energy_book import CounterReader, Flow
from bridge.outlets.history_batch import Batch, Sample, Series
from bridge.outlets.history_calendar import Calendar

_J_PER_KWH = 3_600_000.0
#: What a value that was there for no time at all weighs, in seconds.
_MOMENT_S = 1e-6


class Track:
    """One point: what it has been since its period began. Times are wall times in seconds.

    Closed periods go into the batch that is handed in. A stale or absent value is None: a gap.
    """

    __slots__ = (
        "_calendar",
        "_end",
        "_forward",
        "_high",
        "_last",
        "_low",
        "_period_s",
        "_seconds",
        "_since",
        "_total",
        "counter",
        "flow",
        "series",
        "value",
    )

    def __init__(
        self, series: Series, period_s: int, calendar: Calendar, now: float, flow: Flow | None = None
    ) -> None:
        self.series = series
        self.flow = flow
        #: Reads the counter, once its former position is known.
        self.counter: CounterReader | None = None
        self.value: float | None = None
        self._period_s = period_s
        self._calendar = calendar
        self._begin(now)

    def take(self, value: float | None, now: float, batch: Batch) -> None:
        """Take a new value."""
        if self._end <= now:
            self.roll(now, batch)
        if now > self._since:
            self._hold(now)
        self.value = value
        if value is not None:
            self._meet(value)
            if self.counter is not None:
                self.count(now, batch)

    def roll(self, now: float, batch: Batch) -> None:
        """Close the periods that are over."""
        if self._end > now:
            return
        while self.value is not None and self._end <= now:
            end = self._end
            self._close(end, batch)
        if self._end <= now:  # nothing was believed: nothing is told of the periods between
            self._close(min(self._end, now), batch)
            self._begin(now)

    def count(self, now: float, batch: Batch) -> None:
        """Read a counter."""
        if self.counter is None or self.value is None:
            return
        added = self.counter.read(self.value, now)
        if added > 0:
            batch.energy(self.series, self._calendar.day(now)).forward += added
        if self.counter.position is not None:
            batch.positions[self.series] = self.counter.position

    def cut(self, now: float, batch: Batch, resumed: float) -> None:
        """Close the period as far as it has come; the next begins at `resumed`, when clocks are set."""
        self.roll(now, batch)
        self._close(now, batch)
        self._begin(resumed)

    # -- inside ------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        self._since = now
        self._end = (math.floor(now / self._period_s) + 1) * self._period_s
        self._seconds = self._total = self._forward = 0.0
        self._low, self._high, self._last = math.inf, -math.inf, 0.0

    def _meet(self, value: float) -> None:
        if value < self._low:
            self._low = value
        if value > self._high:
            self._high = value
        self._last = value

    def _hold(self, until: float) -> None:
        """Let the value last until a moment within the period."""
        seconds = until - self._since
        if seconds <= 0:
            return
        self._since = until
        value = self.value
        if value is not None:
            self._meet(value)  # it may be from the period before
            self._seconds += seconds
            self._total += value * seconds
            if value > 0:
                self._forward += value * seconds

    def _close(self, end: float, batch: Batch) -> None:
        self._hold(end)
        if self._low <= self._high:
            start = int(self._end - self._period_s)
            seconds = self._seconds
            average = self._total / seconds if seconds else self._last
            batch.samples.append(
                Sample(self.series, start, seconds or _MOMENT_S, average, self._low, self._high, self._last)
            )
            if self.flow is Flow.POWER:
                energy = batch.energy(self.series, self._calendar.day(start))
                energy.forward += self._forward / _J_PER_KWH
                energy.reverse += (self._forward - self._total) / _J_PER_KWH
                energy.seconds += seconds
                energy.peak = max(energy.peak, self._high)
                energy.peak_reverse = max(energy.peak_reverse, -self._low)
        self._begin(end)
