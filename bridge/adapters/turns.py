"""Whose turn it is on a line that takes one request at a time: best priority first, then first come."""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator, Iterator


class Turns:
    """The turns of one line. Priorities are numbers, the lowest goes first.

    Who wants a request repeated takes a turn for each try, so that a better priority goes before the retry.
    """

    def __init__(self) -> None:
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._taken = False
        #: The worst priorities that are let through, one for each reservation.
        self._reserved: list[int] = []

    @contextlib.asynccontextmanager
    async def turn(self, priority: int) -> AsyncIterator[None]:
        """Hold the line for one try."""
        if self._taken or not self._may_go(priority):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (priority, next(self._order), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    @contextlib.contextmanager
    def reserved(self, worst: int) -> Iterator[None]:
        """Let nobody of a worse priority on the line, also while it is free."""
        self._reserved.append(worst)
        try:
            yield
        finally:
            self._reserved.remove(worst)
            if not self._taken and self._waiting:
                self._taken = True
                self._pass_on()

    def _may_go(self, priority: int) -> bool:
        return all(priority <= worst for worst in self._reserved)

    def _pass_on(self) -> None:
        while self._waiting and self._may_go(self._waiting[0][0]):
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
