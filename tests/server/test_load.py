"""Too many, too greedy, too slow and too loud clients: a well-behaved one is served, and nothing is left."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.server.connection import TURN
from bridge.server.listener import TcpListener
from tests.server.bus import adu as rtu_adu
from tests.server.bus import on_a_line
from tests.server.plant import PATIENCE_S, UNIT, Client, Plant, adu, read, registers, running

#: What the server may have kept after a storm, in bytes.
KEPT_MAX = 5 * 1024 * 1024
#: Bytes of noise for one transport; the long form runs for hours elsewhere.
NOISE = 1_000_000
NOISE_RTU_LINE = 30_000


class Process:
    """A bridge in a process of its own."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    @property
    def resident(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    async def connect(self, source: str = "127.0.0.1") -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0)))

    async def back_to(self, descriptors: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.descriptors > descriptors:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def bridge() -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.server.plant_process",
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            port = int(await process.stdout.readline())
        yield Process(process.pid, port)
    finally:
        process.terminate()
        await process.wait()


async def polite(client: Client, number: int) -> None:
    """Ask as a well-behaved client does, and be answered."""
    for transaction in range(number):
        reply = await client.ask(read(0, 10), unit=UNIT, transaction=transaction)
        assert len(reply) == 22


async def test_a_storm_of_connections_leaves_nothing() -> None:
    async with bridge() as server:
        client = await server.connect("127.0.0.9")
        await polite(client, 20)
        before, resident = server.descriptors, server.resident
        crowd = []
        for number in range(1000):
            crowd.append(await server.connect(f"127.0.0.{1 + number % 4}"))
            if number % 100 == 0:
                await polite(client, 5)
        await server.back_to(before + 64)  # the others have been closed at once
        for other in crowd:
            await other.close()
        await server.back_to(before)
        await polite(client, 20)
        assert server.resident - resident <= KEPT_MAX
        await client.close()


async def test_clients_that_never_read_leave_nothing() -> None:
    async with bridge() as server:
        client = await server.connect("127.0.0.9")
        await polite(client, 20)
        before, resident = server.descriptors, server.resident
        greedy = []
        burst = b"".join(adu(number, UNIT, read(0, 125)) for number in range(340))
        for number in range(200):
            one = await server.connect(f"127.0.0.{1 + number % 4}")
            one.writer.transport.pause_reading()
            one.writer.write(burst * 3)
            greedy.append(one)
            if number % 20 == 0:
                await polite(client, 5)
        await polite(client, 50)
        for one in greedy:
            one.writer.transport.abort()
        await server.back_to(before)
        await polite(client, 20)
        assert server.resident - resident <= KEPT_MAX
        await client.close()


async def test_random_bytes_over_tcp_leave_nothing() -> None:
    chance = random.Random(1)
    async with bridge() as server:
        client = await server.connect("127.0.0.9")
        await polite(client, 20)
        before, resident = server.descriptors, server.resident
        sent = 0
        while sent < NOISE:
            one = await server.connect()
            noise = chance.randbytes(chance.randint(1, 20_000))
            if chance.random() < 0.5:  # a sound beginning keeps the connection open longer
                noise = adu(1, UNIT, read(0, 2)) * 5 + b"\0\1\0\0\0\6" + noise
            one.writer.write(noise)
            sent += len(noise)
            await polite(client, 2)
            one.writer.transport.abort()
        await server.back_to(before)
        assert server.resident - resident <= KEPT_MAX
        await client.close()


async def test_random_bytes_over_rtu_on_tcp() -> None:
    chance = random.Random(2)
    async with running(make=lambda terms: TcpListener("127.0.0.1", 0, terms, rtu=True)) as plant:
        descriptors, tasks = len(os.listdir("/proc/self/fd")), asyncio.all_tasks()
        client = await plant.connect()
        sent = 0
        while sent < NOISE:
            one = await plant.connect()
            one.writer.write(noise := chance.randbytes(20_000))
            sent += len(noise)
            for number in range(5):
                await client.send(rtu_adu(read(number, 1)))
                async with asyncio.timeout(PATIENCE_S):
                    assert await client.reader.readexactly(7) == rtu_adu(registers(number))
            await one.close()
        await client.close()
        await plant.until(lambda: plant.counters.connections == 0)
        await plant.until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)
        assert plant.adapter.commands == []
        assert {task for task in asyncio.all_tasks() if not task.done()} <= tasks


async def test_random_bytes_on_a_line(tmp_path: Path) -> None:
    chance = random.Random(3)
    async with on_a_line(tmp_path, 1_000_000) as bus:
        sent = 0
        while sent < NOISE_RTU_LINE:
            noise = chance.randbytes(chance.randint(1, 3000))
            await bus.send(noise)
            sent += len(noise)
            bus.heard.clear()  # one in many thousands of random frames is a request
            assert await bus.ask(read(7, 1)) == registers(7)


async def test_one_who_pipelines_without_end_does_not_starve_another(plant: Plant) -> None:
    flood, client = await plant.connect(), await plant.connect()
    burst = b"".join(adu(number, UNIT, read(0, 10)) for number in range(340)) * 20
    taking = asyncio.create_task(_take(flood))
    for number in range(30):
        flood.writer.write(burst)
        before = plant.counters.requests
        assert await client.ask(read(number, 1)) == registers(number)
        # Its reply took a few turns of the loop, in each of which the flood had one share at most.
        assert plant.counters.requests - before <= 10 * TURN
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    flood.writer.transport.abort()
    await client.close()


async def test_unknown_functions_without_end_do_not_starve_another(plant: Plant) -> None:
    flood, client = await plant.connect(), await plant.connect()
    taking = asyncio.create_task(_take(flood))
    for number in range(10):
        flood.writer.write(adu(1, UNIT, b"\x63") * 3000)
        before = plant.counters.requests
        assert await client.ask(read(number, 1)) == registers(number)
        assert plant.counters.requests - before <= 10 * 2 * TURN
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    flood.writer.transport.abort()
    await client.close()


@pytest.mark.parametrize("spoken", ["reads", "writes"])
async def test_a_client_that_stops_reading_is_swept_out(plant: Plant, spoken: str) -> None:
    client = await plant.connect()
    await client.ask(read(0, 1))
    client.writer.transport.pause_reading()
    pdu = read(0, 125) if spoken == "reads" else b"\x63"
    (connection,) = plant.listener._server.connections
    while connection._writable.is_set():
        client.writer.write(adu(1, UNIT, pdu) * 500)
        await asyncio.sleep(0)
    await plant.clock.advance(700)
    await plant.until(lambda: plant.counters.connections == 0)
    client.writer.transport.abort()


async def _take(client: Client) -> None:
    while await client.reader.read(65536):
        pass
