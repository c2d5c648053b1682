"""What holds for any map text and for any history of publications."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.register_maps.format import Register, Table
from bridge.register_maps.image import MapRefusal, UnitImage, UnitWrite
from bridge.register_maps.layout import layout_of
from bridge.register_maps.loader import load_text
from bridge.register_maps.packing import decode, encode
from bridge.register_maps.positions import lines_of
from bridge.register_maps.rows import rows_of
from tests.register_maps.plant import Plant, loaded
from tests.register_maps.test_loader import EXAMPLE

WORDS = """registers: - [ ] { } address: 1 type: u16 text length: values: path: /X /Y source: sum: missing: zero
    write: true [0, scale: 1/0 1e999 -1 0x10000 0xFE00 repeat: count: 9 stride: coils: mirror: on: off: &a *a
    null ~ !!int detect: device: extends: m kind: persona stale: alias: bit: 17 invalid: none value: ' " #
    {n} /P/{n} 99999999999999999999 .nan .inf é 😀"""
FRAGMENTS = st.sampled_from(WORDS.split()) | st.sampled_from(["\n", "\t", "\n  ", "\n  - ", " ", ", ", ": "])


@settings(max_examples=300)
@given(st.lists(FRAGMENTS, max_size=60).map("".join) | st.text(max_size=80))
def test_any_text_is_a_map_or_errors_with_a_place(text: str) -> None:
    """Invariant: a map that can be laid out and listed, or errors inside the text; never an exception."""
    judge(text)


@settings(max_examples=300)
@given(st.data())
def test_any_slip_of_a_good_map_is_a_map_or_errors_with_a_place(data: st.DataObject) -> None:
    """Invariant: as above, for the good example with a piece of it replaced."""
    start = data.draw(st.integers(0, len(EXAMPLE)))
    end = data.draw(st.integers(start, min(len(EXAMPLE), start + 12)))
    judge(EXAMPLE[:start] + data.draw(FRAGMENTS | st.just("")) + EXAMPLE[end:])


def judge(text: str) -> None:
    load = load_text(text, "m.yaml", "m")
    if load.map is not None:
        assert load.errors == ()
        layout_of(load.map)
        for row in rows_of(load.map):
            row.as_json()
        return
    assert load.errors
    lines = lines_of(text)
    for error in load.errors:
        assert 1 <= error.line <= len(lines) + 1, error
        assert 1 <= error.column <= max(map(len, lines)) + 2, error
        assert error.message


IMAGE = """
registers:
  - {address: 0x2001, type: u16, scale: 100, path: /A}
  - {address: 0x2002, type: s32l, scale: 10, path: /B, stale: zero}
  - {address: 0x2004, type: f32b, path: /C, stale: exception}
  - {address: 0x2006, type: bit, bit: 0, path: /A}
  - {address: 0x2006, type: bit, bit: 15, path: /B}
  - {address: 0x2008, type: s64b, scale: 0.1, path: /C, invalid: none}
  - {address: 0x200C, type: e16, path: /A, source: [/Never, /B], write: true}
  - {address: 0x200D, type: s16, path: /N, source: {path: /C, negate: true}, write: [-100, 100]}
coils: [{address: 0, path: /A, on: 1, off: 0, mirror: 0x200E}]
"""
MAP = loaded(IMAGE)
VALUES = st.none() | st.integers(-(2**40), 2**40) | st.floats() | st.integers(-3, 3)


def wanted(register: Register, image: UnitImage) -> bytes | None:
    """The registers that an entry should show, from the points alone; None for 0B."""
    assert register.source is not None
    points = [p for p in register.source.points if image.device.has(p.path)]
    reading = image.device.reading(points[0].path)
    value = reading.value
    if value is not None and points[0].negate and not isinstance(value, str):
        value = -value
    if reading.quality.value == "stale":
        policy = register.stale.value if register.stale is not None else "invalid"
        if policy == "exception" or register.type.name == "bit":
            return None
        return (
            bytes(2 * register.length)
            if policy == "zero"
            else encode(register.type, None, invalid=register.invalid)
        )
    if register.switch is not None and value is not None:
        return b"\0\1" if value != 0 else b"\0\0"
    return encode(register.type, value, register.scale, register.invalid)


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(["fast", "slow"]), st.dictionaries(st.sampled_from("ABC"), VALUES)))
)
def test_any_history_reads_as_the_points_stand(history: list[tuple[str, dict[str, float | None]]]) -> None:
    """Invariant: after any publications every register equals its point encoded on its own."""
    plant = Plant()
    device = plant.device(["/A", "/B", "/C"])
    image = plant.image(MAP, device)
    device.publish("fast", {})
    for group, values in history:
        device.publish(group, {f"/{name}": value for name, value in values.items()})
        for register in MAP.registers:
            found = image.read_registers(Table.HOLDING, register.address, register.length)
            expected = wanted(register, image)
            if register.type.name == "bit":
                shown = None if isinstance(found, int) else decode(register.type, found)
                pair = [wanted(r, image) for r in MAP.registers if r.address == register.address]
                assert shown == (None if None in pair else decode(register.type, expected or b""))
            else:
                assert (None if isinstance(found, int) else found) == expected, register


@settings(max_examples=300)
@given(
    st.integers(0x1FFE, 0x2010) | st.just(0),
    st.binary(min_size=2, max_size=20).filter(lambda b: len(b) % 2 == 0),
    st.integers(0, 0xFFFF),
)
def test_any_write_is_changes_or_a_refusal(address: int, data: bytes, mask: int) -> None:
    """Invariant: any bytes to any address decode to changes of writable points, or a code 2, 3 or 0B."""
    plant = Plant()
    device = plant.device(["/A", "/B", "/C"])
    image = plant.image(MAP, device)
    device.publish("fast", {"/A": 1, "/B": 2, "/C": 3})
    writes: list[Callable[[], UnitWrite]] = [
        lambda: image.decode_registers(address, data),
        lambda: image.decode_mask(address, mask, data[0]),
        lambda: image.decode_coils(address, [bool(byte & 1) for byte in data]),
    ]
    for write in writes:
        code, changes = outcome(write)
        assert code in (None, 2, 3, 0x0B)
        assert changes <= {"/A", "/B", "/C"}


def outcome(write: Callable[[], UnitWrite]) -> tuple[int | None, set[str]]:
    """The refusal's code, or the paths changed."""
    try:
        done = write()
    except MapRefusal as refusal:
        return refusal.code, set()
    assert set(done.changes) == set(done.addresses)
    return None, set(done.changes)
