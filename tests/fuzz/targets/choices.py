"""Requests, nearly always good ones, built as bytes say; and right ones to begin with."""

import struct
from collections.abc import Callable, Iterator

from tests.fuzz.targets.masters import crc
from tests.fuzz.targets.oracle import CONSTANT, LIMIT, MODE, TOTAL, UNIT

_FUNCTIONS = (3, 3, 4, 1, 2, 6, 6, 5, 16, 16, 15, 22, 23, 23, 8, 43)
_ADDRESSES = (0, 1, 75, 198, 199, 200, MODE, MODE, LIMIT, LIMIT, CONSTANT, TOTAL, 0xFFFF, 19, 7, 0x300F)
_WORDS = (0, 1, 4, 2, 60, 61, 16, 0xFF00, 0xFFFF, 0x8000, 125, 126, 2000, 2001, 121, 123)
_UNITS = (UNIT, UNIT, UNIT, UNIT, UNIT, UNIT, 0, 255, 247, 99, 1, 254)


class Choices:
    """Bytes taken one after the other; zeros behind their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> bool:
        """True while there are any."""
        return self._at < len(self._data)

    def byte(self) -> int:
        """Return the next one."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def some(self, count: int) -> bytes:
        """Return the next few."""
        return bytes(self.byte() for _ in range(count))

    def word(self) -> int:
        """Return a number of 16 bits that matters, or any."""
        picked = self.byte()
        return _WORDS[picked % 16] if picked < 0xC0 else int.from_bytes(self.some(2), "big")

    def address(self) -> int:
        """Return an address near something, or any."""
        picked = self.byte()
        return _ADDRESSES[picked % 16] if picked < 0xE0 else int.from_bytes(self.some(2), "big")

    def request(self) -> tuple[int, bytes]:
        """Return a unit and a PDU, nearly always a good one."""
        unit = _UNITS[self.byte() % len(_UNITS)]
        kind = self.byte()
        pdu = self._pdu(_FUNCTIONS[kind % 16])
        if kind & 0x30 == 0x30:  # cut short, made longer, or another function
            spoil = self.byte()
            pdu = pdu[: spoil % 8 + 1] if spoil & 1 else pdu + self.some(spoil % 4)
            if spoil & 0x80:
                pdu = bytes((self.byte(),)) + pdu[1:]
        return unit, pdu

    def _pdu(self, function: int) -> bytes:
        match function:
            case 1 | 2 | 3 | 4 | 5 | 6:
                return struct.pack(">BHH", function, self.address(), self.word())
            case 15 | 16:
                count = self.byte() % 4
                size = 2 * count if function == 16 else (count + 7) // 8
                head = struct.pack(">BHHB", function, self.address(), count, size)
                return head + self._values(count if function == 16 else 0, size)
            case 22:
                return struct.pack(">BHHH", function, self.address(), self.word(), self.word())
            case 23:
                count = self.byte() % 3
                head = struct.pack(">BHH", function, self.address(), self.word() % 140)
                head += struct.pack(">HHB", self.address(), count, 2 * count)
                return head + self._values(count, 2 * count)
            case 8:
                return b"\x08\0" + self.some(1) + self.some(self.byte() % 5)
        return b"\x2b\x0e" + bytes((self.byte() % 6, self.byte() % 9))

    def _values(self, words: int, size: int) -> bytes:
        if words:
            return struct.pack(f">{words}H", *(self.word() for _ in range(words)))
        return self.some(size)


def mbap(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Return a request with its header."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def requests_in(stream: bytes) -> tuple[list[tuple[int, int, bytes]], bool]:
    """Return the requests before the first header that cannot be, and whether there was none of those."""
    found: list[tuple[int, int, bytes]] = []
    while len(stream) >= 6:
        transaction, protocol, length = struct.unpack(">HHH", stream[:6])
        if protocol or not 2 <= length <= 254:
            return found, False
        if len(stream) < 6 + length:
            break
        found.append((transaction, stream[6], stream[7 : 6 + length]))
        stream = stream[6 + length :]
    return found, True


def rtu(unit: int, pdu: bytes) -> bytes:
    """Return a frame of RTU."""
    frame = bytes((unit,)) + pdu
    return frame + crc(frame)


PDUS = (
    *("0300000002", "0400000001", "0100000001", "0200000014", "0630110014", "0600000000", "0530100000"),
    *("0500000000", "050000ff00", "0530110001", "1030100002040004000a", "0f0000000101 00", "16301100f00005"),
    *(
        "17000000013011000102001e",
        "17301000023011000102003d",
        "0800001234",
        "2b0e0100",
        "2b0e0401",
        "63",
        "83",
    ),
)


def stream_seeds(frame: Callable[[int, bytes], bytes], built: int, raw: int) -> Iterator[bytes]:
    frames = [frame(UNIT, bytes.fromhex(pdu)) for pdu in PDUS]
    for number, each in enumerate(frames):
        yield bytes((raw, number)) + each
    yield bytes((raw, 3)) + b"".join(frames)
    yield bytes((raw + 3, 2)) + b"".join(frames)
    yield bytes((raw, 1)) + frame(0, bytes.fromhex("0630110014")) + frame(99, bytes.fromhex("0300000001"))
    for number in range(16):
        for address in (0, 6, 8):
            yield bytes((built, number)) + bytes((0, number, address, 4, 4, 4, 4, 4)) * 2
        yield bytes((built, 1)) + bytes((number, 0x30 + number, 8, 3, 2, 1, 0)) * 5


WORTH_TRYING = (
    *(bytes.fromhex(pdu) for pdu in PDUS),
    b"\0\0\0\6\x14",
    b"\x30\x10",
    b"\x30\x11",
    b"\0\1\0\0\0\6\x14",
)
