"""Which reads a map becomes: packing, what is left out, what a refusal teaches."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.modbus.plan import REFUSED_AGAIN_S, Island, Plan, own_path, plan_of, value_in, writers
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Kind, RegisterMap, Table
from bridge.register_maps.loader import load_text
from bridge.register_maps.packing import encode


def loaded(text: str) -> RegisterMap:
    load = load_text(text, "test.yaml", "test", Kind.CLIENT)
    assert load.map is not None, load.errors
    return load.map


def shipped(name: str) -> RegisterMap:
    load = Catalogue().load(name)
    assert load.map is not None, load.errors
    return load.map


def reads(plan: Plan) -> list[tuple[str, int, int, float]]:
    return [(str(i.table), i.start, i.read.count, i.period_s) for i in plan.islands]


SERIES607_MADE = {"/Serial", "/ProductName", "/Ac/Out/L1/I", "/FaultCode"}


@pytest.mark.parametrize(
    ("name", "way", "made", "islands"),
    [
        ("series607", "rtu", SERIES607_MADE, [("holding", 0x3001, 6, 0.5), ("holding", 0x3010, 4, 2.0)]),
        ("series607", "tcp", SERIES607_MADE, [("holding", 0x3001, 19, 0.5)]),
        ("sdm630", "rtu", (), [("input", 0, 36, 0.5), ("input", 0x34, 24, 0.5)]),
        ("sdm630", "tcp", (), [("input", 0, 76, 0.5)]),
        (
            "victron_gx_system", "tcp", (),
            [("holding", 806, 61, 0.5), ("holding", 2700, 18, 2.0), ("holding", 2901, 3, 2.0)],
        ),
    ],
)  # fmt: skip
def test_shipped_maps(name: str, way: str, made: set[str], islands: list[object]) -> None:
    assert reads(plan_of(shipped(name), 2.0, way, made=made)) == islands  # type: ignore[arg-type]


def test_what_is_read_once() -> None:
    plan = plan_of(shipped("sdm630"), 2.0, "rtu")
    assert [(str(i.table), i.start, i.read.count) for i in plan.info] == [
        ("holding", 0x0002, 2),
        ("holding", 0xFC00, 2),
    ]


MAP = """
device: {hole_max: 4, fast: [/Fast]}
registers:
  - {address: 100, type: u16, path: /A}
  - {address: 100, type: s16, path: /Aside, alias: true}
  - {address: 102, type: u16, path: /Write/Only, write: true, poll: false}
  - {address: 103, type: u16, value: 7}
  - {address: 105, type: u32b, path: /B, source: {path: /B, negate: true}}
  - {address: 112, type: bit, bit: 3, path: /Bit}
  - {address: 113, type: u16, path: /Command, write: true, self_clearing: true}
  - {address: 114, type: u16, scale: 10, path: /B}
  - {address: 300, type: u16, path: /Fast}
  - {address: 301, type: u16, path: /Sum, source: {sum: [/A, /B]}}
  - {address: 302, type: u16, path: /Other, source: "meter:/Ac/Power"}
coils:
  - {address: 5, path: /Coil, mirror: 200}
  - {address: 6, path: /A, on: 9, off: 0, mirror: 201}
discrete_inputs:
  - {address: 9, path: /Door, on: 4}
"""


def test_what_a_client_reads_of_a_map() -> None:
    """No alias, no constant, no command, no mirror, nothing worked out; of several entries the first."""
    plan = plan_of(loaded(MAP), 4.0)
    assert {(i.name, tuple(own_path(e) for e in i.entries), i.period_s) for i in plan.islands} == {
        ("holding 0x0064", ("/A", "/B"), 4.0),  # a gap of four, the constant and the command in it
        ("holding 0x0070", ("/Bit",), 4.0),
        ("holding 0x012C", ("/Fast",), 1.0),
        ("coils 0x0005", ("/Coil",), 4.0),
        ("discrete 0x0009", ("/Door",), 4.0),
    }
    assert plan.info == ()


def test_which_entry_writes_a_point() -> None:
    found = writers(loaded(MAP))
    assert {path: (str(entry.table), entry.address) for path, entry in found.items()} == {
        "/Write/Only": ("holding", 102),
        "/Command": ("holding", 113),
        "/Coil": ("coils", 5),
        "/A": ("coils", 6),
    }


def test_values_of_a_reply() -> None:
    plan = plan_of(loaded(MAP), 4.0)
    by_name = {island.name: island for island in plan.islands}
    registers = bytes.fromhex("0007 0000 0000 0000 0000 0000 03e8")
    assert by_name["holding 0x0064"].values(registers) == {"/A": 7, "/B": -1000}
    assert by_name["holding 0x0070"].values(b"\0\x08") == {"/Bit": 1}
    assert by_name["coils 0x0005"].values(b"\x01") == {"/Coil": 1}
    assert by_name["discrete 0x0009"].values(b"\x01") == {"/Door": 4}
    assert by_name["discrete 0x0009"].values(b"\x00") == {"/Door": 0}
    assert by_name["holding 0x0064"].values(bytes.fromhex("ffff" + "0000" * 4 + "ffffffff")) == {
        "/A": None,
        "/B": None,
    }


@pytest.mark.parametrize("value", [21.3, 0.1, 230.4, -1234.5, 0.0, 1e-3, 16777217.0])
def test_single_precision_is_told_as_people_write_it(value: float) -> None:
    entry = loaded("registers: [{address: 0, type: f32b, path: /F}]").registers[0]
    told = value_in(entry, encode(entry.type, value), 0)
    assert told == pytest.approx(value, rel=1e-6)
    assert len(repr(told)) <= len(repr(value)) + 1


ENTRY = st.tuples(st.integers(0, 400), st.sampled_from(["u16", "u32b", "u64l", "f32b"]))
LENGTHS = {"u16": 1, "u32b": 2, "u64l": 4, "f32b": 2}


@st.composite
def maps(draw: st.DrawFn) -> RegisterMap:
    lines, end = [], 0
    for number, (gap, kind) in enumerate(draw(st.lists(ENTRY, min_size=1, max_size=60))):
        start = 20_000 + end + (gap if draw(st.booleans()) else gap % 9)
        end = start - 20_000 + LENGTHS[kind]
        table = draw(st.sampled_from(["holding", "input"]))
        lines.append(f"  - {{address: {start}, type: {kind}, path: /P{number}, table: {table}}}")
    hole_max = draw(st.integers(0, 60))
    return loaded(f"device: {{hole_max: {hole_max}}}\nregisters:\n" + "\n".join(lines))


@given(maps(), st.sampled_from(["tcp", "udp", "rtu"]), st.integers(4, 125))
def test_islands(made: RegisterMap, way: str, read_max: int) -> None:
    """Invariant: every point in just one island, none too long, none with too wide a gap, none overlapping."""
    plan = plan_of(made, 1.0, way, read_max)  # type: ignore[arg-type]
    holes = {"tcp": 31, "udp": 19, "rtu": 7}
    paths = [own_path(entry) for island in plan.islands for entry in island.entries]
    assert sorted(paths) == sorted(register.path or "" for register in made.registers)
    for island in plan.islands:
        assert island.read.count <= read_max
        ordered = sorted(island.entries, key=lambda entry: entry.address)
        assert all(b.address - a.end <= min(holes[way], made.device.hole_max) for a, b in pairwise(ordered))
        assert island.start == ordered[0].address
        assert island.start + island.read.count == ordered[-1].end
    for table in (Table.HOLDING, Table.INPUT):
        spans = sorted((i.start, i.start + i.read.count) for i in plan.islands if i.table is table)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


@given(maps(), st.data())
def test_cutting_finds_what_is_refused(made: RegisterMap, data: st.DataObject) -> None:
    """Invariant: whatever the device lacks, cutting ends with just that refused and all else in one island each."""
    plan = plan_of(made, 1.0)
    everything = [entry for island in plan.islands for entry in island.entries]
    lacking = {entry for entry in everything if data.draw(st.integers(0, 4)) == 0}

    def refuses(island: Island) -> bool:
        """True where a register of the read is none that the device has; gaps it bears."""
        return any(entry in lacking for entry in island.entries)

    for _ in range(2 * len(everything) + 1):
        island = next((i for i in plan.islands if not i.refused and refuses(i)), None)
        if island is None:
            break
        plan = plan.exchanged(island, island.cut())
    refused = {entry for island in plan.islands if island.refused for entry in island.entries}
    assert refused == lacking
    assert all(island.period_s == REFUSED_AGAIN_S for island in plan.islands if island.refused)
    assert {e for i in plan.islands for e in i.entries} == set(everything)
