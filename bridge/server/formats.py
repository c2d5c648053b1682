"""Quantities and lengths of requests, judged on the raw PDU before anything is decoded.

Limits are those of the Modbus Application Protocol 1.1b3, section 6.
"""

from collections.abc import Callable, Mapping

from bridge.server.codes import Code

BITS_READ_MAX = 2000
REGISTERS_READ_MAX = 125
BITS_WRITE_MAX = 1968
REGISTERS_WRITE_MAX = 123
#: Registers that one FC23 may write.
READ_WRITE_MAX = 121

#: Function code -> the table it reads and the most it may ask for.
READS: Mapping[int, tuple[str, int]] = {
    1: ("coils", BITS_READ_MAX),
    2: ("discrete", BITS_READ_MAX),
    3: ("holding", REGISTERS_READ_MAX),
    4: ("input", REGISTERS_READ_MAX),
}


def _word(pdu: bytes, offset: int) -> int:
    return pdu[offset] << 8 | pdu[offset + 1]


def _read(pdu: bytes) -> bool:
    return len(pdu) == 5 and 1 <= _word(pdu, 3) <= READS[pdu[0]][1]


def _one_coil(pdu: bytes) -> bool:
    return len(pdu) == 5 and _word(pdu, 3) in (0x0000, 0xFF00)


def _one_register(pdu: bytes) -> bool:
    return len(pdu) == 5


def _coils(pdu: bytes) -> bool:
    if len(pdu) < 7:
        return False
    count, size = _word(pdu, 3), pdu[5]
    return 1 <= count <= BITS_WRITE_MAX and size == (count + 7) // 8 and len(pdu) == 6 + size


def _registers(pdu: bytes) -> bool:
    if len(pdu) < 8:
        return False
    count, size = _word(pdu, 3), pdu[5]
    return 1 <= count <= REGISTERS_WRITE_MAX and size == 2 * count and len(pdu) == 6 + size


def _mask(pdu: bytes) -> bool:
    return len(pdu) == 7


def _read_write(pdu: bytes) -> bool:
    if len(pdu) < 12:
        return False
    reads, writes, size = _word(pdu, 3), _word(pdu, 7), pdu[9]
    within = 1 <= reads <= REGISTERS_READ_MAX and 1 <= writes <= READ_WRITE_MAX
    return within and size == 2 * writes and len(pdu) == 10 + size


_FORMATS: Mapping[int, Callable[[bytes], bool]] = {
    1: _read,
    2: _read,
    3: _read,
    4: _read,
    5: _one_coil,
    6: _one_register,
    15: _coils,
    16: _registers,
    22: _mask,
    23: _read_write,
}


def format_code(pdu: bytes) -> int:
    """Return 01 for a function that is not served, 03 for a malformed request, 0 for a good one."""
    judge = _FORMATS.get(pdu[0])
    if judge is None:
        return Code.ILLEGAL_FUNCTION
    return 0 if judge(pdu) else Code.ILLEGAL_VALUE
