"""The register map of a BMS and the points behind it."""

import pytest

from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can_bms.battery import Battery
from bridge.adapters.can_bms.names import NEEDED
from bridge.adapters.can_bms.options import FAMILY
from bridge.adapters.can_bms.points import specs_of
from bridge.datastore.spec import PointSpec
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap, Table

from .rig import options_of


def loaded() -> RegisterMap:
    found = Catalogue().load("can_bms")
    assert found.map is not None, found.errors
    return found.map


def specs() -> dict[str, PointSpec]:
    """Every point that a BMS of any dialect has."""
    found: dict[str, PointSpec] = {}
    for dialect in DIALECTS:
        options = options_of(dialect=dialect, charge_control={})
        found |= {spec.path: spec for spec in specs_of(options, Battery(options.battery, DIALECTS[dialect]))}
    return found


def test_the_map_shows_every_point_and_no_other() -> None:
    rows = (*loaded().registers, *loaded().coils)
    shown = {point.path for row in rows if row.source is not None for point in row.source.points}
    assert shown == set(specs())
    assert FAMILY.native_maps == {"": "can_bms"}


def test_writable_rows_are_those_of_the_points() -> None:
    found = loaded()
    written = {
        point.path for row in found.registers if row.write and row.source for point in row.source.points
    }
    written |= {coil.path for coil in found.coils if coil.write and coil.table is Table.COILS and coil.path}
    assert written == {path for path, spec in specs().items() if spec.writable}


def test_what_is_needed_is_one_block() -> None:
    """So that one write brings it, with nothing between that a writer may not know."""
    block = [
        row.path for row in sorted(loaded().registers, key=lambda row: row.address) if row.address >= 0x3000
    ]
    assert tuple(block[: len(NEEDED)]) == ("/Dc/0/Voltage", "/Soc", *NEEDED[2:])


@pytest.mark.parametrize(
    ("path", "steps"),
    [("/Dc/0/Voltage", 100), ("/Soc", 100), ("/Info/MaxChargeVoltage", 10), ("/Info/MaxChargeCurrent", 10)],
)
def test_registers_leave_out_no_step_of_the_frames(path: str, steps: int) -> None:
    """The finer ones have room for a client that cuts off what is behind the register's own step."""
    scale = next(row.scale for row in loaded().registers if row.path == path)
    assert scale % steps == 0
    assert scale > steps or steps == 10
