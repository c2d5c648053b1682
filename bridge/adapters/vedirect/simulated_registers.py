"""The registers of a simulated Blue Smart charger: what it answers to GET and SET.

No Victron document covers the Blue Smart IP22. What stands here is seen in captures of one, or is the
generic register of "VE.Direct Protocol BlueSolar and SmartSolar MPPT" rev 18.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bridge.adapters.vedirect.hex import Flags
from bridge.adapters.vedirect.registers import E8, S16, S32, U16, U32, Number

MODE_ON, MODE_OFF = 1, 4
USER_DEFINED = 255

PRODUCT_ID, APP_VERSION, SERIAL, MODEL, UPTIME = 0x0100, 0x0102, 0x010A, 0x010B, 0x0120
MODE, STATE, OFF_REASON = 0x0200, 0x0201, 0x0207
LINK_VOLTAGE, LINK_ERROR, NETWORK_INFO, NETWORK_MODE, LINK_CURRENT = 0x2001, 0x2009, 0x200D, 0x200E, 0x2015
ERROR, INTERNAL_TEMPERATURE, BATTERY_TEMPERATURE = 0xEDDA, 0xEDDB, 0xEDEC
DC_CURRENT_MA, DC_VOLTAGE, DC_CURRENT, OUTPUT_VOLTAGE, OUTPUT_CURRENT = 0xED8C, 0xED8D, 0xED8F, 0xEDD5, 0xEDD7
MAXIMUM_CURRENT, CURRENT_LIMIT, BATTERY_TYPE = 0xEDDF, 0xEDF0, 0xEDF1
STORAGE_VOLTAGE, FLOAT_VOLTAGE, ABSORPTION_VOLTAGE = 0xEDF5, 0xEDF6, 0xEDF7
UNKNOWN_EE16 = 0xEE16

#: Off reason bit of the device mode register.
_OFF_BY_MODE = 0x04


@dataclass(frozen=True, slots=True)
class Register:
    """One register: `number` is None for text. flash: writes wear memory. volatile: lost at restart."""

    number: Number | None = None
    writable: bool = False
    flash: bool = False
    volatile: bool = False
    default: int | str = 0


def _deci(size: Number = U16) -> Number:
    return replace(size, divisor=10)


def _centi(size: Number = U16) -> Number:
    return replace(size, divisor=100)


def _setting(volts: float) -> Register:
    return Register(_centi(), writable=True, flash=True, default=round(volts * 100))


def _table(nominal_v: float, maximum_da: int) -> dict[int, Register]:
    """Registers of a charger of `nominal_v` V and `maximum_da` x 0.1 A; voltages are those of the capture."""
    part = nominal_v / 24
    bits = Number(4, may_lack=False)
    return {
        PRODUCT_ID: Register(bits),
        APP_VERSION: Register(bits),
        SERIAL: Register(),
        MODEL: Register(),
        UPTIME: Register(U32),
        MODE: Register(E8, writable=True, volatile=True, default=MODE_ON),
        STATE: Register(E8),
        OFF_REASON: Register(bits),
        LINK_ERROR: Register(E8),
        NETWORK_INFO: Register(Number(2, may_lack=False)),
        NETWORK_MODE: Register(E8),
        ERROR: Register(E8),
        INTERNAL_TEMPERATURE: Register(_centi(S16), default=2450),
        BATTERY_TEMPERATURE: Register(Number(2, divisor=100, may_lack=False), default=0xFFFF),
        DC_CURRENT_MA: Register(replace(S32, divisor=1000)),
        DC_VOLTAGE: Register(_centi(S16)),
        DC_CURRENT: Register(_deci(S16)),
        OUTPUT_VOLTAGE: Register(_centi()),
        OUTPUT_CURRENT: Register(_deci()),
        MAXIMUM_CURRENT: Register(_deci(), default=maximum_da),
        CURRENT_LIMIT: Register(_deci(), writable=True, flash=True, default=maximum_da),
        BATTERY_TYPE: Register(E8, writable=True, flash=True, default=1),
        STORAGE_VOLTAGE: _setting(26.4 * part),
        FLOAT_VOLTAGE: _setting(27.6 * part),
        ABSORPTION_VOLTAGE: _setting(28.8 * part),
        UNKNOWN_EE16: Register(Number(2, may_lack=False), default=0xFFFF),
    }


#: Registers of a charger that takes part in a VE.Smart network as a remote-controlled one.
_LINK_REGISTERS: Mapping[int, Register] = MappingProxyType(
    {
        NETWORK_MODE: Register(E8, writable=True, volatile=True),
        LINK_VOLTAGE: Register(_centi(), writable=True, volatile=True, default=2880),
        LINK_CURRENT: Register(_deci(), writable=True, volatile=True, default=0xFFFE),
    }
)


class RegisterBank:
    """Holds raw values, applies the device's own rules to writes and counts those that reach flash.

    `changed` hears every change of a value as (register, raw value).
    """

    def __init__(
        self,
        nominal_v: float,
        minimum_current: float,
        maximum_current: float,
        changed: Callable[[int, int | str], None],
        *,
        persistent_mode: bool = False,
        link_control: bool = False,
    ) -> None:
        maximum_da = round(maximum_current * 10)
        self._range_da = (round(minimum_current * 10), maximum_da)
        self._voltages = (round(nominal_v * 90), round(nominal_v * 145))
        self._table = _table(nominal_v, maximum_da)
        if link_control:
            self._table |= _LINK_REGISTERS
        if persistent_mode:
            self._table[MODE] = replace(self._table[MODE], flash=True, volatile=False)
        self._changed = changed
        self._raw = {register: entry.default for register, entry in self._table.items()}
        #: SETs that were stored in memory that wears out.
        self.flash_writes = 0

    def __contains__(self, register: int) -> bool:
        return register in self._table

    def raw(self, register: int) -> int:
        """Return a number register's raw value."""
        value = self._raw[register]
        assert isinstance(value, int)  # noqa: S101 - asked for by constants of this module only
        return value

    def quantity(self, register: int) -> float:
        """Return a number register's value in its unit."""
        number = self._table[register].number
        return self.raw(register) / (1 if number is None else number.divisor)

    def put(self, register: int, raw: int | str) -> bool:
        """Set a value as the device itself does; True when it is another one than before."""
        if self._raw[register] == raw:
            return False
        self._raw[register] = raw
        self._changed(register, raw)
        return True

    def packed(self, register: int) -> bytes:
        """Return a register's value as it goes over the line."""
        return self.pack(register, self._raw[register])

    def pack(self, register: int, raw: int | str) -> bytes:
        """Return any raw value of a register as it goes over the line, also a "not available" one."""
        number = self._table[register].number
        if number is None:
            return str(raw).encode("ascii", errors="replace")
        return int(raw).to_bytes(number.size, "little", signed=number.signed)

    def get(self, register: int) -> tuple[Flags, bytes]:
        """Answer a GET."""
        if register not in self._table:
            return Flags.UNKNOWN_ID, b""
        return Flags.OK, self.packed(register)

    def judge(self, register: int, value: bytes) -> tuple[Flags, int]:
        """Say with which flags a SET is answered, and the nearest value the register takes."""
        entry = self._table.get(register)
        if entry is None:
            return Flags.UNKNOWN_ID, 0
        if not entry.writable or entry.number is None or self._locked(register):
            return Flags.NOT_SUPPORTED, 0
        asked = int.from_bytes(value, "little", signed=entry.number.signed)
        nearest = self._nearest(register, asked)
        fits = nearest == asked and len(value) == entry.number.size
        return Flags.OK if fits else Flags.PARAMETER, nearest

    def store(self, register: int, raw: int) -> None:
        """Put a written value in force."""
        self.flash_writes += self._table[register].flash
        self.put(register, raw)
        if register == MODE:
            self.put(OFF_REASON, _OFF_BY_MODE if raw == MODE_OFF else 0)

    def restart(self) -> None:
        """Forget what a restart makes the device forget."""
        for register, entry in self._table.items():
            if entry.volatile:
                self.put(register, entry.default)
        self.put(OFF_REASON, _OFF_BY_MODE if self.raw(MODE) == MODE_OFF else 0)

    def _locked(self, register: int) -> bool:
        """Voltages can only be set for a user-defined battery."""
        own_voltages = (STORAGE_VOLTAGE, FLOAT_VOLTAGE, ABSORPTION_VOLTAGE)
        return register in own_voltages and self._raw[BATTERY_TYPE] != USER_DEFINED

    def _nearest(self, register: int, raw: int) -> int:
        if register == MODE:
            return min((MODE_ON, MODE_OFF), key=lambda valid: abs(valid - raw))
        if register == CURRENT_LIMIT:
            low, high = self._range_da
        elif register == LINK_CURRENT:
            low, high = 0, self._range_da[1]
        elif register in (BATTERY_TYPE, NETWORK_MODE):
            low, high = 0, 0xFF
        else:
            low, high = self._voltages
        return min(max(raw, low), high)
