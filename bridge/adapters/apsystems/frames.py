"""MT frames on the serial line between host and coordinator: `FE | LEN | CMD0 | CMD1 | DATA(LEN) | FCS`.

Read by length, never by searching for FE: every payload of an inverter ends in FE FE. LEN counts DATA only,
up to 250; FCS is the XOR of LEN, CMD0, CMD1 and DATA; 16-bit fields are little endian (Texas Instruments,
Z-Stack Monitor and Test API).
"""

import functools
import operator
from dataclasses import dataclass

SOF = 0xFE
LENGTH_MAX = 250
#: A frame's bytes follow each other within a millisecond; serial servers hand them on in pieces, not later.
GAP_S = 0.5

_OVERHEAD = 5
_HEADER = 4
#: SREQ, AREQ and SRSP: types of frames, in the upper three bits of CMD0. Any other is no beginning of one.
_TYPES = frozenset({1, 2, 3})


@dataclass(frozen=True, slots=True)
class MtFrame:
    """One frame: its command, CMD0 and CMD1 as one number (0x4481), and its data."""

    command: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the frame as it goes over the line; raises ValueError for more than 250 bytes of data."""
        if len(self.data) > LENGTH_MAX:
            raise ValueError(f"frame: found {len(self.data)} bytes of data, expected at most {LENGTH_MAX}")
        part = bytes((len(self.data),)) + self.command.to_bytes(2, "big") + self.data
        return bytes((SOF,)) + part + bytes((checksum(part),))


def checksum(part: bytes) -> int:
    """Return the FCS of LEN, CMD0, CMD1 and DATA."""
    return functools.reduce(operator.xor, part, 0)


class MtDecoder:
    """Finds frames in whatever arrives. Never raises; counts frames and bytes that were given up."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._received_at = 0.0
        #: Bytes at the buffer's beginning that came before the line's last pause.
        self._before_pause = 0
        self.damaged = 0
        self.skipped = 0

    def receive(self, data: bytes, now: float) -> list[MtFrame]:
        """Take bytes that arrived at monotonic `now` and return the frames they complete.

        A frame that a pause has cut and that these bytes do not complete will never be complete.
        """
        if data:
            if now - self._received_at > GAP_S:
                self._before_pause = len(self._buffer)
            self._received_at = now
            self._buffer += data
        frames = []
        while self._find():
            length = self._buffer[1]
            part = bytes(self._buffer[1 : _HEADER + length])
            if checksum(part) == self._buffer[_HEADER + length]:
                frames.append(MtFrame(int.from_bytes(part[1:3], "big"), part[3:]))
                self._drop(_OVERHEAD + length)
            else:
                self._give_up()
        return frames

    def _find(self) -> bool:
        """Drop what cannot begin a frame; True when a whole one stands at the buffer's beginning."""
        buffer = self._buffer
        while buffer:
            at = buffer.find(SOF)
            if at:
                self._skip(len(buffer) if at < 0 else at)
            elif not _may_begin(buffer):
                self._skip(1)
            elif len(buffer) > 1 and len(buffer) >= _OVERHEAD + buffer[1]:
                return True
            elif self._before_pause:
                self._give_up()
            else:
                return False
        return False

    def _skip(self, count: int) -> None:
        self.skipped += count
        self._drop(count)

    def _give_up(self) -> None:
        self.damaged += 1
        self._drop(1)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._before_pause = max(0, self._before_pause - count)


def _may_begin(buffer: bytearray) -> bool:
    """False where the bytes after an FE cannot be a length and a command."""
    return not (
        (len(buffer) > 1 and buffer[1] > LENGTH_MAX) or (len(buffer) > 2 and buffer[2] >> 5 not in _TYPES)
    )
