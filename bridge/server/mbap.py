"""Framing of Modbus TCP: the MBAP header before each PDU (Modbus Messaging on TCP/IP 1.0b, 3.1.3)."""

import struct

#: Transaction id, protocol id, length, unit id, function code.
_HEADER = struct.Struct(">HHHBB")
#: A whole read request (FC 1 to 4): the header, then first address and quantity.
READ_REQUEST = struct.Struct(">HHHBBHH")
#: The header of a reply with data, and its byte count.
_DATA_REPLY = struct.Struct(">HHHBBB")
_EXCEPTION_REPLY = struct.Struct(">HHHBBB")

#: Bytes before those that the length field counts.
PREFIX = 6
#: Bytes before the PDU.
HEADER = 7
#: What the length field of a read request says: unit id, function code, address, quantity.
READ_LENGTH = 6
#: The length field counts the unit id and a PDU of 1 to 253 bytes.
LENGTH_MIN, LENGTH_MAX = 2, 254


def frame_end(buffer: bytes | bytearray, start: int) -> int:
    """Return where the frame at `start` ends, -1 when no MBAP frame can begin so; needs `PREFIX` bytes."""
    length = buffer[start + 4] << 8 | buffer[start + 5]
    if buffer[start + 2] or buffer[start + 3] or not LENGTH_MIN <= length <= LENGTH_MAX:
        return -1
    return start + PREFIX + length


def data_reply(transaction: int, unit: int, function: int, data: bytes) -> bytes:
    """Frame the reply to a read."""
    size = len(data)
    return _DATA_REPLY.pack(transaction, 0, size + 3, unit, function, size) + data


def exception_reply(transaction: int, unit: int, function: int, code: int) -> bytes:
    """Frame an exception."""
    return _EXCEPTION_REPLY.pack(transaction, 0, 3, unit, function | 0x80, code)


def head(frame: bytes) -> tuple[int, int, int]:
    """Return transaction id, unit id and function code of a whole frame."""
    transaction, _, _, unit, function = _HEADER.unpack_from(frame)
    return transaction, unit, function
