"""Masters that others wrote: mbpoll (on libmodbus) and pymodbus's own client."""

import asyncio
import shutil

import pytest
from pymodbus.client import AsyncModbusTcpClient

from tests.server.plant import CONSTANT, LIMIT, MODE, PATIENCE_S, UNIT, Plant

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
