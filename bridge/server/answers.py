"""From a whole MBAP frame to the frame of its reply, whatever transport it came by.

RTU requests take the same way: the header they lack is put before them and taken off the reply.
"""

from collections.abc import Callable

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU

from bridge.server.access import Peer
from bridge.server.codes import Code
from bridge.server.dispatch import Dispatch
from bridge.server.formats import READS
from bridge.server.mbap import HEADER, READ_REQUEST, exception_reply, head
from bridge.server.reads import Reads
from bridge.server.requests import REQUESTS
from bridge.server.terms import Terms

#: Answers a well-framed read: transaction id, unit, function, address, count.
Reader = Callable[[int, int, int, int, int], bytes]


class Answers:
    """Answers the requests of one listener and counts them."""

    def __init__(self, terms: Terms) -> None:
        decoder = DecodePDU(is_server=True)
        for request in REQUESTS:
            decoder.register(request)
        self._terms = terms
        self._reads = Reads(terms)
        self._dispatch = Dispatch(terms, decoder)
        self._framer = FramerSocket(decoder)

    def reader(self, peer: Peer | None) -> Reader:
        """Return what answers this peer's reads. Only where some may read some units is each one judged."""
        if peer is None or not self._terms.access.reads_by_unit:
            return self._reads.answer
        return _JudgedReads(self._terms, self._reads, peer).answer

    def at_once(self, frame: bytes, reader: Reader) -> bytes | None:
        """Return the reply to a read, which waits for nothing; None for any other request."""
        if len(frame) != READ_REQUEST.size:
            return None
        transaction, _, _, unit, function, address, count = READ_REQUEST.unpack(frame)
        if function not in READS:
            return None
        self._terms.counters.requests += 1
        return reader(transaction, unit, function, address, count)

    async def answer(self, frame: bytes, peer: Peer | None) -> bytes:
        """Return the reply to a request that may have to wait for a device."""
        transaction, unit, _ = head(frame)
        reply = await self._dispatch.answer(transaction, unit, frame[HEADER:], peer, self._framer)
        self._terms.counters.requests += 1
        return reply


class _JudgedReads:
    """Reads of a peer that may not read every unit."""

    def __init__(self, terms: Terms, reads: Reads, peer: Peer) -> None:
        self._terms = terms
        self._reads = reads
        self._peer = peer

    def answer(self, transaction: int, unit: int, function: int, address: int, count: int) -> bytes:
        """Refuse by 01 what the peer may not read; unit, function and quantity are judged before that."""
        view = self._terms.units.views.get(unit)
        known = view is not None and view.image is not None and 0 < count <= READS[function][1]
        if known and view is not None and not self._terms.may_read(self._peer, view.unit):
            self._terms.counters.exceptions += 1
            return exception_reply(transaction, unit, function, Code.ILLEGAL_FUNCTION)
        return self._reads.answer(transaction, unit, function, address, count)
