"""Every register type, both ways, against vectors measured on dbus-modbus-client 1.83."""

import math
from fractions import Fraction

import pytest

from bridge.register_maps.packing import decode, encode, pattern
from bridge.register_maps.types import (
    PLAIN_TYPES,
    TYPE_NAMES,
    BitType,
    EnumType,
    HexType,
    MappedType,
    RegisterType,
    TextType,
    Value,
    is_encoding,
)

P = PLAIN_TYPES

GOLDEN: list[tuple[RegisterType, int, str, Value]] = [
    (P["s16"], 10, "FF85", -12.3),
    (P["u16"], 1, "D431", 54321),
    (P["s32b"], 1000, "FFFE7960", -100.0),
    (P["u32b"], 1, "EE6B2800", 4000000000),
    (P["f32b"], 1, "40500000", 3.25),
    (P["f32l"], 1, "00004050", 3.25),
    (P["s32l"], 100, "7960FFFE", -1000.0),
    (P["s32l"], 1, "7960FFFE", -100000),
    (P["u32l"], 1, "2800EE6B", 4000000000),
    (P["s64b"], 1, "FFFFFFFFFFFE7960", -100000),
    (P["s64l"], 1, "7960FFFEFFFFFFFF", -100000),
    (P["u64b"], 1, "0000000100020003", 0x0001_0002_0003),
    (P["u64l"], 1, "0003000200010000", 0x0001_0002_0003),
    (MappedType({5: 252}), 1, "0005", 252),
    (EnumType({"on": 1}), 1, "004D", 77),
    (TextType(4, encoding="utf-8"), 1, "6162C3A900000000", "abé"),
    (TextType(2, little=True), 1, "58575A59", "WXYZ"),
    (HexType(2), 1, "00AB12FF", "00AB12FF"),
    (HexType(1, little=True), 1, "34A1", "A134"),
    (BitType(4, set=2), 1, "0010", 2),
    (BitType(17, set=1), 1, "00000002", 1),
    (P["version"], 1, "2110", "2.1.16"),
    (P["ve_version"], 1, "00010AFF", 68351),
]


@pytest.mark.parametrize(("kind", "scale", "data", "value"), GOLDEN, ids=lambda x: getattr(x, "name", None))
def test_golden_vectors_both_ways(kind: RegisterType, scale: int, data: str, value: Value) -> None:
    found = decode(kind, bytes.fromhex(data), Fraction(scale))
    assert found == value
    assert type(found) is type(value)
    assert encode(kind, value, Fraction(scale)) == bytes.fromhex(data)


def test_every_type_has_a_vector() -> None:
    assert {kind.name for kind, *_ in GOLDEN} | {"u16"} == TYPE_NAMES


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (BitType(4, set=2), "1234", 2),
        (BitType(3, set=2), "1234", 0),
        (P["ve_version"], "F0010AFF", 68351),
        (TextType(3), "412020200000", "A   "),
    ],
)
def test_reads_what_it_would_not_write(kind: RegisterType, data: str, value: Value) -> None:
    assert decode(kind, bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (P["u16"], "FFFF"),
        (P["s16"], "7FFF"),
        (P["u32b"], "FFFFFFFF"),
        (P["u32l"], "FFFFFFFF"),
        (P["s32b"], "7FFFFFFF"),
        (P["s32l"], "FFFF7FFF"),
        (P["u64b"], "FFFFFFFFFFFFFFFF"),
        (P["s64b"], "7FFFFFFFFFFFFFFF"),
        (P["s64l"], "FFFFFFFFFFFF7FFF"),
        (P["f32b"], "7FC00000"),
        (P["f32l"], "00007FC0"),
        (EnumType({}), "FFFF"),
        (TextType(2), "00000000"),
        (HexType(1), "0000"),
        (MappedType({5: 252}), "FFFF"),
        (P["version"], "FFFF"),
        (P["ve_version"], "00FFFFFF"),
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_invalid_patterns(kind: RegisterType, data: str) -> None:
    assert pattern(kind) == encode(kind, None) == bytes.fromhex(data)
    assert decode(kind, bytes.fromhex(data)) is None
    assert encode(kind, None, invalid=()) == bytes(2 * kind.length), "`invalid: none` serves 0"


@pytest.mark.parametrize(
    ("kind", "invalid", "value", "data"),
    [
        (P["u16"], (0,), 0, "0000"),
        (P["u16"], (0,), 65535, "FFFF"),
        (P["s16"], (-32768,), None, "8000"),
        (P["s16"], (-32768,), 32767, "7FFF"),
        (P["u16"], (7, 9), 9, "0007"),
        (P["u16"], (), 65535, "FFFF"),
        (P["s32l"], (-1,), None, "FFFFFFFF"),
    ],
)
def test_named_invalid(kind: RegisterType, invalid: tuple[int, ...], value: Value | None, data: str) -> None:
    assert encode(kind, value, invalid=invalid) == bytes.fromhex(data)


def test_map_table_gives_nothing_for_a_raw_outside() -> None:
    kind = MappedType({5: 252})
    assert decode(kind, b"\x7f\xff") is None
    assert encode(kind, 251) == b"\xff\xff"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abcd", b"abcd\0\0"),
        ("abcdefgh", b"abcdef"),
        ("abcdeé", b"abcde\0"),
        ("a€€€", b"a\xe2\x82\xac\0\0"),
        ("abc😀", b"abc\0\0\0"),
        ("", bytes(6)),
        (12, b"12\0\0\0\0"),
    ],
)
def test_text_is_cut_at_a_character(value: Value, text: bytes) -> None:
    assert encode(TextType(3, encoding="utf-8"), value) == text


def test_text_outside_its_encoding_shows_a_question_mark() -> None:
    assert encode(TextType(2), "aé") == b"a?\0\0"
    assert decode(TextType(2), b"a\xe9\0\0") is None


@pytest.mark.parametrize(
    ("text", "data"),
    [("v1.0a", "00010AFF"), ("3.42", "000342FF"), ("1.13~beta-2", "00011302"), ("1.13~2", "00011302")],
)
def test_victron_versions_as_text(text: str, data: str) -> None:
    assert encode(P["ve_version"], text) == bytes.fromhex(data)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (P["u16"], -1),
        (P["u16"], 65536),
        (P["u16"], "12"),
        (P["u16"], math.nan),
        (P["u16"], math.inf),
        (P["u16"], 10**400),
        (P["s16"], -32769),
        (P["u32b"], 2**32),
        (P["s64l"], 2**63),
        (P["f32b"], 1e39),
        (P["f32b"], 10**400),
        (EnumType({}), 70000),
        (EnumType({}), 1.5),
        (EnumType({}), "on"),
        (P["version"], "1.2.3.4"),
        (P["version"], "16.0.0"),
        (P["ve_version"], "late"),
        (P["ve_version"], 1 << 24),
        (HexType(1), "12345"),
        (HexType(1), "zz"),
        (HexType(1), "-1"),
    ],
)
def test_what_does_not_fit_is_invalid_never_wrapped(kind: RegisterType, value: Value) -> None:
    assert encode(kind, value) == pattern(kind)


def test_infinity_in_registers_is_no_value() -> None:
    assert decode(P["f32b"], bytes.fromhex("7F800000")) is None


@pytest.mark.parametrize(
    ("name", "known"), [("ascii", True), ("UTF8", True), ("latin-1", True), ("utf-16", False), ("nix", False)]
)
def test_encodings(name: str, known: bool) -> None:
    assert is_encoding(name) is known
