"""A running bridge asked by people on its machine: how it fares, and how much it logs."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bridge.cli.door import ask, device_of
from bridge.cli.errors import BadFile, CommandFailed
from tests.house.conftest import Boathouse
from tests.house.test_first_light import ready
from tests.house.wire import PATIENCE_S

Make = Callable[..., Any]


async def asked(house: Boathouse, do: str, device: str = "", **arguments: object) -> list[Mapping[str, Any]]:
    """Ask as a command does, from a thread of its own."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.to_thread(lambda: list(ask(house.site, do, device, **arguments)))


async def test_how_the_devices_fare(boathouse: Make) -> None:
    house = await boathouse()
    async with house.master() as master:
        await ready(house, master)
    told = {step["device"]: step for step in await asked(house, "status")}
    assert told.keys() == {"bridge", "charger"}
    assert told["charger"]["link"] == "online"
    assert told["charger"]["age_s"] < 60


async def test_the_level_of_the_log_is_changed_meanwhile(boathouse: Make) -> None:
    house = await boathouse()
    before = logging.getLogger("bridge").level
    try:
        assert await asked(house, "log", level="debug", of="charger") == [{"level": "debug", "of": "charger"}]
        assert logging.getLogger("bridge").level == logging.DEBUG
    finally:
        logging.getLogger("bridge").setLevel(before)


@pytest.mark.parametrize(
    ("do", "device", "arguments", "fault"),
    [
        ("statsu", "", {}, "did you mean 'status'"),
        ("pair", "charger", {}, "device 'charger' cannot 'pair'"),
        ("pair", "charget", {}, "did you mean 'charger'"),
        ("log", "", {"level": "loud"}, "found the level 'loud'"),
        ("log", "", {"level": "info", "of": "chargr"}, "did you mean 'charger'"),
    ],
)
async def test_what_nobody_can_do(
    boathouse: Make, do: str, device: str, arguments: Mapping[str, object], fault: str
) -> None:
    house = await boathouse()
    with pytest.raises(CommandFailed, match=fault):
        await asked(house, do, device, **arguments)


async def test_nobody_is_at_home(boathouse: Make) -> None:
    house = await boathouse(start=False)
    with pytest.raises(CommandFailed, match="start it with `inverter-bridge run"):
        await asked(house, "status")
    house.site.write_text("devices: [}")
    with pytest.raises(BadFile):
        await asked(house, "status")


async def test_the_device_that_a_command_means(boathouse: Make) -> None:
    house = await boathouse(start=False)
    assert device_of(house.site, "vedirect", None) == "charger"
    assert device_of(house.site, "vedirect", "charger") == "charger"
    with pytest.raises(CommandFailed, match="expected one of charger"):
        device_of(house.site, "vedirect", "shunt")
    with pytest.raises(CommandFailed, match="no device with `adapter: apsystems`"):
        device_of(house.site, "apsystems", None)
    house.site.write_text(house.site.read_text() + "  other: {adapter: vedirect, port: /dev/ttyUSB7}\n")
    with pytest.raises(CommandFailed, match="name one of charger, other"):
        device_of(house.site, "vedirect", None)


async def test_the_audit_tells_what_people_asked(boathouse: Make) -> None:
    house = await boathouse()
    house.site.write_text(house.site.read_text() + "outlets: {audit: }\n")
    await house.stop()
    await house.start()
    await asked(house, "log", level="info")
    await house.stop()
    lines = [json.loads(line) for line in (house.folder / "state" / "audit.jsonl").read_text().splitlines()]
    assert [(line["operation"], line["arguments"]) for line in lines if line["event"] == "operation"] == [
        ("log", {"level": "info"})
    ]
