"""Masters that others wrote: mbpoll (on libmodbus) and pymodbus's own client."""

import asyncio
import os
import shutil
import tty
from collections.abc import Callable
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusUdpClient
from pymodbus.client.base import ModbusBaseClient

from bridge.server.listener import TcpListener
from bridge.server.listening import Listener
from bridge.server.terms import Terms
from bridge.server.udp import UdpListener
from tests.server.bus import on_a_line
from tests.server.plant import CONSTANT, LIMIT, MODE, PATIENCE_S, UNIT, Plant, running

MBPOLL = shutil.which("mbpoll")


async def mbpoll(plant: Plant, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(MBPOLL), "-m", "tcp", "-p", str(plant.port), "-a", str(UNIT), "-0", "-1", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    return output.decode()


@pytest.mark.skipif(MBPOLL is None, reason="mbpoll is not installed (Debian package mbpoll)")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-t", "4", "-r", "5", "-c", "2", "127.0.0.1"), ["[5]: \t5", "[6]: \t6"]),
        (("-t", "3", "-r", "5", "-c", "2", "127.0.0.1"), ["[5]: \t1005", "[6]: \t1006"]),
        (("-t", "0", "-r", "0", "127.0.0.1"), ["[0]: \t1"]),
        (("-t", "1", "-r", "3", "-c", "2", "127.0.0.1"), ["[3]: \t1", "[4]: \t0"]),
        (("-t", "4", "-r", str(LIMIT), "127.0.0.1", "20"), ["Written 1 references."]),
        (("-t", "4", "-r", str(MODE), "127.0.0.1", "4", "20"), ["Written 2 references."]),
        (("-t", "0", "-r", "0", "127.0.0.1", "0"), ["Written 1 references."]),
        (("-t", "4", "-r", str(CONSTANT), "127.0.0.1", "1"), ["Illegal data address"]),
        (("-t", "4", "-r", str(LIMIT), "127.0.0.1", "61"), ["Illegal data value"]),
    ],
)
async def test_mbpoll(plant: Plant, arguments: tuple[str, ...], told: list[str]) -> None:
    output = await mbpoll(plant, *arguments)
    for words in told:
        assert words in output


async def test_pymodbuss_client(plant: Plant) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=plant.port, timeout=PATIENCE_S)
    assert await client.connect()
    try:
        assert (await client.read_holding_registers(5, count=3, device_id=UNIT)).registers == [5, 6, 7]
        assert (await client.read_input_registers(5, count=1, device_id=UNIT)).registers == [1005]
        assert (await client.read_coils(0, count=1, device_id=UNIT)).bits[0] is True
        assert (await client.read_discrete_inputs(0, count=4, device_id=UNIT)).bits[:4] == [
            True,
            False,
            False,
            True,
        ]
        assert not (await client.write_register(LIMIT, 20, device_id=UNIT)).isError()
        assert not (await client.write_registers(MODE, [1, 21], device_id=UNIT)).isError()
        assert not (await client.write_coil(0, False, device_id=UNIT)).isError()
        assert not (await client.write_coils(0, [True], device_id=UNIT)).isError()
        masked = await client.mask_write_register(address=LIMIT, and_mask=0, or_mask=22, device_id=UNIT)
        assert not masked.isError()
        both = await client.readwrite_registers(
            read_address=LIMIT, read_count=1, write_address=LIMIT, values=[23], device_id=UNIT
        )
        assert both.registers == [23]
        assert (await client.read_holding_registers(0x2000, device_id=UNIT)).exception_code == 2
        assert (await client.read_holding_registers(0, device_id=99)).exception_code == 0x0B
        assert (await client.report_device_id(device_id=UNIT)).exception_code == 1
    finally:
        client.close()
    assert [command.get("/Settings/ChargeCurrentLimit") for command in plant.adapter.commands] == [
        20, 21, None, None, 22, 23,
    ]  # fmt: skip


def datagrams(plant: Plant) -> ModbusBaseClient:
    return AsyncModbusUdpClient("127.0.0.1", port=plant.port)


def rtu_over_tcp(plant: Plant) -> ModbusBaseClient:
    return AsyncModbusTcpClient("127.0.0.1", port=plant.port, framer=FramerType.RTU)


@pytest.mark.parametrize(
    ("make", "connect"),
    [
        pytest.param(lambda terms: UdpListener("127.0.0.1", 0, terms), datagrams, id="udp"),
        pytest.param(lambda terms: TcpListener("127.0.0.1", 0, terms, rtu=True), rtu_over_tcp, id="rtu_tcp"),
    ],
)
async def test_pymodbus_on_other_transports(
    make: Callable[[Terms], Listener], connect: Callable[[Plant], ModbusBaseClient]
) -> None:
    async with running(make=make) as plant:
        client = connect(plant)
        assert await client.connect()
        await _exchange(client)
        client.close()


async def test_pymodbus_on_a_line(tmp_path: Path) -> None:
    async with on_a_line(tmp_path, 38400) as bus:
        master, slave = os.openpty()
        tty.setraw(slave)
        loop = asyncio.get_running_loop()
        passing: list[asyncio.Task[None]] = []
        loop.add_reader(master, lambda: passing.append(loop.create_task(bus.send(os.read(master, 4096)))))
        client = AsyncModbusSerialClient(os.ttyname(slave), baudrate=38400, timeout=PATIENCE_S)
        assert await client.connect()

        async def back() -> None:
            while True:
                await asyncio.sleep(0.001)
                os.write(master, bytes(bus.heard))
                bus.heard.clear()

        passing.append(loop.create_task(back()))
        try:
            await _exchange(client)
        finally:
            client.close()
            loop.remove_reader(master)
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
            os.close(master)
            os.close(slave)


async def _exchange(client: ModbusBaseClient) -> None:
    async with asyncio.timeout(PATIENCE_S):
        found = await client.read_holding_registers(5, count=2, device_id=UNIT)
        assert found.registers == [5, 6]
        assert (await client.read_discrete_inputs(3, count=2, device_id=UNIT)).bits[:2] == [True, False]
        assert not (await client.write_register(LIMIT, 20, device_id=UNIT)).isError()
        assert not (await client.write_registers(MODE, [1, 21], device_id=UNIT)).isError()
        assert (await client.read_holding_registers(LIMIT, count=1, device_id=UNIT)).registers == [21]
        assert (await client.write_register(LIMIT, 61, device_id=UNIT)).exception_code == 3
        told = await client.read_device_information(read_code=2, object_id=0, device_id=UNIT)
        assert told.information[0] == b"Test & Co"
        assert told.information[6] == b"charger"
        assert not (await client.diag_query_data(b"UU", device_id=UNIT)).isError()
