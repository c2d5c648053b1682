"""RAM variables of a VE.Bus unit: their numbers, and the scale each unit tells for them.

Source: VE.Bus variable list as Victron's velib and several captures agree on it.
"""

from dataclasses import dataclass

MAINS_V, MAINS_A, INVERTER_V, INVERTER_A = 0, 1, 2, 3
BATTERY_V, BATTERY_A, RIPPLE_V = 4, 5, 6
INVERTER_PERIOD, MAINS_PERIOD = 7, 8
LOAD_A, VIRTUAL_SWITCH, IGNORE_AC, RELAY, SOC = 9, 10, 11, 12, 13
DC_W, MAINS_W, OUTPUT_W = 14, 15, 16

#: Units declare these unsigned although their data go negative.
_FORCED_SIGNED = frozenset({MAINS_A, INVERTER_A})
_HIGHEST_FACTOR = 0x4000
_DIVISOR_BASE = 0x8000
_IS_BIT = 0x8000
_BITS = 16
#: A period in tenths of a second: frequency = 10 / period.
_PERIODS_A_SECOND = 10.0
#: Raw periods that mean none.
_NO_PERIOD = frozenset({0x00, 0xFF})


@dataclass(frozen=True, slots=True)
class VariableInfo:
    """How a raw number becomes a value: (raw + offset) x multiplier / divisor, or one bit of it."""

    signed: bool
    multiplier: int = 1
    divisor: int = 1
    offset: int = 0
    bit: int | None = None

    def value(self, raw: bytes) -> float:
        """Return the value of 1 to 3 raw bytes, low byte first. One byte alone is always unsigned."""
        number = int.from_bytes(raw, "little", signed=self.signed and len(raw) > 1)
        if self.bit is not None:
            return float(number >> self.bit & 1)
        return (number + self.offset) * self.multiplier / self.divisor

    def frequency(self, raw: int) -> float | None:
        """Return the frequency in Hz of a raw period byte; None where there is none."""
        if raw in _NO_PERIOD:
            return None
        period = self.value(bytes((raw,)))
        return _PERIODS_A_SECOND / period if period > 0 else None


def variable_info(variable: int, scale: int, offset: int) -> VariableInfo | None:
    """Return the meaning of a unit's info words; None for a variable the unit does not have.

    A negative scale says signed. A magnitude of 4000h or more means 1 / (8000h - magnitude). An offset of
    8000h says that the scale is the number of a bit, counted from 1.
    """
    signed_scale = scale - 0x10000 if scale >= 0x8000 else scale
    magnitude = abs(signed_scale)
    if magnitude in (0, _DIVISOR_BASE):
        return None
    if offset == _IS_BIT:
        bit = magnitude - 1
        return VariableInfo(signed=False, bit=bit) if bit < _BITS else None
    signed = signed_scale < 0 or variable in _FORCED_SIGNED
    signed_offset = offset - 0x10000 if offset >= 0x8000 else offset
    if magnitude >= _HIGHEST_FACTOR:
        return VariableInfo(signed, divisor=_DIVISOR_BASE - magnitude, offset=signed_offset)
    return VariableInfo(signed, multiplier=magnitude, offset=signed_offset)


def info_from(variable: int, data: bytes) -> VariableInfo | None:
    """Return the info that the data of an `8E` reply gives, in its combined or its split form.

    Split: scale, 8F, offset. Combined: scale, offset. Anything shorter means that there is no such variable.
    """
    if len(data) >= 5 and data[2] == 0x8F:
        return variable_info(variable, _word(data, 0), _word(data, 3))
    if len(data) == 4:
        return variable_info(variable, _word(data, 0), _word(data, 2))
    return None


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")
