"""One TCP connection: bytes in, framed replies out, in order and under their own ids.

pymodbus's own handler keeps one request per connection, so a second one that arrives while the first
waits for a device takes the first one's reply. Here every request that cannot be answered at once goes
into a first-in first-out queue that one task drains; reads that arrive while it is empty, nearly all of
them, are answered within the call that received them, one write for all of a segment.

A `BufferedProtocol`, because asyncio's plain receive allocates 256 KiB for every segment.
"""

import asyncio
import logging
from collections import deque
from typing import Protocol, cast

from pymodbus.server.requesthandler import ServerRequestHandler

from bridge.server.access import Address, peer_address
from bridge.server.dispatch import Dispatch
from bridge.server.formats import READS
from bridge.server.mbap import (
    HEADER,
    PREFIX,
    READ_LENGTH,
    READ_REQUEST,
    frame_end,
    head,
)
from bridge.server.reads import Reads
from bridge.server.terms import Terms

_log = logging.getLogger(__name__)

#: Receive buffer of a connection: 341 reads of 12 bytes, or 15 of the longest frames.
BUFFER_BYTES = 4096
#: Requests that may wait in a connection's queue before no more is read from it, and how few resume it.
QUEUE_FULL, QUEUE_RESUME = 64, 32


class Owner(Protocol):
    """What a connection needs of the server it belongs to, beside what pymodbus's handler takes."""

    terms: Terms
    reads: Reads
    dispatch: Dispatch

    def admit(self, connection: "Connection") -> bool:
        """Take a new connection in; False when it must be closed at once."""

    def left(self, connection: "Connection") -> None:
        """Hear that a connection is gone."""


class Connection(asyncio.BufferedProtocol, ServerRequestHandler):
    """One client. Everything of it ends with `connection_lost`."""

    def __init__(self, owner: Owner) -> None:
        ServerRequestHandler.__init__(self, owner, None, None, None)  # type: ignore[no-untyped-call]
        self._owner = owner
        self._answer_read = owner.reads.answer
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
        self.peer: Address | None = None
        #: Set by every segment, cleared by the idle sweep.
        self.heard = True

    # -- asyncio's side ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it without a byte."""
        super().connection_made(transport)
        self._socket = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        # There is no name when the client was gone before it was accepted.
        self.peer = peer_address(str(name[0])) if name else None
        if self.peer is None or not self._owner.admit(self):
            self._socket.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End everything that waited for this client."""
        if self._drain is not None:
            self._drain.cancel()
        self._queue.clear()
        self._owner.left(self)
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where the next bytes go; never empty, since a frame is shorter than the buffer."""
        return self._view[self._end :] if self._end else self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes; answer what can be answered."""
        self.heard = True
        if nbytes == READ_REQUEST.size and not self._end and self._reading and not self._queue:
            # Nearly every segment is one whole read: answered without the detours of a parser.
            tid, protocol, length, unit, function, address, count = READ_REQUEST.unpack_from(self._buffer)
            if function in READS and length == READ_LENGTH and not protocol and self._socket is not None:
                self._counters.requests += 1
                self._socket.write(self._answer_read(tid, unit, function, address, count))
                return
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
        """True while a request is under way."""
        return bool(self._queue)

    def finish(self) -> None:
        """Answer what is queued, take nothing more, then close."""
        self._finishing = True
        self._stop_reading()
        self._close_when_done()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self._socket is not None:
            self._socket.abort()

    # -- parsing -----------------------------------------------------------------------------------

    def _parse(self) -> None:
        """Cut frames out of the buffer: answer or queue each; an impossible header ends the connection."""
        buffer, queue, start, end = self._buffer, self._queue, 0, self._end
        replies: list[bytes] = []
        bad = False
        while end - start >= PREFIX:
            if not queue and end - start >= READ_REQUEST.size:
                tid, protocol, length, unit, function, address, count = READ_REQUEST.unpack_from(
                    buffer, start
                )
                if function in READS and length == READ_LENGTH and not protocol:
                    replies.append(self._answer_read(tid, unit, function, address, count))
                    start += READ_REQUEST.size
                    continue
            stop = frame_end(buffer, start)
            if stop < 0:
                bad = True
                break
            if stop > end:
                break
            queue.append(bytes(buffer[start:stop]))
            start = stop
            if len(queue) >= QUEUE_FULL:
                self._stop_reading()
                break
        if start:
            buffer[: end - start] = buffer[start:end]
            self._end = end - start
        if replies:
            self._counters.requests += len(replies)
            self._send(replies[0] if len(replies) == 1 else b"".join(replies))
        if bad:
            _log.debug("listener=%s peer=%s not MBAP: closed", self._owner.terms.name, self.peer)
            self.abort()
        elif queue and self._drain is None:
            self._drain = self.loop.create_task(self._answer_queue())

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

    # -- answering ---------------------------------------------------------------------------------

    async def _answer_queue(self) -> None:
        """Answer the queue in order; a frame leaves it only after its reply has been written."""
        while self._queue:
            await self._writable.wait()
            reply = await self._answer(self._queue[0])
            self._counters.requests += 1
            self._send(reply)
            self._queue.popleft()
            self._resume()
        self._drain = None
        self._close_when_done()

    async def _answer(self, frame: bytes) -> bytes:
        transaction, unit, function = head(frame)
        if function in READS and len(frame) == READ_REQUEST.size:
            address, count = READ_REQUEST.unpack(frame)[-2:]
            return self._answer_read(transaction, unit, function, address, count)
        return await self._owner.dispatch.answer(transaction, unit, frame[HEADER:], self.peer, self.framer)

    def _send(self, frame: bytes) -> None:
        if self._socket is not None and not self._socket.is_closing():
            self._socket.write(frame)

    def _close_when_done(self) -> None:
        """Close after the client's end or ours, once nothing that was received is unanswered."""
        over = self._finishing or (self._eof and self._reading)
        if over and not self._queue and self._socket is not None:
            self._socket.close()
