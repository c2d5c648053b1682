"""The last value that fits a type and the first that does not; texts that only look like numbers."""

import math
import struct
from fractions import Fraction

import pytest

from bridge.register_maps.packing import decode, encode, from_raw
from bridge.register_maps.types import (
    BitType,
    FloatType,
    HexType,
    IntegerType,
    MappedType,
    Raw,
    RegisterType,
    TextType,
    VersionType,
    VeVersionType,
)


@pytest.mark.parametrize(
    ("kind", "raw", "packed"),
    [
        (IntegerType("u16", 1), 0xFFFF, "FFFF"),
        (IntegerType("u16", 1), 0x10000, None),
        (IntegerType("u16", 1), -1, None),
        (IntegerType("s16", 1, signed=True), -0x8000, "8000"),
        (IntegerType("s16", 1, signed=True), -0x8001, None),
        (IntegerType("s16", 1, signed=True), 0x7FFF, "7FFF"),
        (IntegerType("s16", 1, signed=True), 0x8000, None),
        (IntegerType("u32l", 2, low_word_first=True), 0x12345678, "56781234"),
        (IntegerType("u64l", 4, low_word_first=True), 0x0001000200030004, "0004000300020001"),
        (FloatType("f32b"), 3.5e38, None),
        (FloatType("f32b"), -3.5e38, None),
        (FloatType("f32l", low_word_first=True), 1.0, "00003F80"),
        (HexType(2), "801E10AF", "801E10AF"),
        (HexType(2), "1", "00000001"),
        (HexType(2), "801E10AF1", None),
        (HexType(2), "801E10AF12", None),
        (HexType(1), " 12 ", None),
        (HexType(1), "12G4", None),
        (HexType(1), "١٢٣٤", None),
        (HexType(1), 0x10000, None),
        (BitType(0), 0, "0000"),
        (BitType(0), 1, "0001"),
        (BitType(0), 2, None),
        (BitType(17), 1, "00000002"),
        (VersionType(), "2.1.16", "2110"),
        (VersionType(), "15.0.0", "F000"),
        (VersionType(), "16.0.0", None),
        (VersionType(), "1.15.0", "1F00"),
        (VersionType(), "1.16.0", None),
        (VersionType(), "1.0.255", "10FF"),
        (VersionType(), "1.0.256", None),
        (VersionType(), "1.0.0.0", None),
        (VersionType(), "0001.0.0", "1000"),
        (VersionType(), "00001.0.0", None),
        (VersionType(), "1.-2.0", None),
        (VersionType(), "1..0", None),
        (VeVersionType(), "1.0a", "00010AFF"),
        (VeVersionType(), "1.13~beta-2", "00011302"),
        (VeVersionType(), "FF.FF~beta-FF", "00FFFFFF"),
        (VeVersionType(), "1.100", None),
        (VeVersionType(), "1.0~beta-100", None),
        (VeVersionType(), "1.2.3", None),
        (VeVersionType(), "1", None),
        (VeVersionType(), "1.0~beta-1.2", None),
        (VeVersionType(), 0, "00000000"),
        (VeVersionType(), 0xFFFFFF, "00FFFFFF"),
        (VeVersionType(), 0x1000000, None),
        (VeVersionType(), -1, None),
        (TextType(1, encoding="utf-8"), "é", "C3A9"),
        (TextType(1, encoding="utf-8"), "aé", "6100"),  # half a character is none
        (TextType(1, encoding="ascii"), "é", "3F00"),
        (TextType(1, little=True), "ab", "6261"),
        (TextType(2), "BOXX", "424F5858"),
        (TextType(2), "B\0\0", "42000000"),
        (VersionType(), "2", "2000"),
        (VersionType(), "2.1", "2100"),
    ],
)
def test_packed(kind: RegisterType, raw: Raw, packed: str | None) -> None:
    found = kind.pack(raw)
    assert (None if found is None else found.hex().upper()) == packed


@pytest.mark.parametrize(
    ("packed", "bit"), [("0001FFFD", 0), ("FFFE0002", 1), ("00000000", 0), ("00020000", 0)]
)
def test_a_bit_is_that_of_its_own_register(packed: str, bit: int) -> None:
    assert BitType(17).unpack(bytes.fromhex(packed)) == bit


@pytest.mark.parametrize(
    ("kind", "packed", "raw"),
    [
        (TextType(2), "424F5858", "BOXX"),
        (TextType(2), "42000000", "B"),
        (TextType(2, little=True), "42415858", "ABXX"),
        (VersionType(), "2110", "2.1.16"),
        (VersionType(), "FFFF", 0xFFFF),
        (VeVersionType(), "00010AFF", 0x010AFF),
    ],
)
def test_unpacked(kind: RegisterType, packed: str, raw: Raw) -> None:
    assert kind.unpack(bytes.fromhex(packed)) == raw


def test_a_mapped_register_says_nothing_by_the_highest_number_its_table_leaves_free() -> None:
    assert MappedType({1: 1}).invalid == 0xFFFF
    assert MappedType({0xFFFF: 1}).invalid == 0xFFFE
    assert MappedType({0xFFFF: 1, 0xFFFE: 2}).invalid == 0xFFFD


@pytest.mark.parametrize(
    ("value", "scale", "packed"),
    [
        (2, Fraction(1000), 2000.0),
        (2.5, Fraction(1, 10), 0.25),
        (-3, Fraction(1), -3.0),
        (1e38, Fraction(1000), None),
    ],
)
def test_floats_are_scaled_as_whole_numbers_are(value: float, scale: Fraction, packed: float | None) -> None:
    data = encode(FloatType("f32b"), value, scale)
    assert data == (bytes.fromhex("7FC00000") if packed is None else struct.pack(">f", packed))
    if packed is not None:
        assert decode(FloatType("f32b"), data, scale) == value


@pytest.mark.parametrize(
    ("raw", "scale", "value"),
    [
        (5, Fraction(10), 0.5),
        (1, Fraction(1, 10), 10.0),
        (10, Fraction(1, 10**308), math.inf),
        (1.5, Fraction(1, 10**309), math.inf),
        (0.5, Fraction(1, 10**309), math.inf),
        (-10, Fraction(1, 10**308), -math.inf),
        (0, Fraction(1, 10**309), 0.0),
    ],
)
def test_what_no_float_can_hold_is_beyond_every_number(raw: float, scale: Fraction, value: float) -> None:
    assert from_raw(raw, scale) == value
