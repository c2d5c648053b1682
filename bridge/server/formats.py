"""Quantities and lengths of requests, judged on the raw PDU before anything is decoded.

Limits are those of the Modbus Application Protocol 1.1b3, section 6.
"""

from collections.abc import Callable, Mapping

from bridge.server import identification
from bridge.server.codes import Code

BITS_READ_MAX = 2000
REGISTERS_READ_MAX = 125
BITS_WRITE_MAX = 1968
REGISTERS_WRITE_MAX = 123
#: Registers that one FC23 may write.
READ_WRITE_MAX = 121

#: Functions that write and do not read.
WRITES = frozenset({5, 6, 15, 16, 22})
#: Diagnostics, and the one sub-function served: the request comes back as it is.
DIAGNOSTICS, ECHO = 8, 0

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


def _well(judge: Callable[[bytes], bool]) -> Callable[[bytes], int]:
    return lambda pdu: 0 if judge(pdu) else Code.ILLEGAL_VALUE


def _diagnostics(pdu: bytes) -> int:
    """Judge FC8: an unknown sub-function is 01, as an unknown function is (section 6.8, figure 18)."""
    if len(pdu) < 3:
        return Code.ILLEGAL_VALUE
    if _word(pdu, 1) != ECHO:
        return Code.ILLEGAL_FUNCTION
    return 0 if len(pdu) % 2 else Code.ILLEGAL_VALUE


_FORMATS: Mapping[int, Callable[[bytes], int]] = {
    1: _well(_read),
    2: _well(_read),
    3: _well(_read),
    4: _well(_read),
    5: _well(_one_coil),
    6: _well(_one_register),
    DIAGNOSTICS: _diagnostics,
    15: _well(_coils),
    16: _well(_registers),
    22: _well(_mask),
    23: _well(_read_write),
    identification.FUNCTION: identification.format_code,
}


def format_code(pdu: bytes) -> int:
    """Return 01 for a function that is not served, 03 for a malformed request, 0 for a good one."""
    judge = _FORMATS.get(pdu[0])
    return Code.ILLEGAL_FUNCTION if judge is None else judge(pdu)
