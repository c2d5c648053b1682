"""A port that is known to be gone ends belief in what it brought, and what comes over it again begins it anew."""

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Quality


def pump() -> tuple[ManualClock, Device]:
    clock = ManualClock()
    device = Datastore(clock, StateStore(None)).add("pump")
    device.declare(
        [PointSpec("/Flow"), PointSpec("/Total"), PointSpec("/Serial", text=True)],
        [GroupSpec("live", 5.0), GroupSpec("slow", 60.0), GroupSpec("nameplate", None)],
        [["live"]],
    )
    device.publish("live", {"/Flow": 1})
    device.publish("slow", {"/Total": 2})
    device.publish("nameplate", {"/Serial": "P1"})
    return clock, device


async def test_it_is_believed_for_half_a_second() -> None:
    clock, device = pump()
    device.set_link(LinkState.PORT_MISSING)
    await clock.advance(0.4)
    device.expire()
    assert device.alive
    assert device.value("/Total") == 2
    await clock.advance(0.2)
    assert not device.alive  # also before anybody looked
    told: list[set[str]] = []
    device.changed.connect(lambda paths: told.append(set(paths)))
    device.expire()
    assert told == [{"/Flow", "/Total"}]
    assert device.reading("/Flow").quality is Quality.STALE
    assert device.reading("/Serial").quality is Quality.OK  # a nameplate does not age
    await clock.advance(3)
    assert device.status().age_s == pytest.approx(3.6)


async def test_the_datastore_looks_when_the_half_second_is_over() -> None:
    clock, device = pump()
    device.set_link(LinkState.PORT_MISSING)
    assert device.next_deadline() == clock.monotonic() + 0.5
    await clock.advance(0.5)
    device.expire()
    assert device.next_deadline() == float("inf")


async def test_a_port_that_is_back_at_once_loses_nothing() -> None:
    clock, device = pump()
    device.set_link(LinkState.PORT_MISSING)
    await clock.advance(0.3)
    device.set_link(LinkState.STARTING)
    await clock.advance(1)
    device.expire()
    assert device.value("/Flow") == 1


async def test_what_comes_again_is_believed_and_nothing_else() -> None:
    clock, device = pump()
    device.set_link(LinkState.PORT_MISSING)
    await clock.advance(2)
    device.expire()
    device.set_link(LinkState.STARTING)
    assert not device.alive
    device.publish("live", {"/Flow": 3})
    assert device.link is LinkState.ONLINE
    assert device.value("/Flow") == 3
    assert device.value("/Total") is None


async def test_a_port_that_is_back_makes_nothing_believable_that_nobody_had_looked_at() -> None:
    clock, device = pump()
    device.set_link(LinkState.PORT_MISSING)
    await clock.advance(0.8)  # nobody has called `expire` since
    device.set_link(LinkState.STARTING)
    assert not device.alive
    assert device.value("/Flow") is None
