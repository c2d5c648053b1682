"""The server before the real register images: what is published is what is read, and written back."""

from collections.abc import AsyncIterator

import pytest

from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.register_maps.image import UnitImage
from bridge.register_maps.loader import load_text
from tests.server.plant import UNIT, Client, Plant, read, registers, running, write, write_many

MAP = """
name: pinned
title: A charger of this test
registers:
  - {address: 0x6000, type: u16, scale: 100, path: /Dc/0/Voltage}
  - {address: 0x6001, type: s32b, scale: 1000, path: /Dc/0/Current}
  - {address: 0x6003, type: u16, scale: 10, path: /Settings/ChargeCurrentLimit, write: [0, 60]}
  - {address: 0x6004, type: e16, path: /Mode, values: {on: 1, off: 4}, write: true}
coils:
  - {address: 0, path: /Mode, on: 1, off: 4}
"""


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    loaded = load_text(MAP, "pinned.yaml", "pinned")
    assert loaded.errors == ()
    assert loaded.map is not None
    async with running() as plant:
        plant.device.declare(
            [
                PointSpec("/Dc/0/Voltage", "V"),
                PointSpec("/Dc/0/Current", "A"),
                *(plant.device.spec(path) for path in plant.device.paths),
            ],
            [GroupSpec("set", stale_after_s=None), GroupSpec("text", stale_after_s=5.0)],
            [["text"]],
        )
        plant.units.put(UNIT, UnitImage(loaded.map, plant.device, plant.clock, UNIT))
        plant.device.publish("text", {"/Dc/0/Voltage": 13.37, "/Dc/0/Current": -1.234})
        yield plant


@pytest.mark.parametrize(
    ("request_pdu", "reply"),
    [
        (read(0x6000, 5), registers(1337, 0xFFFF, 0x10000 - 1234, 160, 1)),
        (read(0x6000, 1, 4), registers(1337, function=4)),
        (read(0, 1, 1), bytes.fromhex("010101")),
        (write(0x6003, 105), write(0x6003, 105)),
        (write_many(0x6003, 105, 4), bytes.fromhex("10 6003 0002")),
        (write(0, 0, 5), write(0, 0, 5)),
        (bytes.fromhex("16 6003 0000 0069"), bytes.fromhex("16 6003 0000 0069")),
        (bytes.fromhex("17 6003 0001 6003 0001 02 0069"), registers(105, function=23)),
        (write(0x6003, 601), bytes.fromhex("8603")),
        (write(0x6003, 0xFFFF), bytes.fromhex("8603")),
        (write(0x6000, 1), bytes.fromhex("8602")),
        (write(0x6002, 1), bytes.fromhex("8602")),
        (write(0x7000, 1), bytes.fromhex("8602")),
        (read(0x7000, 1), bytes.fromhex("8302")),
        (read(0xFFFF, 2), bytes.fromhex("8302")),
    ],
)
async def test_requests(client: Client, request_pdu: bytes, reply: bytes) -> None:
    assert await client.ask(request_pdu) == reply


async def test_silence_of_the_device_is_0b_but_for_the_status_block(plant: Plant, client: Client) -> None:
    await client.ask(write(0x6003, 105))
    await plant.clock.advance(6)
    assert await client.ask(read(0x6000, 1)) == bytes([0x83, 0x0B])
    status = await client.ask(read(0xFE00, 6))
    # link silent, 6 s old, one attempt, confirmed, through this address
    assert status == registers(3, 6, 1, 1, 0x6003, 0)
