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
from bridge.adapters.vedirect.simulated_device import SimulatedDevice
from bridge.adapters.vedirect.simulated_faults import Mischief
from bridge.adapters.vedirect.simulated_registers import MODE, Raw
from bridge.datastore.clock import Clock

_UNREADABLE = frozenset({Reason.CHECKSUM, Reason.LENGTH, Reason.BYTE})


@dataclass(frozen=True, slots=True)
class Executed:
    """One answered SET: when (monotonic), what was asked, and the raw value in force afterwards."""

    time: float
    register: int
    asked: int
    in_force: Raw
    flags: Flags


@dataclass(frozen=True, slots=True)
class Received:
    """One frame the host sent: monotonic time, its characters, and what they mean or why they do not."""

    time: float
    raw: bytes
    message: HexFrame | HexError


class Replies:
    """Judges frames, carries SETs out on a device and makes the answers. None means no answer."""

    def __init__(self, clock: Clock, device: SimulatedDevice, mischief: Mischief) -> None:
        self._clock = clock
        self._device = device
        self._bank = device.registers
        self._mischief = mischief
        self.executed: list[Executed] = []
        self.forbidden: list[HexFrame] = []
        version = device.nameplate.version_word.to_bytes(2, "little")
        product_id = device.nameplate.product_id.to_bytes(2, "little")
        self._answers: dict[int, Callable[[HexFrame], bytes]] = {
            Command.PING: lambda _frame: encode(Command.PONG, version),
            Command.APP_VERSION: lambda _frame: encode(Command.PING, version),
            Command.PRODUCT_ID: lambda _frame: encode(Command.PING, product_id),
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
        if self._is_forbidden(message):
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
        verdict = self._bank.judge(register, frame.value)
        flags, raw = verdict.flags, verdict.raw
        if flags in (Flags.OK, Flags.PARAMETER) and self._mischief.refuse is not None:
            flags, raw = self._mischief.refuse, self._bank.value(register)
        obeyed = flags == Flags.OK and verdict.obeyed and not self._mischief.ignore_set
        if obeyed:
            raw = self._clamped(register, raw)
            self._bank.store(register, raw)
        elif flags == Flags.OK and not self._mischief.echo:
            raw = self._bank.value(register)
        has_value = flags in (Flags.OK, Flags.PARAMETER)
        if has_value:
            asked = int.from_bytes(frame.value, "little")
            in_force = self._bank.value(register)
            self.executed.append(Executed(self._clock.monotonic(), register, asked, in_force, flags))
        value = self._bank.pack(register, raw) if has_value else b""
        if obeyed:
            self._device.commanded(register, raw)
        return encode_register(Command.SET, register, value, flags)

    def _clamped(self, register: int, raw: Raw) -> Raw:
        most = self._mischief.clamp
        if most is None or register not in self._device.clamped or not isinstance(raw, int):
            return raw
        return min(raw, self._bank.raw_of(register, most))

    def _is_forbidden(self, frame: HexFrame) -> bool:
        if frame.command in UNREACHABLE_COMMANDS:
            return True
        if frame.command not in (Command.GET, Command.SET):
            return False
        if frame.register == RESTORE_DEFAULTS:
            return True
        banned = {(MODE, HIBERNATE), *self._device.forbidden}
        return frame.command == Command.SET and (frame.register, frame.value[:1]) in {
            (register, bytes([value])) for register, value in banned
        }


def characters(message: HexFrame | HexError) -> bytes:
    """Return a host's frame as it came, which a right checksum leaves only one way to have been written."""
    if isinstance(message, HexError):
        return b":" + message.raw
    check = (0x55 - message.command - sum(message.payload)) & 0xFF
    return f":{message.command:X}{message.payload.hex().upper()}{check:02X}\n".encode("ascii")
