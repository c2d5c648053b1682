"""A surplus charging automation on a running bridge: its unit shows what it does, and pauses it."""

import struct
from collections.abc import Callable
from typing import Any

AUTOMATION = """\
  shunt: {adapter: vedirect, product: battery_monitor, port: ./nowhere}
automations:
  - surplus_charging: {grid_power: "shunt:/Dc/0/Power", charger: charger, unit: 60, interval: 5 s}
"""
STATE, PAUSE, SERIAL = 0x3000, 0x3010, 0x1000
HOLD, PAUSED = 2, 4


async def test_its_unit_shows_and_pauses_it(boathouse: Callable[..., Any]) -> None:
    house = await boathouse(start=False)
    house.site.write_text(house.site.read_text() + AUTOMATION)
    await house.start()
    async with house.master() as master:
        master._unit = 60
        await master.until(STATE, HOLD)  # its meter is on no port
        serial = struct.pack(">20H", *(await master.read(SERIAL, 20)).words).rstrip(b"\0")
        assert serial == b"surplus_charging"
        assert (await master.read(0x3130)).words == [0xFFFF]  # there is no fourth charger
        assert await master.settled(PAUSE, 1) == 0
        await master.until(STATE, PAUSED)
        assert (await master.read(0, 2, function=1)).data == b"\x01\x01"
