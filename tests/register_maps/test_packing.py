"""Scale arithmetic: decimal as people write numbers, halves to even."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.register_maps.packing import decode, encode, from_raw, to_raw
from bridge.register_maps.types import PLAIN_TYPES, IntegerType


@pytest.mark.parametrize(
    ("value", "scale", "raw"),
    [
        (2.675, "100", 268),
        (0.575, "100", 58),
        (0.545, "100", 54),
        (1.015, "100", 102),
        (0.29, "100", 29),
        (0.285, "100", 28),
        (0.295, "100", 30),
        (-2.675, "100", -268),
        (1.005, "100", 100),
        (2.5, "1", 2),
        (3.5, "1", 4),
        (400000, "0.1", 40000),
        (400005, "0.1", 40000),
        (400015, "0.1", 40002),
        (3600, "1/3600", 1),
        (True, "0.5", 0),
        (28.79, "100", 2879),
        (1e15 + 0.5, "1", 10**15),
        (4503599627370497.5, "1", 4503599627370498),
    ],
)
def test_value_to_raw(value: float, scale: str, raw: int) -> None:
    assert to_raw(value, Fraction(scale)) == raw


@pytest.mark.parametrize(
    ("raw", "scale", "value"),
    [(29, "100", 0.29), (40000, "0.1", 400000.0), (1, "1/3600", 3600.0), (7, "1", 7), (-123, "10", -12.3)],
)
def test_raw_to_value(raw: int, scale: str, value: float) -> None:
    assert from_raw(raw, Fraction(scale)) == value


SCALES = st.sampled_from(["1", "10", "100", "1000", "0.1", "0.01", "1/3600", "3", "1/7"]).map(Fraction)
INTEGERS = st.sampled_from([k for k in PLAIN_TYPES.values() if isinstance(k, IntegerType)])


@given(INTEGERS, SCALES, st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_value_comes_back_within_half_a_raw_step_or_as_invalid(
    kind: IntegerType, scale: Fraction, value: float
) -> None:
    """Invariant: decode(encode(v)) is v to half a raw step, or None where v is outside or the pattern."""
    data = encode(kind, value, scale)
    raw = kind.unpack(data)
    if raw == kind.invalid:
        wanted = Fraction(value) * scale
        assert wanted >= kind.maximum - 1 or wanted <= kind.minimum - Fraction(1, 2) + Fraction(1, 10**6)
        assert decode(kind, data, scale) is None
    else:
        assert abs(Fraction(repr(value)) * scale - raw) <= Fraction(1, 2)
        assert decode(kind, data, scale) == from_raw(raw, scale)


@given(INTEGERS, SCALES, st.data())
def test_a_raw_survives_its_value(kind: IntegerType, scale: Fraction, data: st.DataObject) -> None:
    """Invariant: what a client reads as raw / scale and writes back rounded is the same raw, up to 2^50."""
    raw = data.draw(st.integers(max(kind.minimum, -(2**50)), min(kind.maximum, 2**50)))
    value = from_raw(raw, scale)
    if raw != kind.invalid:
        assert kind.unpack(encode(kind, value, scale)) == raw
