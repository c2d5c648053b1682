"""One connection of any stream transport: a queue, replies in order, back-pressure, fairness, an end.

pymodbus's own handler keeps one request per connection, so a second one that arrives while the first
waits for a device takes the first one's reply. Here every request that cannot be answered at once goes
into a first-in first-out queue that one task drains; reads that arrive while it is empty, nearly all of
them, are answered within the call that received them, one write for all of a segment.

A `BufferedProtocol`, because asyncio's plain receive allocates 256 KiB for every segment.
"""

import asyncio
from collections import deque
from typing import Protocol, cast

from pymodbus.server.requesthandler import ServerRequestHandler

from bridge.server.access import Peer, peer_address
from bridge.server.admission import Admission
from bridge.server.answers import Answers
from bridge.server.terms import Terms
from bridge.server.turns import Turns

#: Receive buffer of a connection: 341 reads of 12 bytes, or 15 of the longest frames.
BUFFER_BYTES = 4096
#: Requests that may wait in a connection's queue before no more is read from it, and how few resume it.
QUEUE_FULL, QUEUE_RESUME = 64, 32
#: Requests of one connection that are answered in one of its turns; then others have theirs.
TURN = 32
#: Bytes that a client may leave unread before its requests wait: 63 of the longest replies.
UNSENT_MAX = 16_384


class Owner(Protocol):
    """What a connection needs of the server it belongs to, beside what pymodbus's handler takes."""

    terms: Terms
    answers: Answers
    admission: Admission
    connections: "set[Connection]"
    turns: Turns

    def keep(self, connection: "Connection") -> None:
        """Make a connection known to pymodbus."""


class Connection(asyncio.BufferedProtocol, ServerRequestHandler):
    """One client. Everything of it ends with `connection_lost`. Subclasses know the framing."""

    def __init__(self, owner: Owner) -> None:
        ServerRequestHandler.__init__(self, owner, None, None, None)  # type: ignore[no-untyped-call]
        self._owner = owner
        self._answers = owner.answers
        self._answer_read = owner.answers.reader(None)
        self._counters = owner.terms.counters
        self._socket: asyncio.Transport | None = None
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._end = 0
        self._queue: deque[bytes] = deque()
        self._drain: asyncio.Task[None] | None = None
        self._reading = True
        self._writable = asyncio.Event()
        self._writable.set()
        self._eof = False
        self._finishing = False
        self.peer: Peer | None = None
        #: Set by every segment, cleared by the idle sweep.
        self.heard = True

    # -- asyncio's side ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it without a byte."""
        if self.peer is None:
            name = transport.get_extra_info("peername")
            # There is no name when the client was gone before it was accepted.
            self.peer = Peer(peer_address(str(name[0]))) if name else None
        self._open(transport)
        if not self._owner.admission.admit(self):
            self.abort()

    def _open(self, transport: asyncio.BaseTransport) -> None:
        ServerRequestHandler.connection_made(self, transport)
        self._owner.connections.add(self)
        self._socket = cast("asyncio.Transport", transport)
        self._socket.set_write_buffer_limits(UNSENT_MAX)
        self.judge_reads()

    def connection_lost(self, exc: Exception | None) -> None:
        """End everything that waited for this client."""
        if self._drain is not None:
            self._drain.cancel()
        self._queue.clear()
        self._owner.connections.discard(self)
        self._owner.admission.left(self)
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where the next bytes go; never empty, since a frame is shorter than the buffer."""
        return self._view[self._end :] if self._end else self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes; answer what can be answered."""
        self.heard = True
        self._end += nbytes
        if self._reading:
            self._parse()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's contract, not pymodbus's
        """Keep the sending side open until everything received is answered."""
        self._eof = True
        return bool(self._queue) or not self._reading

    def pause_writing(self) -> None:
        """Stop taking requests from a client that does not take its replies."""
        self._writable.clear()
        self._stop_reading()

    def resume_writing(self) -> None:
        """Go on where the slow client had stopped us."""
        self._writable.set()
        self._resume()

    # -- the listener's side -----------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """True while a request is under way whose reply the client would take."""
        return bool(self._queue) and self._writable.is_set()

    def judge_reads(self) -> None:
        """Look anew which units the peer may read."""
        self._answer_read = self._answers.reader(self.peer)

    def finish(self) -> None:
        """Answer what is queued, take nothing more, then close."""
        self._finishing = True
        self._stop_reading()
        self._close_when_done()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self._socket is not None:
            self._socket.abort()

    # -- the framing's side ------------------------------------------------------------------------

    def _parse(self) -> None:
        """Cut requests out of the buffer: answer or queue each."""
        raise NotImplementedError

    async def _answer(self, frame: bytes) -> bytes:
        """Return the reply to one queued frame."""
        raise NotImplementedError

    def _keep_from(self, start: int) -> None:
        """Forget the bytes before `start`."""
        if start:
            self._buffer[: self._end - start] = self._buffer[start : self._end]
            self._end -= start

    def _drain_queue(self) -> None:
        if self._queue and self._drain is None:
            self._drain = self.loop.create_task(self._answer_queue())

    def _let_others(self) -> None:
        """Read no more until it is this connection's turn again."""
        self._stop_reading()
        self._owner.turns.ask(self._resume)

    def _send(self, frame: bytes) -> None:
        if self._socket is not None and not self._socket.is_closing():
            self._socket.write(frame)

    def _stop_reading(self) -> None:
        if self._reading and self._socket is not None:
            self._reading = False
            if not self._socket.is_closing():
                self._socket.pause_reading()

    def _resume(self) -> None:
        """Parse what was kept, and read on, once neither the queue nor the client is in the way."""
        if self._reading or self._finishing or self._socket is None or self._socket.is_closing():
            return
        if len(self._queue) > QUEUE_RESUME or not self._writable.is_set():
            return
        self._reading = True
        self._parse()
        if self._reading and not self._eof and not self._socket.is_closing():
            self._socket.resume_reading()
        self._close_when_done()

    async def _answer_queue(self) -> None:
        """Answer the queue in order; a frame leaves it only after its reply has been written."""
        answered = 0
        while self._queue:
            await self._writable.wait()
            self._send(await self._answer(self._queue[0]))
            self._queue.popleft()
            self._resume()
            answered += 1
            if not answered % TURN:
                await self._owner.turns.come()
        self._drain = None
        self._close_when_done()

    def _close_when_done(self) -> None:
        """Close after the client's end or ours, once nothing that was received is unanswered."""
        over = self._finishing or (self._eof and self._reading)
        if over and not self._queue and self._socket is not None:
            self._socket.close()
