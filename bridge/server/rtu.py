"""RTU frames found in whatever a line brings, by their CRC alone.

On a shared line pass requests and replies of other units, noise and half frames, and the operating system
tells no gaps of 3.5 characters. So at every offset the lengths are tried that a request or a reply of its
function code can have, and a CRC that fits consumes the frame with everything before it. A candidate that
is not complete yet is kept until a silence or until a later frame has fitted. (Modbus over Serial Line 1.02,
section 2.5; lengths: Modbus Application Protocol 1.1b3, section 6.)
"""

import enum
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

#: Nothing goes on after a silence this long: longer than the 16 ms of a USB adapter's buffer and than the
#: pauses of a busy sender within a frame, shorter than any master waits before it asks again.
SILENCE_S = 0.2
#: Longest frame: unit, PDU of 253 bytes, CRC.
FRAME_MAX = 256
_FRAME_MIN = 4
_CRC = struct.Struct("<H")
_EXCEPTION_LENGTH = 5


class Kind(enum.Enum):
    """What a frame is to a unit that hears it."""

    REQUEST = "request"  # for one of our units
    BROADCAST = "broadcast"  # to unit 0
    FOREIGN = "foreign"  # anything of other units, and replies


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame with its unit and PDU, without its CRC."""

    kind: Kind
    frame: bytes
    #: True when nothing came after it in what was received so far.
    last: bool


def _table() -> tuple[int, ...]:
    """Return the CRC of each single byte (polynomial 0xA001, reflected)."""
    found = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        found.append(crc)
    return tuple(found)


_TABLE = _table()


def crc16(data: bytes | bytearray | memoryview) -> int:
    """Return the CRC of a frame (Modbus over Serial Line 1.02, section 6.2.2); sent low byte first."""
    crc, table = 0xFFFF, _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def with_crc(frame: bytes) -> bytes:
    """Return unit and PDU as they go onto the line."""
    return frame + _CRC.pack(crc16(frame))


def mbap_of(frame: bytes) -> bytes:
    """Put a header before unit and PDU; the transaction id is of no use here."""
    return struct.pack(">HHH", 0, 0, len(frame)) + frame


def rtu_of(adu: bytes) -> bytes:
    """Return the RTU frame of a reply with a header."""
    return with_crc(adu[6:])


#: A function's length: fixed, or where the count of further bytes stands and how many there are beside them.
Length = int | tuple[int, int]

_REQUESTS: Mapping[int, Length] = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 8), 8),
    **dict.fromkeys((7, 11, 12, 17), 4),
    **dict.fromkeys((15, 16), (6, 9)),
    **dict.fromkeys((20, 21), (2, 5)),
    22: 10,
    23: (10, 13),
    24: 6,
    43: 7,
}
_REPLIES: Mapping[int, Length] = {
    **dict.fromkeys((1, 2, 3, 4, 12, 17, 20, 21, 23), (2, 5)),
    **dict.fromkeys((5, 6, 8, 11, 15, 16), 8),
    7: 5,
    22: 10,
}


#: Functions whose replies carry whole registers. Without this a read of 0x0300 to 0x03FF could be a reply of
#: three bytes.
_REGISTERS = frozenset({3, 4, 23})


def _length(length: Length, buffer: bytearray, offset: int) -> int:
    """Return how long a frame at an offset is; 0 for not known yet, -1 for none."""
    if isinstance(length, int):
        return length
    place, beside = length
    if offset + place >= len(buffer):
        return 0
    total = beside + buffer[offset + place]
    return total if total <= FRAME_MAX else -1


class RtuFraming:
    """Finds the frames on one line. `ours` says which units are served there."""

    def __init__(self, ours: Callable[[int], bool]) -> None:
        self._ours = ours
        self._buffer = bytearray()
        #: Places where a frame may begin whose lengths are not known yet.
        self._open: list[tuple[int, Length, bool]] = []
        #: Offset, end, and whether it is a request, of candidates whose bytes have not all come yet.
        self._candidates: list[tuple[int, int, bool]] = []
        #: Offset from which bytes have not been looked at.
        self._seen = 0
        self._clean = True
        self._heard_at = 0.0
        #: Bytes since the last frame.
        self.passed = 0

    def receive(self, data: bytes, now: float) -> list[Heard]:
        """Take bytes at a monotonic time in seconds; return the frames that are now complete."""
        if not data:
            return []
        if now - self._heard_at > SILENCE_S:
            self.forget()
        self._heard_at = now
        found: list[Heard] = []
        # No more than two frames' bytes are ever looked at together, whatever comes at once.
        for start in range(0, len(data), FRAME_MAX):
            self.passed += len(data[start : start + FRAME_MAX])
            self._buffer += data[start : start + FRAME_MAX]
            while (heard := self._next()) is not None:
                found.append(heard)
            self._trim()
        return [
            replace(heard, last=number == len(found) and not self._buffer)
            for number, heard in enumerate(found, start=1)
        ]

    def forget(self) -> None:
        """Drop whatever has not become a frame."""
        self._consume(len(self._buffer))

    def _next(self) -> Heard | None:
        """Cut the frame that begins first among those that are complete."""
        self._look()
        size = len(self._buffer)
        # what can be a request or a reply is a request: replies under our units are nobody's but ours
        ready = sorted(
            (candidate for candidate in self._candidates if candidate[1] <= size),
            key=lambda candidate: (candidate[0], candidate[1], not candidate[2]),
        )
        if ready:
            waiting = [candidate for candidate in self._candidates if candidate[1] > size]
            for place, (offset, end, request) in enumerate(ready, start=1):
                if self._fits(offset, end):
                    self._candidates = waiting + ready[place:]
                    return self._cut(offset, end, request=request)
            self._candidates = waiting
        if self._clean and size >= _FRAME_MIN and self._is_odd_request():
            return self._cut(0, size, request=True)
        return None

    def _look(self) -> None:
        """Find where frames may begin among the bytes not looked at yet."""
        buffer = self._buffer
        size = len(buffer)
        undecided = self._open
        self._open = []
        for offset, length, request in undecided:
            self._weigh(offset, length, request=request)
        for offset in range(self._seen, size - 1):
            function = buffer[offset + 1]
            asked, told = _REQUESTS.get(function), _REPLIES.get(function)
            if asked is not None:
                self._weigh(offset, asked, request=True)
            if told is not None and told != asked:
                self._weigh(offset, told, request=False)
            if function & 0x80 and function & 0x7F in _REQUESTS:
                self._candidates.append((offset, offset + _EXCEPTION_LENGTH, False))
        self._seen = max(self._seen, size - 1)

    def _weigh(self, offset: int, length: Length, *, request: bool) -> None:
        total = _length(length, self._buffer, offset)
        if not total:
            self._open.append((offset, length, request))
        elif total > 0 and (request or total % 2 or self._buffer[offset + 1] not in _REGISTERS):
            self._candidates.append((offset, offset + total, request))

    def _is_odd_request(self) -> bool:
        """True where all that came since the last frame is one frame for us of a length nobody expects.

        An unknown function, or a malformed request: both are answered.
        """
        buffer = self._buffer
        return not buffer[1] & 0x80 and self._ours(buffer[0]) and self._fits(0, len(buffer))

    def _fits(self, offset: int, end: int) -> bool:
        with memoryview(self._buffer) as view:
            return crc16(view[offset : end - 2]) == view[end - 2] | view[end - 1] << 8

    def _cut(self, offset: int, end: int, *, request: bool) -> Heard:
        frame = bytes(self._buffer[offset : end - 2])
        self._consume(end)
        self._clean = True
        self.passed = len(self._buffer)
        kind = Kind.FOREIGN
        if frame[0] == 0:
            kind = Kind.BROADCAST
        elif request and self._ours(frame[0]):
            kind = Kind.REQUEST
        return Heard(kind, frame, last=True)

    def _trim(self) -> None:
        """Drop bytes with which no frame can begin any more."""
        beyond = len(self._buffer) - FRAME_MAX
        if beyond > 0:
            self._consume(beyond)
            self._clean = False

    def _consume(self, count: int) -> None:
        del self._buffer[:count]
        self._clean = not self._buffer or self._clean
        self._seen = max(0, self._seen - count)
        self._open = [(o - count, length, r) for o, length, r in self._open if o >= count]
        self._candidates = [(o - count, e - count, r) for o, e, r in self._candidates if o >= count]
