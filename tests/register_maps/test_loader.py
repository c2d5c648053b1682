"""What a map file may say, and what it then means."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from bridge.register_maps import bit_entries, device_entries, loader, register_entries
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Kind, Missing, SourcePoint, Stale, Switch, Table, WriteRule
from bridge.register_maps.image import MapRefusal
from bridge.register_maps.loader import load_text
from bridge.register_maps.types import TYPE_NAMES, BitType, EnumType, MappedType, TextType
from tests.register_maps.plant import Plant, load, loaded, registers, words

ALL_KEYS = frozenset(
    {
        *loader.KEYS,
        *register_entries.KEYS,
        *device_entries.DEVICE_KEYS,
        *device_entries.DETECT_KEYS,
        *(key for keys in bit_entries.KEYS.values() for key in keys),
    }
)

EXAMPLE = """
    name: m
    title: Victron Blue Smart IP22 charger
    device: {vendor_id: 0123, vendor_name: Victron Energy, product_id: 0xA330, product_name: 801E10, role: charger,
             instance: 40, min_timeout: 0.5, access: holding, hole_max: 31, fast: [/Dc/0/Voltage]}
    detect: {address: 0x0100, type: u16, values: {0x4201: Blue Smart IP22}, methods: [tcp, rtu], units: [20],
             rates: [38400]}
    stale: exception
    registers:
      - {address: 0x0100, type: u16, value: 0x4201}
      - {address: 0x1000, type: text, length: 8, path: /Serial, info: true, poll: false}
      - {address: 0x3000, type: u16, scale: 100, path: /Dc/0/Voltage, invalid: 0xFFFF, format: "%.2f V"}
      - {address: 0x3010, type: e16, path: /Mode, values: {on: 1, off: 4}, accept: {0: 4}, write: true}
      - {address: 0x3011, type: u16, scale: 10, path: /Settings/ChargeCurrentLimit, write: [0, 60]}
      - {address: 0x3100, repeat: {count: 4, stride: 8, path: "/Panels/{n}"},
         registers: [{address: 0, type: u16, path: /Power}]}
    coils:
      - {address: 0, path: /Mode, on: 1, off: 4, mirror: 0x3020}
    discrete_inputs:
      - {address: 0, path: /Alarms/HighVoltage, on: [1, 2]}
    constants: {/NrOfOutputs: 1}
"""


def test_the_example_of_the_format() -> None:
    found = loaded(EXAMPLE)
    assert (found.name, found.title, found.kind) == ("m", "Victron Blue Smart IP22 charger", Kind.NATIVE)
    assert (found.device.vendor_id, found.device.product_name) == ("0123", "801E10"), "texts stay as written"
    assert (found.device.product_id, found.device.min_timeout_s) == (0xA330, 0.5)
    assert found.detect is not None
    assert (found.detect.values, found.detect.units) == ({0x4201: "Blue Smart IP22"}, (20,))
    assert found.stale is Stale.EXCEPTION
    assert found.constants == {"/NrOfOutputs": 1}
    by_address = {r.address: r for r in found.registers}
    assert by_address[0x0100].value == 0x4201
    assert (by_address[0x1000].type, by_address[0x1000].info, by_address[0x1000].poll) == (
        TextType(8),
        True,
        False,
    )
    assert (by_address[0x3000].scale, by_address[0x3000].invalid) == (Fraction(100), (0xFFFF,))
    assert by_address[0x3000].form == "%.2f V"
    mode = by_address[0x3010]
    assert isinstance(mode.type, EnumType)
    assert mode.type.values == {"on": 1, "off": 4}, "on and off are words, not booleans"
    assert (mode.write, mode.accept) == (WriteRule(choices=(1, 4)), {0: 4})
    assert by_address[0x3011].write == WriteRule(0.0, 60.0)
    assert [r.path for r in found.registers if r.address >= 0x3100] == [
        f"/Panels/{n}/Power" for n in (1, 2, 3, 4)
    ]
    assert [r.address for r in found.registers if r.address >= 0x3100] == [0x3100, 0x3108, 0x3110, 0x3118]
    mirror = by_address[0x3020]
    assert (mirror.switch, mirror.path) == (Switch((1,), 4), "/Mode")
    assert [(c.table, c.address, c.switch) for c in found.coils] == [
        (Table.COILS, 0, Switch((1,), 4)),
        (Table.DISCRETE, 0, Switch((1, 2), None)),
    ]


@pytest.mark.parametrize(
    ("source", "points", "total", "missing"),
    [
        ("/P", [SourcePoint("/P")], False, Missing.FAIL),
        ("roof:/P", [SourcePoint("/P", "roof")], False, Missing.FAIL),
        ("[/A, /B]", [SourcePoint("/A"), SourcePoint("/B")], False, Missing.FAIL),
        ("{path: /A, negate: true}", [SourcePoint("/A", negate=True)], False, Missing.FAIL),
        (
            "[{path: /A, negate: true}, /B]",
            [SourcePoint("/A", negate=True), SourcePoint("/B")],
            False,
            Missing.FAIL,
        ),
        ('{sum: [/A, "roof:/P"]}', [SourcePoint("/A"), SourcePoint("/P", "roof")], True, Missing.FAIL),
        ("{sum: [/A, /B], missing: zero}", [SourcePoint("/A"), SourcePoint("/B")], True, Missing.ZERO),
        (
            "{sum: [/Ac/Energy/Forward, /E]}",
            [SourcePoint("/Ac/Energy/Forward"), SourcePoint("/E")],
            True,
            Missing.HOLD,
        ),
    ],
)
def test_sources(source: str, points: list[SourcePoint], total: bool, missing: Missing) -> None:
    register = loaded(registers(f"address: 1, type: s16, path: /X, source: {source}")).registers[0]
    assert register.source is not None
    assert (list(register.source.points), register.source.total) == (points, total)
    assert register.source.missing is missing


@pytest.mark.parametrize(
    ("kind", "keys", "write", "rule"),
    [
        ("u16", "", "true", WriteRule()),
        ("u16", "", "false", None),
        ("s16", "", "[-5, 5]", WriteRule(-5.0, 5.0)),
        ("u16", "", "{values: [1, 2, 4]}", WriteRule(choices=(1, 2, 4))),
        ("e16", "values: {a: 1, b: 2}", "true", WriteRule(choices=(1, 2))),
        ("e16", "values: {a: 1, b: 2}", "[0, 9]", WriteRule(0.0, 9.0)),
        ("bit", "bit: 3", "true", WriteRule(choices=(0, 1))),
        ("text", "length: 2", "true", WriteRule()),
        ("text", "length: 2", "{values: [on, 01]}", WriteRule(choices=("on", "01"))),
    ],
)
def test_write_rules(kind: str, keys: str, write: str, rule: WriteRule | None) -> None:
    entry = ", ".join(
        part for part in ("address: 1", f"type: {kind}", keys, "path: /X", f"write: {write}") if part
    )
    assert loaded(registers(entry)).registers[0].write == rule


def test_scales_are_exact() -> None:
    found = loaded(
        registers(
            *(
                f"address: {n}, type: u16, path: /X, scale: {s}"
                for n, s in enumerate(["1/3600", "0.1", "100", "1e3", "0x10"])
            )
        )
    )
    assert [r.scale for r in found.registers] == [Fraction(1, 3600), Fraction(1, 10), 100, 1000, 16]


def test_repeats_nest_and_number_sources() -> None:
    found = loaded(
        """
        registers:
          - address: 0x2000
            repeat: {count: 2, stride: 16, path: "/Inverters/{n}"}
            registers:
              - {address: 0, type: u16, path: /Ac/Power}
              - address: 4
                repeat: {count: 2, stride: 2, path: "/Panels/{m}", first: 0}
                registers:
                  - {address: 1, type: u16, path: /V, source: "roof:/I/{n}/P/{m}/V"}
        """
    )
    assert [(r.address, r.path) for r in found.registers] == [
        (0x2000, "/Inverters/1/Ac/Power"),
        (0x2005, "/Inverters/1/Panels/0/V"),
        (0x2007, "/Inverters/1/Panels/1/V"),
        (0x2010, "/Inverters/2/Ac/Power"),
        (0x2015, "/Inverters/2/Panels/0/V"),
        (0x2017, "/Inverters/2/Panels/1/V"),
    ]
    source = found.registers[-1].source
    assert source is not None
    assert source.points == (SourcePoint("/I/2/P/1/V", "roof"),)


def test_extends_replaces_by_address_and_keeps_the_rest() -> None:
    base = """
        title: Base
        device: {role: inverter, instance: 20}
        registers:
          - {address: 1, type: u16, path: /A}
          - {address: 2, type: u16, path: /B}
        coils:
          - {address: 0, path: /A, mirror: 9}
        constants: {/One: 1}
    """
    found = loaded(
        """
        extends: base
        device: {instance: 21}
        registers:
          - {address: 2, type: s16, path: /C}
        coils:
          - {address: 0, path: /B, mirror: 10}
        constants: {/Two: 2}
        """,
        base=base,
    )
    assert [(r.address, r.path) for r in found.registers] == [(1, "/A"), (2, "/C"), (10, "/B")]
    assert (found.title, found.device.role, found.device.instance) == ("Base", "inverter", 21)
    assert found.constants == {"/One": 1, "/Two": 2}


def test_bits_share_a_register_and_numbers_may_be_mapped() -> None:
    found = loaded(
        registers(
            "address: 1, type: bit, bit: 0, path: /A",
            "address: 1, type: bit, bit: 15, set: 2, path: /B",
            "address: 1, type: bit, bit: 16, path: /C",
            "address: 3, type: mapu16, values: {5: 252, 0x10: 1.5}, path: /D",
        )
    )
    kinds = [r.type for r in found.registers]
    assert kinds[:3] == [BitType(0), BitType(15, set=2), BitType(16)]
    assert kinds[3] == MappedType({5: 252, 16: 1.5})


@pytest.mark.parametrize(
    ("text", "table"),
    [("device: {access: input}", Table.INPUT), ("device: {access: holding}", Table.HOLDING)],
)
def test_access_is_the_table_of_entries_that_name_none(text: str, table: Table) -> None:
    assert loaded(f"{text}\nregisters: [{{address: 1, type: u16, path: /X}}]").registers[0].table is table


def test_aliases_share_registers() -> None:
    found = loaded(
        registers("address: 5, type: u32b, path: /Time", "address: 5, type: u16, path: /High, alias: true")
    )
    assert [r.alias for r in found.registers] == [False, True]


def test_a_discrete_input_may_name_its_off_value() -> None:
    found = loaded("discrete_inputs: [{address: 3, path: /X, off: 7}, {address: 4, path: /Y}]")
    assert [c.switch.reads(v) for c in found.coils for v in (0, 7, 1)] == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]


def test_equal_types_and_sources_are_one_object() -> None:
    found = loaded(
        registers(
            "address: 1, type: e16, values: {a: 1}, path: /X",
            "address: 2, type: e16, values: {a: 1}, path: /X",
        )
    )
    first, second = found.registers
    assert first.type is second.type
    assert first.source is second.source


def test_positions_of_the_file_are_kept() -> None:
    assert [(r.line, r.column) for r in loaded(registers("address: 1, type: u16, path: /X")).registers] == [
        (2, 5)
    ]
    assert load("registers: [").errors[0].line >= 1


def documented_example() -> str:
    page = (Path(__file__).parents[2] / "docs" / "map-format.md").read_text(encoding="utf-8")
    return page.split("```yaml\n# heater.yaml", 1)[1].split("```", 1)[0]


def test_the_worked_example_of_the_documentation() -> None:
    result = load_text(documented_example(), "heater.yaml", "heater")
    assert result.errors == ()
    assert result.map is not None
    plant = Plant()
    device = plant.device(["/Ac/Power", "/Settings/Target", "/Mode"])
    image = plant.image(result.map, device)
    device.publish("fast", {"/Ac/Power": 1250, "/Settings/Target": 21.5, "/Mode": 1})
    assert words(image.read_registers("holding", 0x3000, 3)) == [0x04E2, 0x00D7, 0x0001]
    assert image.decode_registers(0x3001, (215).to_bytes(2, "big")).changes == {"/Settings/Target": 21.5}
    for refused in (350, 0xFFFF):
        with pytest.raises(MapRefusal) as refusal:
            image.decode_registers(0x3001, refused.to_bytes(2, "big"))
        assert refusal.value.code == 3


def test_every_key_of_the_format_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "map-format.md").read_text(encoding="utf-8")
    missing = [key for key in ALL_KEYS | TYPE_NAMES if not re.search(rf"\b{key}\b", page)]
    assert missing == []


def test_a_file_of_ones_own_may_have_any_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: another\nregisters: [{address: 1, type: u16, path: /Soc}]\n")
    assert Catalogue().load("./mine.yaml", tmp_path).errors == ()


def test_a_shipped_map_is_called_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "heater.yaml").write_text("name: boiler\nregisters: [{address: 1, type: u16, path: /Soc}]\n")
    (error,) = Catalogue(tmp_path).load("heater").errors
    assert (error.line, error.column) == (1, 7)
    assert "found 'boiler' in the file of 'heater'" in error.message


def test_fast_may_name_what_only_a_wider_map_has(tmp_path: Path) -> None:
    """`fast` is advice to clients: a path without a register advises nobody."""
    text = "device: {fast: [/Dc/0/Current]}\nregisters: [{address: 1, type: u16, path: /Soc}]"
    assert load(text).errors == ()
