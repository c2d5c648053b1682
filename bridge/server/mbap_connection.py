"""Modbus TCP on a connection: MBAP frames, most of them reads answered in the call that received them."""

import logging

from bridge.server.connection import QUEUE_FULL, TURN, Connection
from bridge.server.formats import READS
from bridge.server.mbap import PREFIX, READ_LENGTH, READ_REQUEST, frame_end

_log = logging.getLogger(__name__)


class MbapConnection(Connection):
    """One client of Modbus TCP, in the clear or over TLS."""

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes; answer what can be answered."""
        if nbytes == READ_REQUEST.size and not self._end and self._reading and not self._queue:
            # Nearly every segment is one whole read: answered without the detours of a parser.
            tid, protocol, length, unit, function, address, count = READ_REQUEST.unpack_from(self._buffer)
            if function in READS and length == READ_LENGTH and not protocol and self._socket is not None:
                self.heard = True
                self._counters.requests += 1
                self._socket.write(self._answer_read(tid, unit, function, address, count))
                return
        super().buffer_updated(nbytes)

    def _parse(self) -> None:
        """Cut frames out of the buffer; an impossible header ends the connection."""
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
                    if len(replies) < TURN or end - start < PREFIX:
                        continue
                    self._let_others()
                    break
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
        self._keep_from(start)
        if replies:
            self._counters.requests += len(replies)
            self._send(replies[0] if len(replies) == 1 else b"".join(replies))
        if bad:
            _log.debug("listener=%s peer=%s not MBAP: closed", self._owner.terms.name, self.peer)
            self.abort()
        else:
            self._drain_queue()

    async def _answer(self, frame: bytes) -> bytes:
        reply = self._answers.at_once(frame, self._answer_read)
        return await self._answers.answer(frame, self.peer) if reply is None else reply
