"""Scale arithmetic: a point's value to its registers and back.

Published value = raw / scale, as in dbus-modbus-client 1.83. A value is encoded by rounding half to even the
exact decimal product of the value as people write it and the scale: 0.575 at scale 100 is 58, not the 57
its binary neighbour would give. What does not fit becomes the invalid pattern; nothing wraps or saturates.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from bridge.register_maps.types import (
    BitType,
    FloatType,
    IntegerType,
    MappedType,
    Raw,
    RegisterType,
    TextType,
    Value,
)

ONE = Fraction(1)

#: Below this a float product is exact to far better than the margin in which a tie is decided exactly.
_SMALL = 2.0**40
_TIE_MARGIN = 1e-3


def to_raw(value: int | float, scale: Fraction) -> int | None:
    """Return value x scale rounded half to even; None for what is not finite."""
    if isinstance(value, int) and scale.denominator == 1:
        return value * scale.numerator
    if not math.isfinite(value):
        return None
    if abs(value) < _SMALL:
        product = value * scale.numerator / scale.denominator
        if abs(product) < _SMALL and abs(abs(product - math.floor(product)) - 0.5) > _TIE_MARGIN:
            return round(product)
    return round(Fraction(repr(+value)) * scale)


def from_raw(raw: int | float, scale: Fraction) -> int | float:
    """Return raw / scale: a whole number at scale 1, else the float nearest to the exact quotient."""
    if scale == ONE:
        return raw
    try:
        return float(Fraction(raw) / scale)
    except OverflowError:
        return math.inf if raw > 0 else -math.inf


def raw_of(kind: RegisterType, scale: Fraction, value: Value) -> Raw | None:
    """Return the raw of a value, None when the type has none; it may still be outside the type."""
    match kind:
        case IntegerType():
            return None if isinstance(value, str) else to_raw(value, scale)
        case FloatType():
            return None if isinstance(value, str) else _float_raw(value, scale)
        case MappedType():
            return kind.raw_of(value)
        case BitType():
            return 0 if value == kind.unset else 1
        case TextType():
            return str(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value


def _float_raw(value: int | float, scale: Fraction) -> float | None:
    try:
        raw = value * float(scale)
    except OverflowError:
        return None
    return raw if math.isfinite(raw) else None


def value_of(kind: RegisterType, scale: Fraction, raw: Raw) -> Value | None:
    """Return the value of a raw that is not the invalid one; None where the type has no value for it."""
    match kind:
        case IntegerType() | FloatType():
            assert not isinstance(raw, str)  # noqa: S101 - numeric types unpack to numbers
            return from_raw(raw, scale)
        case MappedType():
            return kind.values.get(int(raw))
        case BitType():
            return kind.set if raw else kind.unset
    return raw


def is_invalid(raw: Raw, kind: RegisterType, invalid: Sequence[Raw] | None) -> bool:
    """True for a raw that means no value; `invalid` None is the type's own pattern, empty is none at all."""
    if isinstance(kind, BitType):
        return False
    if invalid is None:
        return raw == kind.invalid or raw != raw
    return raw in invalid or raw != raw


def pattern(kind: RegisterType, invalid: Sequence[Raw] | None = None) -> bytes:
    """Return the registers that stand for no value; zeros where the map says `invalid: none`."""
    data = kind.pack(kind.invalid if invalid is None else invalid[0]) if invalid is None or invalid else None
    return bytes(2 * kind.length) if data is None else data


def encode(
    kind: RegisterType, value: Value | None, scale: Fraction = ONE, invalid: Sequence[Raw] | None = None
) -> bytes:
    """Return a value's registers; None, what does not fit, and what equals `invalid` give the pattern."""
    if value is None:
        return pattern(kind, invalid)
    raw = raw_of(kind, scale, value)
    data = None if raw is None or is_invalid(raw, kind, invalid) else kind.pack(raw)
    return pattern(kind, invalid) if data is None else data


def decode(
    kind: RegisterType, data: bytes, scale: Fraction = ONE, invalid: Sequence[Raw] | None = None
) -> Value | None:
    """Return the value of `2 * length` bytes; None for the invalid pattern and for no value at all."""
    raw = kind.unpack(data)
    if raw is None or is_invalid(raw, kind, invalid):
        return None
    return value_of(kind, scale, raw)
