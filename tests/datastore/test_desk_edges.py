"""The command desk where two things meet: a batch half on its way, a wish that comes in between, an end."""

import asyncio
from collections.abc import Mapping

import pytest

from bridge.datastore.changes import Change, Wire
from bridge.datastore.spec import Lease, Safe
from bridge.datastore.values import LinkState, Origin, Outcome, Path, Value, WriteRequest
from bridge.datastore.wear import WearLimits
from tests.datastore.rig import GROUPS, OFF, ON, POINTS, Rig, ScriptedAdapter, running

LINK = Origin("link", "shunt:/Soc")


async def test_a_device_nobody_talks_to_is_offline_before_and_after_its_run() -> None:
    rig = Rig()
    await rig.hear()
    assert await rig.write(Fan=10) == [Outcome.OFFLINE]
    async with running(rig):
        assert await rig.write(Fan=10) == [Outcome.CONFIRMED]
    assert await rig.write(Fan=20) == [Outcome.OFFLINE]
    assert [attempt.reason for attempt in rig.attempts] == [
        "nobody talks to the device",
        "",
        "nobody talks to the device",
    ]
    rig.device.check(WriteRequest({"/Mode": ON, "/Limit": 0}, LINK))  # no adapter is left to find a fault


async def test_an_off_that_met_silence_may_be_asked_for_again_and_is_sent() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        on = await rig.begin(Mode=ON)
        rig.device.set_link(LinkState.SILENT)
        assert await rig.write(Mode=OFF) == [Outcome.OFFLINE]
        await rig.hear()
        off = await rig.begin(Mode=OFF)
        assert rig.adapter.sent == [{"/Mode": ON}, {"/Mode": OFF}]
        for call in rig.adapter.held:
            call.answer()
        assert await off == [Outcome.CONFIRMED]
        await on


async def test_an_off_under_way_that_is_asked_for_again_in_silence_is_held_once_it_is_confirmed() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        first = await rig.begin(Mode=OFF)
        rig.device.set_link(LinkState.SILENT)
        assert await rig.write(Mode=OFF) == [Outcome.OFFLINE]
        rig.adapter.held[0].answer()
        assert await first == [Outcome.CONFIRMED]
        assert rig.device.held("/Mode") == OFF


async def test_what_a_new_declaration_takes_away_goes_out_all_the_same_and_its_end_is_told() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        fan = await rig.begin(Fan=10)
        amps = await rig.begin(Amps=5)
        rest = [spec for spec in POINTS if spec.path not in ("/Fan", "/Amps")]
        rig.device.declare(rest, GROUPS, [["essential"]])
        rig.adapter.held[0].answer(Outcome.REFUSED)
        await rig.clock.advance(0)
        assert rig.adapter.sent == [{"/Fan": 10}, {"/Amps": 5}]
        rig.adapter.held[0].answer(Outcome.REFUSED)
        assert [await fan, await amps] == [[Outcome.REFUSED], [Outcome.REFUSED]]
        assert rig.outcomes == [("/Fan", Outcome.REFUSED), ("/Amps", Outcome.REFUSED)]


async def test_an_ordinary_change_does_not_wait_for_a_slow_off_of_another_point() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        off = await rig.begin(Mode=OFF)
        fan = await rig.begin(Fan=5)
        assert rig.adapter.sent == [{"/Mode": OFF}, {"/Fan": 5}]
        for call in rig.adapter.held:
            call.answer()
        assert [await off, await fan] == [[Outcome.CONFIRMED], [Outcome.CONFIRMED]]


async def test_a_batch_waits_whole_while_one_of_its_points_is_with_the_adapter() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        off = await rig.begin(Mode=OFF)
        both = await rig.begin(Mode=ON, Fan=5)
        assert rig.adapter.sent == [{"/Mode": OFF}]
        rig.adapter.held[0].answer()
        await rig.clock.advance(0)
        assert rig.adapter.sent == [{"/Mode": OFF}, {"/Mode": ON, "/Fan": 5}]
        rig.adapter.held[0].answer()
        assert [await off, await both] == [[Outcome.CONFIRMED], [Outcome.CONFIRMED] * 2]


async def test_the_lease_of_a_point_is_open_before_it_is_switched_off() -> None:
    rig = Rig(leases={"/Mode": Lease(60.0, Safe.RELEASE)})
    seen = []
    rig.adapter.before_frame = lambda: seen.append(rig.device.memory.get("leases"))
    async with running(rig):
        await rig.write(Mode=OFF)
    assert [record["open"] for record in seen] == [["/Mode"]]


async def test_a_change_that_wears_nothing_saves_nothing_of_the_budget() -> None:
    async with running() as rig:
        await rig.write(Fan=10)
        assert rig.device.memory.get("wear") is None


async def test_the_adapter_is_told_by_when_it_must_be_done() -> None:
    async with running() as rig:
        await rig.write(Fan=10)
        assert [call.deadline for call in rig.adapter.calls] == [rig.clock.monotonic() + 5]


async def test_a_lowering_that_has_to_wait_is_looked_at_when_it_may_go_and_not_all_the_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    wears = ScriptedAdapter.wears

    def counted(adapter: ScriptedAdapter, changes: Mapping[Path, Value]) -> Mapping[Path, object]:
        asked.append(dict(changes))
        return wears(adapter, changes)

    monkeypatch.setattr(ScriptedAdapter, "wears", counted)
    async with running(Rig(limits=WearLimits(burst=0))) as rig:
        assert await rig.write(Limit=12) == [Outcome.CONFIRMED]
        waiting = await rig.begin(Limit=8)
        await rig.live(9)
        assert asked == [{"/Limit": 12}, {"/Limit": 8}]
        await rig.live(1)
        assert await waiting == [Outcome.CONFIRMED]
        assert asked == [{"/Limit": 12}, {"/Limit": 8}, {"/Limit": 8}]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("passes", range(10))
async def test_the_newest_of_two_lowerings_goes_out_however_close_it_came(passes: int) -> None:
    async with running(Rig(limits=WearLimits(burst=0))) as rig:
        await rig.write(Limit=12)
        older = rig.ask(Limit=8)
        for _ in range(passes):
            await asyncio.sleep(0)
        newer = rig.ask(Limit=6)
        await rig.live(11)
        assert await older == [Outcome.SUPERSEDED]
        assert await newer == [Outcome.CONFIRMED]
        assert rig.adapter.sent == [{"/Limit": 12}, {"/Limit": 6}]


async def test_the_age_of_a_source_is_that_of_the_newest_value_that_has_one() -> None:
    async with running() as rig:
        rig.device.feed("/Fan")

        async def feed(value: int, as_of: Mapping[Path, float]) -> None:
            task = asyncio.ensure_future(rig.device.write(WriteRequest({"/Fan": value}, LINK, as_of=as_of)))
            await rig.clock.advance(0)
            await task

        await feed(10, {"/Fan": 990.0})
        assert rig.device.fed_at("/Fan") == 990
        await feed(20, {})
        assert rig.device.fed_at("/Fan") == 990


async def test_the_run_ends_only_when_the_adapter_has_put_away_what_it_held() -> None:
    put_away = []

    class Tidy(ScriptedAdapter):
        async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
            try:
                return await super().command(changes, deadline)
            finally:
                for _ in range(30):
                    await asyncio.sleep(0)
                put_away.append(dict(changes))

    rig = Rig()
    rig.adapter = Tidy(rig.device)
    rig.adapter.slow = True
    async with running(rig):
        task = await rig.begin(Fan=10)
    assert put_away == [{"/Fan": 10}]
    assert await task == [Outcome.OFFLINE]


async def test_the_wire_gives_back_what_is_with_the_adapter_and_forgets_the_rest() -> None:
    wire = Wire()
    on, off, fan = Change("/Mode", ON, LINK, 1), Change("/Mode", OFF, LINK, 2), Change("/Fan", 5, LINK, 3)
    for change in (on, off, fan):
        wire.enter(change)
    wire.leave(off)  # stays as the newest of its point while the other is away
    assert wire.newest("/Mode") is off
    assert set(wire.clear()) == {on, fan}
    assert wire.newest("/Mode") is None
    assert wire.newest("/Fan") is None
    assert wire.clear() == []
