"""A Blue Smart charger read and commanded over Modbus TCP: the whole way, there and back."""

import asyncio
import contextlib
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.vedirect.simulator import ChargerSimulator
from tests.house.conftest import Boathouse
from tests.house.wire import Master

VOLTAGE, STATE, MODE, LIMIT, MAXIMUM, MIRROR = 0x3000, 0x3003, 0x3010, 0x3011, 0x3014, 0x3020
LINK, OUTCOME, STATUS = 0xFE00, 0xFE03, 0xFE00
MODEL = 0x0100
CONFIRMED, ADJUSTED, OFFLINE, PENDING = 1, 2, 4, 8

Make = Callable[..., Any]


async def ready(house: Boathouse, master: Master) -> None:
    """Wait until the charger is known, its measurements have come and its settings have been read."""
    await master.until(MODE, 1)
    for register in (VOLTAGE, LIMIT, MAXIMUM):
        async with asyncio.timeout(20):
            while (await master.read(register)).words == [0xFFFF]:
                await asyncio.sleep(0.05)


async def test_values_follow_the_charger(boathouse: Make) -> None:
    house = await boathouse()
    async with house.master() as master:
        assert (await master.read(MODEL)).exception == 0x0B  # nobody is known yet
        assert (await master.read(LINK)).words[0] in (0, 1)
        await ready(house, master)
        voltage = (await master.read(VOLTAGE)).words[0]
        assert 2400 <= voltage <= 3000
        assert (await master.read(MODEL)).words == [0x4201]
        assert (await master.read(VOLTAGE, function=4)).words[0] == pytest.approx(voltage, abs=20)
        serial = struct.pack(">8H", *(await master.read(0x1000, 8)).words).rstrip(b"\0").decode()
        assert serial == house.simulator.serial
        assert (await master.read(LINK)).words == [1]
        block = (await master.read(1000 + 16 * 20, 12, unit=247)).words
        assert block[0] == 1


@pytest.mark.parametrize("tenths", [100, 110, 256, 360])
async def test_currents_arrive(boathouse: Make, tenths: int) -> None:
    house = await boathouse(maximum_current=60.0)
    async with house.master() as master:
        await ready(house, master)
        assert await master.settled(LIMIT, tenths) == 0
        low, high = tenths & 255, tenths >> 8
        check = (0x55 - 8 - 0xF0 - 0xED - low - high) & 255
        sets = [heard.raw for heard in house.simulator.received if heard.raw.startswith(b":8")]
        assert sets == [f":8F0ED00{low:02X}{high:02X}{check:02X}\n".encode()]
        assert (await master.read(LIMIT)).words == [tenths]


async def test_off_by_current_and_by_mode(boathouse: Make) -> None:
    house = await boathouse()
    async with house.master() as master:
        await ready(house, master)
        assert await master.settled(LIMIT, 0) == 0
        assert (await master.read(MODE, 2)).words == [4, 0]
        assert (await master.read(0, 1, function=1)).data == b"\x01\x00"
        assert await master.settled(LIMIT, 80) == 0
        assert (await master.read(MODE, 2)).words == [1, 80]
        assert await master.settled(LIMIT, 20) == 4  # under the minimum: switched off, adjusted
        assert (await master.read(MODE, 2)).words == [4, 0]
        assert (await master.read(OUTCOME, 3)).words == [ADJUSTED, LIMIT, 4]
        assert (await master.ask(struct.pack(">BHH", 5, 0, 0xFF00))).exception in (0, 5)  # the coil: on
        await master.until(MODE, 1)
        assert (await master.read(MODE, 2)).words == [1, 80]
        assert await master.settled(MIRROR, 0) == 0
        assert (await master.read(MODE)).words == [4]
        assert await master.settled(MODE, 1, 60) == 0
        assert (await master.read(MODE, 2)).words == [1, 60]


@pytest.mark.parametrize(
    ("address", "value", "code"),
    [
        (LIMIT, 121, 3),
        (LIMIT, 601, 3),
        (LIMIT, 0xFFFF, 3),
        (MODE, 2, 3),
        (MODE, 253, 3),
        (VOLTAGE, 1, 2),
        (MODEL, 1, 2),
        (0x5000, 1, 2),
    ],
)
async def test_impossible_writes(boathouse: Make, address: int, value: int, code: int) -> None:
    house = await boathouse()
    async with house.master() as master:
        await ready(house, master)
        assert (await master.write(address, value)).exception == code
        assert not [heard for heard in house.simulator.received if heard.raw.startswith(b":8")]


async def test_on_with_no_current_is_impossible(boathouse: Make) -> None:
    house = await boathouse()
    async with house.master() as master:
        await ready(house, master)
        assert await master.settled(MODE, 1, 0) == 3


async def test_a_line_that_dies_under_a_write(boathouse: Make) -> None:
    house = await boathouse()
    async with house.master() as master:
        await ready(house, master)
        house.simulator.misbehave("silent")
        began = time.monotonic()
        assert (await master.write(LIMIT, 60)).exception == 5
        assert (await master.read(OUTCOME, 3)).words == [PENDING, LIMIT, 5]
        await master.until(OUTCOME, OFFLINE)
        print(f"outcome offline after {time.monotonic() - began:.2f} s")
        assert (await master.read(OUTCOME, 3)).words == [OFFLINE, LIMIT, 0x0B]


async def test_unplugged_and_back(boathouse: Make) -> None:
    house = await boathouse()
    async with house.master() as master:
        await ready(house, master)
        await house.simulator.unplug()
        await master.until(LINK, 4)
        assert await master.settled(LIMIT, 60) == 0x0B  # at once
        await master.until_exception(VOLTAGE, 0x0B)
        assert (await master.read(MODEL)).exception == 0x0B
        assert (await master.read(0x1000, 8)).exception == 0x0B
        assert (await master.read(LINK)).words == [4]
        await house.simulator.replug()
        await ready(house, master)
        assert (await master.read(LINK)).words == [1]
        assert await master.settled(LIMIT, 60) == 0


async def test_pipelined_requests_around_a_slow_command(boathouse: Make) -> None:
    house = await boathouse()
    async with house.master() as master:
        await ready(house, master)
        house.simulator.misbehave("deaf")
        tids = [master.send(struct.pack(">BHH", 3, VOLTAGE, 2)) for _ in range(10)]
        slow = master.send(struct.pack(">BHH", 6, LIMIT, 60))
        tids += [slow, *(master.send(struct.pack(">BHH", 3, VOLTAGE, 1 + n % 5)) for n in range(19))]
        replies = [await master.reply() for _ in tids]
        assert [reply.tid for reply in replies] == tids
        for place, reply in enumerate(replies):
            if reply.tid == slow:
                assert reply.exception == 5
            else:
                assert len(reply.words) == (2 if place < 10 else 1 + (place - 11) % 5)


async def test_a_restart_of_the_bridge_knows_the_charger_at_once(boathouse: Make) -> None:
    house = await boathouse()
    async with house.master() as master:
        await ready(house, master)
        assert await master.settled(LIMIT, 0) == 0
    await house.stop()
    await house.start()
    async with house.master() as master:
        await master.until(MODE, 4)
        async with asyncio.timeout(20):
            while (await master.read(LIMIT)).words != [0]:
                await asyncio.sleep(0.05)
        assert await master.settled(LIMIT, 50) == 0
        assert (await master.read(MODE, 2)).words == [1, 50]


async def test_another_device_on_the_port(boathouse: Make) -> None:
    house = await boathouse()
    async with house.master() as master:
        await ready(house, master)
        house.simulator.misbehave("other_device")
        await master.until(LINK, 5)
        assert (await master.read(VOLTAGE)).exception == 0x0B
        assert await master.settled(MODE, 4) == 0x0B
        assert not [heard for heard in house.simulator.received if heard.raw.startswith(b":8")]
        house.simulator.misbehave("well")
        await master.until(LINK, 1)
        assert (await master.read(VOLTAGE)).exception == 0


async def test_two_devices_of_one_serial_are_not_served_as_two(boathouse: Make, tmp_path: Path) -> None:
    house = await boathouse(start=False)
    other = ChargerSimulator(serial=house.simulator.serial)
    playing = asyncio.create_task(other.run(tmp_path / "other"))
    try:
        house.write_site(f'}}\n  other: {{adapter: vedirect, port: "{tmp_path / "other"}", unit: 21')
        await house.start()
        async with house.master() as master:
            await master.until(LINK, 1, unit=21)
            await ready(house, master)
            assert (await master.read(VOLTAGE)).exception == 0
            assert (await master.read(VOLTAGE, unit=21)).exception == 0x0B
            assert (await master.read(LINK, unit=21)).words == [1]
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
