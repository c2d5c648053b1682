"""The register maps of VE.Bus systems: their sources, and the GX list that one of them follows."""

import csv
from pathlib import Path

import pytest

from bridge.adapters.vebus_mk3.options import FAMILY
from bridge.adapters.vebus_mk3.points import POINTS
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Register, RegisterMap, Table

SPECS = {spec.path: spec for spec in POINTS}
OFFICIAL = {"uint16": "u16", "int16": "s16", "uint32": "u32b"}
with (Path(__file__).parents[2] / "data/vebus/gx-vebus-registers.csv").open() as _file:
    GX = list(csv.DictReader(_file))


def shipped(name: str) -> RegisterMap:
    loaded = Catalogue().load(name)
    assert loaded.map is not None, loaded.errors
    return loaded.map


def entry(loaded: RegisterMap, table: Table, address: int) -> Register | None:
    return next((r for r in loaded.registers if r.table is table and r.address == address), None)


@pytest.mark.parametrize("name", ["vebus", "multi", "victron_gx_vebus"])
def test_every_source_is_a_point(name: str) -> None:
    loaded = shipped(name)
    for row in (*loaded.registers, *loaded.coils):
        for point in () if row.source is None else row.source.points:
            assert point.path in SPECS, f"{name}: {row.address}"


def test_the_native_map_shows_every_point() -> None:
    shown = {
        point.path
        for row in (*shipped("vebus").registers, *shipped("vebus").coils)
        if row.source is not None
        for point in row.source.points
    }
    assert shown == set(SPECS)
    assert FAMILY.native_maps == {"": "vebus"}


def test_writable_rows_are_those_of_the_points() -> None:
    loaded = shipped("vebus")
    written = {p.path for r in loaded.registers if r.write is not None and r.source for p in r.source.points}
    written |= {coil.path for coil in loaded.coils if coil.write and coil.table is Table.COILS}
    assert written == {path for path, spec in SPECS.items() if spec.writable}


def test_the_multi_has_the_addresses_of_vebus() -> None:
    vebus, multi = shipped("vebus"), shipped("multi")
    assert multi.device.role == "multi"
    assert vebus.device.role == "vebus"
    here = {(r.table, r.address, r.type.name, r.scale) for r in vebus.registers}
    assert here == {(r.table, r.address, r.type.name, r.scale) for r in multi.registers}
    assert not [r.path for r in multi.registers if (r.path or "").startswith("/Ac/ActiveIn/L")]
    voltage = entry(multi, Table.HOLDING, 0x3048)
    assert voltage is not None
    assert voltage.path == "/Ac/In/1/L2/V"
    assert voltage.source is not None
    assert [p.path for p in voltage.source.points] == ["/Ac/ActiveIn/L2/V"]


def test_the_extract_of_the_gx_list_is_whole() -> None:
    assert len(GX) == 49
    assert len({row["address"] for row in GX}) == len(GX)


@pytest.mark.parametrize("row", GX, ids=lambda row: row["address"])
def test_the_gx_map_is_victrons(row: dict[str, str]) -> None:
    loaded = shipped("victron_gx_vebus")
    address = int(row["address"])
    for table in (Table.INPUT, Table.HOLDING):
        found = entry(loaded, table, address)
        assert found is not None
        assert found.path == row["path"]
        assert found.type.name == OFFICIAL[row["type"]]
        assert float(found.scale) == float(row["scale"])
        writable = row["path"] in ("/Mode", "/Ac/ActiveIn/CurrentLimit")
        assert (found.write is not None) == (writable and table is Table.HOLDING)
        assert not writable or row["access"] == "W"


def test_the_gx_map_has_nothing_else() -> None:
    official = {int(row["address"]) for row in GX}
    assert {r.address for r in shipped("victron_gx_vebus").registers} == official
