"""How a simulated device keeps its registers: which exist, what they take, and what a write wears."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bridge.adapters.vedirect.hex import Flags
from bridge.adapters.vedirect.registers import E8, U16, U32, Number

#: A register's value as the device keeps it: steps of a number, a text, or a record of bytes.
Raw = int | str | bytes

PRODUCT_ID, HARDWARE, APP_VERSION, CAPABILITIES = 0x0100, 0x0101, 0x0102, 0x0140
SERIAL, MODEL, NAME, UPTIME = 0x010A, 0x010B, 0x010C, 0x0120
MODE, STATE, OFF_REASON = 0x0200, 0x0201, 0x0207
MODE_ON, MODE_OFF = 1, 4

#: Bits that are never "not available" as a whole.
BITS = replace(U32, may_lack=False)
_NAME_MAX = 32


@dataclass(frozen=True, slots=True)
class Needs:
    """What must hold before a register obeys: `register` has one of `bits`, or is `value`.

    refuses: an unfit write is answered with flag 02; else it is acknowledged and comes to nothing.
    """

    register: int
    value: int | None = None
    bits: int = 0
    refuses: bool = False

    def met(self, raw: int) -> bool:
        """Say whether it holds with this value of the register."""
        return raw == self.value or bool(raw & self.bits)


@dataclass(frozen=True, slots=True)
class Register:
    """One register. `number` is None for text and records; an empty record has no data (flag 04).

    readable False: an action, which is counted and takes any value. flash: writes wear memory.
    volatile: back to the default at restart. low, high, choices: what it takes, raw. clamps: beyond that
    the nearest value comes in force with flags 0. taken_as: values that mean another one.
    """

    number: Number | None = None
    default: Raw = 0
    writable: bool = False
    readable: bool = True
    flash: bool = False
    volatile: bool = False
    low: int | None = None
    high: int | None = None
    choices: tuple[int, ...] = ()
    clamps: bool = False
    taken_as: tuple[tuple[int, int], ...] = ()
    needs: Needs | None = None

    def nearest(self, raw: int) -> int:
        """Return the nearest value the register takes and its type can hold."""
        if self.choices:
            return min(self.choices, key=lambda valid: abs(valid - raw))
        highest = 0 if self.number is None else _highest(self.number)
        lowest = -highest - 1 if self.number is not None and self.number.signed else 0
        low = lowest if self.low is None else self.low
        return min(max(raw, low), highest if self.high is None else self.high)


def deci(size: Number = U16) -> Number:
    """Return a number in tenths."""
    return replace(size, divisor=10)


def centi(size: Number = U16) -> Number:
    """Return a number in hundredths."""
    return replace(size, divisor=100)


def milli(size: Number) -> Number:
    """Return a number in thousandths."""
    return replace(size, divisor=1000)


def lacking(number: Number) -> int:
    """Return the raw value that says "not available"."""
    return _highest(number)


def _highest(number: Number) -> int:
    return int((1 << (8 * number.size - number.signed)) - 1)


def kept(
    number: Number,
    default: int,
    low: int | None = None,
    high: int | None = None,
    choices: tuple[int, ...] = (),
    needs: Needs | None = None,
) -> Register:
    """Return a setting in memory that wears."""
    return Register(
        number, default, writable=True, flash=True, low=low, high=high, choices=choices, needs=needs
    )


def passing(number: Number, default: int = 0, low: int | None = None, high: int | None = None) -> Register:
    """Return a setting that a restart forgets."""
    return Register(number, default, writable=True, volatile=True, low=low, high=high)


def action() -> Register:
    """Return a register that only does something when written."""
    return Register(E8, writable=True, readable=False)


def common_registers() -> dict[int, Register]:
    """Return the registers that say what a device is; 0x0102 is 24 bits of version in 32."""
    return {
        PRODUCT_ID: Register(BITS),
        HARDWARE: Register(U16, 0x0700),
        APP_VERSION: Register(BITS),
        SERIAL: Register(default=""),
        MODEL: Register(default=""),
        NAME: Register(default="", writable=True, flash=True),
        UPTIME: Register(U32),
        CAPABILITIES: Register(BITS),
        STATE: Register(E8),
        OFF_REASON: Register(BITS),
    }


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a SET is answered. raw: the value that would come in force, or the nearest the register takes.

    obeyed: False for a write that is acknowledged and comes to nothing.
    """

    flags: Flags
    raw: Raw = 0
    obeyed: bool = True


class RegisterBank:
    """Holds raw values, applies the device's own rules to writes and counts those that reach flash.

    `changed` hears every change of a value as (register, raw value).
    """

    def __init__(self, table: Mapping[int, Register], changed: Callable[[int, Raw], None]) -> None:
        self._table = table
        self._changed = changed
        self._raw = {register: entry.default for register, entry in table.items()}
        #: SETs that were stored in memory that wears out.
        self.flash_writes = 0
        #: How often each action was carried out.
        self.actions: Counter[int] = Counter()

    def __contains__(self, register: int) -> bool:
        return register in self._table

    def raw(self, register: int) -> int:
        """Return a number register's raw value."""
        value = self._raw[register]
        assert isinstance(value, int)  # noqa: S101 - asked for by constants of the simulators only
        return value

    def value(self, register: int) -> Raw:
        """Return any register's raw value."""
        return self._raw[register]

    def quantity(self, register: int) -> float:
        """Return a number register's value in its unit."""
        number = self._table[register].number
        return self.raw(register) / (1 if number is None else number.divisor)

    def raw_of(self, register: int, quantity: float) -> int:
        """Return the raw value that stands for a quantity in the register's unit."""
        number = self._table[register].number
        return round(quantity * (1 if number is None else number.divisor))

    def is_lacking(self, register: int) -> bool:
        """True where a number register says "not available"."""
        number = self._table[register].number
        return number is not None and self.raw(register) == lacking(number)

    def put(self, register: int, raw: Raw) -> bool:
        """Set a value as the device itself does; True when it is another one than before."""
        if self._raw[register] == raw:
            return False
        self._raw[register] = raw
        self._changed(register, raw)
        return True

    def packed(self, register: int) -> bytes:
        """Return a register's value as it goes over the line."""
        return self.pack(register, self._raw[register])

    def pack(self, register: int, raw: Raw) -> bytes:
        """Return any raw value of a register as it goes over the line, also a "not available" one."""
        if isinstance(raw, bytes):
            return raw
        number = self._table[register].number
        if number is None:
            return str(raw).encode("ascii", errors="replace")
        return int(raw).to_bytes(number.size, "little", signed=number.signed)

    def get(self, register: int) -> tuple[Flags, bytes]:
        """Answer a GET."""
        entry = self._table.get(register)
        if entry is None:
            return Flags.UNKNOWN_ID, b""
        if not entry.readable:
            return Flags.NOT_SUPPORTED, b""
        value = self.packed(register)
        no_data = not value and isinstance(entry.default, bytes)
        return (Flags.PARAMETER if no_data else Flags.OK), value

    def judge(self, register: int, value: bytes) -> Verdict:
        """Say how a SET is answered, without carrying it out."""
        entry = self._table.get(register)
        if entry is None:
            return Verdict(Flags.UNKNOWN_ID)
        fit = entry.needs is None or entry.needs.met(self.raw(entry.needs.register))
        if not entry.writable or (entry.needs is not None and entry.needs.refuses and not fit):
            return Verdict(Flags.NOT_SUPPORTED)
        if not entry.readable:
            return Verdict(Flags.OK, value)
        if entry.number is None:
            text = value.rstrip(b"\x00").decode("ascii", errors="replace")[:_NAME_MAX]
            return Verdict(Flags.OK, text)
        asked = int.from_bytes(value, "little", signed=entry.number.signed)
        meant = dict(entry.taken_as).get(asked, asked)
        nearest = entry.nearest(meant)
        if len(value) != entry.number.size or (nearest != meant and not entry.clamps):
            return Verdict(Flags.PARAMETER, nearest)
        return Verdict(Flags.OK, nearest) if fit else Verdict(Flags.OK, self.raw(register), obeyed=False)

    def store(self, register: int, raw: Raw) -> None:
        """Put a written value in force."""
        entry = self._table[register]
        if not entry.readable:
            self.actions[register] += 1
            return
        self.flash_writes += entry.flash
        self.put(register, raw)

    def restart(self) -> None:
        """Forget what a restart makes the device forget."""
        for register, entry in self._table.items():
            if entry.volatile:
                self.put(register, entry.default)
