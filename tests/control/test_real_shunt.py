"""A link whose source is the real VE.Direct adapter and a simulated SmartShunt, byte by byte."""

import asyncio

import pytest

from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.control.links import Link, Links
from bridge.datastore.clock import ManualClock
from bridge.datastore.points import GroupSpec
from tests.adapters.vedirect.rig import Rig
from tests.control.rig import BMS, Bms


async def test_a_shunt_feeds_a_bms_until_it_is_unplugged_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    shunt = BatteryMonitorSimulator(clock)
    async with Rig(monkeypatch, clock=clock, simulator=shunt, options={"product": "battery_monitor"}) as rig:  # type: ignore[arg-type]
        target = rig.datastore.add("bms")
        target.declare(BMS, [GroupSpec("bus", None), GroupSpec("set", None)], [["bus"]])
        target.publish("bus", {"/Temperature": 20})
        bms = Bms(target, clock)
        links = Links(rig.datastore, [Link("charger", "/Soc", "bms", "/Soc")], clock)
        tasks = [asyncio.ensure_future(run) for run in (target.run(bms), links.run())]

        def age() -> float:
            fed_at = target.fed_at("/Soc")
            assert fed_at is not None
            return clock.monotonic() - fed_at

        try:
            await clock.advance(10)
            for _ in range(20):
                await clock.advance(1)
                assert age() <= 2.2  # told once a second, written once a second
            batches = len(bms.taken)
            assert target.value("/Soc") == rig.device.value("/Soc")
            await rig.wire.unplug()
            await clock.advance(40)
            assert len(bms.taken) <= batches + 1  # what was under way, and nothing after it
            assert age() > 38
            assert [paths for _, paths in bms.expiries] == [("/Soc",)]
            await rig.wire.replug()
            await clock.advance(20)
            assert age() <= 2.2
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
