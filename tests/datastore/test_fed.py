"""What a link feeds: how old its source is, and that nobody takes it for an owner's wish."""

import pytest

from bridge.datastore.refusals import NotWritable
from bridge.datastore.state import StateStore
from bridge.datastore.values import Origin, Outcome, Path, Value, WriteRequest
from tests.datastore.rig import Rig, running

LINK = Origin("link", "shunt")


async def feed(rig: Rig, value: Value, path: Path = "/Fan", *, as_of: float | None = None) -> None:
    at = rig.clock.monotonic() if as_of is None else as_of
    await rig.device.write(WriteRequest({path: value}, LINK, as_of={path: at}), 0.0)
    await rig.clock.advance(0)


async def test_a_publication_is_told_whether_or_not_it_changes_anything() -> None:
    rig = Rig()
    told: list[set[Path]] = []
    rig.device.published.connect(lambda paths: told.append(set(paths)))
    rig.device.changed.connect(lambda paths: told.append({"changed", *paths}))
    for _ in range(2):
        rig.device.publish("essential", {"/Volts": 13.2, "/Max": None})
    rig.device.publish("slow", {})
    assert told == [{"changed", "/Volts", "/Max"}, {"/Volts", "/Max"}, {"/Volts", "/Max"}, set()]


async def test_the_age_of_a_source_is_that_of_the_newest_value_handed_over() -> None:
    async with running() as rig:
        rig.device.feed("/Fan")
        assert rig.device.fed_at("/Fan") is None
        await feed(rig, 40, as_of=990.0)
        assert rig.device.fed_at("/Fan") == 990.0
        await feed(rig, 40, as_of=995.0)
        assert rig.device.fed_at("/Fan") == 995.0


async def test_the_adapter_sees_the_age_of_the_value_it_is_given() -> None:
    async with running() as rig:
        rig.device.feed("/Fan")
        rig.adapter.slow = True
        seen: list[float | None] = []
        rig.adapter.before_frame = lambda: seen.append(rig.device.fed_at("/Fan"))
        await feed(rig, 40, as_of=990.0)
        await feed(rig, 50, as_of=995.0)  # queued: what is with the adapter is not younger for it
        assert (seen, rig.device.fed_at("/Fan")) == ([990.0], 990.0)
        rig.adapter.calls[0].answer()
        await rig.clock.advance(0)
        assert seen == [990.0, 995.0]


async def test_an_equal_value_makes_the_one_under_way_younger() -> None:
    async with running() as rig:
        rig.device.feed("/Fan")
        rig.adapter.slow = True
        await feed(rig, 40, as_of=990.0)
        await feed(rig, 40, as_of=995.0)
        assert len(rig.adapter.calls) == 1
        assert rig.device.fed_at("/Fan") == 995.0


@pytest.mark.parametrize("value", [-1, 101])
async def test_a_refused_value_makes_nothing_younger(value: int) -> None:
    async with running() as rig:
        rig.device.feed("/Fan")
        await feed(rig, 40, as_of=990.0)
        with pytest.raises(Exception, match="expected 0 to 100"):
            await feed(rig, value, as_of=995.0)
        assert rig.device.fed_at("/Fan") == 990.0


async def test_what_does_not_reach_the_device_makes_nothing_younger() -> None:
    async with running(online=False) as rig:
        rig.device.feed("/Fan")
        await feed(rig, 40)
        assert rig.device.fed_at("/Fan") is None
        assert rig.outcomes == [("/Fan", Outcome.OFFLINE)]


async def test_a_point_that_is_not_fed_has_no_source() -> None:
    async with running() as rig:
        await feed(rig, 40)
        assert rig.device.fed_at("/Fan") is None


async def test_others_are_refused_and_their_set_point_is_let_go() -> None:
    async with running() as rig:
        await rig.write(Fan=40)
        assert rig.device.held("/Fan") == 40
        rig.device.feed("/Fan")
        assert rig.device.held("/Fan") is None
        with pytest.raises(NotWritable, match="fed by a link"):
            await rig.write(Fan=50)


async def test_a_fed_value_is_not_held() -> None:
    async with running() as rig:
        rig.device.feed("/Amps")
        await feed(rig, 7, "/Amps")
        assert rig.device.held("/Amps") is None
        await rig.live(30)
        assert rig.adapter.sent == [{"/Amps": 7}]  # /Amps is sent again every 10 s where somebody wishes it


async def test_an_owners_set_point_is_not_resumed_under_a_link() -> None:
    state = StateStore()
    async with running(Rig(state=state)) as rig:
        await rig.write(Amps=7)
    rig = Rig(state=state)
    rig.device.feed("/Amps")
    async with running(rig):
        await rig.live(30)
        assert rig.adapter.sent == []
