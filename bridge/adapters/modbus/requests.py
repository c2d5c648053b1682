"""What is asked of a Modbus device, and what it can answer: PDUs without any framing.

Source: Modbus Application Protocol 1.1b3, section 6. Requests are packed by pymodbus's own PDU classes.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from bridge.register_maps.format import Table

_READS: Mapping[Table, type[ModbusPDU]] = {
    Table.COILS: ReadCoilsRequest,
    Table.DISCRETE: ReadDiscreteInputsRequest,
    Table.HOLDING: ReadHoldingRegistersRequest,
    Table.INPUT: ReadInputRegistersRequest,
}
_BIT_TABLES = frozenset({Table.COILS, Table.DISCRETE})
#: Set in the function code of an exception reply.
EXCEPTION = 0x80
#: Bytes of an exception's PDU, and of the echo of a write.
EXCEPTION_LENGTH, ECHO_LENGTH = 2, 5


class Code(enum.IntEnum):
    """Exception codes that mean something to a reader; others are kept as numbers (section 7)."""

    FUNCTION = 0x01
    ADDRESS = 0x02
    VALUE = 0x03
    FAILURE = 0x04
    ACKNOWLEDGE = 0x05
    BUSY = 0x06
    NO_PATH = 0x0A
    NO_RESPONSE = 0x0B


@dataclass(frozen=True, slots=True)
class Read:
    """A read of `count` registers or bits from `address` on."""

    table: Table
    address: int
    count: int

    @property
    def pdu(self) -> bytes:
        """The request as it is sent, without its frame."""
        return _pdu(_READS[self.table](address=self.address, count=self.count))

    @property
    def size(self) -> int:
        """Bytes of data in the reply."""
        return (self.count + 7) // 8 if self.table in _BIT_TABLES else 2 * self.count

    @property
    def answer_length(self) -> int:
        """Bytes of the reply's PDU."""
        return 2 + self.size

    def answers(self, pdu: bytes) -> bool:
        """True for a PDU that can be the reply to this."""
        return len(pdu) == self.answer_length and pdu[0] == self.pdu[0] and pdu[1] == self.size


@dataclass(frozen=True, slots=True)
class WriteRegisters:
    """A write of registers from `address` on: FC6 for a single one, FC16 else or where `many`."""

    address: int
    data: bytes
    many: bool = False

    @property
    def single(self) -> bool:
        """True for one that goes out as FC6."""
        return len(self.data) == 2 and not self.many

    @property
    def pdu(self) -> bytes:
        """The request as it is sent, without its frame."""
        words = [int.from_bytes(self.data[i : i + 2], "big") for i in range(0, len(self.data), 2)]
        kind = WriteSingleRegisterRequest if self.single else WriteMultipleRegistersRequest
        return _pdu(kind(address=self.address, count=len(words), registers=words))

    @property
    def answer_length(self) -> int:
        """Bytes of the reply's PDU."""
        return ECHO_LENGTH

    def answers(self, pdu: bytes) -> bool:
        """True for the echo of this: FC16 repeats address and quantity, FC6 the address.

        Some devices put the value that is now in force into the echo of FC6; reading back tells more.
        """
        alike = 3 if self.single else ECHO_LENGTH
        return len(pdu) == ECHO_LENGTH and pdu[:alike] == self.pdu[:alike]


@dataclass(frozen=True, slots=True)
class WriteCoil:
    """A write of one coil: FC5."""

    address: int
    on: bool

    @property
    def pdu(self) -> bytes:
        """The request as it is sent, without its frame."""
        return _pdu(WriteSingleCoilRequest(address=self.address, bits=[self.on]))

    @property
    def answer_length(self) -> int:
        """Bytes of the reply's PDU."""
        return ECHO_LENGTH

    def answers(self, pdu: bytes) -> bool:
        """True for the echo of this, whatever state it tells."""
        return len(pdu) == ECHO_LENGTH and pdu[:3] == self.pdu[:3]


Request: TypeAlias = Read | WriteRegisters | WriteCoil


@dataclass(frozen=True, slots=True)
class Data:
    """What was read: two bytes a register, or bits packed low bit first; empty after a write."""

    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Refused:
    """An exception reply: the device lives, and says no."""

    code: int

    def __str__(self) -> str:
        try:
            return f"exception {self.code} ({Code(self.code).name.lower().replace('_', ' ')})"
        except ValueError:
            return f"exception {self.code}"


Answer: TypeAlias = Data | Refused


def answer_of(request: Request, pdu: bytes) -> Answer | None:
    """Return what a PDU answers to a request; None for one that cannot be its reply."""
    if len(pdu) == EXCEPTION_LENGTH and pdu[0] == request.pdu[0] | EXCEPTION:
        return Refused(pdu[1])
    if not request.answers(pdu):
        return None
    return Data(pdu[2:]) if isinstance(request, Read) else Data()


def bits_of(data: bytes, count: int) -> list[bool]:
    """Return the first `count` bits of a reply to a read of bits."""
    number = int.from_bytes(data, "little")
    return [bool(number >> place & 1) for place in range(count)]


def _pdu(message: ModbusPDU) -> bytes:
    return message.function_code.to_bytes(1, "big") + message.encode()
