"""How a simulated charger answers HEX frames, well or as a fault demands."""

from collections.abc import Callable
from dataclasses import dataclass

from bridge.adapters.vedirect.hex import (
    FRAMING_ERROR,
    HIBERNATE,
    RESTORE_DEFAULTS,
    UNREACHABLE_COMMANDS,
    Command,
    Flags,
    HexError,
    HexFrame,
    encode,
    encode_register,
)
from bridge.adapters.vedirect.reason import Reason
from bridge.adapters.vedirect.simulated_faults import Mischief
from bridge.adapters.vedirect.simulated_registers import CURRENT_LIMIT, LINK_CURRENT, MODE, RegisterBank
from bridge.datastore.clock import Clock

#: Version word of ping and version replies: bit 14 says application, the rest is 3.42.
_VERSION = 0x4342
_UNREADABLE = frozenset({Reason.CHECKSUM, Reason.LENGTH, Reason.BYTE})


@dataclass(frozen=True, slots=True)
class Executed:
    """One answered SET: when (monotonic), what was asked, and the raw value in force afterwards."""

    time: float
    register: int
    asked: int
    in_force: int
    flags: Flags


@dataclass(frozen=True, slots=True)
class Received:
    """One frame the host sent: monotonic time, its characters, and what they mean or why they do not."""

    time: float
    raw: bytes
    message: HexFrame | HexError


class Replies:
    """Judges frames, carries SETs out on the bank and makes the answers. None means no answer."""

    def __init__(self, clock: Clock, bank: RegisterBank, mischief: Mischief, product_id: int) -> None:
        self._clock = clock
        self._bank = bank
        self._mischief = mischief
        self.executed: list[Executed] = []
        self.forbidden: list[HexFrame] = []
        self._answers: dict[int, Callable[[HexFrame], bytes]] = {
            Command.PING: lambda _frame: encode(Command.PONG, _VERSION.to_bytes(2, "little")),
            Command.APP_VERSION: lambda _frame: encode(Command.PING, _VERSION.to_bytes(2, "little")),
            Command.PRODUCT_ID: lambda _frame: encode(Command.PING, product_id.to_bytes(2, "little")),
            Command.GET: self._get,
            Command.SET: self._set,
        }

    def answer(self, message: HexFrame | HexError) -> bytes | None:
        """Carry a frame out and return the reply."""
        if self._mischief.framing >= 1:
            self._mischief.framing -= 1
            return encode(Command.PRODUCT_ID, FRAMING_ERROR)
        if isinstance(message, HexError):
            return encode(Command.PRODUCT_ID, FRAMING_ERROR) if message.reason in _UNREADABLE else None
        if _is_forbidden(message):
            self.forbidden.append(message)
            return None
        answer = self._answers.get(message.command)
        if answer is None:
            return encode(Command.APP_VERSION, message.command.to_bytes(2, "little"))
        return answer(message)

    def _get(self, frame: HexFrame) -> bytes:
        register = frame.register or 0
        flags, value = self._bank.get(register)
        return encode_register(Command.GET, register, value, flags)

    def _set(self, frame: HexFrame) -> bytes:
        register = frame.register or 0
        flags, raw = self._bank.judge(register, frame.value)
        if flags in (Flags.OK, Flags.PARAMETER) and self._mischief.refuse is not None:
            flags, raw = self._mischief.refuse, self._bank.raw(register)
        if flags == Flags.OK:
            raw = self._carry_out(register, raw)
        has_value = flags in (Flags.OK, Flags.PARAMETER)
        if register in self._bank and has_value:
            asked = int.from_bytes(frame.value, "little")
            in_force = self._bank.raw(register)
            self.executed.append(Executed(self._clock.monotonic(), register, asked, in_force, flags))
        value = self._bank.pack(register, raw) if has_value else b""
        return encode_register(Command.SET, register, value, flags)

    def _carry_out(self, register: int, raw: int) -> int:
        """Put a valid value in force; returns the value for the reply."""
        if self._mischief.ignore_set:
            return raw if self._mischief.echo else self._bank.raw(register)
        if self._mischief.clamp_a is not None and register in (CURRENT_LIMIT, LINK_CURRENT):
            raw = min(raw, round(self._mischief.clamp_a * 10))
        self._bank.store(register, raw)
        return raw


def _is_forbidden(frame: HexFrame) -> bool:
    if frame.command in UNREACHABLE_COMMANDS:
        return True
    if frame.command not in (Command.GET, Command.SET):
        return False
    hibernates = (
        frame.command == Command.SET and frame.register == MODE and frame.value[:1] == bytes([HIBERNATE])
    )
    return hibernates or frame.register == RESTORE_DEFAULTS


def characters(message: HexFrame | HexError) -> bytes:
    """Return a host's frame as it came, which a right checksum leaves only one way to have been written."""
    if isinstance(message, HexError):
        return b":" + message.raw
    check = (0x55 - message.command - sum(message.payload)) & 0xFF
    return f":{message.command:X}{message.payload.hex().upper()}{check:02X}\n".encode("ascii")
