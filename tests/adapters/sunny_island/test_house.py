"""A Sunny Island read and stopped over Modbus TCP: the whole way, there and back, in real time."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.adapters.sunny_island.simulator import SunnyIslandSimulator
from bridge.app import House
from bridge.house.learnt import learnt_product
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from tests.house.wire import PATIENCE_S, Master

MODEL, STATE, ERROR_CODE, PHASES, MODE, LINK = 0x0100, 0x3003, 0x3004, 0x300D, 0x3010, 0xFE00
OUTPUT_L1_V, OUTPUT_L2_V, OUTPUT_L3_V, OUTPUT_W = 0x3058, 0x3060, 0x3068, 0x3072
ABSENT = 0xFFFF


class Cabin:
    """A running house with a simulated pair of islands as unit 32, and as unit 33 without commands."""

    def __init__(self, simulator: SunnyIslandSimulator, house: House) -> None:
        self.simulator = simulator
        self.port = house.listeners[0].address[1]

    def master(self, unit: int = 32) -> Master:
        return Master(self.port, unit)


@pytest.fixture
async def cabin(tmp_path: Path) -> AsyncIterator[Cabin]:
    simulator, link, site = (
        SunnyIslandSimulator(phases=2, grid=False, hour=2.0),
        tmp_path / "can",
        tmp_path / "s.yaml",
    )
    simulator.house.load_w = 1500.0
    bus = f'adapter: sunny_island, interface: slcan, channel: "{link}", phases: 2'
    site.write_text(
        f'state: "{tmp_path / "state"}"\n'
        'listeners: [{tcp: "127.0.0.1:0", name: lan}]\n'
        f"devices:\n  island: {{{bus}, unit: 32, allow_commands: true}}\n"
        f"  listener: {{{bus}, unit: 33}}\n"
    )
    tasks = [asyncio.create_task(simulator.run(link))]
    try:
        async with asyncio.timeout(PATIENCE_S):
            await simulator.adapter.playing.wait()
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


async def test_read_and_stop(cabin: Cabin) -> None:
    async with cabin.master() as master, cabin.master(33) as listener:
        for unit in (master, listener):
            await unit.until(LINK, 1)
            await unit.until(OUTPUT_W + 1, 1500)
            await unit.until(MODE, 3)
            await unit.until(STATE, 9)
            await unit.until(ERROR_CODE, 0)
        assert (await master.read(MODEL)).words == [0x4222]
        assert (await master.read(PHASES)).words == [2]
        assert [(await master.read(at)).words for at in (OUTPUT_L1_V, OUTPUT_L2_V, OUTPUT_L3_V)] == [
            [1200],
            [1200],
            [ABSENT],
        ]

        assert (await listener.write(MODE, 4)).exception == 2  # the site does not allow it
        assert (await master.write(MODE, 1)).exception == 3
        assert await master.settled(MODE, 4) == 0
        await listener.until(STATE, 0)
        assert not cabin.simulator.house.running
