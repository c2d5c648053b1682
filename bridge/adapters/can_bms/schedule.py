"""When each frame of a set is due: every period, in places of its own, without drifting. Pure.

A Sunny Island wants 100 ms between frames of different ids and 200 ms between two of the same. So the ids
get places a gap apart, with free ones between them for a limit that was just written and shall not wait.
"""

import math
from collections.abc import Iterable, Sequence

#: How often each frame is sent, in seconds.
PERIOD_S = 1.0
#: The first frames carry what changes and stand together; a free place follows each of the others.
_TOGETHER = 3
#: Times are sums of floats: what is this near is due.
_ROUNDING_S = 1e-6


class Schedule:
    """The times of one set of frames: `gap_s` between any two, `repeat_s` between two of one id."""

    def __init__(self, ids: Sequence[int], gap_s: float, repeat_s: float, period_s: float = PERIOD_S) -> None:
        self._gap_s = gap_s
        self._repeat_s = repeat_s
        self._period_s = period_s
        self._offsets = dict(zip(ids, _places(len(ids), gap_s, period_s), strict=True))
        self._due: dict[int, float] = {}
        self._sent: dict[int, float] = {}
        self._newest = -math.inf
        self._pressing: set[int] = set()

    @property
    def period_s(self) -> float:
        """How often each frame is sent, in seconds."""
        return self._period_s

    def begin(self, now: float) -> None:
        """Start with a whole set, now or as soon as the gap to what was sent before allows."""
        base = max((now, self._newest + self._gap_s, *(at + self._repeat_s for at in self._sent.values())))
        self._due = {frame_id: base + offset for frame_id, offset in self._offsets.items()}
        self._pressing.clear()

    def press(self, ids: Iterable[int]) -> None:
        """Let frames go as soon as they may, beside their regular times."""
        self._pressing |= {frame_id for frame_id in ids if frame_id in self._offsets}

    def next_s(self, now: float) -> float:
        """Return the monotonic time at which something is due."""
        pressing = (self._earliest(frame_id, now) for frame_id in self._pressing)
        return max(self._newest + self._gap_s, min((*self._due.values(), *pressing), default=math.inf))

    def take(self, now: float) -> tuple[int, ...]:
        """Return what goes out now, in order, and note it as sent; with a gap one frame at a time."""
        soon = now + _ROUNDING_S
        if self._gap_s and self._newest + self._gap_s > soon:
            return ()
        regular = {frame_id for frame_id, due in self._due.items() if due <= soon}
        pressing = {frame_id for frame_id in self._pressing if self._earliest(frame_id, now) <= soon}
        going = [frame_id for frame_id in self._offsets if frame_id in regular | pressing]
        if self._gap_s:
            going = sorted(going, key=lambda i: self._due[i] if i in regular else math.inf)[:1]
        for frame_id in going:
            self._sent[frame_id] = self._newest = now
            self._pressing.discard(frame_id)
            if frame_id in regular:
                missed = math.floor((now - self._due[frame_id] + _ROUNDING_S) / self._period_s)
                self._due[frame_id] += (missed + 1) * self._period_s
        return tuple(going)

    def _earliest(self, frame_id: int, now: float) -> float:
        """Return when a frame may go beside its regular times; its regular time where that comes first."""
        earliest = max(now, self._sent.get(frame_id, -math.inf) + self._repeat_s, self._newest + self._gap_s)
        regular = self._due.get(frame_id, math.inf)
        for due in sorted(self._due.values()):
            if due + _ROUNDING_S < earliest + self._gap_s and due > earliest - self._gap_s + _ROUNDING_S:
                earliest = due + self._gap_s
        return regular if earliest > regular - self._repeat_s + _ROUNDING_S else earliest


def _places(count: int, gap_s: float, period_s: float) -> tuple[float, ...]:
    """Return each id's time within the period."""
    spread = [n if n < _TOGETHER else 2 * n - _TOGETHER + 1 for n in range(count)]
    roomy = bool(gap_s) and (spread[-1] + 1) * gap_s <= period_s + _ROUNDING_S
    return tuple((place if roomy else n) * gap_s for n, place in enumerate(spread))
