"""What every request to the small plant must be answered, worked out without any part of the server.

The plant is that of `tests/server/plant.py`; its description there, and the table of replies in the design,
is all that is used here. Limits: Modbus Application Protocol 1.1b3, section 6.
"""

import struct
from collections.abc import Mapping

MODE, LIMIT, CONSTANT, TOTAL = 0x3010, 0x3011, 0x3012, 0x3013
UNIT = 20
_PATHS: Mapping[int, str] = {MODE: "/Mode", LIMIT: "/Settings/ChargeCurrentLimit"}
#: Functions that can change something.
WRITES = frozenset({5, 6, 15, 16, 22, 23})
_NO_VALUE = 0xFFFF


class Refused(Exception):
    """The exception code that a request earns."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Oracle:
    """The plant as it must be. `executed` is every batch that the device must have been given, in order."""

    def __init__(self, *, may_write: bool = True) -> None:
        self.may_write = may_write
        self.values: dict[str, int] = {"/Mode": 1, "/Settings/ChargeCurrentLimit": 16}
        self.executed: list[dict[str, int]] = []

    def reply(self, unit: int, pdu: bytes) -> bytes:
        """Return the PDU that answers a request and do what it asks."""
        try:
            if unit != UNIT:
                raise Refused(0x0B)
            return self._answer(pdu)
        except Refused as refused:
            return bytes((pdu[0] | 0x80, refused.code))

    def _answer(self, pdu: bytes) -> bytes:
        match pdu[0]:
            case 1 | 2 | 3 | 4:
                return self._read(pdu)
            case 5 | 6:
                return self._write_one(pdu)
            case 15 | 16:
                return self._write_many(pdu)
            case 22:
                return self._mask(pdu)
            case 23:
                return self._read_write(pdu)
            case 8:
                return _echo(pdu)
            case 43:
                return _identified(pdu)
        raise Refused(1)

    # -- reads -------------------------------------------------------------------------------------

    def _read(self, pdu: bytes) -> bytes:
        if len(pdu) != 5:
            raise Refused(3)
        function, address, count = struct.unpack(">BHH", pdu)
        if not 1 <= count <= (2000 if function < 3 else 125):
            raise Refused(3)
        if function < 3:
            bits = [self._bit(function, number) for number in range(address, address + count)]
            data = bytearray((count + 7) // 8)
            for place, bit in enumerate(bits):
                data[place // 8] |= bit << place % 8
            return bytes((function, len(data))) + data
        return bytes((function, 2 * count)) + self._registers(function, address, count)

    def _registers(self, function: int, address: int, count: int) -> bytes:
        words = [self._register(function, number) for number in range(address, address + count)]
        return struct.pack(f">{count}H", *words)

    def _register(self, function: int, address: int) -> int:
        if address < 200:
            return address + (1000 if function == 4 else 0)
        if function == 3 and address in _PATHS:
            return self.values[_PATHS[address]]
        if function == 3 and CONSTANT <= address <= TOTAL + 1:
            return 0x4201 if address == CONSTANT else 0
        raise Refused(2)

    def _bit(self, function: int, address: int) -> bool:
        if address >= (20 if function == 2 else 1):
            raise Refused(2)
        return address % 3 == 0 if function == 2 else self.values["/Mode"] != 4

    # -- writes ------------------------------------------------------------------------------------

    def _write_one(self, pdu: bytes) -> bytes:
        if len(pdu) != 5:
            raise Refused(3)
        function, address, value = struct.unpack(">BHH", pdu)
        if function == 5:
            if value not in (0, 0xFF00):
                raise Refused(3)
            self._write_coils(address, [value != 0])
        else:
            self._write(address, (value,))
        return pdu

    def _write_many(self, pdu: bytes) -> bytes:
        if len(pdu) < 6:
            raise Refused(3)
        function, address, count, size = struct.unpack(">BHHB", pdu[:6])
        most, wanted = (1968, (count + 7) // 8) if function == 15 else (123, 2 * count)
        if not 1 <= count <= most or size != wanted or len(pdu) != 6 + size:
            raise Refused(3)
        if function == 15:
            number = int.from_bytes(pdu[6:], "little")
            self._write_coils(address, [bool(number >> place & 1) for place in range(count)])
        else:
            self._write(address, struct.unpack(f">{count}H", pdu[6:]))
        return pdu[:5]

    def _mask(self, pdu: bytes) -> bytes:
        if len(pdu) != 7:
            raise Refused(3)
        address, keep, put = struct.unpack(">HHH", pdu[1:])
        self._allowed()
        try:
            held = self._register(3, address)
        except Refused:
            held = 0
        self._write(address, ((held & keep | put & ~keep) & 0xFFFF,))
        return pdu

    def _read_write(self, pdu: bytes) -> bytes:
        if len(pdu) < 10:
            raise Refused(3)
        read, reads, write, writes, size = struct.unpack(">HHHHB", pdu[1:10])
        if not (1 <= reads <= 125 and 1 <= writes <= 121) or size != 2 * writes or len(pdu) != 10 + size:
            raise Refused(3)
        self._allowed()
        self._registers(3, read, reads)
        self._write(write, struct.unpack(f">{writes}H", pdu[10:]))
        return bytes((23, 2 * reads)) + self._registers(3, read, reads)

    def _allowed(self) -> None:
        if not self.may_write:
            raise Refused(1)

    def _write_coils(self, address: int, bits: list[bool]) -> None:
        self._allowed()
        if address or len(bits) > 1:
            raise Refused(2)
        self._execute({"/Mode": 1 if bits[0] else 4})

    def _write(self, address: int, words: tuple[int, ...]) -> None:
        self._allowed()
        wanted = dict(enumerate(words, start=address))
        if any(number not in _PATHS for number in wanted):
            raise Refused(2)
        if _NO_VALUE in words:
            raise Refused(3)
        changes = {_PATHS[number]: word for number, word in wanted.items()}
        if changes.get("/Mode", 1) not in (1, 4) or changes.get("/Settings/ChargeCurrentLimit", 0) > 60:
            raise Refused(3)
        self._execute(changes)

    def _execute(self, changes: dict[str, int]) -> None:
        self.executed.append(changes)
        self.values |= changes


def _echo(pdu: bytes) -> bytes:
    if len(pdu) < 3:
        raise Refused(3)
    if pdu[1:3] != b"\0\0":
        raise Refused(1)
    if len(pdu) % 2 == 0:
        raise Refused(3)
    return pdu


#: Vendor, product code, revision, address of the vendor, product, model, name at the site.
_OBJECTS = (b"Test & Co", b"A330", b"", b"", b"Charger", b"Plain unit", b"charger")


def _identified(pdu: bytes) -> bytes:
    if len(pdu) >= 2 and pdu[1] != 14:
        raise Refused(1)
    if len(pdu) != 4 or not 1 <= pdu[2] <= 4:
        raise Refused(3)
    wanted, first = pdu[2], pdu[3]
    if wanted == 4 and first > 6:
        raise Refused(2)
    last = first if wanted == 4 else 2 if wanted == 1 else 6
    if first > last:
        first = 0
    told = b"".join(bytes((n, len(_OBJECTS[n]))) + _OBJECTS[n] for n in range(first, last + 1))
    return bytes((43, 14, wanted, 0x82, 0, 0, last + 1 - first)) + told
