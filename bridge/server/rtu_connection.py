"""RTU frames on a TCP connection, as serial servers and some PLCs speak them.

Every connection is a line of its own: requests are answered in order, those for other units not at all.
"""

import logging

from bridge.server.connection import QUEUE_FULL, Connection, Owner
from bridge.server.rtu import Kind, RtuFraming, mbap_of, rtu_of

_log = logging.getLogger(__name__)

#: Bytes looked through in one turn of the loop; then all other connections have theirs.
_TURN_BYTES = 256
#: Bytes without a single frame in them after which whoever is there speaks something else.
GARBAGE_MAX = 4096


class RtuConnection(Connection):
    """One client of RTU over TCP."""

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner)
        self._clock = owner.terms.clock
        self._framing = RtuFraming(owner.terms.units.__contains__)

    def _parse(self) -> None:
        """Hand bytes to the framing, which keeps what may become a frame."""
        data = bytes(self._buffer[: min(self._end, _TURN_BYTES)])
        self._keep_from(len(data))
        for heard in self._framing.receive(data, self._clock.monotonic()):
            if heard.kind is Kind.REQUEST:
                self._queue.append(mbap_of(heard.frame))
            elif heard.kind is Kind.BROADCAST:
                self._counters.broadcasts += 1
        if self._framing.passed > GARBAGE_MAX:
            _log.debug("listener=%s peer=%s not RTU: closed", self._owner.terms.name, self.peer)
            self.abort()
            return
        if len(self._queue) >= QUEUE_FULL:
            self._stop_reading()
        elif self._end:
            self._let_others()
        self._drain_queue()

    async def _answer(self, frame: bytes) -> bytes:
        reply = self._answers.at_once(frame, self._answer_read)
        return rtu_of(await self._answers.answer(frame, self.peer) if reply is None else reply)
