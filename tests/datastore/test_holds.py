"""Held set-points: kept as the owner's wish, sent again only where the device forgets."""

import logging

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.values import Identity, LinkState, Outcome, Value
from tests.datastore.rig import OFF, ON, Rig, running

HOUR = 3600.0


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("Fan", 50, 50),
        ("Limit", 20, 20),
        ("Mode", OFF, OFF),
        ("Name", "boat", "boat"),
        ("Press", 1, None),
        ("Lease", 5, None),
        ("Beat", 7, None),
    ],
)
async def test_a_confirmed_value_is_held(name: str, value: Value, held: Value | None) -> None:
    async with running() as rig:
        assert await rig.write(**{name: value}) == [Outcome.CONFIRMED]
        assert rig.device.held(f"/{name}") == held


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in (Outcome.CONFIRMED, Outcome.ADJUSTED)])
async def test_what_was_not_put_in_force_is_not_held(outcome: Outcome) -> None:
    async with running() as rig:
        await rig.write(Fan=10)
        rig.adapter.outcomes["/Fan"] = outcome
        await rig.write(Fan=20)
        assert rig.device.held("/Fan") == 10


async def test_after_adjusted_the_devices_value_is_the_held_one() -> None:
    async with running() as rig:
        rig.adapter.outcomes["/Fan"] = Outcome.ADJUSTED
        rig.device.publish("set", {"/Fan": 33})
        assert await rig.write(Fan=20) == [Outcome.ADJUSTED]
        assert rig.device.held("/Fan") == 33


async def test_adjusted_to_nobody_knows_what_is_not_held() -> None:
    async with running() as rig:
        await rig.write(Fan=10)
        rig.device.publish("set", {"/Fan": None})
        rig.adapter.outcomes["/Fan"] = Outcome.ADJUSTED
        await rig.write(Fan=20)
        assert rig.device.held("/Fan") is None


async def test_a_value_changed_at_the_device_is_adopted_with_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with running() as rig:
        await rig.write(Amps=10)
        for _ in range(3):
            rig.device.publish("set", {"/Amps": 16})
        await rig.live(60)
        assert rig.device.held("/Amps") is None
        assert rig.adapter.sent == [{"/Amps": 10}]
    assert [r.message for r in caplog.records if "adopted" in r.message] == [
        "device=charger set-point=/Amps hold ended: changed at the device from 10 to 16, which is adopted"
    ]


async def test_what_the_device_reports_while_a_change_is_under_way_ends_no_hold() -> None:
    async with running() as rig:
        await rig.write(Fan=10)
        rig.adapter.slow = True
        task = await rig.begin(Fan=20)
        rig.device.publish("set", {"/Fan": 15})
        assert rig.device.held("/Fan") == 10
        rig.adapter.calls[-1].answer(Outcome.REFUSED)
        assert await task == [Outcome.REFUSED]
        rig.device.publish("set", {"/Fan": 15})  # still so: not only changes are looked at
        assert rig.device.held("/Fan") is None


@pytest.mark.parametrize(
    ("name", "value", "sent_again"),
    [("Amps", 10, 6), ("Fan", 10, 0), ("Lamp", 1, 0), ("Limit", 20, 0), ("Mode", OFF, 0)],
)
async def test_only_what_the_device_forgets_is_refreshed(name: str, value: Value, sent_again: int) -> None:
    async with running() as rig:
        await rig.write(**{name: value})
        await rig.live(61)
        assert rig.adapter.sent == [{f"/{name}": value}] * (1 + sent_again)
        assert rig.device.status().attempts == 1  # nobody attempted anything


@pytest.mark.parametrize(
    ("name", "value", "sent_again"), [("Amps", 10, 1), ("Lamp", 1, 1), ("Fan", 10, 0), ("Limit", 20, 0)]
)
async def test_a_restart_of_the_device(name: str, value: Value, sent_again: int) -> None:
    async with running() as rig:
        await rig.write(**{name: value})
        rig.device.restarted()
        await rig.live(2)
        assert rig.adapter.sent == [{f"/{name}": value}] * (1 + sent_again)


async def test_a_restart_noticed_before_the_device_can_be_reached_is_not_lost() -> None:
    async with running() as rig:
        await rig.write(Lamp=1)
        rig.device.set_link(LinkState.SILENT)
        rig.device.restarted()
        rig.device.publish("slow", {"/Lamp": 0})  # what it fell back to is nobody's wish
        await rig.clock.advance(60)
        assert len(rig.adapter.calls) == 1
        await rig.live(2)
        assert rig.adapter.sent == [{"/Lamp": 1}] * 2
        assert rig.device.held("/Lamp") == 1


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.OFFLINE])
async def test_what_could_not_be_sent_again_is_tried_on(outcome: Outcome) -> None:
    async with running() as rig:
        await rig.write(Lamp=1)
        rig.adapter.outcomes["/Lamp"] = outcome
        rig.device.restarted()
        await rig.live(12)
        assert len(rig.adapter.calls) == 4
        rig.adapter.outcomes.clear()
        await rig.live(60)
        assert len(rig.adapter.calls) == 5


async def test_what_the_device_refuses_when_sent_again_is_not_tried_on() -> None:
    async with running() as rig:
        await rig.write(Lamp=1)
        rig.adapter.outcomes["/Lamp"] = Outcome.REFUSED
        rig.device.restarted()
        await rig.live(60)
        assert len(rig.adapter.calls) == 2
        rig.device.publish("set", {"/Lamp": 0})
        assert rig.device.held("/Lamp") is None


async def test_a_device_out_of_reach_for_long_has_forgotten_and_is_told_again() -> None:
    async with running() as rig:
        await rig.write(Amps=10)
        await rig.clock.advance(60)
        rig.device.expire()
        rig.device.publish("set", {"/Amps": 32})
        await rig.live(2)
        assert rig.adapter.sent == [{"/Amps": 10}] * 2
        assert rig.device.held("/Amps") == 10


async def test_a_refresh_never_stands_in_the_way_of_a_newer_wish() -> None:
    async with running() as rig:
        await rig.write(Amps=10)
        rig.adapter.slow = True
        await rig.live(11)
        assert rig.adapter.sent == [{"/Amps": 10}] * 2  # the refresh hangs
        task = await rig.begin(Amps=20)
        assert rig.device.wanted("/Amps") == 20
        rig.adapter.calls[1].answer()
        await rig.hear()
        rig.adapter.calls[2].answer()
        assert await task == [Outcome.CONFIRMED]
        assert rig.device.held("/Amps") == 20


async def test_a_refresh_that_comes_back_late_restores_no_ended_hold() -> None:
    async with running() as rig:
        await rig.write(Amps=10)
        rig.adapter.slow = True
        await rig.live(11)
        rig.device.release("/Amps")
        rig.adapter.calls[1].answer()
        await rig.hear()
        assert rig.device.held("/Amps") is None


async def test_a_refresh_somebody_joined_is_a_wish_of_its_own() -> None:
    async with running() as rig:
        await rig.write(Amps=10)
        rig.adapter.slow = True
        await rig.live(11)
        rig.device.release("/Amps")
        task = await rig.begin(Amps=10)
        rig.adapter.calls[1].answer()
        assert await task == [Outcome.CONFIRMED]
        assert len(rig.adapter.calls) == 2
        assert rig.device.held("/Amps") == 10


@pytest.mark.parametrize("how", ["silent", "timed out", "refused"])
async def test_an_off_that_did_not_get_through_ends_the_hold_of_on(how: str) -> None:
    async with running() as rig:
        await rig.write(Mode=ON)
        if how == "silent":
            rig.device.set_link(LinkState.SILENT)
        rig.adapter.outcomes["/Mode"] = Outcome.TIMED_OUT if how == "timed out" else Outcome.REFUSED
        await rig.write(Mode=OFF)
        assert rig.device.held("/Mode") is None


async def test_an_ordinary_write_that_did_not_get_through_changes_no_hold() -> None:
    async with running() as rig:
        await rig.write(Amps=10)
        rig.device.set_link(LinkState.SILENT)
        assert await rig.write(Amps=20) == [Outcome.OFFLINE]
        assert rig.device.held("/Amps") == 10


async def test_the_adapter_may_hold_and_release_what_another_command_has_done() -> None:
    async with running() as rig:
        rig.device.keep("/Mode", OFF)
        rig.device.keep("/Lease", 3)  # never held
        assert [rig.device.held(path) for path in ("/Mode", "/Lease")] == [OFF, None]
        rig.device.release("/Mode")
        rig.device.release("/Mode")
        assert rig.device.held("/Mode") is None
        with pytest.raises(KeyError):
            rig.device.keep("/Nowhere", 1)


# -- over a restart of the bridge ------------------------------------------------------------------


async def restarted(away_s: float, serial: str = "HQ1", jump_s: float = 0, **changes: Value) -> Rig:
    """Write, stop, and make the rig that starts again after `away_s`."""
    rig = Rig(ManualClock(), StateStore())
    async with running(rig):
        await rig.write(**changes)
    rig.clock.jump(away_s + jump_s)
    return Rig(rig.clock, rig.state)


@pytest.mark.parametrize(
    ("away_s", "serial", "held"),
    [
        (10, "HQ1", 10),
        (24 * HOUR - 1, "HQ1", 10),
        (24 * HOUR + 1, "HQ1", None),
        (10, "HQ2", None),
        (-HOUR, "HQ1", 10),
        (-50 * 365 * 24 * HOUR, "HQ1", None),
    ],
)
async def test_resumed(away_s: float, serial: str, held: Value | None) -> None:
    rig = await restarted(away_s, Fan=10)
    async with running(rig, serial=serial):
        assert rig.device.held("/Fan") == held
        await rig.live(30)
        assert rig.adapter.calls == []  # the device remembers it by itself


async def test_a_resumed_value_the_device_forgets_is_sent_at_once_whatever_it_shows() -> None:
    rig = await restarted(HOUR, Amps=10)
    async with running(rig, online=False):
        rig.device.learn(Identity(serial="HQ1"))
        rig.device.publish("set", {"/Amps": 32})
        await rig.hear()
        assert rig.adapter.sent == [{"/Amps": 10}]
        assert rig.device.held("/Amps") == 10


@pytest.mark.parametrize("name", ["Fan", "Lamp", "Limit"])
async def test_a_resumed_value_the_device_keeps_is_given_up_when_it_shows_another(name: str) -> None:
    rig = await restarted(HOUR, **{name: 10})
    async with running(rig):
        assert rig.device.held(f"/{name}") == 10
        rig.device.publish("set", {f"/{name}": 11})
        await rig.live(30)
        assert rig.device.held(f"/{name}") is None
        assert rig.adapter.calls == []


async def test_the_moment_is_saved_while_running_and_at_the_end() -> None:
    rig = Rig()
    async with running(rig):
        await rig.write(Fan=10)
        await rig.live(1300, step=4)
        saved = rig.state.get("charger", "set-points")
        assert isinstance(saved, dict)
        assert rig.clock.now() - saved["time"] < 600
        await rig.live(200, step=4)
    saved = rig.state.get("charger", "set-points")
    assert isinstance(saved, dict)
    assert saved["time"] == rig.clock.now()


async def test_what_was_written_before_the_serial_was_known_is_newer_than_what_was_saved() -> None:
    rig = await restarted(HOUR, Fan=10)
    async with running(rig, online=False):
        await rig.hear()
        await rig.write(Fan=20)
        rig.device.learn(Identity(serial="HQ1"))
        assert rig.device.held("/Fan") == 20


async def test_learning_again_resumes_nothing_twice() -> None:
    rig = await restarted(HOUR, Fan=10)
    async with running(rig):
        rig.device.release("/Fan")
        rig.device.learn(Identity(serial="HQ1", product_name="named"))
        assert rig.device.held("/Fan") is None


async def test_another_serial_in_mid_run_lets_go_of_everything() -> None:
    async with running() as rig:
        await rig.write(Amps=10)
        rig.device.learn(Identity(serial="HQ2"))
        await rig.live(30)
        assert rig.device.held("/Amps") is None
        assert len(rig.adapter.calls) == 1


async def test_the_site_says_how_old_is_too_old() -> None:
    first = await restarted(120, Fan=10)
    rig = Rig(first.clock, first.state, resume_within_s=60)
    async with running(rig):
        assert rig.device.held("/Fan") is None


@pytest.mark.parametrize(
    "saved",
    [
        5, [], "x", {}, {"serial": "HQ1"}, {"serial": "HQ1", "time": "x", "held": {}},
        {"serial": "HQ1", "time": 1_700_000_000, "held": {"/Fan": [1], "/Nowhere": 1, "/Volts": 1, "/Amps": "x"}},
    ],
)  # fmt: skip
async def test_a_record_that_cannot_be_used_resumes_nothing(saved: object) -> None:
    rig = Rig()
    rig.state.put("charger", "set-points", saved)
    rig = Rig(rig.clock, rig.state)
    async with running(rig):
        assert rig.device.status().set_points == 0
        assert await rig.write(Fan=3) == [Outcome.CONFIRMED]
