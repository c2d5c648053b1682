"""The roof in registers: its own maps, and the personas that take it, by day, by night and in part."""

import re
from pathlib import Path

import pytest

from bridge.adapters.apsystems.options import FAMILY, INVERTERS_MAX, ApsystemsOptions, inverter_map
from bridge.adapters.apsystems.points import specs_of
from bridge.datastore.device import Device
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap, Table
from bridge.register_maps.image import UnitImage
from tests.adapters.apsystems.roof_rig import DS3, INVERTERS, QS1, YC600, Rig

Patch = pytest.MonkeyPatch
MAPS = Path(__file__).parents[3] / "maps"
NO_RESPONSE = 0x0B


def load(name: str) -> RegisterMap:
    loaded = Catalogue().load(name).map
    assert loaded is not None, name
    return loaded


def image(rig: Rig, name: str, unit: int = 50) -> UnitImage:
    device: Device = rig.device
    return UnitImage(load(name), device, rig.clock, unit)


def words(unit: UnitImage, address: int, count: int = 1) -> list[int] | int:
    data = unit.read_registers(Table.HOLDING, address, count)
    if isinstance(data, int):
        return data
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def test_the_maps_of_nine_places_are_one() -> None:
    first = (MAPS / f"{inverter_map(1)}.yaml").read_text()
    for number in range(2, INVERTERS_MAX + 1):
        text = (MAPS / f"{inverter_map(number)}.yaml").read_text()
        assert f"first: {number}}}" in text
        text = text.replace(f"first: {number}}}", "first: 1}").replace(inverter_map(number), inverter_map(1))
        assert re.sub(rf"number {number}\b", "the first", text) == first


@pytest.mark.parametrize("number", [1, 9])
def test_an_inverters_map_shows_that_inverter_alone(number: int) -> None:
    sources = [r.source for r in load(inverter_map(number)).registers if r.source is not None]
    paths = {point.path for source in sources for point in source.points} - {"/FirmwareVersion"}
    assert paths
    assert all(path.startswith(f"/Inverters/{number}/") for path in paths)


def test_every_point_of_a_roof_has_a_register() -> None:
    nine = [{"serial": f"8020000{n:05}", "model": "qs1"} for n in range(INVERTERS_MAX)]
    options = ApsystemsOptions.model_validate({"adapter": "apsystems", "port": "p", "inverters": nine})
    registers = {r.path for r in load("apsystems_roof").registers if r.path}
    declared = {spec.path for spec in specs_of(options)}
    assert declared <= registers
    assert {path for path in registers - declared if not path.startswith("/Link/")} == set()


@pytest.mark.parametrize(
    ("layout", "name"), [("roof", "apsystems_roof"), ("per_inverter", "apsystems_inverter")]
)
def test_the_native_map_follows_the_layout(layout: str, name: str) -> None:
    given = {"adapter": "apsystems", "port": "p", "layout": layout, "inverters": INVERTERS}
    assert FAMILY.native_map(ApsystemsOptions.model_validate(given), None) == name


def test_one_unit_for_each_inverter() -> None:
    given = {"adapter": "apsystems", "port": "p", "inverters": INVERTERS}
    single = ApsystemsOptions.model_validate({**given, "layout": "per_inverter"})
    assert FAMILY.further_units(single) == {1: "apsystems_inverter_2", 2: "apsystems_inverter_3"}
    assert FAMILY.further_units(ApsystemsOptions.model_validate(given)) == {}


async def test_a_roof_in_registers(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch) as rig:
        roof, third = image(rig, "apsystems_roof"), image(rig, inverter_map(3))
        assert words(roof, 0x3000, 2) == NO_RESPONSE  # by day nothing is known before the first answer
        await rig.polled()
        power = round(rig.number("/Ac/Power"))
        assert words(roof, 0x3000, 6) == [0, power, 0, power, 2299, 5000]
        energy_wh = round(rig.number("/Ac/Energy/Forward") * 1000)
        assert words(roof, 0x3006, 2) == [energy_wh >> 16, energy_wh & 0xFFFF]
        assert words(roof, 0x300C, 2) == [3, 3]
        of_third = round(rig.number("/Inverters/3/Ac/Power"))
        assert words(roof, 0x4110, 2) == words(third, 0x3000, 2) == [0, of_third]
        assert words(roof, 0x4120, 10) == words(third, 0x3020, 10)
        panel = words(roof, 0x4120, 3)
        assert isinstance(panel, list)
        assert panel[0] == 3300  # 33 V
        assert panel[2] == pytest.approx(3200, rel=0.05)  # 320 W
        # A panel and an inverter that are not there.
        assert words(roof, 0x4140) == [0xFFFF]
        assert words(roof, 0x4190, 2) == [0x7FFF, 0xFFFF]


@pytest.mark.parametrize(
    ("persona", "unit", "address", "shown"),
    [("em24", 51, 0x28, [0, 0]), ("em24", 51, 0x12, [0, 0]), ("sunspec_pv", 126, 40084, [0])],
)
async def test_personas_go_on_through_the_night(
    monkeypatch: Patch, persona: str, unit: int, address: int, shown: list[int]
) -> None:
    async with Rig(monkeypatch, hour=17.9, watched=False) as rig:
        await rig.polled()
        view = image(rig, f"personas/{persona}", unit)
        whole = (0x00, 0x50) if persona == "em24" else (40070, 106)
        by_day = words(view, address, len(shown))
        assert by_day != shown
        energy = words(view, *((0x34, 2) if persona == "em24" else (40094, 2)))
        await rig.until_hour(18.3)
        assert words(view, address, len(shown)) == shown
        assert words(view, *((0x34, 2) if persona == "em24" else (40094, 2))) != [0, 0]
        assert isinstance(energy, list)
        assert words(view, *whole) != NO_RESPONSE
        await rig.until_hour(24.5)
        assert words(view, *whole) != NO_RESPONSE


@pytest.mark.parametrize("persona", ["em24", "sunspec_pv"])
async def test_personas_go_on_without_one_inverter(monkeypatch: Patch, persona: str) -> None:
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        view = image(rig, f"personas/{persona}", 126)
        rig.simulator.misbehave("dark", YC600)
        await rig.clock.advance(200)
        assert rig.value("/Inverters/1/Panels/1/V") is None
        for first, count in (
            ((0x00, 0x50),) if persona == "em24" else ((40000, 100), (40100, 100), (40200, 68))
        ):
            assert words(view, first, count) != NO_RESPONSE
        assert {DS3, QS1}  # the two others answer


async def test_one_unit_of_a_silent_inverter_shows_what_is_known(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        view = image(rig, inverter_map(1))
        rig.simulator.misbehave("dark", YC600)
        await rig.clock.advance(200)
        assert words(view, 0x3000, 2) == [0x7FFF, 0xFFFF]
        assert words(view, 0x3006, 2) != [0xFFFF, 0xFFFF]
