"""The whole bridge around a simulated Series607: from the Arduino's line to a Modbus client and back."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient

from bridge.adapters.modbus.options import FAMILY
from bridge.adapters.modbus.simulator import Series607Simulator
from bridge.app import House
from bridge.site.loader import load_site
from tests.adapters.modbus.field import BOUND_S, Field, serving

SITE = """
state: "{folder}/state"
listeners: [{{tcp: "127.0.0.1:0"}}]
devices:
  wagon: {{adapter: modbus, map: series607, port: "{folder}/arduino", baudrate: 38400, remote_unit: 42,
           serial: WAGON1, poll: 0.4, unit: 42}}
  meter: {{adapter: modbus, map: sdm630, host: "{host}", remote_unit: 7, poll: 0.4, unit: 7}}
"""
FAMILIES = {"modbus": FAMILY}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AsyncModbusTcpClient]:
    """A client of a bridge that serves an inverter on a pseudo-terminal and a meter behind TCP."""
    async with contextlib.AsyncExitStack() as stack:
        field = Field()
        field.put(7, "input", 0, [0] * 80)
        field.put(7, "input", 0x34, [0x42F7, 0])  # 123.5 W
        field.put(7, "holding", 2, [0x4270, 0])  # 60 min
        field.put(7, "holding", 0xFC00, [0, 4711])
        where = await stack.enter_async_context(serving(field, "tcp"))
        simulator = Series607Simulator()
        playing = asyncio.create_task(simulator.run(tmp_path / "arduino"))
        stack.push_async_callback(_end, playing)
        site = tmp_path / "site.yaml"
        site.write_text(SITE.format(folder=tmp_path, host=where["host"]))
        load = load_site(site, os.environ, FAMILIES, lambda *_: None)
        assert load.site is not None, load.problems
        assert [(unit.unit, unit.map) for unit in load.units] == [(7, "sdm630"), (42, "series607")]
        house = House(load, FAMILIES)
        started = asyncio.Event()
        serving_house = asyncio.create_task(house.run(started.set))
        stack.push_async_callback(_end, serving_house)
        async with asyncio.timeout(BOUND_S):
            while not started.is_set():
                assert not serving_house.done(), serving_house.result()
                await asyncio.sleep(0.01)
            port = house.listeners[0].address[1]
            made = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=BOUND_S, retries=0)
            stack.callback(made.close)
            assert await made.connect()
            for address, unit, word in ((0x3010, 42, 0), (0x3001, 42, 25900), (0x0002, 7, 0x4270)):
                reply = await made.read_holding_registers(address, device_id=unit)
                while reply.isError() or reply.registers != [word]:
                    await asyncio.sleep(0.05)
                    reply = await made.read_holding_registers(address, device_id=unit)
        yield made


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def read(client: AsyncModbusTcpClient, address: int, count: int, unit: int = 42) -> list[int]:
    async with asyncio.timeout(BOUND_S):
        reply = await client.read_holding_registers(address, count=count, device_id=unit)
    assert not reply.isError(), reply
    return list(reply.registers)


async def test_the_arduinos_client_reads_the_bridge(client: AsyncModbusTcpClient) -> None:
    """The reads of the original class file over TCP, in its order, and what it makes of them."""
    assert await read(client, 0x05A0, 1) == [6072]
    assert await read(client, 0x1005, 1) == [1]
    assert await read(client, 0x1006, 1) == [1]
    assert b"".join(word.to_bytes(2, "big") for word in await read(client, 0x1000, 3)) == b"WAGON1"
    across = await read(client, 0x3001, 19)
    assert across == [25900, 230, 1000, 230, 2, 9, *[0] * 13]
    assert await read(client, 0x3020, 2) == [1, 0]  # the coil's mirror, and no fault
    coil = await client.read_coils(0, device_id=42)
    assert coil.bits[0] is True


async def test_switching_through_the_bridge(client: AsyncModbusTcpClient) -> None:
    """A reply cannot wait for the inverter: acknowledged, and the outcome follows in the status block."""
    async with asyncio.timeout(BOUND_S):
        reply = await client.write_coil(0, False, device_id=42)
        assert reply.exception_code == 5
        while (await read(client, 0xFE03, 1))[0] == 8:  # still under way
            await asyncio.sleep(0.05)
    assert (await read(client, 0xFE03, 1))[0] == 1  # confirmed
    assert await read(client, 0x3005, 2) == [4, 0]
    async with asyncio.timeout(BOUND_S):
        refused = await client.write_register(0x3005, 5, device_id=42)
    assert refused.exception_code == 3


async def test_a_meter_is_served_with_its_own_tables(client: AsyncModbusTcpClient) -> None:
    assert await read(client, 0x0002, 2, 7) == [0x4270, 0]
    async with asyncio.timeout(BOUND_S):
        power = await client.read_input_registers(0x34, count=2, device_id=7)
        assert list(power.registers) == [0x42F7, 0]
        written = await client.write_registers(0x0002, [0x4170, 0], device_id=7)
    assert not written.isError()
    assert await read(client, 0x0002, 2, 7) == [0x4170, 0]


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ("{adapter: modbus, host: h}", "found no 'map', expected a register map to read it with"),
        ("{adapter: modbus, map: em24}", "expected either `port` (a serial port) or `host` (TCP or UDP)"),
        ("{adapter: modbus, map: em42, host: h, unit: 5}", "found the unknown map 'em42'"),
        ("{adapter: modbus, map: series607, port: /dev/ttyS0}", "expected a `serial` of your choice"),
        ("{adapter: modbus, map: em24, host: h, baudrate: 19201}", "expected one of 1200, 2400, 4800"),
        ("{adapter: modbus, map: em24, host: h, pol: 3}", "found the unknown key 'pol'"),
    ],
)
def test_what_check_says(tmp_path: Path, device: str, told: str) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(f"devices:\n  meter: {device}\n")
    load = load_site(site, os.environ, FAMILIES, lambda *_: None)
    assert any(told in problem.message for problem in load.problems), load.problems


def test_two_devices_may_share_a_bus(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    one = "{adapter: modbus, map: sdm630, port: /dev/ttyS0, remote_unit: %d, unit: %d}"
    site.write_text(f"devices:\n  a: {one % (1, 1)}\n  b: {one % (2, 2)}\n")
    load = load_site(site, os.environ, FAMILIES, lambda *_: None)
    assert load.problems == ()
