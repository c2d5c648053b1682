"""The simulated inverter itself: byte for byte, in its slips, and to masters that others wrote."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient

from bridge.adapters.modbus.options import FAMILY
from bridge.adapters.modbus.simulated_panel import PRESS_S
from bridge.adapters.modbus.simulator import BYTES_PER_S, Series607Simulator
from bridge.adapters.pty import Pacer
from bridge.datastore.clock import ManualClock
from tests.adapters.modbus.field import BOUND_S

VECTORS = json.loads((Path(__file__).parents[2] / "data/modbus/series607-vectors.json").read_text())
MBPOLL = shutil.which("mbpoll")


class MemoryWire:
    def __init__(self, clock: ManualClock) -> None:
        self.heard = b""
        self.plugged = True
        self._pacer = Pacer(clock, BYTES_PER_S)

    async def send(self, data: bytes) -> None:
        await self._pacer.send(data, self._take)

    def _take(self, data: bytes) -> None:
        self.heard += data

    async def unplug(self) -> None:
        self.plugged = False

    async def replug(self) -> None:
        self.plugged = True


class Bench:
    def __init__(self, **made: object) -> None:
        self.clock = ManualClock()
        self.simulator = Series607Simulator(self.clock, **made)  # type: ignore[arg-type]
        self.wire = MemoryWire(self.clock)

    async def ask(self, frame: str, wait_s: float = 0.5) -> str:
        self.wire.heard = b""
        self.simulator.hear(bytes.fromhex(frame))
        await self.clock.advance(wait_s)
        return self.wire.heard.hex()

    def show(self, *registers: int) -> list[int]:
        return [self.simulator.panel.registers[register] for register in registers]


@contextlib.asynccontextmanager
async def playing(**made: object) -> AsyncIterator[Bench]:
    bench = Bench(**made)
    task = asyncio.create_task(bench.simulator.play(bench.wire))
    await bench.clock.advance(0.5)
    try:
        yield bench
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["what"])
async def test_vectors(vector: dict[str, str]) -> None:
    async with playing() as bench:
        assert await bench.ask(vector["request"]) == vector["reply"]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ("2b0305a000018310", "another unit"),
        ("2a0305a0000182fe", "a broken CRC"),
        ("0008000055551eb5", "a broadcast"),
        ("2a0305a000", "half a request"),
    ],
)
async def test_what_it_leaves_unanswered(request_: str, why: str) -> None:
    async with playing() as bench:
        assert await bench.ask(request_) == "", why
        assert await bench.ask(VECTORS[0]["request"]) == VECTORS[0]["reply"]


async def test_replies_take_the_lines_time_and_wait_for_the_page_switch() -> None:
    async with playing() as bench:
        await bench.clock.advance(bench.simulator.panel.deaf_until - bench.clock.monotonic() + 0.3)
        assert await bench.ask(VECTORS[0]["request"], 0.003) == ""
        assert await bench.ask("", 0.01) == VECTORS[0]["reply"]
        while bench.simulator.panel.deaf_until <= bench.clock.monotonic():
            await bench.clock.advance(0.02)
        assert await bench.ask(VECTORS[0]["request"], 0.1) == ""
        assert await bench.ask("", 0.2) == VECTORS[0]["reply"]


async def test_its_slips() -> None:
    """Serial number zero, a tenth of the current, no alarm for an overload."""
    async with playing() as bench:
        assert bench.show(0x1000, 0x1001, 0x1002, 0x3003) == [0, 0, 0, 100]
        bench.simulator.misbehave("f03")
        await bench.clock.advance(0.1)
        assert bench.show(0x3006, 0x3010, 0x3011, 0x3012, 0x3013) == [2, 0, 0, 0, 0]
        bench.simulator.misbehave("f05")
        await bench.clock.advance(0.1)
        assert bench.show(0x3006, 0x3012) == [2, 2]


async def test_switching_takes_a_press_and_the_displays_silence() -> None:
    async with playing() as bench:
        await bench.ask(VECTORS[3]["request"], 0.05)
        assert bench.show(0x3005, 0x3006) == [4, 9]
        await bench.clock.advance(PRESS_S)
        assert not bench.simulator.panel.running
        assert bench.show(0x3001, 0x3006) == [388_000 & 0xFFFF, 9]
        await bench.clock.advance(1)
        assert bench.show(0x3001, 0x3002, 0x3005, 0x3006) == [0, 0, 4, 0]
        bench.simulator.misbehave("button")
        await bench.clock.advance(0.1)
        assert bench.show(0x3002, 0x3005) == [230, 2]


@pytest.mark.parametrize("fault", [fault.name for fault in Series607Simulator.faults])
async def test_every_fault_begins_and_ends(fault: str) -> None:
    async with playing() as bench:
        bench.simulator.misbehave(fault)
        await bench.ask(VECTORS[0]["request"], 2)
        bench.simulator.misbehave("well")
        await bench.clock.advance(2)
        assert bench.wire.plugged
        assert await bench.ask(VECTORS[0]["request"], 0.5) == VECTORS[0]["reply"]


@pytest.mark.parametrize(
    ("fault", "argument"),
    [
        ("sielnt", ""),
        ("drop", "2"),
        ("silent", "x"),
        ("delay", "-1"),
        ("noise", "xyz"),
        ("refuse", "999"),
        ("f06", ""),
    ],
)
async def test_faults_that_are_none(fault: str, argument: str) -> None:
    with pytest.raises(ValueError, match=f"fault.*found '{argument or fault}', expected"):
        Series607Simulator(ManualClock()).misbehave(fault, argument)


def test_impossible_inverters() -> None:
    with pytest.raises(ValueError, match="expected 0 to 65 V and 0 to 999 W"):
        Series607Simulator(ManualClock(), power=1000)


def test_the_family_names_it() -> None:
    assert FAMILY.simulator_class() is Series607Simulator
    assert FAMILY.simulator_class("series607") is Series607Simulator


@contextlib.asynccontextmanager
async def on_pty(link: Path) -> AsyncIterator[Series607Simulator]:
    simulator = Series607Simulator()
    task = asyncio.create_task(simulator.run(link))
    try:
        async with asyncio.timeout(BOUND_S):
            await simulator.playing.wait()
        yield simulator
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_pymodbuss_client(tmp_path: Path) -> None:
    async with on_pty(tmp_path / "arduino"):
        client = AsyncModbusSerialClient(
            str(tmp_path / "arduino"), baudrate=38400, timeout=BOUND_S, retries=0
        )
        assert await client.connect()
        try:
            async with asyncio.timeout(BOUND_S):
                assert (await client.read_holding_registers(0x05A0, device_id=42)).registers == [6072]
                data = await client.read_holding_registers(0x3001, count=6, device_id=42)
                assert data.registers == [25900, 230, 100, 230, 2, 9]
                across = await client.read_holding_registers(0x3001, count=19, device_id=42)
                assert across.exception_code == 2
                assert (await client.read_input_registers(0x3001, device_id=42)).exception_code == 1
                assert not (await client.write_register(0x3005, 4, device_id=42)).isError()
                state = 9
                while state:
                    state = (await client.read_holding_registers(0x3006, device_id=42)).registers[0]
        finally:
            client.close()


@pytest.mark.skipif(MBPOLL is None, reason="mbpoll is not installed (Debian package mbpoll)")
async def test_mbpoll(tmp_path: Path) -> None:
    async with on_pty(tmp_path / "arduino"):
        process = await asyncio.create_subprocess_exec(
            str(MBPOLL), "-m", "rtu", "-b", "38400", "-P", "none", "-a", "42", "-0", "-1", "-o", "5",
            "-r", str(0x3001), "-c", "6", str(tmp_path / "arduino"),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(BOUND_S):
            output, _ = await process.communicate()
    assert "[12289]: \t25900" in output.decode()
    assert "[12294]: \t9" in output.decode()
