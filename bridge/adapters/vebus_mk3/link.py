"""The requests on one open MK3 line: one outstanding, matched replies, commands before polls.

A reply is recognised by its kind, phase or slot letter, which rotate: one that comes after its time-out
answers nobody and is dropped. The next request goes out as soon as a reply is complete; whether the reply
may be believed is known a moment later (`frames.py`), and who needs to know that waits for it.
"""

import asyncio
import enum
import itertools
import math
from collections.abc import Callable
from contextlib import AbstractContextManager

from bridge.adapters.turns import Turns
from bridge.adapters.vebus_mk3.codec import SLOTS, encode_winmon
from bridge.adapters.vebus_mk3.frames import PAUSE_S
from bridge.adapters.vebus_mk3.messages import Message, SlotReply
from bridge.adapters.vebus_mk3.requests import REPLY_WITHIN_S, Request
from bridge.datastore.clock import Clock

#: Of a request that somebody waits for: on a bad line a fifth of them is lost.
TRIES = 5
#: A reply that is this much later than any of its kind lately is taken for lost, in seconds.
_MARGIN_S = 0.1
#: Nothing is asked again sooner: the interface, too, drops a damaged request only by its pause of 350 ms.
_SHORTEST_S = 0.36
#: Silences in a row to one kind of request after which it is given the full time.
_FULL_AFTER = 4
#: How long each request is given after two replies have come too late within 10 s (a single one may have been
#: asked for by a damaged request), and for how long after that.
_LAGGING_S = 1.0
_LAGS_S = 30.0
_TWICE_WITHIN_S = 10.0
#: Share of its usual time below which no reply comes: it is a former request's.
_TOO_SOON = 0.5
#: Requests in a row without a reply after which the line is left alone until late replies have passed: those
#: of a far end that lags would be taken for the replies of later requests.
OUT_OF_STEP_AFTER = 7
_LATE_S = 1.0
_RESTS_AT_MOST_S = 3.0
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
    """Requests over one open line. `send` writes bytes; messages come in through `received`, and `heard_at`
    tells when the newest byte came, whatever it was.

    After `received` has returned a request, `prove` says whether its reply is to be believed.
    """

    def __init__(
        self,
        clock: Clock,
        send: Callable[[bytes], None],
        count_error: Callable[[], None],
        heard_at: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._send = send
        self._count_error = count_error
        self._heard_at = heard_at
        self._sent_at = -math.inf
        self._turns = Turns()
        #: What replies have taken lately, by the request's name.
        self._took: dict[str, float] = {}
        self._slots = itertools.cycle(SLOTS)
        self._slot = ""
        self._request: Request | None = None
        self._reply: asyncio.Future[Message | None] | None = None
        self._proof: asyncio.Future[bool] | None = None
        #: How often in a row a kind of request was met by silence.
        self._silences: dict[str, int] = {}
        #: The newest request met by silence, and until when the far end counts as slow.
        self._overdue: Request | None = None
        self._late_at = self._lags_until = -math.inf
        #: Requests in a row that nobody answered.
        self.unanswered = 0

    def reserved(self) -> AbstractContextManager[None]:
        """Keep polls off the line between the requests of a command."""
        return self._turns.reserved(Priority.COMMAND)

    def received(self, message: Message) -> Request | None:
        """Take a message; the request that it answers, None for one nobody waits for."""
        request, reply = self._request, self._reply
        if request is None or reply is None or reply.done() or not self._matches(request, message):
            if self._overdue is not None and self._overdue.answers(message):
                self._lags()
            return None
        self.unanswered = 0
        self._proof = asyncio.get_running_loop().create_future()
        reply.set_result(message)
        return request

    def _matches(self, request: Request, message: Message) -> bool:
        in_slot = not isinstance(message, SlotReply) or message.slot == self._slot
        return in_slot and request.answers(message)

    def _lags(self) -> None:
        """Take note that replies come later than they are waited for."""
        now = self._clock.monotonic()
        if now - self._late_at < _TWICE_WITHIN_S:
            self._lags_until = now + _LAGS_S
        self._late_at = now
        self._overdue = None

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
            async with self._turns.turn(priority):
                if self.unanswered >= OUT_OF_STEP_AFTER:
                    await self._rest()
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

    async def _rest(self) -> None:
        """Wait until nothing more can come of former requests."""
        until = self._clock.monotonic() + _RESTS_AT_MOST_S
        while True:
            now = self._clock.monotonic()
            due = min(until, max(self._sent_at + _LATE_S, self._heard_at() + PAUSE_S))
            if now >= due:
                return
            await self._clock.sleep(due - now)

    async def _try(self, request: Request) -> Message | None:
        frame = request.frame() if callable(request.frame) else request.frame
        if request.winmon is not None:
            self._slot = next(self._slots)
            frame = encode_winmon(self._slot, *request.winmon)
        self._request = request
        self._reply = asyncio.get_running_loop().create_future()
        began = self._sent_at = self._clock.monotonic()
        try:
            self._send(frame)
            async with self._clock.timeout(self._patience(request)):
                message = await self._reply
        except TimeoutError:
            self._silences[request.name] = self._silences.get(request.name, 0) + 1
            self._overdue = request
            return None
        else:
            if message is not None:
                self._note(request, self._clock.monotonic() - began)
            return message
        finally:
            self._reply = self._request = None

    def _note(self, request: Request, took: float) -> None:
        """Remember how long a reply has taken."""
        usual = self._took.get(request.name, took)
        if self._silences.pop(request.name, 0) and took < _TOO_SOON * usual:
            self._lags()
        else:
            self._took[request.name] = max(took, _FORGET * usual)

    def _patience(self, request: Request) -> float:
        """How long to wait: as replies of this kind have taken lately, longer where that was not enough."""
        took, silences = self._took.get(request.name), self._silences.get(request.name, 0)
        if self._clock.monotonic() < self._lags_until:
            return max(request.within_s, _LAGGING_S)
        if took is None:
            return request.within_s
        shortest = _SHORTEST_S if silences < _FULL_AFTER else REPLY_WITHIN_S
        return min(request.within_s, max(shortest, 2 * took + _MARGIN_S))
