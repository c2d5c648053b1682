"""A battery of each dialect on a rig, with its state where it can be changed."""

from collections.abc import Awaitable
from typing import Any

import pytest

from bridge.adapters.can.dialects import DialectName
from bridge.adapters.can_battery.options import FAMILY
from bridge.adapters.can_battery.simulated_battery import BatteryState, SimulatedBattery
from bridge.datastore.state import StateStore
from tests.adapters.can.rig import CanRig

LIVE = ("/Dc/0/Voltage", "/Dc/0/Current", "/Soc", "/Info/MaxChargeVoltage")


class Pack(CanRig):
    """One battery, named pack; `options` are those of its site file beside the bus."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        dialect: DialectName = "pylontech",
        *,
        speaks: DialectName | None = None,
        state: BatteryState | None = None,
        waits: bool = False,
        memory: StateStore | None = None,
        **options: Any,
    ) -> None:
        wishes = {"dialect": dialect, **options}
        super().__init__(monkeypatch, {"pack": (FAMILY, wishes)}, self._play, state=memory)
        self.battery = SimulatedBattery(self.clock, speaks or dialect, state or BatteryState(), waits=waits)

    def _play(self, rig: CanRig) -> list[Awaitable[None]]:
        return [self.battery.play(rig.bus)]

    async def known(self) -> "Pack":
        """Wait until the battery has been heard twice and is believed."""
        await self.clock.advance(3)
        assert self.device.alive
        return self
