"""Maps that are almost right: what the loader says of them, and what it takes of those that are right."""

import pytest

from bridge.datastore.values import LinkState, Outcome
from bridge.register_maps.blocks.computed import compute
from bridge.register_maps.blocks.status import LINK_STATES, OUTCOMES, STATUS_FIELDS, STATUS_LENGTH
from bridge.register_maps.checks import unknown_sources
from bridge.register_maps.format import Kind, SourcePoint, Table
from bridge.register_maps.supply import Supplied
from tests.register_maps.plant import Plant, load, loaded

ONE = "registers: [{address: 1, type: u16, path: /X}]\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (ONE + "discrete_inputs: [{address: 0, path: /X, on: [1, 2], off: 2}]", 2, "found 2 for on and for off"),
        (ONE + "device: {min_timeout: true}", 2, "min_timeout: found the boolean true, expected seconds above 0"),
        (ONE + "device: {min_timeout: 0}", 2, "min_timeout: found the number 0, expected seconds above 0"),
        (ONE + "device: {instance: 65536}", 2, "instance: found 65536, expected 0 to 0xFFFF"),
        (ONE + "device: {product_id: -1}", 2, "product_id: found -1, expected 0 to 0xFFFF"),
        (ONE + "detect: {address: 1, type: u16, values: {7: [x]}}", 2, "expected a model's name"),
        (ONE + "detect: {address: 1, type: u16, values: {7: null}}", 2, "expected a model's name"),
        (ONE + "detect: {address: 1, type: u64b, values: {0x10000000000000000: x}}", 2, "detect: values: found"),
        (ONE + "detect: {address: 1, type: s64b, values: {-9223372036854775809: x}}", 2, "detect: values: found"),
        (ONE + "detect: {type: u16, values: {7: x}}", 2, "found no 'address'"),
        ("registers: [{address: 1, type: u16, path: /X, value: 3, source: /Y}]", 1, "source: found beside 'value'"),
        ("registers: [{address: 1, type: u16, path: /X, value: 3, write: true}]", 1, "write: found beside 'value'"),
        ("registers: [{address: 1, type: bit, bit: 0, path: /X, value: 2}]", 1, "value: found the number 2, which this bit"),
        ("registers: [{address: 1, type: u16, path: /X, write: true, accept: {a: 1}}]", 1, "accept: found"),
        ("registers: [{address: 1, type: u16, path: /X, write: true, accept: {1: a}}]", 1, "accept: 1: found"),
        ("registers: [{address: 1, type: f32b, path: /X, invalid: 1.0e+39}]", 1, "which f32b cannot hold"),
        ("registers: [{address: 1, type: u16, path: /X, write: true, accept: 3}]", 1, "expected a mapping"),
        (ONE + "detect: {address: 1, type: u16, values: 3}", 2, "expected a mapping"),
        ("registers: [{address: 1, type: s16, path: /X, invalid: 0xFFFF}]", 1, "the number is the signed one"),
        ("registers: [{address: 1, repeat: 3, registers: [{address: 0, type: u16, path: /X}]}]", 1, "repeat: found the number 3"),
        ("registers: [{address: 1, repeat: {count: 2, stride: 1, path: /X}, registers: []}]", 1, "no inner registers"),
        (
            "registers: [{address: 1, repeat: {count: 2, stride: 1, path: '/X/{n}'}, registers: []}]",
            1,
            "repeat: found no inner registers",
        ),
        (
            "registers: [{address: 1, repeat: {stride: 1, path: '/X/{n}'}, registers: [{address: 0, type: u16, path: /Y}]}]",
            1,
            "found no 'count'",
        ),
        (
            "registers: [{address: 1, repeat: {count: 2, stride: 1, path: x}, registers: [{address: 0, type: u16, path: /Y}]}]",
            1,
            "path: found",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_and_no_map_comes_of_it(text: str, line: int, words: str) -> None:
    result = load(text)
    assert result.map is None
    assert [e for e in result.errors if words in str(e) and e.line == line], "\n".join(
        map(str, result.errors)
    )


def test_a_repeat_that_numbers_nothing_is_told_once_and_makes_no_registers() -> None:
    result = load(
        "registers: [{address: 1, repeat: {count: 3, stride: 1, path: /X}, "
        "registers: [{address: 0, type: u16, path: /Y}]}]"
    )
    assert [str(e).partition(": ")[2].partition(",")[0] for e in result.errors] == ["path: found '/X'"]


@pytest.mark.parametrize(
    "text",
    [
        ONE + "device: {product_id: 0}",
        ONE + "device: {product_id: 65535}",
        ONE + "device: {instance: 65535}",
        "registers: [{address: 1, type: u64b, value: 0xFFFFFFFFFFFFFFFF}]\n"
        "detect: {address: 1, type: u64b, values: {0xFFFFFFFFFFFFFFFF: x}}",
        "registers: [{address: 1, type: s64b, value: -9223372036854775808}]\n"
        "detect: {address: 1, type: s64b, values: {-9223372036854775808: x}}",
    ],
)
def test_the_last_number_that_is_taken(text: str) -> None:
    assert loaded(text).registers


def test_what_a_map_says_of_its_device() -> None:
    found = loaded(
        ONE
        + "device: {vendor_id: v, vendor_name: V, product_name: P, role: battery, fast: [/X], product_id: 0}"
    ).device
    assert (found.vendor_id, found.vendor_name, found.product_name, found.role) == ("v", "V", "P", "battery")
    assert (found.fast, found.product_id) == (("/X",), 0)


@pytest.mark.parametrize(
    ("entry", "value", "data"),
    [
        ("type: bit, bit: 3, value: 1", 1, 0x0008),
        ("type: bit, bit: 3, value: 0", 0, 0x0000),
        ("type: bit, bit: 3, set: 5, unset: 7, value: 5", 5, 0x0008),
        ("type: text, length: 1, encoding: utf-8, value: é", "é", 0xC3A9),
        ("type: text, length: 1, value: é", "é", 0x3F00),
        ("type: hexstr, length: 1, value: 12EF", "12EF", 0x12EF),
        ("type: hexstr, length: 1, little: true, value: 12EF", "12EF", 0xEF12),
    ],
)
def test_constants(entry: str, value: int | str, data: int) -> None:
    plant = Plant()
    device = plant.device(["/X"])
    image = plant.image(f"registers: [{{address: 1, {entry}}}]", device)
    device.publish("fast", {"/X": 1})
    assert image.map.registers[0].value == value
    assert image.read_registers("holding", 1, 1) == data.to_bytes(2, "big")


def test_the_names_of_the_status_block_are_those_of_the_datastore() -> None:
    assert dict(LINK_STATES) == {state.name.lower(): state for state in LinkState}
    assert dict(OUTCOMES) == {"none": 0, **{outcome.word: outcome for outcome in Outcome}}


def test_the_fields_of_the_status_block_stand_where_they_were_published() -> None:
    assert [(f.offset, f.path, f.type.length) for f in STATUS_FIELDS] == [
        (0, "/Link/State", 1),
        (1, "/Link/Age", 1),
        (2, "/Link/CommandCount", 1),
        (3, "/Link/LastOutcome", 1),
        (4, "/Link/LastAddress", 1),
        (5, "/Link/LastException", 1),
        (6, "/Link/Errors", 2),
        (8, "/Link/Uptime", 2),
        (10, "/Link/WearLeft", 1),
        (11, "/Link/SetPoints", 1),
    ]
    assert STATUS_LENGTH == 12


def test_a_coil_of_a_map_with_both_register_tables_stays_a_coil() -> None:
    found = loaded(
        "registers: [{address: 1, type: u16, path: /X, table: input}, {address: 1, type: u16, path: /Y}]\n"
        "coils: [{address: 1, path: /X, write: false, mirror: 9}]"
    )
    assert [coil.table for coil in found.coils] == [Table.COILS]


@pytest.mark.parametrize(
    ("serial", "number"),
    [
        ("1", 1),
        ("2147483646", 0x7FFFFFFE),
        ("0", 0x74DBDF21),  # 0 would be no serial at all: its CRC-32 as for any text
        ("2147483647", 0x15D006D0),
        ("HQ2205ABCDE", 0x5ED0C6E0),
    ],
)
def test_serials_as_numbers(serial: str, number: int) -> None:
    found = compute("serial_number", [(SourcePoint("/Serial"), Supplied(serial))])
    assert found.value == number


def test_a_persona_needs_one_of_its_powers_and_not_all() -> None:
    text = (
        "detect: {address: 11, type: u16, values: {1648: EM24}, methods: [tcp]}\n"
        "registers:\n"
        "  - {address: 11, type: u16, value: 1648}\n"
        "  - {address: 0x28, type: s32l, path: /Ac/Power}\n"
        "  - {address: 0x12, type: s32l, path: /Ac/L1/Power}\n"
    )
    for there in ("/Ac/Power", "/Ac/L1/Power"):
        assert unknown_sources(loaded(text, Kind.PERSONA), lambda _, path, there=there: path == there) == []
    assert len(unknown_sources(loaded(text, Kind.PERSONA), lambda *_: False)) == 1
