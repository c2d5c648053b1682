"""The HEX half of VE.Direct: `:` command digit, byte pairs, check byte, LF; upper case, little endian.

Command, bytes and check byte sum to 0x55 modulo 256 (Victron "VE.Direct Protocol" 3.33).
"""

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from bridge.adapters.vedirect.reason import Reason

#: Most characters between colon and LF. The longest value ever captured makes 115.
FRAME_MAX = 256


@dataclass(frozen=True, slots=True)
class HexFrame:
    """One HEX frame whose checksum is right.

    `command` is the first digit (a reply code when a device sent it). `payload` is everything between
    it and the check byte. Of get, set and asynchronous frames (7, 8, A) `register`, `flags` and `value`
    (little endian, as long as received) are taken out of it; of others they are None, None and empty.
    """

    command: int
    register: int | None
    flags: int | None
    value: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class HexError:
    """A HEX frame that was thrown away; `raw` is what had come of it after the colon."""

    reason: Reason
    raw: bytes


HexMessage = HexFrame | HexError
HexEmit = Callable[[HexMessage], None]


class Command(enum.IntEnum):
    """First digit of a frame; behind the slash what a device sends with it. Others are kept as numbers."""

    BOOT = 0x0
    PING = 0x1  # / done: version or product id
    APP_VERSION = 0x3  # / unknown command
    PRODUCT_ID = 0x4  # / framing or checksum error
    PONG = 0x5
    RESTART = 0x6
    GET = 0x7
    SET = 0x8
    ASYNC = 0xA


class Flags(enum.IntFlag):
    """Flags of a reply. A value that comes with any of them is not the register's."""

    OK = 0x00
    UNKNOWN_ID = 0x01
    NOT_SUPPORTED = 0x02  # a write to a read-only register
    PARAMETER = 0x04  # the value may be the nearest valid one


#: Payload of reply 4 to a frame the device could not read.
FRAMING_ERROR = b"\xaa\xaa"

_WITH_REGISTER = frozenset({Command.GET, Command.SET, Command.ASYNC})
UNREACHABLE_COMMANDS = frozenset({Command.BOOT, Command.RESTART})
#: A write here wipes the owner's settings.
RESTORE_DEFAULTS = 0x0004
_MODE, HIBERNATE = 0x0200, 0xFD

_CHECK_SUM = 0x55
_LF, _COLON = 0x0A, 0x3A
# Lower case is refused: no device sends it, and behind a colon made of noise it is text to be given back.
_DIGITS = re.compile(rb"[0-9A-F]*")


class HexParser:
    """Collects one frame at a time; `inside` from its colon to its end."""

    __slots__ = ("_digits", "inside")

    def __init__(self) -> None:
        self.inside = False
        self._digits = bytearray()

    def begin(self) -> None:
        """Start a frame behind its colon."""
        self.inside = True
        self._digits.clear()

    def reset(self, emit: HexEmit) -> None:
        """Throw away a frame in which the line fell silent."""
        if self.inside:
            self._end(emit, Reason.GAP)

    def feed(self, data: bytes, start: int, emit: HexEmit) -> int:
        """Take bytes of the frame; returns the index of the first that does not belong to it."""
        run = _DIGITS.match(data, start)
        stop = start if run is None else run.end()
        room = FRAME_MAX - len(self._digits)
        if stop - start > room:
            self._digits += data[start : start + room]
            self._end(emit, Reason.LENGTH)
            return start + room
        self._digits += data[start:stop]
        if stop == len(data):
            return stop
        if data[stop] == _COLON:
            self._end(emit, Reason.RESTART)
            self.begin()
            return stop + 1
        if data[stop] != _LF:
            self._end(emit, Reason.BYTE)
            return stop
        self.inside = False
        emit(_decode(bytes(self._digits)))
        return stop + 1

    def _end(self, emit: HexEmit, reason: Reason) -> None:
        self.inside = False
        emit(HexError(reason, bytes(self._digits)))


def _decode(digits: bytes) -> HexFrame | HexError:
    if len(digits) < 3 or len(digits) % 2 == 0:
        return HexError(Reason.LENGTH, digits)
    body = bytes.fromhex(f"0{digits.decode('ascii')}")
    if sum(body) & 0xFF != _CHECK_SUM:
        return HexError(Reason.CHECKSUM, digits)
    command, payload = body[0], body[1:-1]
    if command not in _WITH_REGISTER:
        return HexFrame(command, None, None, b"", payload)
    if len(payload) < 3:
        return HexError(Reason.LENGTH, digits)
    return HexFrame(command, int.from_bytes(payload[:2], "little"), payload[2], payload[3:], payload)


def encode(command: int, payload: bytes = b"") -> bytes:
    """Make a frame of either direction.

    Some frames cannot be made, because no bridge may ever send them: command 0 enters the boot loader,
    where a device without its key stays dead; command 6 restarts the device under its load; register
    0x0004 wipes the owner's settings; mode 0xFD hibernates a device, which then hears nothing more.

    Raises ValueError for these, a command above 0xF or a payload too long for a frame.
    """
    if not 0 <= command <= 0xF:
        raise ValueError(f"VE.Direct command: found {command:#x}, expected one hexadecimal digit")
    if command in UNREACHABLE_COMMANDS:
        raise ValueError(f"VE.Direct command {command:X} would stop the device and is never sent")
    if command in (Command.GET, Command.SET):
        _refuse_register(command, payload)
    digits = f"{command:X}{payload.hex().upper()}{(_CHECK_SUM - command - sum(payload)) & 0xFF:02X}"
    if len(digits) > FRAME_MAX:
        raise ValueError(f"VE.Direct frame: found {len(digits)} characters, expected at most {FRAME_MAX}")
    return f":{digits}\n".encode("ascii")


def _refuse_register(command: int, payload: bytes) -> None:
    register = int.from_bytes(payload[:2], "little")
    if register == RESTORE_DEFAULTS:
        raise ValueError("VE.Direct register 0x0004 restores the factory settings and is never touched")
    if command == Command.SET and register == _MODE and payload[3:4] == bytes([HIBERNATE]):
        raise ValueError("VE.Direct mode 0xFD hibernates the device and is never set")


def encode_register(command: int, register: int, value: bytes = b"", flags: int = 0) -> bytes:
    """Make a get, set or asynchronous frame; raises ValueError as `encode` does."""
    if not 0 <= register <= 0xFFFF:
        raise ValueError(f"VE.Direct register: found {register:#x}, expected 0x0000 to 0xFFFF")
    return encode(command, register.to_bytes(2, "little") + bytes([flags]) + value)


def encode_get(register: int) -> bytes:
    """Ask for a register; the reply is command 7 with the same register. Raises ValueError for 0x0004."""
    return encode_register(Command.GET, register)


def encode_set(register: int, value: bytes) -> bytes:
    """Write a register; the reply is command 8 with the value then in force.

    Raises ValueError for what must stay out of reach: register 0x0004 and mode 0xFD, see `encode`.
    """
    return encode_register(Command.SET, register, value)


def encode_ping() -> bytes:
    """Ask whether somebody is there; the reply is command 5 with a u16 version."""
    return encode(Command.PING)


def encode_app_version() -> bytes:
    """Ask for the firmware version; the reply is command 1 with a u16."""
    return encode(Command.APP_VERSION)


def encode_product_id() -> bytes:
    """Ask for the product id; the reply is command 1 with a u16."""
    return encode(Command.PRODUCT_ID)
