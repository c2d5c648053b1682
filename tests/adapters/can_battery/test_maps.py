"""The register maps of batteries on CAN: their sources, and the GX list that one of them follows."""

import csv
from pathlib import Path

import pytest

from bridge.adapters.can_battery.points import POINTS
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Register, RegisterMap, Table

SPECS = {spec.path: spec for spec in POINTS}
OFFICIAL = {"uint16": "u16", "int16": "s16", "int32": "s32b", "string[4]": "text"}
#: Left out of the holding table, where stock GX clients would look for another model's name.
FC4_ONLY = {1306, 1310, 1314, 1318}
with (Path(__file__).parents[2] / "data/can/gx-battery-registers.csv").open() as _file:
    GX = list(csv.DictReader(_file))


def shipped(name: str) -> RegisterMap:
    loaded = Catalogue().load(name)
    assert loaded.map is not None, loaded.errors
    return loaded.map


def entry(loaded: RegisterMap, table: Table, address: int) -> Register | None:
    return next((r for r in loaded.registers if r.table is table and r.address == address), None)


@pytest.mark.parametrize("name", ["can_battery", "victron_gx_battery"])
def test_every_source_is_a_point_and_nothing_is_writable(name: str) -> None:
    loaded = shipped(name)
    for row in (*loaded.registers, *loaded.coils):
        for point in () if row.source is None else row.source.points:
            assert point.path in SPECS, f"{name}: {row.address}"
        assert not row.write, f"{name}: {row.address}"


def test_the_native_map_shows_every_point() -> None:
    loaded = shipped("can_battery")
    rows = (*loaded.registers, *loaded.coils)
    shown = {point.path for row in rows if row.source is not None for point in row.source.points}
    assert shown == set(SPECS)


def test_its_model_is_no_other_maps() -> None:
    models = {}
    for name in Catalogue().names():
        detect = shipped(name).detect
        if detect is not None and detect.address == 0x0100 and not name.startswith("personas/"):
            models[name] = set(detect.values)
    own = models.pop("can_battery")
    assert own == {0x4220}
    assert not any(own & others for others in models.values())


def test_the_extract_of_the_gx_list_is_whole() -> None:
    assert len(GX) == 41
    assert len({row["address"] for row in GX}) == len(GX)


@pytest.mark.parametrize("row", GX, ids=lambda row: row["address"])
def test_the_gx_map_is_victrons(row: dict[str, str]) -> None:
    loaded = shipped("victron_gx_battery")
    address = int(row["address"])
    for table in (Table.INPUT, Table.HOLDING):
        found = entry(loaded, table, address)
        if table is Table.HOLDING and address in FC4_ONLY:
            assert found is None
            continue
        assert found is not None
        assert found.path == row["path"]
        assert found.type.name == OFFICIAL[row["type"]]
        assert float(found.scale) == float(row["scale"])


def test_the_gx_map_has_nothing_else() -> None:
    official = {int(row["address"]) for row in GX}
    assert {r.address for r in shipped("victron_gx_battery").registers} == official
