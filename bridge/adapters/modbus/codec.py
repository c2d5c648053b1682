"""Frames of Modbus for a master: bytes out for a request, bytes in until they answer it. No input raises.

A master has one request under way. What cannot be its reply is skipped: replies of other units, late ones
under former transaction ids, noise. Sources: Modbus over Serial Line 1.02, section 2.5 (RTU); Modbus
Messaging on TCP/IP 1.0b, section 3.1.3 (MBAP). CRC and headers are made by pymodbus's framers.
"""

from typing import Protocol

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from bridge.adapters.modbus.requests import EXCEPTION, EXCEPTION_LENGTH, Answer, Request, answer_of

#: Longest frames: RTU unit, PDU of 253 bytes, CRC; MBAP header and PDU.
RTU_MAX, MBAP_MAX = 256, 260
_CRC_LENGTH = 2
_HEADER = 7
#: What the length field of an MBAP header can say: unit id and a PDU of 1 to 253 bytes.
_LENGTHS = range(2, 255)
_TRANSACTIONS = 0x10000


class Codec(Protocol):
    """The framing of one line."""

    #: Received frames that were broken, or answered nothing that was asked.
    faults: int
    #: True where a late reply cannot be told from the one waited for.
    nameless: bool

    def ask(self, unit: int, request: Request) -> bytes:
        """Return the frame of a request, which is waited for from now on."""

    def receive(self, data: bytes) -> Answer | None:
        """Take bytes, or one datagram; the answer once it is whole. Nothing without a request."""

    def done(self) -> None:
        """Wait for nothing any more; what still comes is skipped."""


class RtuCodec:
    """RTU frames: unit, PDU, CRC."""

    nameless = True

    def __init__(self) -> None:
        self.faults = 0
        self._framer = FramerRTU(DecodePDU(is_server=False))
        self._buffer = bytearray()
        self._request: Request | None = None
        self._unit = 0

    def ask(self, unit: int, request: Request) -> bytes:
        """Return the frame of a request."""
        self.done()
        self._unit, self._request = unit, request
        return self._framer.encode(request.pdu, unit, 0)

    def done(self) -> None:
        """Forget the request and what came for it."""
        self._request = None
        self._buffer.clear()

    def receive(self, data: bytes) -> Answer | None:
        """Take bytes; return the answer once its CRC fits."""
        request = self._request
        if request is None:
            return None
        self._buffer += data
        function = request.pdu[0]
        lengths = (
            (function, 1 + request.answer_length + _CRC_LENGTH),
            (function | EXCEPTION, 1 + EXCEPTION_LENGTH + _CRC_LENGTH),
        )
        start = 0
        while start < len(self._buffer) - 1:
            unit, found = self._buffer[start], self._buffer[start + 1]
            length = next((size for code, size in lengths if unit == self._unit and code == found), 0)
            if length and start + length > len(self._buffer):
                break  # it may be the reply's beginning; noise that looks so ends with the time-out
            if length and (answer := self._fit(request, bytes(self._buffer[start : start + length]))):
                self.done()
                return answer
            start += 1
        del self._buffer[:start]
        return None

    def _fit(self, request: Request, frame: bytes) -> Answer | None:
        body, crc = frame[:-_CRC_LENGTH], int.from_bytes(frame[-_CRC_LENGTH:], "big")
        answer = answer_of(request, body[1:]) if FramerRTU.check_CRC(body, crc) else None
        if answer is None:
            self.faults += 1
        return answer


class MbapCodec:
    """Frames of Modbus TCP and UDP. `datagrams`: each input is one frame and nothing else."""

    nameless = False

    def __init__(self, *, datagrams: bool = False) -> None:
        self.faults = 0
        self._datagrams = datagrams
        self._framer = FramerSocket(DecodePDU(is_server=False))
        self._buffer = bytearray()
        self._request: Request | None = None
        self._unit = 0
        self._transaction = 0
        self._left = b""

    def ask(self, unit: int, request: Request) -> bytes:
        """Return the frame of a request under a transaction id of its own."""
        if self._buffer == self._left:
            self._buffer.clear()  # nothing came for a whole request: half a frame that ends nowhere
        self._left = bytes(self._buffer)
        self._transaction = self._transaction % (_TRANSACTIONS - 1) + 1
        self._unit, self._request = unit, request
        return self._framer.encode(request.pdu, unit, self._transaction)

    def done(self) -> None:
        """Forget the request; a reply under its id is skipped whenever it comes."""
        self._request = None

    def receive(self, data: bytes) -> Answer | None:
        """Take bytes; return the answer once it is whole."""
        if self._datagrams:
            self._buffer.clear()
        self._buffer += data
        while len(self._buffer) >= _HEADER:
            length = int.from_bytes(self._buffer[4:6], "big")
            if self._buffer[2] or self._buffer[3] or length not in _LENGTHS:
                self.faults += 1
                del self._buffer[: self._next_header()]
                continue
            end = 6 + length
            if end > len(self._buffer):
                break
            frame = bytes(self._buffer[:end])
            del self._buffer[:end]
            if (answer := self._fit(frame)) is not None:
                self._request = None
                return answer
        return None

    def _next_header(self) -> int:
        """Return where the next two bytes of protocol id 0 let a header begin, past what is no header."""
        place = self._buffer.find(b"\0\0", 3)
        # without one, the last three bytes may be the beginning of a header whose rest is on its way
        return len(self._buffer) - 3 if place < 0 else max(1, place - 2)

    def _fit(self, frame: bytes) -> Answer | None:
        request = self._request
        if request is None or int.from_bytes(frame[:2], "big") != self._transaction:
            return None
        answer = answer_of(request, frame[_HEADER:]) if frame[6] == self._unit else None
        if answer is None:
            self.faults += 1
        return answer
