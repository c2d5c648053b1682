"""The watch over freshness tells in time, and rests while there is nothing to tell."""

import asyncio

from bridge.datastore.clock import ManualClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore


class CountingClock(ManualClock):
    """A manual clock that counts who sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await super().sleep(seconds)


async def test_what_becomes_stale_is_told_when_it_does() -> None:
    clock = CountingClock()
    store = Datastore(clock, StateStore())
    device = store.add("shunt")
    device.declare([PointSpec("/Soc")], [GroupSpec("fast", 0.25)], [["fast"]])
    device.publish("fast", {"/Soc": 50})
    told: list[float] = []
    device.changed.connect(lambda _: told.append(clock.monotonic() - 1000))
    watch = asyncio.ensure_future(store.run())
    await clock.advance(0.24)
    assert told == []
    await clock.advance(0.02)
    assert told == [0.25]
    await clock.advance(5)
    assert len(clock.sleeps) < 10
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


async def test_a_watch_over_nothing_looks_once_a_second() -> None:
    clock = CountingClock()
    watch = asyncio.ensure_future(Datastore(clock, StateStore()).run())
    await clock.advance(3.5)
    assert clock.sleeps == [1.0] * 4
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
