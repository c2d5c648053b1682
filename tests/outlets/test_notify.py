"""What the owner is told of: when it begins, when it is over, and how often."""

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Origin, WriteRequest
from bridge.datastore.wear import WearLimits
from bridge.outlets.energy_book import Leap
from bridge.outlets.notify import Message, State, Watch
from bridge.site.notices import DEFAULT_ON, notice
from tests.datastore.rig import Rig, running

ORIGIN = Origin("modbus", "192.168.1.20")


class Site:
    """A pump, and what its owner was told."""

    def __init__(self, *on: str) -> None:
        self.clock = ManualClock()
        self.datastore = Datastore(self.clock, StateStore(None))
        self.pump = self.datastore.add("pump")
        self.pump.declare(
            [PointSpec("/Flow", "l/s"), PointSpec("/Bms/Phase")], [GroupSpec("live", None)], [["live"]]
        )
        self.told: list[Message] = []
        self.watch = Watch(self.datastore, map(notice, on or DEFAULT_ON), {"pump": 100}, self.told.append)
        self.watch.connect()

    async def look(self, seconds: float = 0.0) -> list[tuple[str, State, str]]:
        """Let time pass, looking as often as `run` does; returns what was told meanwhile."""
        before = len(self.told)
        self.watch.look()
        for _ in range(int(seconds // 5)):
            await self.clock.advance(5)
            self.watch.look()
        return [(one.event, one.state, one.title) for one in self.told[before:]]


async def test_offline_and_back() -> None:
    site = Site("offline 10 min")
    site.pump.publish("live", {"/Flow": 1})
    assert await site.look(3600) == []
    site.pump.set_link(LinkState.SILENT)
    assert await site.look(590) == []
    site.pump.set_link(LinkState.PORT_MISSING)  # still away
    assert await site.look(15) == [("offline", State.RAISED, "pump: offline")]
    assert site.told[-1].body == "For 10 min: its port is missing."
    assert await site.look(3600) == []
    site.pump.set_link(LinkState.ONLINE)
    assert await site.look(5) == [("offline", State.RESOLVED, "pump: offline: over")]
    assert site.told[-1].body.startswith("It has lasted 1 h")


@pytest.mark.parametrize("link", [LinkState.ASLEEP, LinkState.NIGHT])
async def test_sleep_is_no_fault(link: LinkState) -> None:
    site = Site("offline 10 min")
    site.pump.set_link(link)
    assert await site.look(3600) == []


async def test_a_short_absence_is_not_told() -> None:
    site = Site("offline 10 min")
    for _ in range(5):
        site.pump.set_link(LinkState.SILENT)
        assert await site.look(500) == []
        site.pump.set_link(LinkState.ONLINE)
        assert await site.look(10) == []


async def test_the_phases_of_a_battery_that_is_told_of() -> None:
    site = Site("hold phase")
    for phase, told in [
        (1, None),
        (2, State.RAISED),
        (3, None),
        (4, None),
        (None, None),
        (1, State.RESOLVED),
    ]:
        site.pump.publish("live", {"/Bms/Phase": phase})
        assert [state for _, state, _ in await site.look(5)] == ([] if told is None else [told])


async def test_a_refused_write_is_told_once_then_counted() -> None:
    site = Site("refused write")
    for _ in range(40):
        site.pump.refuse(WriteRequest({"/Flow": 3}, ORIGIN), 2, "read-only")
    assert [(one.event, one.state, one.title) for one in site.told] == [
        ("refused write", State.HAPPENED, "pump: write refused")
    ]
    assert site.told[0].body == "modbus:192.168.1.20 wanted /Flow to be 3: read-only."
    assert await site.look(890) == []
    assert len(await site.look(15)) == 1
    assert site.told[-1].body.startswith("39 times more in 15 min")
    assert await site.look(3600) == []
    site.pump.refuse(WriteRequest({"/Flow": 3}, ORIGIN), 2, "read-only")
    assert len(site.told) == 3


async def test_one_who_tries_every_address_fills_nothing() -> None:
    site = Site("refused write")
    for address in range(5000):
        site.pump.refuse(WriteRequest({}, ORIGIN, address=address), 2, "no such register")
    assert len(site.told) <= 500


async def test_a_leap_of_a_counter() -> None:
    site = Site("energy spike")
    site.watch.leapt(Leap("pump", "/Energy", 500, 90000))
    assert [(one.event, one.title) for one in site.told] == [("energy spike", "pump: energy spike")]
    Site("offline 10 min").watch.leapt(Leap("pump", "/Energy", 500, 90000))


async def test_what_is_not_wanted_is_not_told() -> None:
    site = Site("energy spike")
    site.pump.set_link(LinkState.SILENT)
    site.pump.publish("live", {"/Bms/Phase": 4})
    site.pump.refuse(WriteRequest({"/Flow": 3}, ORIGIN), 2, "read-only")
    assert await site.look(7200) == []


def watched(rig: Rig, on: str) -> tuple[Watch, list[Message]]:
    """Watch a device that has an adapter, which takes its commands."""
    datastore = Datastore(rig.clock, StateStore(None))
    datastore._devices[rig.device.name] = rig.device
    told: list[Message] = []
    return Watch(datastore, [notice(on)], {rig.device.name: 10}, told.append), told


async def test_a_lease_that_nobody_renews() -> None:
    async with running() as rig:
        watch, told = watched(rig, "lease end")
        watch.look()
        await rig.write(Lease=5)
        watch.look()
        await rig.live(50)
        await rig.write(Lease=5)  # renewed
        await rig.live(50)
        watch.look()
        assert told == []
        await rig.live(60)
        watch.look()
        watch.look()
    assert [(one.device, one.body) for one in told] == [
        ("charger", "Nobody has renewed /Lease: its safe value holds now.")
    ]


async def test_a_budget_that_is_nearly_spent() -> None:
    async with running(Rig(limits=WearLimits(per_day=10))) as rig:
        watch, told = watched(rig, "wear 80 %")
        for current in range(20, 27):
            await rig.write(Limit=current)
        watch.look()
        assert told == []
        await rig.write(Limit=40)
        watch.look()
        assert [one.title for one in told] == ["charger: 8 of 10 writes of today are spent"]
        await rig.live(86_400, step=3600)
        watch.look()
    assert [one.state for one in told] == [State.RAISED, State.RESOLVED]
