"""CAN adapters that come back in each other's places: can0 and can1 exchange themselves at a boot.

A frame has no sender. What tells a serial number is told apart by it; a BMS knows by what it hears that this is
not the bus of its inverter, and says nothing there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from bridge.adapters.base import Family
from bridge.adapters.can import channel as channel_module
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions
from bridge.adapters.can.simulated_bus import JoinedLine, SimulatedBus
from bridge.adapters.can_battery import options as can_battery
from bridge.adapters.can_battery.simulated_battery import BatteryState, SimulatedBattery
from bridge.adapters.can_bms import options as can_bms
from bridge.adapters.sunny_island import options as sunny_island
from bridge.adapters.sunny_island.simulated_house import SimulatedHouse
from bridge.adapters.sunny_island.simulator import IslandNode
from bridge.datastore.clock import Clock, ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Origin, Value, WriteRequest
from tests.faults.equipment.board import ended, really

OF_A_BMS = {0x351, 0x355, 0x356, 0x359, 0x35A, 0x35E, 0x35F}
BLOCK: dict[str, Value] = {
    "/Dc/0/Voltage": 53.2,
    "/Soc": 64.0,
    "/Info/MaxChargeVoltage": 56.0,
    "/Info/MaxChargeCurrent": 100.0,
    "/Info/MaxDischargeCurrent": 120.0,
}


class Adapters:
    """Two CAN adapters, each with a bus behind it, by the names that the machine gives them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.first, self.second = SimulatedBus(self.clock), SimulatedBus(self.clock)
        self.names = {"can0": self.first, "can1": self.second}
        self.jobs: list[asyncio.Task[Any]] = []

        async def open_bus(options: CanOptions, clock: Clock) -> JoinedLine:
            return await self.names[options.channel].open(options, clock)

        monkeypatch.setattr(channel_module, "open_bus", open_bus)

    def play(self, node: Awaitable[None]) -> None:
        self.jobs.append(asyncio.ensure_future(node))

    async def exchange(self) -> None:
        self.first.unplug()
        self.second.unplug()
        await self.clock.advance(2)
        self.names = {"can0": self.names["can1"], "can1": self.names["can0"]}
        self.first.replug()
        self.second.replug()


class House:
    """Devices on channels, as the site file names them."""

    def __init__(
        self,
        adapters: Adapters,
        devices: Mapping[str, tuple[Family, Mapping[str, Any]]],
        state: StateStore | None = None,
    ) -> None:
        self.clock = adapters.clock
        self.state = state or StateStore(None)
        self.datastore = Datastore(self.clock, self.state)
        self.seen: dict[str, set[Value]] = {}
        self._adapters = adapters
        self._devices = devices
        self._tasks: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> "House":
        self._tasks = [asyncio.create_task(self.datastore.run())]
        for name, (family, wishes) in self._devices.items():
            options = family.options(adapter=family.name, interface="virtual", **wishes)
            device = self.datastore.add(name, options.wear.limits(), options.leases())
            adapter = family.make(device, options, self.clock)
            self.seen[name] = set()
            device.changed.connect(lambda _, device=device, seen=self.seen[name]: _note(device, seen))
            self._tasks += [asyncio.create_task(device.run(adapter)), asyncio.create_task(adapter.run())]
        await really(lambda: all(bus.openings for bus in self._adapters.names.values()))
        return self

    async def __aexit__(self, *_: object) -> None:
        await ended(self._tasks)

    def __getitem__(self, name: str) -> Device:
        return self.datastore.devices[name]

    async def until(self, true: Callable[[], bool], within_s: float = 30.0) -> None:
        began = self.clock.monotonic()
        while not true():
            assert self.clock.monotonic() - began < within_s, f"not so after {within_s} s"
            await self.clock.advance(0.1)


def _note(device: Device, seen: set[Value]) -> None:
    soc = device.value("/Soc") if device.has("/Soc") else None
    if soc is not None:
        seen.add(soc)


PACKS = {
    "left": (can_battery.FAMILY, {"channel": "can0", "dialect": "victron"}),
    "right": (can_battery.FAMILY, {"channel": "can1", "dialect": "victron"}),
}


def two_batteries(adapters: Adapters) -> None:
    for bus, serial, soc in ((adapters.first, "LEFT0001", 80.0), (adapters.second, "RIGHT002", 30.0)):
        battery = SimulatedBattery(
            adapters.clock, "victron", BatteryState(serial=serial, soc_pct=soc, current_a=0.0)
        )
        adapters.play(battery.play(bus))


@pytest.mark.parametrize("restart", [False, True])
async def test_two_batteries(monkeypatch: pytest.MonkeyPatch, restart: bool) -> None:
    adapters = Adapters(monkeypatch)
    two_batteries(adapters)
    state = StateStore(None)
    house = House(adapters, PACKS, state)
    try:
        async with house:
            await house.until(lambda: house["left"].alive and house["right"].alive)
            await house.clock.advance(3)
            assert (house["left"].value("/Serial"), house["right"].value("/Serial")) == (
                "LEFT0001",
                "RIGHT002",
            )
            if not restart:
                await _exchanged_and_back(adapters, house)
        if restart:
            house = House(adapters, PACKS, state)
            await adapters.exchange()
            async with house:
                await _wrong_until_exchanged(adapters, house)
    finally:
        await ended(adapters.jobs)
    assert (house.seen["left"], house.seen["right"]) == ({80}, {30})


async def _exchanged_and_back(adapters: Adapters, house: House) -> None:
    await adapters.exchange()
    await _wrong_until_exchanged(adapters, house)


async def _wrong_until_exchanged(adapters: Adapters, house: House) -> None:
    both = [house["left"], house["right"]]
    await house.until(lambda: all(device.link is LinkState.WRONG_DEVICE for device in both), 15)
    for _ in range(60):
        await house.clock.advance(0.5)
        assert not any(device.alive for device in both)
        assert [device.value("/Soc") for device in both] == [None, None]
    await adapters.exchange()
    await house.until(lambda: all(device.alive for device in both), 15)
    assert [device.link for device in both] == [LinkState.ONLINE] * 2


async def test_another_battery_is_plugged_into_a_bus_that_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """No adapter tells that the cable behind it was moved; what was heard before is not kept for it."""
    adapters = Adapters(monkeypatch)
    own = SimulatedBattery(
        adapters.clock, "victron", BatteryState(serial="LEFT0001", soc_pct=80.0, current_a=0.0)
    )
    other = SimulatedBattery(
        adapters.clock, "victron", BatteryState(serial="RIGHT002", soc_pct=30.0, current_a=0.0)
    )
    house = House(adapters, {"left": PACKS["left"], "right": PACKS["right"]})
    adapters.play(own.play(adapters.first))
    try:
        async with house:
            await house.until(lambda: house["left"].alive)
            await house.clock.advance(3)
            own.silent = True
            await house.clock.advance(8)
            adapters.play(other.play(adapters.first))
            await house.until(lambda: house["left"].link is LinkState.WRONG_DEVICE, 15)
            await house.clock.advance(30)
            assert house["left"].value("/Soc") is None
    finally:
        await ended(adapters.jobs)
    assert house.seen["left"] == {80}


async def test_a_bms_on_the_bus_of_a_battery_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    adapters = Adapters(monkeypatch)
    pack = SimulatedBattery(adapters.clock, "pylontech", BatteryState())
    adapters.play(pack.play(adapters.first))
    adapters.play(IslandNode(adapters.clock, adapters.second, SimulatedHouse()).play())
    battery = {"cells": 16, "chemistry": "lfp", "capacity": 200.0}
    devices = {
        "pack": (can_battery.FAMILY, {"channel": "can0", "dialect": "pylontech"}),
        "si_bms": (
            can_bms.FAMILY,
            {"channel": "can1", "dialect": "sma", "observe": False, "battery": battery},
        ),
        "island": (sunny_island.FAMILY, {"channel": "can1"}),
    }

    def told(bus: SimulatedBus) -> list[CanFrame]:
        return [frame for _, frame in bus.from_bridge if frame.id in OF_A_BMS]

    try:
        async with House(adapters, devices) as house:
            await house.clock.advance(5)
            asyncio.create_task(house["si_bms"].write(WriteRequest(BLOCK, Origin("modbus", "test"))))  # noqa: RUF006
            await house.until(lambda: len(told(adapters.second)) > 20)
            assert house["pack"].alive
            await adapters.exchange()
            sent = len(told(adapters.second))
            for _ in range(60):
                await house.clock.advance(1)
                asyncio.create_task(house["si_bms"].write(WriteRequest(BLOCK, Origin("modbus", "test"))))  # noqa: RUF006
                assert not house["pack"].alive
            assert told(adapters.first) == []
            assert len(told(adapters.second)) == sent
            assert house["si_bms"].value("/Bms/Enable") == 0
    finally:
        await ended(adapters.jobs)
