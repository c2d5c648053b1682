"""The whole bridge as a BMS: from a Modbus client to a Sunny Island behind an slcan adapter, and its end."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_adapter import SimulatedAdapter
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can_bms.options import FAMILY
from bridge.adapters.can_bms.simulated_island import TIMEOUT_S, Condition, SupervisedIsland
from bridge.app import House
from bridge.datastore.clock import SystemClock
from bridge.site.loader import load_site

BOUND_S = 60.0
pytestmark = pytest.mark.timeout(300)
UNIT = 31
SITE = """
state: "{folder}/state"
listeners: [{{tcp: "127.0.0.1:0"}}]
devices:
  si_bms: {{adapter: can_bms, interface: slcan, channel: "{folder}/can", dialect: sma, unit: 31, observe: false,
            watchdog: 250 s, battery: {{cells: 16, chemistry: lfp, capacity: 200}}}}
"""
#: V and SoC x500, CVL, CCL, DCL x10 at 0x3000.
BLOCK, OTHER = [26600, 32000, 560, 1000, 1200], [26600, 31500, 550, 200, 300]
BLOCK_FRAME, OTHER_FRAME = "3002e803b0049a01", "2602c8002c019a01"
CONFIRMED, PENDING = 1, 8


class IslandClock(SystemClock):
    """Time of the island, of which some can be left out: no test waits for its minute."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def skip(self, seconds: float) -> None:
        self._skipped += seconds

    def monotonic(self) -> float:
        return super().monotonic() + self._skipped


class Field:
    """An island on a bus behind a simulated slcan adapter, and what came from there."""

    def __init__(self) -> None:
        clock, self.island_clock = SystemClock(), IslandClock()
        self.bus = SimulatedBus(clock)
        self.adapter = SimulatedAdapter(clock, self.bus)
        self.island = SupervisedIsland(self.island_clock, self.bus)
        self.heard: list[CanFrame] = []
        self.bus.join(lambda frame: self.heard.append(frame) if frame.id >= 0x350 else None)

    def limits(self) -> list[str]:
        return [frame.data.hex() for frame in self.heard if frame.id == 0x351]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not true():
            await asyncio.sleep(0.02)


async def end(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def field(tmp_path: Path) -> AsyncIterator[Field]:
    made = Field()
    tasks = [asyncio.create_task(made.adapter.run(tmp_path / "can")), asyncio.create_task(made.island.play())]
    async with asyncio.timeout(BOUND_S):
        await made.adapter.playing.wait()
    (tmp_path / "site.yaml").write_text(SITE.format(folder=tmp_path))
    yield made
    for task in tasks:
        await end(task)


async def connected(port: int) -> AsyncModbusTcpClient:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=BOUND_S, retries=0)
    assert await client.connect()
    return client


async def write(client: AsyncModbusTcpClient, words: list[int], address: int = 0x3000) -> None:
    """Write a block until it is confirmed: the outcome may follow, or come too late, on a busy machine."""
    async with asyncio.timeout(BOUND_S):
        while True:
            reply = await client.write_registers(address, words, device_id=UNIT)
            assert not reply.isError() or reply.exception_code in (5, 0x0B), reply
            while (outcome := await status(client)) == PENDING:
                await asyncio.sleep(0.02)
            if outcome == CONFIRMED:
                return
            await asyncio.sleep(0.1)  # its channel is not open yet


async def status(client: AsyncModbusTcpClient) -> int:
    """Return the outcome of the newest attempt."""
    reply = await client.read_holding_registers(0xFE03, count=1, device_id=UNIT)
    assert not reply.isError(), reply
    return int(reply.registers[0])


async def reads(client: AsyncModbusTcpClient, address: int, words: list[int]) -> None:
    """Read until the registers are as expected; meanwhile they may be older, or not believed."""
    found: list[int] | int = []
    try:
        async with asyncio.timeout(BOUND_S):
            while found != words:
                reply = await client.read_holding_registers(address, count=len(words), device_id=UNIT)
                found = reply.exception_code if reply.isError() else list(reply.registers)
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"found {found} at {address:#06x}, expected {words}") from None


async def test_a_block_of_registers_is_one_frame_on_the_bus(tmp_path: Path, field: Field) -> None:
    load = load_site(tmp_path / "site.yaml", os.environ, {"can_bms": FAMILY}, lambda *_: None)
    assert load.site is not None, load.problems
    assert [(unit.unit, unit.map) for unit in load.units] == [(31, "can_bms")]
    house = House(load, {"can_bms": FAMILY})
    started = asyncio.Event()
    serving = asyncio.create_task(house.run(started.set))
    try:
        async with asyncio.timeout(BOUND_S):
            await started.wait()
        client = await connected(house.listeners[0].address[1])
        await write(client, BLOCK)
        await until(lambda: len(field.limits()) >= 2)
        for words in (OTHER, BLOCK, OTHER):
            await write(client, words)
        await reads(client, 0x3000, [*OTHER, 410])
        await until(lambda: field.limits()[-1] == OTHER_FRAME)
        assert set(field.limits()) == {
            BLOCK_FRAME,
            OTHER_FRAME,
        }  # no voltage of one with a current of the other
        await reads(client, 0x3022, [1, 1])
        await until(lambda: field.island.values["soc_pct"] == 63.0)
        shown = OTHER_FRAME.encode().hex()
        await reads(client, 0x3040, [int(shown[n : n + 4], 16) for n in range(0, 32, 4)])
        async with asyncio.timeout(BOUND_S):
            refused = await client.write_registers(0x3002, [600, 100], device_id=UNIT)
        assert refused.exception_code == 3
        client.close()
    finally:
        await end(serving)
    await until(lambda: field.limits()[-1][4:12] == "00000000")  # an orderly end


async def test_a_killed_process_and_its_successor(tmp_path: Path, field: Field) -> None:
    async with running(tmp_path) as (bridge, port):
        client = await connected(port)
        await write(client, BLOCK)
        await until(lambda: field.island.values["soc_pct"] == 64.0)
        client.close()
        bridge.kill()
        await bridge.wait()
    field.island_clock.skip(TIMEOUT_S + 1)
    await until(lambda: field.island.error == 952)
    assert field.limits()[-1] == BLOCK_FRAME  # no farewell: it had no time for one
    async with running(tmp_path) as (bridge, port):
        client = await connected(port)
        await write(client, BLOCK)
        await until(lambda: field.island.condition is Condition.RUNNING)
        client.close()
        bridge.send_signal(signal.SIGTERM)
        async with asyncio.timeout(BOUND_S):
            assert await bridge.wait() == 0
    await until(lambda: field.limits()[-1][4:12] == "00000000")


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple["asyncio.subprocess.Process", int]]:
    """Run the bridge in a process of its own; gives it and the port it serves on."""
    bridge = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "run", str(folder / "site.yaml")),
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    assert bridge.stderr is not None
    log: list[str] = []
    reading: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(BOUND_S):
            while (found := re.search(r"serving=tcp://127\.0\.0\.1:(\d+)", "".join(log))) is None:
                line = await bridge.stderr.readline()
                assert line, "".join(log)
                log.append(line.decode())
        reading = asyncio.create_task(bridge.stderr.read())
        yield bridge, int(found[1])
    finally:
        if bridge.returncode is None:
            bridge.kill()
        await bridge.wait()
        if reading is not None:
            await reading
