"""Numbers, bits and texts of CAN frames where one more or one less is another thing."""

from fractions import Fraction

import pytest

from bridge.adapters.can.battery_frames import (
    BATTERY_FRAMES,
    EVENTS,
    HISTORY,
    NAME,
    STATE_OF_CHARGE,
    best_soc,
    history,
)
from bridge.adapters.can.fields import INVALID, Bit, Field, FieldValue, FrameSpec, Text, decode, encode
from bridge.adapters.can.island_frames import ISLAND_FRAMES

# -- numbers -----------------------------------------------------------------------------------------

EDGES = [
    ("B", "00", 0),
    ("B", "ff", 255),
    ("H", "0000", 0),
    ("H", "feff", 0xFFFE),
    ("H", "ffff", None),
    ("h", "ff7f", 0x7FFF),
    ("h", "0180", -0x7FFF),
    ("h", "0080", None),
    ("h", "ffff", -1),
    ("I", "feffffff", 0xFFFFFFFE),
    ("I", "ffffffff", None),
]


@pytest.mark.parametrize(("code", "wire", "value"), EDGES)
def test_each_number_at_its_edges_both_ways(code: str, wire: str, value: int | None) -> None:
    field = Field("x", 1, code)
    data = bytes.fromhex(f"aa{wire}")
    assert field.read(data) == value
    assert field.read(data[:-1]) is None
    buffer = bytearray(b"\xaa" + bytes(len(data) - 1))
    field.write(buffer, value)
    assert buffer.hex() == data.hex()


@pytest.mark.parametrize(
    ("code", "value"),
    [("B", -1), ("B", 256), ("H", 0x10000), ("h", -0x8001), ("h", 0x8000), ("I", -1), ("I", 1 << 32)],
)
def test_what_a_number_cannot_carry(code: str, value: int) -> None:
    with pytest.raises(ValueError, match="x: found"):
        Field("x", 0, code).write(bytearray(4), value)


@pytest.mark.parametrize("code", ["H", "h", "I"])
def test_a_marker_is_an_ordinary_value_where_it_says_so(code: str) -> None:
    marker = INVALID[code]
    assert marker is not None
    plain, marked = Field("x", 0, code, marker=False), Field("x", 0, code)
    buffer = bytearray(4)
    plain.write(buffer, marker)
    assert (plain.read(bytes(buffer)), marked.read(bytes(buffer))) == (marker, None)
    with pytest.raises(ValueError, match="cannot carry"):
        marked.write(bytearray(4), marker)
    plain.write(buffer, None)
    assert plain.read(bytes(buffer)) == 0


@pytest.mark.parametrize(
    ("field", "raw", "value"),
    [
        (Field("x", 0, "H", Fraction(1, 10)), 5, 0.5),
        (Field("x", 0, "H", Fraction(100)), 5, 500),
        (Field("x", 0, "H", Fraction(5, 2)), 5, 12.5),
        (Field("x", 0, "H", base=-273), 300, 27),
        (Field("x", 0, "H", Fraction(1, 10), base=-40), 401, 0.1),
        (Field("x", 0, "h", Fraction(1, 10), magnitude=True), -5, 0.5),
        (Field("x", 0, "h", Fraction(1, 10), magnitude=True), 5, 0.5),
        (Field("x", 0, "h", Fraction(1, 10), base=2, magnitude=True), -5, 2.5),
    ],
)
def test_scales_and_bases(field: Field, raw: int, value: float) -> None:
    assert field.read((raw & 0xFFFF).to_bytes(2, "little")) == pytest.approx(value, abs=1e-12)
    buffer = bytearray(2)
    field.write(buffer, value)
    assert int.from_bytes(buffer, "little") == (abs(raw) if field.magnitude else raw)


# -- bits, texts, frames -----------------------------------------------------------------------------


@pytest.mark.parametrize("bit", range(8))
def test_a_bit_alone(bit: int) -> None:
    field = Bit("x", 1, bit)
    assert field.read(bytes((0xFF, 1 << bit))) is True
    assert field.read(bytes((0xFF, 0xFF ^ 1 << bit))) is False
    assert field.read(b"\xff") is None
    for value in (True, False, None):
        buffer = bytearray(b"\0\0")
        field.write(buffer, value)
        assert buffer == bytes((0, 1 << bit if value else 0))
    kept = bytearray(b"\0\x55")
    field.write(kept, True)
    assert kept == bytes((0, 0x55 | 1 << bit))


@pytest.mark.parametrize(("byte", "told"), [(0x08, True), (0x80, True), (0x88, True), (0x77, False)])
def test_a_bit_that_some_put_elsewhere(byte: int, told: bool) -> None:
    field = Bit("x", 0, 3, also=7)
    assert field.read(bytes((byte,))) is told
    buffer = bytearray(1)
    field.write(buffer, True)
    assert buffer == b"\x08"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"A B", "A B"),
        (b"  A ~ ", "A ~"),
        (b"A\x1f!\x7f\x80\xff", "A!"),
        (b"\0\0", ""),
        (b"12345678", "12345678"),
    ],
)
def test_texts_are_read_without_what_cannot_be_printed(data: bytes, text: str) -> None:
    assert Text("x", 0, 8).read(data) == text
    assert Text("x", 2, 8).read(b"zz" + data) == text
    assert Text("x", 0, 8).read(b"") is None
    assert Text("x", 8, 8).read(data) is None
    assert Text("x", 0, 2).read(b"12" + data) == "12"


@pytest.mark.parametrize(
    ("value", "wire"), [(None, b" " * 8), ("", b" " * 8), ("AB", b"AB      "), ("12345678", b"12345678")]
)
def test_texts_are_padded_with_blanks(value: str | None, wire: bytes) -> None:
    assert encode(NAME, {"text": value}) == wire
    assert encode(NAME, {} if value is None else {"text": value}) == wire
    assert encode(NAME, {"text": value}, length=3) == wire[:3]


@pytest.mark.parametrize("spec", [*BATTERY_FRAMES.values(), *ISLAND_FRAMES.values()], ids=lambda s: s.name)
def test_the_shortest_frame_that_says_anything(spec: FrameSpec) -> None:
    assert decode(spec, bytes(spec.least - 1)) is None
    assert decode(spec, bytes(spec.least)) is not None
    assert len(encode(spec, {})) == spec.length
    assert len(encode(spec, {}, length=8)) == 8


def test_how_short_a_frame_may_be() -> None:
    """Two bytes, the first field of most; single bits and texts tell something with one, the history with four."""
    least = {spec.id: spec.least for spec in BATTERY_FRAMES.values() if spec.least != 2}
    ones = (0x35B, 0x35C, 0x35E, 0x360, 0x370, 0x371, 0x374, 0x375, 0x376, 0x377, 0x380, 0x381, 0x382)
    assert least == {**dict.fromkeys(ones, 1), 0x378: 4}
    assert {spec.least for spec in ISLAND_FRAMES.values()} == {2}


def test_a_relay_word_of_ones_is_all_relays() -> None:
    assert decode(ISLAND_FRAMES[0x307], b"\xff\xff\xc0\x00") == {
        "relay_word": 0xFFFF,
        "ac2_relay_closed": True,
        "ac2_voltage_valid": True,
    }


def test_events_and_their_bits() -> None:
    names = [field.name for field in EVENTS.fields]
    for place, name in enumerate(names):
        assert encode(EVENTS, {name: True})[0] == 1 << place


def test_the_size_of_the_history_is_that_of_both_counts() -> None:
    spec = history(Fraction(1, 100))
    assert (spec.id, spec.least, spec.length) == (HISTORY.id, HISTORY.least, HISTORY.length)
    assert encode(spec, {"charged_kwh": 1.23, "discharged_kwh": 4.56}).hex() == "7b000000c8010000"


@pytest.mark.parametrize(
    ("whole", "fine", "best"),
    [
        (50, 52.0, 52.0),
        (50, 52.001, 50),
        (50, 48.0, 48.0),
        (50, 47.999, 50),
        (50, "x", 50),
        ("x", 50.0, None),
    ],
)
def test_how_far_the_fine_state_of_charge_is_believed(
    whole: FieldValue, fine: FieldValue, best: float | None
) -> None:
    assert best_soc(whole, fine) == best


def test_a_short_state_of_charge_has_no_fine_one() -> None:
    found = decode(STATE_OF_CHARGE, bytes.fromhex("320064001234")[:5])
    assert found == {"soc_pct": 50, "soh_pct": 100, "soc_hires_pct": None}
