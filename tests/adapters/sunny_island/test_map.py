"""The register map of the island: its sources, and that nothing is shown twice or left out."""

from bridge.adapters.sunny_island.options import FAMILY, SunnyIslandOptions
from bridge.adapters.sunny_island.points import GROUPS, specs
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap, Table

SPECS = {spec.path: spec for spec in specs(allow_commands=True)}


def shipped() -> RegisterMap:
    loaded = Catalogue().load("sunny_island")
    assert loaded.map is not None, loaded.errors
    return loaded.map


def test_the_map_shows_every_point_and_nothing_else() -> None:
    loaded = shipped()
    shown = {
        point.path
        for row in (*loaded.registers, *loaded.coils)
        if row.source is not None
        for point in row.source.points
    }
    assert shown == set(SPECS)
    assert FAMILY.native_maps == {"": "sunny_island"}


def test_writable_rows_are_those_of_the_points() -> None:
    loaded = shipped()
    written = {p.path for r in loaded.registers if r.write is not None and r.source for p in r.source.points}
    written |= {coil.path for coil in loaded.coils if coil.write and coil.table is Table.COILS}
    assert written == {path for path, spec in SPECS.items() if spec.writable} == {"/Mode"}


def test_nothing_is_writable_by_default() -> None:
    options = SunnyIslandOptions(adapter="sunny_island", interface="socketcan", channel="can0")
    assert options.allow_commands is False
    assert not any(spec.writable for spec in specs(allow_commands=options.allow_commands))


def test_the_bus_is_shared() -> None:
    options = SunnyIslandOptions(adapter="sunny_island", interface="slcan", channel="/dev/ttyACM0")
    assert FAMILY.ports(options) == ()


def test_no_group_outlives_five_seconds_but_what_the_bridge_knows_itself() -> None:
    lasting = {group.name for group in GROUPS if group.stale_after_s is None}
    assert lasting == {"identity", "energy", "can"}
    assert {group.stale_after_s for group in GROUPS if group.name not in lasting} == {5.0}
