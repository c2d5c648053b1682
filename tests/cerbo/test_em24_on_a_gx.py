"""EM24 personas on a stock GX: three roles with their values, and a source that is pulled and plugged in again."""

from collections.abc import Mapping

import pytest

from bridge.datastore.values import Path, Value
from bridge.register_maps.image import UnitImage
from tests.adapters.modbus.rig import Rig
from tests.cerbo.examples import values_of
from tests.cerbo.gx_services import Gx
from tests.cerbo.rig import METER, ROOF, Bridge, shipped
from tests.cerbo.stand_in import ImageModbus

INVERTER: Mapping[Path, Value | None] = {
    "/Serial": "WAGON1",
    "/Ac/Out/L1/V": 230,
    "/Ac/Out/L1/I": 1.0,
    "/Ac/Out/L1/P": 230,
}
SERVICE = "acload.cg_WAGON1"


async def test_grid_pv_and_load_each_with_its_values() -> None:
    bridge = Bridge()
    sources = {"meter": METER, "roof": ROOF, "wagon": INVERTER}
    gx = Gx(
        bridge.clock,
        {
            name: ImageModbus(bridge.serve(unit, "personas/em24", bridge.device(name, values)))
            for unit, (name, values) in enumerate(sources.items(), start=1)
        },
    )
    await gx.live(0.2)
    assert gx.services.keys() == {"grid.cg_40213377", "grid.cg_D8A3011B9780", "grid.cg_WAGON1"}
    assert gx.set_role("roof", "pvinverter")
    assert gx.set_role("wagon", "acload")
    assert not gx.set_role("wagon", "inverter")
    await gx.live(0.2)
    grid, roof, load = (
        gx.services[name] for name in ("grid.cg_40213377", "pvinverter.cg_D8A3011B9780", SERVICE)
    )
    for path, value in METER.items():
        if path not in {"/Serial", "/FirmwareVersion", "/Ac/Frequency"} and "/Energy/" not in path:
            assert grid[path] == value, path
    assert (grid["/Ac/Frequency"], grid["/Ac/Energy/Forward"], grid["/Ac/Energy/Reverse"]) == (
        50.0,
        812.3,
        99.1,
    )
    assert (roof["/Ac/Power"], roof["/Ac/L1/Power"], roof["/Ac/L1/Current"]) == (412.0, 412.0, 1.78)
    assert roof["/Ac/Energy/Forward"] == 1234.5
    assert (load["/Ac/Power"], load["/Ac/L1/Voltage"], load["/Ac/L1/Current"]) == (230.0, 230.0, 1.0)
    assert "/Ac/L2/Power" not in load, "an inverter of one phase"


async def test_a_pulled_source_is_gone_in_6_s_stays_gone_and_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        image = UnitImage(shipped("personas/em24"), rig.device, rig.clock, 3)
        gx = Gx(rig.clock, {"wagon": ImageModbus(image)})
        await gx.live(1)
        gx.set_role("wagon", "acload")
        await gx.live(30)
        assert [what for _, what in gx.history] == ["+grid.cg_WAGON1", "-grid.cg_WAGON1", f"+{SERVICE}"]
        for _ in range(3):
            gx.history.clear()
            pulled_at = rig.clock.monotonic()
            await rig.simulator.unplug()
            await gx.live(60)
            ((gone_at, what),) = gx.history
            assert what == f"-{SERVICE}"
            assert 5.0 < gone_at - pulled_at < 6.8
            plugged_at = rig.clock.monotonic()
            await rig.simulator.replug()
            await gx.live(60)
            (_, (back_at, what)) = gx.history
            assert what == f"+{SERVICE}"
            # the bridge opens a port again within 5 s, and the GX looks for it every 10 s
            assert back_at - plugged_at < 17
            assert gx.services[SERVICE]["/Ac/Power"] == 230.0
        image.close()


async def test_a_device_that_falls_silent_on_its_line_is_gone_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its values are believed for 5 s first: nobody can tell it from one that is late."""
    async with Rig(monkeypatch, options={"poll": 1.0}) as rig:
        await rig.known()
        image = UnitImage(shipped("personas/em24"), rig.device, rig.clock, 3)
        gx = Gx(rig.clock, {"wagon": ImageModbus(image)})
        await gx.live(10)
        silent_at = rig.clock.monotonic()
        rig.simulator.misbehave("silent")
        await gx.live(90)
        assert [what for _, what in gx.history] == ["+grid.cg_WAGON1", "-grid.cg_WAGON1"]
        assert gx.history[-1][0] - silent_at < 12
        rig.simulator.misbehave("well")
        await gx.live(60)
        assert [what for _, what in gx.history][2:] == ["+grid.cg_WAGON1"]
        image.close()


async def test_an_em24_that_the_bridge_polls_is_an_em24_again() -> None:
    """By its own map, which is no persona: its model stands where a GX looks, and one read brings the rest."""
    bridge = Bridge()
    loaded = shipped("em24")
    values = {
        **values_of(loaded, "SN0001"),
        "/ModelId": 1651,
        "/PhaseConfig": 0,
        "/Application": 7,
        "/PhaseSequence": 0,
    }
    modbus = ImageModbus(bridge.serve(1, loaded, bridge.device("meter", values)))
    gx = Gx(bridge.clock, {"meter": modbus})
    await gx.live(0.2)
    shown = gx.services["grid.cg_SN0001"]
    assert {path: shown[path] for path in values if path.startswith("/Ac/")} == {
        path: pytest.approx(value) for path, value in values.items() if path.startswith("/Ac/")
    }
    assert ("holding", 0x0000, 80) in modbus.reads
