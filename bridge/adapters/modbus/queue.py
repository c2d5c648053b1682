"""Whose request goes out next on a bus: switching off, commands, polls in turn, the dead in what is left.

Pure: times are monotonic seconds handed in.
"""

import enum
import itertools
import math
from dataclasses import dataclass

from bridge.adapters.modbus.requests import Read, Request

#: A bus with living devices gives the dead at most one part in this many of its time.
DEAD_SHARE = 4
#: A probe of a dead device that a busy bus never found time for takes its turn among the polls after this
#: long, in seconds; its share stays the same.
PROMOTED_AFTER_S = 10.0
#: A bus on which nobody has answered for this long has no living devices to be held up, in seconds.
_LIVING_S = 5.0


class Urgency(enum.IntEnum):
    """What goes before what."""

    OFF = 0  # switches equipment off
    COMMAND = 1
    POLL = 2
    PROBE = 3  # of a device that has not answered for a while


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """One request of one device.

    pause_s: least time after its unit's last reply. late_s: how long after the request a reply may still come
    that was not waited for.
    """

    device: str
    unit: int
    request: Request
    urgency: Urgency
    timeout_s: float
    pause_s: float = 0.0
    late_s: float = 0.0


@dataclass(slots=True)
class _Waiting:
    demand: Demand
    since: float
    order: int


#: What tells one reply to a read from another where replies bear no names: unit, table and size.
_Shape = tuple[int, str, int]


@dataclass(frozen=True, slots=True)
class _Owed:
    """Replies to a read that may still come, under no name, until a moment.

    answered: a request was, after one that was not: its reply may have been the other's, and its own is still
    to come.
    """

    request: Read
    until: float
    answered: bool = False


class Queue:
    """Requests waiting for a bus. `nameless`: late replies cannot be told from those waited for."""

    def __init__(self, *, nameless: bool) -> None:
        self._nameless = nameless
        self._waiting: list[_Waiting] = []
        self._order = itertools.count()
        self._turns: dict[str, int] = {}
        self._unit_ready: dict[int, float] = {}
        self._owed: dict[_Shape, _Owed] = {}
        self._asked: dict[_Shape, set[Read]] = {}
        self._probe_from = self._answered_at = -math.inf

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, demand: Demand, now: float) -> None:
        """Let a request wait."""
        self._waiting.append(_Waiting(demand, now, next(self._order)))
        if self._nameless and isinstance(demand.request, Read):
            self._asked.setdefault(_shape(demand.unit, demand.request), set()).add(demand.request)

    def drop(self, demand: Demand) -> None:
        """Take out a request that nobody waits for any more; no effect when it has gone out."""
        self._waiting = [waiting for waiting in self._waiting if waiting.demand is not demand]

    def take(self, now: float) -> Demand | None:
        """Return what goes out now; None while nothing may."""
        ready = [waiting for waiting in self._waiting if self._ready_at(waiting) <= now]
        if not ready:
            return None
        chosen = min(ready, key=lambda waiting: self._rank(waiting, now))
        self._waiting.remove(chosen)
        self._turns[chosen.demand.device] = next(self._order)
        return chosen.demand

    def next_at(self) -> float:
        """Return when something that waits may go out; infinity when nothing waits."""
        return min((self._ready_at(waiting) for waiting in self._waiting), default=math.inf)

    def answered(self, demand: Demand, began: float, now: float) -> None:
        """Note that a request that went out at `began` has got its reply."""
        self._answered_at = now
        self._unit_ready[demand.unit] = now + demand.pause_s
        if not self._nameless or not isinstance(demand.request, Read):
            return
        shape = _shape(demand.unit, demand.request)
        owed = self._owed.pop(shape, None)
        if owed is not None and now < owed.until:
            self._owed[shape] = _Owed(demand.request, began + demand.late_s, answered=True)

    def unanswered(self, demand: Demand, began: float, now: float) -> None:
        """Note that a request that went out at `began` has had no reply in its time."""
        self._unit_ready[demand.unit] = now + demand.pause_s
        if self._nameless and isinstance(demand.request, Read):
            shape = _shape(demand.unit, demand.request)
            self._owed[shape] = _Owed(demand.request, max(now, began + demand.late_s))
        if demand.urgency is Urgency.PROBE and began - self._answered_at < _LIVING_S:
            self._probe_from = now + (DEAD_SHARE - 1) * (now - began)

    def clear(self) -> list[Demand]:
        """Empty the queue, as when the line is lost, and return what waited."""
        demands = [waiting.demand for waiting in self._waiting]
        self._waiting.clear()
        self._owed.clear()
        return demands

    def _rank(self, waiting: _Waiting, now: float) -> tuple[int, int, int]:
        urgency = self._urgency(waiting, now)
        turn = self._turns.get(waiting.demand.device, -1) if urgency >= Urgency.POLL else -1
        return urgency, turn, waiting.order

    def _urgency(self, waiting: _Waiting, now: float) -> Urgency:
        if waiting.demand.urgency is Urgency.PROBE and now - waiting.since >= PROMOTED_AFTER_S:
            return Urgency.POLL
        return waiting.demand.urgency

    def _ready_at(self, waiting: _Waiting) -> float:
        demand = waiting.demand
        ready = self._unit_ready.get(demand.unit, -math.inf)
        if isinstance(demand.request, Read):
            ready = max(ready, self._barred_until(demand, demand.request))
        if demand.urgency is Urgency.PROBE:
            ready = max(ready, self._probe_from)
        return ready

    def _barred_until(self, demand: Demand, read: Read) -> float:
        """Return until when a read could be given the late reply to another.

        A late reply to the very same read is true as well. Polls of it leave a pause all the same where
        others are asked alike: the line must be let come into step again.
        """
        shape = _shape(demand.unit, read)
        owed = self._owed.get(shape)
        if owed is None:
            return -math.inf
        contested = len(self._asked[shape] - {owed.request}) > 0
        again = read == owed.request and not (contested and owed.answered and demand.urgency >= Urgency.POLL)
        return -math.inf if again else owed.until


def _shape(unit: int, read: Read) -> _Shape:
    return unit, read.table, read.size
