"""Who is asked next: fast items in every cycle, slow ones every few seconds, what failed soon again."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from bridge.adapters.vebus_mk3.link import Link, NoReply
from bridge.adapters.vebus_mk3.messages import Message
from bridge.adapters.vebus_mk3.requests import Request, select
from bridge.datastore.clock import Clock

#: Fast items are due again at once: the line never rests.
FAST_S = 0.0
SLOW_S = 1.0
RARE_S = 60.0
#: Failures in a row after which an item lets the others go first; then after which it pauses, and how long.
_AGAIN = 7
_PATIENT = 10
_PAUSE_S = 0.5
_PAUSE_MAX_S = 4.0


@dataclass(slots=True, eq=False)
class Item:
    """Something to ask again and again.

    request: made anew each time; None when there is nothing to ask now. take: hears of each reply that may
    be believed; False asks again. missed: hears of each request without a reply. address: the unit it goes
    to; None for the system as a whole.
    """

    name: str
    request: Callable[[], Request | None]
    take: Callable[[Message], bool]
    period_s: float = FAST_S
    address: int | None = None
    missed: Callable[[], None] = lambda: None
    due: float = -math.inf
    failures: int = 0


class Poller:
    """Asks the items of one session in the order in which they are due."""

    def __init__(self, clock: Clock, link: Link) -> None:
        self._clock = clock
        self._link = link
        self._items: list[Item] = []
        self._selected = 0

    def add(self, item: Item) -> None:
        """Ask for it from now on."""
        self._items.append(item)

    async def run(self, stop: Callable[[], bool]) -> None:
        """Ask until `stop` says that it is of no use, between two requests."""
        while not stop():
            item = min(self._items, key=lambda one: one.due)
            wait = item.due - self._clock.monotonic()
            if wait > 0:
                await self._clock.sleep(wait)
            await self._ask(item)

    async def _ask(self, item: Item) -> None:
        request = item.request()
        if request is None:
            item.due = self._clock.monotonic() + max(item.period_s, _PAUSE_S)
            return
        request = _followed(request, lambda message: self._settled(item, message))
        try:
            if item.address is not None and item.address != self._selected:
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
        if item.failures >= _AGAIN:
            item.due = self._clock.monotonic()
        if item.failures >= _PATIENT:
            pause = min(_PAUSE_MAX_S, _PAUSE_S * 2.0 ** min(item.failures - _PATIENT, 5))
            item.due = self._clock.monotonic() + pause


def _followed(request: Request, settled: Callable[[Message | None], None]) -> Request:
    return Request(request.name, request.answers, request.frame, request.winmon, request.within_s, settled)
