"""Surplus charging against the real VE.Direct adapter and a simulated Blue Smart, byte by byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.control.automation import SurplusCharging, SurplusPlan
from bridge.control.charger import ChargerPlan
from bridge.control.surplus import State
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from tests.adapters.vedirect.rig import LIMIT, MODE, OFF, ON, Rig

LINK = "/Link/ChargeCurrent"
TRUE_EFFICIENCY = 0.88


class Grid:
    """The house around the charger: what it feeds in without it, and a meter that says what is left."""

    def __init__(self, rig: Rig, surplus_w: float) -> None:
        self.rig = rig
        self.surplus_w = surplus_w
        self.meter = rig.datastore.add("meter")
        self.meter.declare([PointSpec("/Ac/Power", "W")], [GroupSpec("fast", 6.0)], [["fast"]])

    @property
    def watts(self) -> float:
        volts, amps = (self.rig.device.value(path) or 0.0 for path in ("/Dc/0/Voltage", "/Dc/0/Current"))
        return float(volts) * float(amps) / TRUE_EFFICIENCY - self.surplus_w

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 2)):
            self.meter.publish("fast", {"/Ac/Power": self.watts})
            await self.rig.clock.advance(2)


@asynccontextmanager
async def automated(grid: Grid, minimum: float = 4.0) -> AsyncIterator[Device]:
    rig = grid.rig
    plan = SurplusPlan("surplus", (("meter", "/Ac/Power"),), (ChargerPlan("charger", minimum=minimum),))
    own = rig.datastore.add("surplus")
    automation = SurplusCharging(own, plan, rig.datastore.devices, rig.clock)
    tasks = [asyncio.ensure_future(run) for run in (own.run(automation), automation.run())]
    try:
        yield own
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_comes_to_rest_with_two_writes_of_flash_or_less(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        grid = Grid(rig, 200.0)
        async with automated(grid) as own:
            await grid.pass_time(180)
            settled, flash = rig.device.value(LIMIT), rig.simulator.flash_writes
            await grid.pass_time(420)
            assert rig.device.value(LIMIT) == settled
            assert rig.simulator.flash_writes == flash <= 2
            assert abs(grid.watts) < 40
            assert own.value("/State") == State.CHARGING
            grid.surplus_w = 0.0
            await grid.pass_time(60)
            assert rig.device.value(MODE) == OFF
            assert rig.simulator.flash_writes == flash  # off by the mode, which wears nothing


async def test_a_charger_that_obeys_a_volatile_current_keeps_its_flash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch, link_control=True) as rig:
        await rig.known()
        await rig.clock.advance(15)  # until the register has been found
        grid = Grid(rig, 200.0)
        async with automated(grid):
            await grid.pass_time(300)
            limit = rig.device.value(LINK)
            assert isinstance(limit, float)
            assert 5 <= limit <= 9
            assert abs(grid.watts) < 40
        assert rig.simulator.flash_writes == 0
        assert rig.device.value(MODE) == ON


async def test_one_that_does_not_obey_it_is_steered_by_what_it_stores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch, link_control=True, link_obeyed=False) as rig:
        await rig.known()
        await rig.clock.advance(15)
        grid = Grid(rig, 200.0)
        async with automated(grid):
            await grid.pass_time(300)
            assert rig.device.value(LINK) is None
            assert abs(grid.watts) < 40
        assert 1 <= rig.simulator.flash_writes <= 2
