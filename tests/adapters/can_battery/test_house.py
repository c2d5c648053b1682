"""A battery read over Modbus TCP, its adapter pulled and plugged in again: the whole way, in real time."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.adapters.can_battery.simulator import PylontechBatterySimulator
from bridge.app import House
from bridge.house.learnt import learnt_product
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from tests.adapters.can.guests import until
from tests.house.wire import PATIENCE_S, Master

LINK, VOLTAGE, LIMITS, ALARM = 0xFE00, 0x3000, 0x3010, 0x3050
ONLINE, PORT_MISSING = 1, 4
PACK_UNIT, GX_UNIT = 30, 225


class Cabin:
    """A running house with a simulated battery, as a unit of its own and at the addresses of a GX."""

    def __init__(self, simulator: PylontechBatterySimulator, house: House) -> None:
        self.simulator = simulator
        self.port = house.listeners[0].address[1]

    def master(self, unit: int = PACK_UNIT) -> Master:
        return Master(self.port, unit)


@pytest.fixture
async def cabin(tmp_path: Path) -> AsyncIterator[Cabin]:
    simulator, link, site = PylontechBatterySimulator(waits=True), tmp_path / "can", tmp_path / "site.yaml"
    site.write_text(
        f'state: "{tmp_path / "state"}"\n'
        'listeners: [{tcp: "127.0.0.1:0", name: lan}]\n'
        "devices:\n"
        f'  pack: {{adapter: can_battery, interface: slcan, channel: "{link}", dialect: pylontech, unit: 30}}\n'
        f"serve:\n  - {{unit: {GX_UNIT}, map: victron_gx_battery, device: pack}}\n"
    )
    tasks = [asyncio.create_task(simulator.run(link))]
    try:
        async with asyncio.timeout(PATIENCE_S):
            await simulator.playing.wait()
            load = load_site(site, os.environ, InstalledFamilies(), learnt_product)
            assert load.site is not None, load.problems
            house, started = House(load, InstalledFamilies()), asyncio.Event()
            tasks.append(asyncio.create_task(house.run(started.set)))
            await started.wait()
        yield Cabin(simulator, house)
    finally:
        for task in reversed(tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_read_pulled_and_read_again(cabin: Cabin) -> None:
    async with cabin.master() as master, cabin.master(GX_UNIT) as gx:
        await master.until(LINK, ONLINE)  # it waits for an inverter: the bridge has said that there is one
        await master.until(LIMITS, 532)
        await master.until(VOLTAGE, 5120)
        assert (await master.read(VOLTAGE, 2)).words == [5120, 0x10000 - 123]
        assert (await master.read(LIMITS, 4)).words == [532, 1000, 1000, 450]
        assert (await master.read(0x0100)).words == [0x4220]
        assert (await master.write(VOLTAGE, 1)).exception == 2
        await gx.until(305, 532)
        await gx.until(259, 5120)
        assert (await gx.read(305, 4)).words == [532, 450, 1000, 1000]

        await master.until(ALARM, 0)
        cabin.simulator.misbehave("warning", "low_voltage")
        await master.until(ALARM, 1)
        assert (await gx.read(268)).words == [1]
        assert (await master.read(0, 16, function=2)).data[1] & 0b1011 == 0b1011

        cabin.simulator.misbehave("unplug")
        await master.until(LINK, PORT_MISSING)
        await master.until_exception(VOLTAGE, 0x0B)  # the last values are over their time
        cabin.simulator.misbehave("well")
        await master.until(LINK, ONLINE)
        await master.until(LIMITS, 532)
    await until(lambda: cabin.simulator.battery.heard.get(0x305, 0) > 0)
