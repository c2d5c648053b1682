"""Reads at their edges: gaps and lengths that just fit, where a refused read is cut, whose value it is."""

import pytest

from bridge.adapters.modbus.plan import (
    BITS_MAX,
    HOLES,
    REFUSED_AGAIN_S,
    Island,
    own_path,
    own_point,
    plan_of,
    value_in,
    writers,
)
from bridge.adapters.modbus.requests import Read
from bridge.register_maps.format import Register, Table
from bridge.register_maps.packing import encode
from tests.adapters.modbus.test_plan import loaded


def registers(*spans: tuple[int, int], device: str = "{hole_max: 100}") -> str:
    """A map of registers from `(address, length)`, of one or two words each."""
    types = {1: "u16", 2: "u32b", 4: "u64b"}
    lines = [f"  - {{address: {a}, type: {types[n]}, path: /R{a}}}" for a, n in spans]
    return "\n".join((f"device: {device}", "registers:", *lines))


def spans(text: str, way: str = "tcp", read_max: int = 125) -> list[tuple[int, int]]:
    plan = plan_of(loaded(text), 1.0, way, read_max)  # type: ignore[arg-type]
    return [(island.start, island.read.count) for island in plan.islands]


@pytest.mark.parametrize("way", ["tcp", "udp", "rtu", "rtu_over_tcp"])
def test_the_widest_hole_and_one_more(way: str) -> None:
    hole = {"tcp": 31, "udp": 19, "rtu": 7, "rtu_over_tcp": 7}[way]
    assert HOLES[way] == hole  # type: ignore[index]
    assert spans(registers((10, 1), (11 + hole, 1)), way) == [(10, hole + 2)]
    assert spans(registers((10, 1), (12 + hole, 1)), way) == [(10, 1), (12 + hole, 1)]
    assert spans(registers((10, 2), (12 + hole, 2)), way) == [(10, hole + 4)]


def test_the_map_may_want_smaller_holes() -> None:
    assert spans(registers((10, 1), (14, 1), device="{hole_max: 3}")) == [(10, 5)]
    assert spans(registers((10, 1), (15, 1), device="{hole_max: 3}")) == [(10, 1), (15, 1)]
    assert spans(registers((10, 1), (11, 1), device="{hole_max: 0}")) == [(10, 2)]
    assert spans(registers((10, 1), (12, 1), device="{hole_max: 0}")) == [(10, 1), (12, 1)]


@pytest.mark.parametrize(
    ("read_max", "wanted"), [(6, [(10, 6)]), (5, [(10, 4), (14, 2)]), (4, [(10, 4), (14, 2)])]
)
def test_the_longest_read_and_one_more(read_max: int, wanted: list[tuple[int, int]]) -> None:
    assert spans(registers((10, 2), (12, 2), (14, 2)), read_max=read_max) == wanted


def test_the_longest_read_of_bits() -> None:
    assert BITS_MAX == 2000
    every = [f"  - {{address: {a}, path: /C{a}}}" for a in range(0, 2001, 20)]
    made = loaded("\n".join(("device: {hole_max: 31}", "discrete_inputs:", *every)))
    plan = plan_of(made, 1.0, "tcp", 10)
    assert [(str(i.table), i.start, i.read.count) for i in plan.islands] == [
        ("discrete", 0, 1981),
        ("discrete", 2000, 1),
    ]


def test_how_often_a_refused_island_is_asked_for_again() -> None:
    assert REFUSED_AGAIN_S == 60.0


def test_fast_points_make_their_island_fast() -> None:
    text = registers((10, 1), (100, 1), device="{hole_max: 3, fast: [/R100]}")
    plan = plan_of(loaded(text), 8.0)
    assert [(i.start, i.period_s) for i in plan.islands] == [(10, 8.0), (100, 2.0)]


@pytest.mark.parametrize(("access", "first"), [("holding", "holding"), ("input", "input")])
def test_the_table_of_the_device_stands_first(access: str, first: str) -> None:
    made = loaded(
        f"device: {{access: {access}}}\nregisters:\n"
        "  - {address: 1, type: u16, path: /H, table: holding}\n"
        "  - {address: 2, type: u16, path: /I, table: input}\n"
    )
    assert str(plan_of(made, 1.0).islands[0].table) == first


# -- cutting -----------------------------------------------------------------------------------------


def island(*spans: tuple[int, int]) -> Island:
    made = loaded(registers(*spans, device="{hole_max: 31}"))
    return Island(Table.HOLDING, made.registers, 2.0)


@pytest.mark.parametrize(
    ("entries", "parts"),
    [
        ([(0, 1), (5, 1), (6, 1), (7, 1)], [(0, 1), (5, 3)]),  # at the widest gap
        ([(0, 1), (2, 1), (3, 1), (9, 1)], [(0, 4), (9, 1)]),
        ([(0, 1), (1, 1), (6, 1), (7, 1), (12, 1), (13, 1)], [(0, 8), (12, 2)]),  # of several the middle one
        ([(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)], [(0, 3), (3, 2)]),
        ([(0, 1), (1, 1), (2, 1), (3, 1)], [(0, 2), (2, 2)]),
        ([(0, 1), (1, 1)], [(0, 1), (1, 1)]),
        ([(0, 2), (2, 4), (6, 1), (7, 1), (8, 1), (9, 1)], [(0, 7), (7, 3)]),
        ([(0, 4), (5, 1), (7, 1)], [(0, 6), (7, 1)]),
    ],
)
def test_where_a_refused_island_is_cut(entries: list[tuple[int, int]], parts: list[tuple[int, int]]) -> None:
    cut = island(*entries).cut()
    assert [(part.start, part.read.count) for part in cut] == parts
    assert {part.refused for part in cut} == {False}
    assert {part.period_s for part in cut} == {2.0}


def test_values_that_lie_on_one_another_are_cut_behind_the_longest() -> None:
    made = loaded(
        "device: {hole_max: 31}\nregisters:\n"
        "  - {address: 0, type: u64b, path: /Whole}\n"
        "  - {address: 1, type: u16, path: /Part, alias: true}\n"
        "  - {address: 5, type: u16, path: /Next}\n"
        "  - {address: 7, type: u16, path: /Last}\n"
    )
    refused = Island(Table.HOLDING, made.registers, 2.0)
    assert [(p.start, p.read.count) for p in refused.cut()] == [(0, 6), (7, 1)]


def test_values_of_one_address_are_never_cut() -> None:
    made = loaded(
        "registers:\n  - {address: 5, type: bit, bit: 1, path: /A}\n"
        "  - {address: 5, type: bit, bit: 2, path: /B}\n  - {address: 6, type: u16, path: /C}\n"
    )
    two, one = Island(Table.HOLDING, made.registers, 2.0).cut()
    assert (two.start, len(two.entries), one.start) == (5, 2, 6)
    (alone,) = two.cut()
    assert (alone.entries, alone.refused, alone.period_s) == (two.entries, True, REFUSED_AGAIN_S)
    assert alone.absent() == {"/A": None, "/B": None}


def test_parts_stand_where_the_whole_stood() -> None:
    made = loaded(
        registers((10, 1), (12, 1), (100, 1), (200, 1), device="{hole_max: 5}")
        + "\n  - {address: 300, type: u16, path: /I1, info: true}"
        + "\n  - {address: 302, type: u16, path: /I2, info: true}"
        + "\n  - {address: 400, type: u16, path: /I3, info: true}"
    )
    plan = plan_of(made, 1.0)
    assert [(i.start, i.read.count) for i in plan.info] == [(300, 3), (400, 1)]
    middle, first, info = plan.islands[1], plan.islands[0], plan.info[0]
    plan = plan.exchanged(first, first.cut())
    assert [i.start for i in plan.islands] == [10, 12, 100, 200]
    plan = plan.exchanged(middle, ())
    assert [i.start for i in plan.islands] == [10, 12, 200]
    plan = plan.exchanged(info, info.cut())
    assert [i.start for i in plan.info] == [300, 302, 400]
    assert [i.start for i in plan.islands] == [10, 12, 200]


# -- whose value it is -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("/Own", "/Own"),
        ("{path: /Own, negate: true}", "/Own"),
        ('"meter:/Own"', ""),
        ("[/Own, /Other]", ""),
        ("{sum: [/Own]}", ""),
        ("{sum: [/Own, /Other]}", ""),
    ],
)
def test_only_what_a_device_has_itself_is_its_own(source: str, path: str) -> None:
    text = f"registers: [{{address: 0, type: s16, path: /Shown, source: {source}}}]"
    (entry,) = loaded(text).registers
    assert own_path(entry) == path
    assert (own_point(entry) is not None) is bool(path)
    assert [i.absent() for i in plan_of(loaded(text), 1.0).islands] == ([{path: None}] if path else [])


@pytest.mark.parametrize("offset", [0, 1, 7, 8, 9, 15])
def test_a_coil_in_any_place_of_a_reply(offset: int) -> None:
    made = loaded("coils: [{address: 0, path: /C, on: 5, off: 2, mirror: 9}]")
    (coil,) = made.coils
    for number, value in ((1 << offset, 5), (0xFFFF ^ 1 << offset, 2)):
        assert value_in(coil, number.to_bytes(2, "little"), offset) == value


@pytest.mark.parametrize("offset", [0, 1, 5])
def test_a_register_in_any_place_of_a_reply(offset: int) -> None:
    made = loaded("registers: [{address: 0, type: s32b, scale: 10, path: /P}]")
    (entry,) = made.registers
    data = b"\xee\xee" * offset + (-12345).to_bytes(4, "big", signed=True) + b"\xdd\xdd"
    assert value_in(entry, data, offset) == -1234.5


@pytest.mark.parametrize(
    "value", [0.1, 21.3, 230.4, 49.98, 1234.567, 0.333333, 16777216.0, 12345678.0, 1e-7, 8590400000.0]
)
def test_single_precision_is_told_as_people_write_it(value: float) -> None:
    (entry,) = loaded("registers: [{address: 0, type: f32b, path: /F}]").registers
    assert isinstance(entry, Register)
    assert value_in(entry, encode(entry.type, value), 0) == value


def test_whole_numbers_keep_all_their_digits() -> None:
    """What is told with fewest digits is single precision alone."""
    (entry,) = loaded("registers: [{address: 0, type: u32b, scale: 10, path: /E}]").registers
    assert value_in(entry, (1234567).to_bytes(4, "big"), 0) == 123456.7


@pytest.mark.parametrize(
    ("coils", "wanted"),
    [
        ("", ("holding", 10)),
        ("coils: [{address: 3, path: /A, mirror: 20}]", ("holding", 10)),
        ("discrete_inputs: [{address: 3, path: /A}]", ("holding", 10)),
    ],
)
def test_a_register_writes_before_a_coil(coils: str, wanted: tuple[str, int]) -> None:
    made = loaded(
        "registers:\n  - {address: 9, type: u16, path: /A}\n"
        "  - {address: 10, type: u16, path: /A, write: true}\n"
        f"  - {{address: 11, type: u16, path: /A, write: true}}\n{coils}\n"
    )
    found = writers(made)["/A"]
    assert (str(found.table), found.address) == wanted


def test_what_is_only_seen_writes_nothing() -> None:
    made = loaded(
        "registers:\n  - {address: 9, type: u16, path: /A}\n"
        '  - {address: 10, type: u16, path: /B, write: true, source: "meter:/B"}\n'
        "coils:\n  - {address: 1, path: /D, write: false}\n"
        "discrete_inputs:\n  - {address: 3, path: /C}\n"
    )
    assert writers(made) == {}


def test_of_several_entries_the_first_is_read() -> None:
    made = loaded(
        "registers:\n  - {address: 9, type: u16, path: /A}\n  - {address: 10, type: u16, path: /A}\n"
        "  - {address: 11, type: u16, path: /Made}\n"
    )
    (one,) = plan_of(made, 1.0, made=("/Made",)).islands
    assert one.read == Read(Table.HOLDING, 9, 1)
    assert one.name == "holding 0x0009"
