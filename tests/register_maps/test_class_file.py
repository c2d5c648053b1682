"""A class file publishes what its map holds, in a client that is written for other devices."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.class_file import (
    NoClassFile,
    class_file,
    fingerprint,
    module_name,
    published,
    read_stamp,
    unpublished,
    why_none,
)
from bridge.register_maps.format import Kind, RegisterMap
from bridge.register_maps.rows import rows_of
from tests.cerbo.examples import specs_of, values_of
from tests.cerbo.rig import Bridge, shipped
from tests.cerbo.stand_in import ImageModbus, ModbusDevice, client, run
from tests.register_maps.plant import loaded

VERSION = "1.0"
#: One of everything that a map can hold.
EVERYTHING = """
title: "One of\\neverything"
device: {vendor_id: bridge, product_name: "It's", product_id: 7, role: charger, instance: 41, hole_max: 12,
         fast: [/A/u16]}
detect: {address: 0x100, type: u16, values: {0x4801: Every}, units: [60], rates: [9600]}
constants: {/NrOfOutputs: 3, /Word: "it's"}
registers:
  - {address: 0x0100, type: u16, value: 0x4801}
  - {address: 0x1010, type: text, length: 8, path: /Serial, info: true}
  - {address: 0x3000, type: u16, scale: 10, path: /A/u16, write: [1.5, 30]}
  - {address: 0x3001, type: s16, scale: 1/3600, path: /A/s16}
  - {address: 0x3002, type: u32b, path: /A/u32b}
  - {address: 0x3004, type: u32l, path: /A/u32l}
  - {address: 0x3006, type: s32b, scale: 100, path: /A/s32b, write: true, format: "%.2f A"}
  - {address: 0x3008, type: s32l, path: /A/s32l}
  - {address: 0x300A, type: u64b, path: /A/u64b}
  - {address: 0x300E, type: u64l, path: /A/u64l}
  - {address: 0x3012, type: s64b, path: /A/s64b}
  - {address: 0x3016, type: s64l, path: /A/s64l}
  - {address: 0x301A, type: f32b, path: /A/f32b, write: true}
  - {address: 0x301C, type: f32l, path: /A/f32l}
  - {address: 0x301E, type: text, length: 3, encoding: utf-8, little: true, path: /A/text, write: true}
  - {address: 0x3021, type: hexstr, length: 2, path: /A/hex}
  - {address: 0x3023, type: e16, path: /A/mode, values: {"on": 1, "3P.n": 4, none: 5, None: 6, mro: 7}, accept: {0: 4},
     write: true}
  - {address: 0x3024, type: e16, path: /A/nameless}
  - {address: 0x3025, type: mapu16, path: /A/table, values: {5: 252, 6: 253}, write: {values: [252, 253]}}
  - {address: 0x3026, type: bit, bit: 3, path: /A/bit, set: 2, unset: 1}
  - {address: 0x3027, type: version, path: /A/version}
  - {address: 0x3028, type: ve_version, path: /A/ve_version}
  - {address: 0x302A, type: u16, path: /A/no_invalid, invalid: none}
  - {address: 0x3030, type: u16, path: /A/written_only, write: true, poll: false, self_clearing: true}
coils:
  - {address: 0, path: /A/relay, on: 1, off: 4, mirror: 0x3040}
discrete_inputs:
  - {address: 0, path: /A/seen_nowhere, on: 1}
"""
TWO_TABLES = """
device: {role: grid, access: input}
detect: {address: 0x100, type: u16, values: {0x4801: Two}, units: [60]}
registers:
  - {address: 0x0100, type: u16, value: 0x4801}
  - {address: 0x1010, type: text, length: 8, path: /Serial, info: true, table: holding}
  - {address: 0x0200, type: u16, path: /A}
  - {address: 0x0300, type: u16, path: /B}
  - {address: 0x0200, type: u16, path: /C, table: holding}
  - {address: 0x0300, type: u16, path: /D, table: holding}
"""


def classifiable() -> list[str]:
    return [
        row.name for row in Catalogue().listed() if not row.errors and why_none(shipped(row.name)) is None
    ]


MAPS = {"everything": EVERYTHING, "two_tables": TWO_TABLES}


@pytest.fixture(params=[*classifiable(), *MAPS])
def a_map(request: pytest.FixtureRequest) -> RegisterMap:
    return loaded(MAPS[request.param]) if request.param in MAPS else shipped(request.param)


class Shown:
    """A map's device as the client sees it."""

    def __init__(self, device: ModbusDevice, modbus: ImageModbus, values: dict[str, object]) -> None:
        self.device, self.modbus, self.values = device, modbus, values


def start(one: RegisterMap) -> Shown:
    values = values_of(one)
    bridge = Bridge()
    modbus = ImageModbus(bridge.serve(20, one, bridge.device("device", values, specs_of(one, values))))
    with client() as types:
        run(class_file(one, VERSION))
        device = types[0].probe(modbus)
    assert device is not None, "the model register was not found"
    device.init()
    device.update()
    return Shown(device, modbus, values)


def test_every_path_of_the_map_is_published_with_the_right_value(a_map: RegisterMap) -> None:
    shown = start(a_map)
    wanted = {row.path for row in rows_of(a_map) if row.path} - set(unpublished(a_map))
    assert wanted <= shown.device.dbus.keys()
    for register in published(a_map):
        if register.source is None or not register.poll:
            continue
        if register.source.total:
            continue
        expected = 0 if register.self_clearing else shown.values[register.source.points[0].path]
        found = shown.device.dbus[register.path]
        assert found == pytest.approx(expected), register.path


def test_constants_custom_name_and_identity() -> None:
    shown = start(loaded(EVERYTHING))
    assert shown.device.dbus["/NrOfOutputs"] == 3
    assert shown.device.dbus["/Word"] == "it's"
    assert shown.device.dbus["/CustomName"] == ""
    assert shown.device.dbus["/ProductName"] == "It's"
    assert shown.device.get_ident() == "bridge_SN0001"
    assert (shown.device.default_role, shown.device.default_instance) == ("charger", 41)
    assert shown.device.fast_regs == ("/A/u16",)


def test_what_stands_in_no_register_is_named() -> None:
    one = loaded(EVERYTHING)
    assert unpublished(one) == ["/A/seen_nowhere"]
    assert "/A/seen_nowhere" in class_file(one, VERSION)


def test_a_name_of_the_devices_own_takes_the_place_of_the_clients() -> None:
    text = EVERYTHING.replace(
        "  - {address: 0x3000,",
        "  - {address: 0x1020, type: text, length: 4, path: /CustomName, info: true}\n  - {address: 0x3000,",
    )
    assert start(loaded(text)).device.dbus["/CustomName"] == "A1"


def test_absent_values_are_invalid_not_numbers() -> None:
    one = loaded(EVERYTHING)
    values = dict.fromkeys(values_of(one))
    bridge = Bridge()
    device = bridge.device("device", {**values, "/Serial": "X"}, specs_of(one, values_of(one)))
    modbus = ImageModbus(bridge.serve(20, one, device))
    with client() as types:
        run(class_file(one, VERSION))
        shown = types[0].probe(modbus)
    shown.init()
    shown.update()
    numbers = [
        p for p in shown.dbus if p.startswith("/A/") and p not in {"/A/no_invalid", "/A/bit", "/A/relay"}
    ]
    assert {p: shown.dbus[p] for p in numbers if shown.dbus[p] not in (None, "", "00000000", 0xFFFFFF)} == {}


@pytest.mark.parametrize(
    ("path", "written", "arrives"),
    [
        ("/A/u16", 30, {"/A/u16": 30.0}),
        ("/A/u16", 30.1, None),
        ("/A/s32b", -1.5, {"/A/s32b": -1.5}),
        ("/A/f32b", 1.5, {"/A/f32b": 1.5}),
        ("/A/text", "wörk", {"/A/text": "wörk"}),
        ("/A/mode", 4, {"/A/mode": 4}),
        ("/A/mode", 0, {"/A/mode": 4}),
        ("/A/mode", 2, None),
        ("/A/table", 253, {"/A/table": 253}),
        ("/A/table", 6, None),
        ("/A/relay", 4, {"/A/relay": 4}),
        ("/A/relay", 1, {"/A/relay": 1}),
        ("/A/written_only", 1, {"/A/written_only": 1}),
        ("/A/u32b", 1, None),
    ],
)
def test_writes(path: str, written: object, arrives: dict[str, object] | None) -> None:
    shown = start(loaded(EVERYTHING))
    assert shown.device.set_value(path, written) is (arrives is not None)
    assert shown.modbus.changes == ([] if arrives is None else [arrives])


def test_registers_are_fresh_at_each_start() -> None:
    first, second = start(loaded(EVERYTHING)), start(loaded(EVERYTHING))
    shown = first.device
    before = shown.data_regs
    shown.device_init()
    assert not {id(reg) for reg in before} & {id(reg) for reg in shown.data_regs}
    assert first.device.data_regs is not second.device.data_regs


def test_a_map_of_two_tables_is_read_from_both() -> None:
    reads = start(loaded(TWO_TABLES)).modbus.reads
    assert {(access, address) for access, address, _ in reads} >= {
        ("input", 0x200),
        ("input", 0x300),
        ("holding", 0x200),
        ("holding", 0x300),
    }


def interpreters() -> Iterator[str]:
    """Every Python of this machine that a GX might have."""
    for minor in range(8, 14):
        name = f"python3.{minor}"
        installed = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
        found = str(installed[-1]) if installed else shutil.which(name)
        if (
            found is not None
            and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0
        ):
            yield found


def test_it_is_python_3_8(a_map: RegisterMap) -> None:
    text = class_file(a_map, VERSION)
    ast.parse(text, feature_version=(3, 8))
    assert text.isascii()
    assert max(len(line) for line in text.splitlines()) < 400


def test_interpreters_of_this_machine_compile_it(tmp_path: Path) -> None:
    files = []
    for name in [*classifiable(), *MAPS]:
        one = loaded(MAPS[name]) if name in MAPS else shipped(name)
        files.append(tmp_path / f"{module_name(one)}_{len(files)}.py")
        files[-1].write_text(class_file(one, VERSION), encoding="utf-8")
    code = "import sys\nfor f in sys.argv[1:]: compile(open(f).read(), f, 'exec')"
    for python in interpreters():
        done = subprocess.run(
            [python, "-W", "error", "-c", code, *files],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{python}: {done.stderr}"


class TestStamp:
    def test_is_read_back(self) -> None:
        one = loaded(EVERYTHING)
        stamp = read_stamp(class_file(one, VERSION))
        assert stamp is not None
        assert (stamp.map, stamp.fingerprint) == ("m", fingerprint(one))

    @pytest.mark.parametrize(
        "text", ["", "MAP_NAME = 'x'", "not python at all (", "MAP_NAME = 1\nMAP_FINGERPRINT = 2", "\0"]
    )
    def test_other_texts_have_none(self, text: str) -> None:
        assert read_stamp(text) is None

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("scale: 10,", "scale: 100,"),
            ("0x3002", "0x302C"),
            ("[1.5, 30]", "[1.5, 31]"),
            ("0x4801: Every", "0x4801: All"),
            ("/NrOfOutputs: 3", "/NrOfOutputs: 2"),
            ("role: charger", "role: inverter"),
        ],
    )
    def test_changes_with_the_map(self, old: str, new: str) -> None:
        assert fingerprint(loaded(EVERYTHING)) != fingerprint(loaded(EVERYTHING.replace(old, new, 1)))

    def test_stays_without_a_change(self) -> None:
        assert fingerprint(loaded(EVERYTHING)) == fingerprint(loaded("# a comment\n" + EVERYTHING))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("registers: [{address: 1, type: u16, path: /A}]", "detect"),
        (
            "detect: {address: 1, type: u16, values: {7: A}}\nregisters: [{address: 1, type: u16, value: 7}]",
            "role",
        ),
        (
            "device: {role: grid}\nkind: client\ndetect: {address: 1, type: u16, values: {7: A}}\nregisters: [{address: 1, type: u16, path: /A}]",
            "no constant at 0x0001",
        ),
        (
            "device: {role: grid}\ndetect: {address: 1, type: u16, values: {7: A}}\nregisters: [{address: 1, type: u16, value: 7}]",
            "/Serial",
        ),
    ],
)
def test_maps_that_cannot_be_a_class_say_why(text: str, said: str) -> None:
    with pytest.raises(NoClassFile, match=said):
        class_file(loaded(text), VERSION)


def test_every_native_map_that_a_gx_could_know_has_one() -> None:
    """One without `detect` is for other tools, and says so itself."""
    natives = [row.name for row in Catalogue().listed() if row.kind is Kind.NATIVE]
    reasons = {name: why_none(shipped(name)) for name in natives if shipped(name).detect is not None}
    assert "bluesmart_charger" in reasons
    assert reasons == dict.fromkeys(reasons)


def test_a_persona_needs_none() -> None:
    with pytest.raises(NoClassFile, match="persona"):
        class_file(shipped("personas/em24"), VERSION)


def test_scales_below_one_stay_exact() -> None:
    one = loaded(EVERYTHING)
    hours = next(r for r in one.registers if r.path == "/A/s16")
    assert hours.scale == Fraction(1, 3600)
    assert "1 / 3600" in class_file(one, VERSION)
