"""A MultiPlus read and commanded over Modbus TCP: the whole way, there and back, in real time."""

import asyncio
import contextlib
import os
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.adapters.vebus_mk3.simulator import VeBusSimulator
from bridge.app import House
from bridge.house.learnt import learnt_product
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from tests.house.wire import PATIENCE_S, Master

VOLTAGE, STATE, MODE, LIMIT = 0x3000, 0x3003, 0x3010, 0x3011
ADJUSTED, OUTCOME = 2, 0xFE03
GX_UNIT = 228


class Boat:
    """A running house with a simulated MultiPlus, as unit 10 and at the addresses of a GX."""

    def __init__(self, simulator: VeBusSimulator, house: House) -> None:
        self.simulator = simulator
        self.port = house.listeners[0].address[1]

    def master(self, unit: int = 10) -> Master:
        return Master(self.port, unit)


@pytest.fixture
async def boat(tmp_path: Path) -> AsyncIterator[Boat]:
    simulator, link, site = VeBusSimulator(), tmp_path / "mk3", tmp_path / "site.yaml"
    site.write_text(
        f'state: "{tmp_path / "state"}"\n'
        'listeners: [{tcp: "127.0.0.1:0", name: lan}]\n'
        f'devices:\n  multi: {{adapter: vebus_mk3, port: "{link}", unit: 10}}\n'
        f"serve:\n  - {{unit: {GX_UNIT}, map: victron_gx_vebus, device: multi}}\n"
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
        yield Boat(simulator, house)
    finally:
        for task in reversed(tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_read_and_command(boat: Boat) -> None:
    began = time.monotonic()
    async with boat.master() as master, boat.master(GX_UNIT) as gx:
        await master.until(0xFE00, 1)
        assert time.monotonic() - began < 15  # 2 s on a machine with nothing else to do
        await master.until(MODE, 3)
        await master.until(STATE, 3)
        assert (await master.read(VOLTAGE)).words == [round(boat.simulator.unit.battery_v * 100)]
        assert (await master.read(0x0100)).words == [0x4210]

        # mode and limit of one write go out as one frame
        assert await master.settled(MODE, 1, 160) == 0
        assert [(s.mode, s.limit) for s in boat.simulator.commands] == [(1, 160)]
        assert (await master.read(MODE, 2)).words == [1, 160]
        assert await master.settled(LIMIT, 0) == 4  # the unit's least comes into force
        assert (await master.read(OUTCOME)).words == [ADJUSTED]
        assert (await master.read(LIMIT)).words == [94]
        assert (await master.write(LIMIT, 93)).exception == 3
        assert (await master.write(LIMIT, 501)).exception == 3
        assert (await master.write(MODE, 5)).exception == 3
        assert (await master.write(VOLTAGE, 1)).exception == 2

        # the coils of one write too: inverter and charger on
        assert (await master.ask(struct.pack(">BHHBB", 15, 0, 2, 1, 0b11))).exception in (0, 5)
        await master.until(MODE, 3)
        assert [s.mode for s in boat.simulator.commands][-1] == 3
        assert len(boat.simulator.commands) == 3
        assert (await master.read(0, 5, function=1)).data == b"\x01\x03"
        lit = (await master.read(0, 16, function=2)).data
        assert lit[1] & 0b1011 == 0b1011  # mains present, LEDs mains and bulk

        # a tool that knows a GX
        assert (await gx.read(33)).words == [3]
        assert (await gx.read(26)).words == (await master.read(VOLTAGE)).words
        block = (await gx.read(3, 23, function=4)).words
        assert block[0] == 2304
        assert block[1] == 0  # no second phase: 0, as on a GX
        assert await gx.settled(22, 250) == 0
        assert (await master.read(LIMIT)).words == [250]
        assert await gx.settled(33, 4) == 0
        assert not boat.simulator.unit.running
        assert (await master.read(MODE)).words == [4]

        # twenty set-points in a second, each by a client of its own: the last one stays
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(boat.master()) for _ in range(20)]
            for step, client in enumerate(clients):
                client.send(struct.pack(">BHHBHH", 16, MODE, 2, 4, 3, 100 + 10 * step))
                await asyncio.sleep(0.05)
            assert {(await client.reply()).exception for client in clients} <= {0, 5, 6}
        await master.until(LIMIT, 290)
        await master.until(MODE, 3)
        assert (boat.simulator.unit.remote_mode, boat.simulator.unit.limit_da) == (3, 290)

        # hand back
        assert await master.settled(0x3024, 1) == 0
        assert (await master.read(MODE)).words == [3]
        assert not boat.simulator.unit.panel
