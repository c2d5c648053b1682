"""Who is asked next: fast items in every cycle, slow ones every few seconds, what failed at once again."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from bridge.adapters.vebus_mk3.link import Link, NoReply
from bridge.adapters.vebus_mk3.messages import Message
from bridge.adapters.vebus_mk3.requests import Request, select
from bridge.datastore.clock import Clock

#: Fast items are due again at once: the line never rests.
FAST_S = 0.0
SLOW_S = 1.5
RARE_S = 60.0
#: Age of the essential item from which it goes first: where commands leave time for few polls, others wait.
_ESSENTIAL_S = 3.0
#: Age of an item from which those wait that are not shown every round.
_OLD_S = 2.0
#: Failures in a row after which an item lets another go before it retries, and one more after each further
#: failure, so that what is never answered makes none of the others old; one of a single unit later, since the
#: unit is then selected anew.
_AGAIN = 3
_SELECT_AGAIN = 6
#: Failures after which an item pauses, and how long.
_PATIENT = 10
_PAUSE_S = 0.5
_PAUSE_MAX_S = 4.0


@dataclass(slots=True, eq=False)
class Item:
    """Something to ask again and again.

    request: made anew each time; None when there is nothing to ask now. take: hears of each reply that may
    be believed; False asks again. missed: hears of each request without a reply. address: the unit it goes
    to; None for the system as a whole. essential: without it the system counts as gone. patient: can wait
    until no other is old.
    """

    name: str
    request: Callable[[], Request | None]
    take: Callable[[Message], bool]
    period_s: float = FAST_S
    address: int | None = None
    missed: Callable[[], None] = lambda: None
    essential: bool = False
    patient: bool = False
    due: float = -math.inf
    failures: int = 0


class Poller:
    """Asks the items of one session in the order in which they are due."""

    def __init__(self, clock: Clock, link: Link) -> None:
        self._clock = clock
        self._link = link
        self._items: list[Item] = []
        #: The unit that Winmon requests reach; None after a selection of which nothing was heard.
        self._selected: int | None = 0
        #: Items that let others go before they try again, and how many.
        self._yielding: dict[Item, int] = {}

    def add(self, item: Item) -> None:
        """Ask for it from now on."""
        self._items.append(item)

    async def run(self, stop: Callable[[], bool]) -> None:
        """Ask until `stop` says that it is of no use, between two requests."""
        while not stop():
            item = self._next()
            wait = item.due - self._clock.monotonic()
            if wait > 0:
                await self._clock.sleep(wait)
            await self._ask(item)

    def _next(self) -> Item:
        """Return what has waited longest of all that is due, be it fast or slow; else what is due next.

        At the unit that is selected now, half of that wait is enough: to select another one takes a request.
        """
        now = self._clock.monotonic()
        yielding = self._yielding
        self._yielding = {item: others - 1 for item, others in yielding.items() if others > 1}
        due = [item for item in self._items if item.due <= now and item not in yielding]
        if not due:
            return min(self._items, key=lambda item: item.due)
        for item in due:
            if item.essential and -math.inf < _waits_since(item) < now - _ESSENTIAL_S:
                return item
        oldest = min((item for item in due if not item.patient), key=_waits_since, default=None)
        if oldest is None or _waits_since(oldest) > now - _OLD_S:
            oldest = min(due, key=_waits_since)
        if self._selected is None or oldest.address in (None, self._selected):
            return oldest
        long_ago = (_waits_since(oldest) + now) / 2
        here = [item for item in due if item.address == self._selected and _waits_since(item) <= long_ago]
        return min(here, key=_waits_since, default=oldest)

    async def _ask(self, item: Item) -> None:
        request = item.request()
        if request is None:
            item.due = self._clock.monotonic() + max(item.period_s, _PAUSE_S)
            return
        request = _followed(request, lambda message: self._settled(item, message))
        try:
            if item.address is not None and item.address != self._selected:
                self._selected = None
                await self._link.ask(select(item.address), tries=1)
                self._selected = item.address
            await self._link.ask(request, tries=1)
        except NoReply:
            self._failed(item)
        else:
            item.failures = 0
            item.due = self._clock.monotonic() + item.period_s

    def _settled(self, item: Item, message: Message | None) -> None:
        if message is None or not item.take(message):
            item.due = -math.inf

    def _failed(self, item: Item) -> None:
        item.failures += 1
        item.missed()
        again = _AGAIN if item.address is None else _SELECT_AGAIN
        if item.failures >= again:
            self._yielding[item] = item.failures - again + 1
            self._selected = None if item.address is not None else self._selected
        if item.failures >= _PATIENT:
            pause = min(_PAUSE_MAX_S, _PAUSE_S * 2.0 ** min(item.failures - _PATIENT, 5))
            item.due = self._clock.monotonic() + pause


def _waits_since(item: Item) -> float:
    """When it was asked last: what is due is as old as that, whatever its period."""
    return item.due - item.period_s


def _followed(request: Request, settled: Callable[[Message | None], None]) -> Request:
    return Request(request.name, request.answers, request.frame, request.winmon, request.within_s, settled)
