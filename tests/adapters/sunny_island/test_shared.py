"""One adapter on an island's bus carries two devices: the island as it is heard, and the BMS it is served."""

from collections.abc import Mapping
from typing import Any

import pytest

from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can_bms.options import FAMILY as BMS
from bridge.adapters.sunny_island.options import FAMILY as ISLAND
from bridge.adapters.sunny_island.simulated_house import SimulatedHouse
from bridge.adapters.sunny_island.simulator import IslandNode
from bridge.datastore.values import LinkState, Outcome, Value
from tests.adapters.can.rig import CanRig

BATTERY = {"cells": 16, "chemistry": "lfp", "capacity": 200.0}
SET: Mapping[str, Value] = {
    "/Dc/0/Voltage": 53.2,
    "/Soc": 64.0,
    "/Info/MaxChargeVoltage": 56.0,
    "/Info/MaxChargeCurrent": 100.0,
    "/Info/MaxDischargeCurrent": 120.0,
}


class Bus(CanRig):
    """Both devices on one bus, with a house on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **island: Any) -> None:
        self.house = SimulatedHouse(lines=2, grid=False, hour=0.0)
        bms = {"dialect": "sma", "observe": False, "battery": BATTERY}
        super().__init__(
            monkeypatch,
            {"island": (ISLAND, {"phases": 2, **island}), "bms": (BMS, bms)},
            lambda rig: [self._node(rig).play()],
        )

    def _node(self, rig: CanRig) -> IslandNode:
        self.node = IslandNode(rig.clock, rig.bus, self.house)
        return self.node

    async def serving(self) -> None:
        """Wait until both are under way."""
        await self.until(lambda: self.value("/Ac/Out/P") is not None)
        await self.clock.advance(5)
        await self.write(SET, "bms")
        await self.until(lambda: self.sent(0x351) != [])


async def test_both_work_on_one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Bus(monkeypatch) as bus:
        await bus.serving()
        assert bus.bus.openings == 1
        assert bus.device.link is LinkState.ONLINE
        assert bus.value("/Dc/0/Voltage") == pytest.approx(bus.house.battery_v, abs=0.06)
        before = len(bus.sent(0x355))
        await bus.clock.advance(10)
        assert 9 <= len(bus.sent(0x355)) - before <= 11
        assert {frame.id for _, frame in bus.sent()} <= set(DIALECTS["sma"].sends)
        # what the bridge says as a BMS is not heard as the island's
        assert bus.value("/Soc") == pytest.approx(bus.house.soc_pct, abs=0.1)
        assert bus.value("/Soc") != SET["/Soc"]
        # and the island's telemetry is what shows the BMS that its inverter lives
        age = bus.named("bms").value("/Inverter/Age")
        assert isinstance(age, float | int)
        assert age <= 1.5


async def test_a_stop_does_not_disturb_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Bus(monkeypatch, allow_commands=True) as bus:
        await bus.serving()
        assert await bus.write({"/Mode": 4}, "island") == {"/Mode": Outcome.CONFIRMED}
        assert not bus.house.running
        before = len(bus.sent(0x355))
        await bus.clock.advance(10)
        assert 9 <= len(bus.sent(0x355)) - before <= 11
        commands = {frame.data for _, frame in bus.sent(0x35C)}
        assert commands == {bytes((2, 0, 0, 0))}


async def test_both_lose_the_adapter_and_get_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Bus(monkeypatch) as bus:
        await bus.serving()
        bus.bus.unplug()
        await bus.until(lambda: bus.device.link is LinkState.PORT_MISSING, 2)
        assert bus.named("bms").link is LinkState.PORT_MISSING
        bus.bus.replug()
        await bus.until(lambda: bus.device.link is LinkState.ONLINE, 15)
        await bus.until(lambda: bus.named("bms").link is not LinkState.PORT_MISSING, 15)
        assert bus.bus.openings == 2
