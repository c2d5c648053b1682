"""The requests on one open MK3 line: one outstanding, matched replies, commands before polls.

A reply is recognised by its kind, phase or slot letter, which rotate: one that comes after its time-out
answers nobody and is dropped. The next request goes out as soon as a reply is complete; whether the reply
may be believed is known a moment later (`frames.py`), and who needs to know that waits for it.
"""

import asyncio
import contextlib
import enum
import heapq
import itertools
from collections.abc import AsyncIterator, Callable, Iterator

from bridge.adapters.vebus_mk3.codec import SLOTS, encode_winmon
from bridge.adapters.vebus_mk3.messages import Message, SlotReply
from bridge.adapters.vebus_mk3.requests import REPLY_WITHIN_S, Request
from bridge.datastore.clock import Clock

TRIES = 3
#: A reply that is this much later than any of its kind lately is taken for lost, in seconds.
_MARGIN_S = 0.1
#: Nothing is asked again sooner: the interface, too, drops a damaged request only by its pause of 350 ms.
_SHORTEST_S = 0.36
#: Requests in a row without an answer after which each is given the full time again.
_ANSWERS_MISSED = 3
#: How fast a slow reply is forgotten: a tenth with each further one.
_FORGET = 0.9


class Priority(enum.IntEnum):
    """Who goes first when the line is free."""

    OFF = 0
    COMMAND = 1
    POLL = 2


class NoReply(Exception):
    """Every try went unanswered."""


class GivenUp(Exception):
    """The caller said that the request is no longer wanted."""


class Link:
    """Requests over one open line. `send` writes bytes; messages come in through `received`.

    After `received` has returned a request, `prove` says whether its reply is to be believed.
    """

    def __init__(self, clock: Clock, send: Callable[[bytes], None], count_error: Callable[[], None]) -> None:
        self._clock = clock
        self._send = send
        self._count_error = count_error
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._taken = False
        self._reserved = 0
        #: What replies have taken lately, by the request's name.
        self._took: dict[str, float] = {}
        self._slots = itertools.cycle(SLOTS)
        self._slot = ""
        self._request: Request | None = None
        self._reply: asyncio.Future[Message | None] | None = None
        self._proof: asyncio.Future[bool] | None = None
        #: Requests in a row that nobody answered.
        self.unanswered = 0

    def received(self, message: Message) -> Request | None:
        """Take a message; the request that it answers, None for one nobody waits for."""
        request, reply = self._request, self._reply
        if request is None or reply is None or reply.done() or not request.answers(message):
            return None
        if isinstance(message, SlotReply) and message.slot != self._slot:
            return None
        self.unanswered = 0
        self._proof = asyncio.get_running_loop().create_future()
        reply.set_result(message)
        return request

    @property
    def waiting(self) -> bool:
        """True while a reply is outstanding."""
        return self._reply is not None and not self._reply.done()

    def spoilt(self) -> None:
        """Take the outstanding reply for lost: what came instead was damaged, and nothing follows."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(None)

    def prove(self, *, good: bool) -> None:
        """Say whether the newest reply is to be believed."""
        if self._proof is not None and not self._proof.done():
            self._proof.set_result(good)

    async def ask(
        self,
        request: Request,
        priority: Priority = Priority.POLL,
        *,
        tries: int = TRIES,
        proven: bool = False,
        unwanted: Callable[[], bool] = lambda: False,
    ) -> Message:
        """Send a request until it is answered.

        Each try waits its turn again, so that a request of a better priority goes before the retry.
        proven: wait until the reply may be believed. Raises NoReply after `tries`, GivenUp when `unwanted`
        before a try.
        """
        for _ in range(tries):
            async with self._turn(priority):
                if unwanted():
                    raise GivenUp
                message = await self._try(request)
                proof = self._proof
            if message is None:
                self.unanswered += 1
                self._count_error()
            elif not proven or proof is None or await proof:
                return message
        raise NoReply(request.name)

    async def _try(self, request: Request) -> Message | None:
        frame = request.frame() if callable(request.frame) else request.frame
        if request.winmon is not None:
            self._slot = next(self._slots)
            frame = encode_winmon(self._slot, *request.winmon)
        self._request = request
        self._reply = asyncio.get_running_loop().create_future()
        began = self._clock.monotonic()
        try:
            self._send(frame)
            async with self._clock.timeout(self._patience(request)):
                message = await self._reply
        except TimeoutError:
            return None
        else:
            if message is not None:
                took = self._clock.monotonic() - began
                self._took[request.name] = max(took, _FORGET * self._took.get(request.name, took))
            return message
        finally:
            self._reply = self._request = None

    def _patience(self, request: Request) -> float:
        """How long to wait: as replies of this kind have taken lately, in full after several were missed."""
        took = self._took.get(request.name)
        if took is None:
            return request.within_s
        shortest = _SHORTEST_S if self.unanswered < _ANSWERS_MISSED else REPLY_WITHIN_S
        return min(request.within_s, max(shortest, 2 * took + _MARGIN_S))

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """Keep polls off the line between the requests of a command."""
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1
            if not self._taken and self._waiting:
                self._taken = True
                self._pass_on()

    @contextlib.asynccontextmanager
    async def _turn(self, priority: Priority) -> AsyncIterator[None]:
        """Hold the line for one try, best priority first, then first come."""
        if self._taken or (self._reserved and priority is Priority.POLL):
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

    def _pass_on(self) -> None:
        while self._waiting:
            if self._reserved and self._waiting[0][0] == Priority.POLL:
                break
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
