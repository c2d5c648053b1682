"""Charge currents that come over the network registers, obeyed and forgotten as the MPPT document says."""

import pytest

from bridge.adapters.vedirect.simulated_solar import SolarChargerSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from tests.adapters.vedirect.simulator_bench import LIMIT, benches

NETWORK_MODE, VOLTAGE, CURRENT, BMS_PRESENT, STATE = 0x200E, 0x2001, 0x2015, 0xEDE8, 0x0201
STAND_ALONE, EXTERNAL, BMS, NOTHING = 0, 5, 9, 0xFFFF

#: Both with 15 A at most.
CHARGER = (ChargerSimulator, {"link_control": True, "maximum_current": 15.0, "flood": False})
SOLAR = (SolarChargerSimulator, {"maximum_current": 15.0})
EITHER = pytest.mark.parametrize("product", [CHARGER, SOLAR], ids=["charger", "solar"])


@pytest.fixture
async def bench():
    """Make chargers in full sun that play until the test ends."""
    async with benches() as make:

        async def charger(product, **more):
            kind, options = product
            made = await make(kind, **(options | more))
            if kind is SolarChargerSimulator:
                made.simulator.device.light = 1.0
                await made.put(0xEDAB, 0, size=1)
            await made.clock.advance(1.5)
            return made

        yield charger


async def amperes(made):
    return int((await made.text(1.2))["I"]) / 1000


@EITHER
async def test_the_lower_limit_holds(bench, product):
    made = await bench(product)
    worn = made.simulator.flash_writes
    seen = [await amperes(made)]
    await made.put(CURRENT, 40)
    seen.append(await amperes(made))  # stand-alone: nobody asked for it
    await made.put(NETWORK_MODE, EXTERNAL, size=1)
    seen.append(await amperes(made))
    await made.put(CURRENT, 90)
    seen.append(await amperes(made))
    await made.put(LIMIT, 60)
    seen.append(await amperes(made))
    await made.put(CURRENT, 0)
    seen.append(await amperes(made))
    await made.put(NETWORK_MODE, STAND_ALONE, size=1)
    seen.append(await amperes(made))
    assert seen == pytest.approx([15.0, 15.0, 4.0, 9.0, 6.0, 0.0, 6.0], abs=0.2)
    assert made.simulator.flash_writes == worn + 1


@EITHER
async def test_it_is_forgotten_after_a_minute_without_data(bench, product):
    """Reading does not count, and neither does another setting; the fail-safe is the full current."""
    made = await bench(product)
    await made.put(NETWORK_MODE, EXTERNAL, size=1)
    await made.put(CURRENT, 40)
    for _ in range(3):
        await made.clock.advance(40.0)
        await made.put(CURRENT, 40)
    assert await amperes(made) == pytest.approx(4.0, abs=0.2)
    for _ in range(6):
        await made.value(CURRENT)
        await made.clock.advance(10.0)
    await made.put(LIMIT, 120)
    await made.clock.advance(2.0)
    assert (await made.value(NETWORK_MODE), await made.value(CURRENT)) == (STAND_ALONE, NOTHING)
    assert await amperes(made) > 6.0


@EITHER
async def test_a_restart_forgets_it(bench, product):
    made = await bench(product)
    await made.put(NETWORK_MODE, EXTERNAL, size=1)
    await made.put(CURRENT, 40)
    made.simulator.misbehave("reboot")
    await made.clock.advance(3.0)
    assert (await made.value(NETWORK_MODE), await made.value(CURRENT)) == (STAND_ALONE, NOTHING)


@EITHER
async def test_one_that_acknowledges_and_does_not_obey(bench, product):
    made = await bench(product, link_obeyed=False)
    await made.put(NETWORK_MODE, EXTERNAL, size=1)
    assert await made.put(CURRENT, 40) == (0, 40)
    assert await made.value(CURRENT) == 40
    assert await amperes(made) == pytest.approx(15.0, abs=0.2)


@EITHER
async def test_bms_mode_latches_in_flash_and_stops_a_charger_that_loses_it(bench, product):
    made = await bench(product)
    worn = made.simulator.flash_writes
    for _ in range(3):
        await made.put(NETWORK_MODE, BMS, size=1)
        await made.put(CURRENT, 40)
    assert await made.value(BMS_PRESENT) == 1
    assert made.simulator.flash_writes == worn + 1
    assert await amperes(made) == pytest.approx(4.0, abs=0.2)
    await made.clock.advance(62.0)
    text = await made.text()
    assert (text["ERR"], text["I"]) == ("67", "0")
    made.simulator.misbehave("reboot")
    await made.clock.advance(64.0)
    assert (await made.text())["ERR"] == "67"
    await made.put(BMS_PRESENT, 0, size=1)
    text = await made.text()
    assert text["ERR"] == "0"
    assert int(text["I"]) > 6000
    assert made.simulator.flash_writes == worn + 2


@EITHER
async def test_limits_beyond_the_range(bench, product):
    made = await bench(product)
    assert await made.put(CURRENT, 151) == (4, 150)
    assert await made.put(CURRENT, 0) == (0, 0)


async def test_a_voltage_from_outside_shows_as_external_control(bench):
    made = await bench(SOLAR)
    await made.put(NETWORK_MODE, EXTERNAL, size=1)
    await made.put(VOLTAGE, 1330)
    text = await made.text()
    assert text["CS"] == "252"
    assert int(text["V"]) <= 13800
    assert await made.value(STATE) == 252


async def test_mppt_firmware_before_1_29_has_no_remote_control(bench):
    made = await bench(SOLAR, firmware=0x0128)
    assert [await made.flags(register) for register in (NETWORK_MODE, VOLTAGE, CURRENT)] == [1, 1, 1]
