"""pysunspec2, written by others, finds the models and sets a limit."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import sunspec2.modbus.client as sunspec

from tests.cerbo.rig import LIMIT, ROOF, Bridge, running

UNIT = 126


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    made = Bridge()
    made.serve(UNIT, "personas/sunspec_pv", made.device("roof", {**ROOF, "/Ac/PowerLimit": 600}, [LIMIT]))
    made.serve(127, "personas/sunspec_pv", made.device("shed", {"/Serial": "S2", "/Ac/Power": 12.0}))
    async with running(made) as bridge:
        yield bridge


def found(bridge: Bridge, unit: int = UNIT) -> sunspec.SunSpecModbusClientDeviceTCP:
    """Scan as its users do; it blocks, so tests run it in a thread."""
    device = sunspec.SunSpecModbusClientDeviceTCP(
        slave_id=unit, ipaddr="127.0.0.1", ipport=bridge.port, timeout=20
    )
    device.scan()
    return device


async def test_it_finds_the_models_and_their_values(bridge: Bridge) -> None:
    device = await asyncio.to_thread(found, bridge)
    try:
        assert [key for key in device.models if isinstance(key, int)] == [1, 101, 120, 123, 160]
        common, inverter = device.models[1][0], device.models[101][0]
        assert (common.Mn.value, common.Md.value) == ("Inverter Bridge", "YC600")
        assert (common.Vr.value, common.SN.value) == ("1.2", "D8A3011B9780")
        assert inverter.W.cvalue == 412
        assert inverter.PhVphA.cvalue == pytest.approx(231.4)
        assert inverter.AphA.cvalue == pytest.approx(1.78)
        assert inverter.Hz.cvalue == pytest.approx(49.98)
        assert inverter.WH.cvalue == 1_234_500
        assert inverter.St.value == 4
        assert inverter.TmpCab.value is None
        assert device.models[120][0].WRtg.cvalue == 600
        assert device.models[120][0].AhrRtg.value is None
        panels = device.models[160][0].module
        assert len(panels) == 4
        assert panels[1].DCV.cvalue == pytest.approx(33.9)
        assert panels[2].DCV.value is None
    finally:
        device.close()


async def test_a_device_without_a_limit_has_no_controls(bridge: Bridge) -> None:
    device = await asyncio.to_thread(found, bridge, 127)
    try:
        assert {1, 101, 120} <= device.models.keys()
        assert not {123, 160} & device.models.keys()
        assert device.models[101][0].W.cvalue == 12
    finally:
        device.close()


async def test_a_limit_arrives_in_watts_and_ends_by_itself(bridge: Bridge) -> None:
    def limit() -> sunspec.SunSpecModbusClientDeviceTCP:
        device = found(bridge)
        controls = device.models[123][0]
        controls.read()
        controls.WMaxLimPct.cvalue = 25
        controls.WMaxLimPct_RvrtTms.value = 120
        controls.WMaxLim_Ena.value = 1
        controls.write()
        controls.read()
        return device

    device = await asyncio.to_thread(limit)
    roof = bridge.store.devices["roof"]
    try:
        controls = device.models[123][0]
        assert (controls.WMaxLimPct.cvalue, controls.WMaxLim_Ena.value) == (25, 1)
        assert roof.value("/Ac/PowerLimit") == 150.0
        await bridge.clock.advance(118.0)
        roof.publish("live", {**ROOF, "/Ac/PowerLimit": 150.0})
        await bridge.clock.advance(3.0)
        assert roof.value("/Ac/PowerLimit") == 600
        await asyncio.to_thread(controls.read)
        assert controls.WMaxLim_Ena.value == 0
    finally:
        device.close()
