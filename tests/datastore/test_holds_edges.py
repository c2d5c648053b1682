"""Held set-points: what is saved and when, how often something is tried, and what ends a hold."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.holds import SetPoints
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.values import Identity, LinkState, Outcome, Path, Value
from tests.datastore.rig import Rig, ScriptedAdapter, running

AMPS = PointSpec("/Amps", writable=True, refresh_s=10.0)
LAMP = PointSpec("/Lamp", writable=True, after_restart=True)
SPECS = {spec.path: spec for spec in (AMPS, LAMP)}


def record(rig: Rig) -> dict[str, object]:
    saved = rig.state.get("charger", "set-points")
    assert isinstance(saved, dict)
    return saved


async def test_what_is_held_is_saved_at_once_and_so_is_its_end() -> None:
    async with running() as rig:
        await rig.write(Fan=10)
        assert record(rig)["held"] == {"/Fan": 10}
        await rig.write(Fan=20)
        assert record(rig)["held"] == {"/Fan": 20}
        rig.device.release("/Fan")
        assert record(rig)["held"] == {}


async def test_nothing_is_saved_for_a_value_that_is_held_already() -> None:
    async with running() as rig:
        await rig.write(Fan=10)
        written_at = record(rig)["time"]
        await rig.live(30)
        await rig.write(Fan=10)
        assert record(rig)["time"] == written_at


async def test_the_device_that_shows_what_is_held_or_nothing_ends_no_hold() -> None:
    async with running() as rig:
        await rig.write(Fan=10, Amps=5)
        rig.device.publish("set", {"/Fan": 10, "/Amps": None})
        assert (rig.device.held("/Fan"), rig.device.held("/Amps")) == (10, 5)


async def test_a_change_at_the_device_between_two_refreshes_ends_the_hold() -> None:
    async with running() as rig:
        await rig.write(Amps=10)
        await rig.live(25)  # refreshed twice
        rig.device.publish("set", {"/Amps": 32})
        assert rig.device.held("/Amps") is None
        await rig.live(25)
        assert rig.adapter.sent == [{"/Amps": 10}] * 3


@pytest.mark.parametrize(("unheard_s", "held"), [(19.0, None), (20.0, 10), (25.0, 10)])
async def test_a_device_not_refreshed_for_two_periods_has_forgotten(
    unheard_s: float, held: int | None
) -> None:
    async with running() as rig:
        await rig.write(Amps=10)
        rig.device.set_link(LinkState.SILENT)
        await rig.clock.advance(unheard_s)
        rig.device.publish("slow", {"/Amps": 32})
        assert rig.device.held("/Amps") == held


async def test_what_could_not_be_sent_again_is_tried_after_five_seconds() -> None:
    async with running() as rig:
        await rig.write(Lamp=1)
        rig.adapter.outcomes["/Lamp"] = Outcome.OFFLINE
        rig.device.restarted()
        await rig.clock.advance(0)
        for calls in (2, 3, 4):
            assert len(rig.adapter.calls) == calls
            await rig.live(4.5, step=0.5)
            assert len(rig.adapter.calls) == calls
            await rig.live(0.5, step=0.5)


async def test_what_a_restart_wiped_and_was_sent_again_may_be_changed_at_the_device() -> None:
    async with running() as rig:
        await rig.write(Lamp=1)
        rig.device.restarted()
        await rig.live(2)
        rig.device.publish("set", {"/Lamp": 0})
        assert rig.device.held("/Lamp") is None


async def test_a_device_that_adjusts_what_is_sent_again_is_held_to_its_own_value() -> None:
    async with running() as rig:
        await rig.write(Lamp=3)
        rig.adapter.outcomes["/Lamp"] = Outcome.ADJUSTED
        rig.device.publish("set", {"/Lamp": 3})
        rig.device.restarted()
        rig.device.publish("set", {"/Lamp": 2})
        await rig.live(2)
        assert rig.device.held("/Lamp") == 2


async def test_one_value_that_never_comes_due_keeps_no_other_from_being_refreshed() -> None:
    async with running() as rig:
        await rig.write(Lamp=1)
        await rig.write(Amps=10)
        await rig.live(31)
        assert rig.adapter.sent == [{"/Lamp": 1}] + [{"/Amps": 10}] * 4


async def test_a_refresh_whose_hold_has_ended_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as rig:
        await rig.write(Amps=10)
        rig.adapter.slow = True
        await rig.live(11)
        rig.device.release("/Amps")
        rig.adapter.calls[1].answer()
        await rig.hear()
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []


async def test_the_same_device_learnt_again_keeps_what_is_held() -> None:
    async with running() as rig:
        await rig.write(Fan=10)
        rig.device.learn(Identity(serial="HQ1", firmware="1.23"))
        assert rig.device.held("/Fan") == 10


async def test_after_another_serial_what_is_written_belongs_to_that() -> None:
    async with running() as rig:
        await rig.write(Fan=10)
        rig.device.learn(Identity(serial="HQ2"))
        await rig.write(Fan=20)
        assert record(rig) == {"serial": "HQ2", "time": rig.clock.now(), "held": {"/Fan": 20}}


async def test_what_was_not_resumed_is_gone_for_the_next_start_too() -> None:
    first = Rig(ManualClock(), StateStore())
    async with running(first):
        await first.write(Fan=10)
    async with running(Rig(first.clock, first.state), serial="HQ2") as rig:
        assert record(rig)["held"] == {}
    async with running(Rig(first.clock, first.state), serial="HQ1") as rig:
        assert rig.device.held("/Fan") is None


async def test_a_device_that_has_no_serial_is_resumed_as_one_that_has_none() -> None:
    first = Rig(ManualClock(), StateStore())
    async with running(first, serial=""):
        await first.write(Fan=10)
    async with running(Rig(first.clock, first.state), serial="") as rig:
        assert rig.device.held("/Fan") == 10
    async with running(Rig(first.clock, first.state), serial="HQ1") as rig:
        assert rig.device.held("/Fan") is None


async def test_what_is_resumed_on_a_line_that_is_up_is_sent_at_once() -> None:
    first = Rig(ManualClock(), StateStore())
    async with running(first):
        await first.write(Amps=10)
    rig = Rig(first.clock, first.state)
    async with running(rig, online=False):
        await rig.hear()
        await rig.clock.advance(0.5)
        rig.device.learn(Identity(serial="HQ1"))
        await rig.clock.advance(0)
        assert rig.adapter.sent == [{"/Amps": 10}]


@pytest.mark.parametrize(("shown", "held"), [(12.04, 12.04), (12.05, 12), (16, 12), (None, 12)])
async def test_the_devices_own_figure_is_held_where_it_is_the_same_to_half_a_step(
    shown: float | None, held: float
) -> None:
    class Showing(ScriptedAdapter):
        async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
            self.device.publish("set", {"/Limit": shown})
            return dict.fromkeys(changes, Outcome.CONFIRMED)

    rig = Rig()
    rig.adapter = Showing(rig.device)
    async with running(rig):
        assert await rig.write(Limit=12) == [Outcome.CONFIRMED]
        assert rig.device.held("/Limit") == held


@pytest.fixture
def direct() -> tuple[ManualClock, SetPoints, list[dict[Path, Value]]]:
    clock = ManualClock()
    return clock, SetPoints("charger", clock, StateStore().memory("charger")), []


async def test_what_cannot_be_sent_now_is_looked_at_once_a_second(
    direct: tuple[ManualClock, SetPoints, list[dict[Path, Value]]],
) -> None:
    clock, set_points, asked = direct

    def unreachable(due: Mapping[Path, Value]) -> Collection[Path]:
        asked.append(dict(due))
        return ()

    set_points.confirmed(AMPS, 10)
    task = asyncio.ensure_future(set_points.run(SPECS.get, unreachable))
    await clock.advance(9.5)
    assert asked == []
    await clock.advance(3)
    assert asked == [{"/Amps": 10}] * 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_moment_is_saved_every_ten_minutes_and_not_at_every_look() -> None:
    clock, state = ManualClock(), StateStore()
    set_points = SetPoints("charger", clock, state.memory("charger"))
    set_points.confirmed(LAMP, 1)
    began = clock.now()
    task = asyncio.ensure_future(set_points.run(SPECS.get, lambda due: due))
    times = set()
    for _ in range(130):
        set_points.stir()
        await clock.advance(10)
        saved = state.get("charger", "set-points")
        assert isinstance(saved, dict)
        times.add(saved["time"] - began)
    assert times == {0, 600, 1200}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    "saved",
    [
        None,
        {"serial": "", "time": "now", "held": {"/Fan": 10}},
        {"serial": "", "held": {"/Fan": 10}},
        {"serial": "", "time": 1_700_000_000, "held": [["/Fan", 10]]},
    ],
)
async def test_a_record_that_cannot_be_used_is_nobodys_not_even_a_device_without_a_serial(
    saved: object,
) -> None:
    state = StateStore()
    state.put("charger", "set-points", saved)
    async with running(Rig(state=state), serial="") as rig:
        assert rig.device.held("/Fan") is None
