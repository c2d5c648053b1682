"""Mode and limit: one S frame, confirmed by the unit itself, refused where it would not obey."""

import asyncio

import pytest

from bridge.datastore.refusals import ValueRefused
from bridge.datastore.values import LinkState, Outcome
from tests.adapters.vebus_mk3.rig import (
    CHARGER,
    CHARGER_ONLY,
    HAND_BACK,
    INVERTER,
    INVERTER_ONLY,
    LIMIT,
    LIMIT_TO_MAXIMUM,
    MODE,
    OFF,
    ON,
    STANDBY,
    Rig,
)

CONFIRMED, ADJUSTED, REFUSED, SUPERSEDED = (
    Outcome.CONFIRMED,
    Outcome.ADJUSTED,
    Outcome.REFUSED,
    Outcome.SUPERSEDED,
)
MAXIMUM = 0x8000


@pytest.mark.parametrize("mode", [CHARGER_ONLY, INVERTER_ONLY, ON, OFF])
async def test_modes(monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write({MODE: mode}) == {MODE: CONFIRMED}
        assert rig.commands == [(mode, 500)]  # the limit goes along as it is
        assert rig.unit.remote_mode == mode
        assert rig.device.value(MODE) == mode
        assert rig.device.value("/Remote/PanelDetect") == 1
        assert rig.unit.running == (mode != OFF)


@pytest.mark.parametrize(
    ("amperes", "raw", "outcome", "in_force"),
    [
        (12.5, 125, CONFIRMED, 12.5),
        (9.4, 94, CONFIRMED, 9.4),
        (50, 500, CONFIRMED, 50.0),
        (10.35, 104, CONFIRMED, 10.4),  # the nearest step, not the one below
        (0, 0, ADJUSTED, 9.4),  # accepted, and the unit's least comes into force
    ],
)
async def test_limits(
    monkeypatch: pytest.MonkeyPatch, amperes: float, raw: int, outcome: Outcome, in_force: float
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write({LIMIT: amperes}) == {LIMIT: outcome}
        assert rig.commands == [(ON, raw)]  # a unit that runs goes on running
        assert rig.device.value(LIMIT) == in_force
        assert rig.device.held(MODE) == ON  # it waits for it when it restarts


@pytest.mark.parametrize("amperes", [-1, 9.3, 50.1, 3276.8, float("nan"), float("inf")])
async def test_impossible_limits(monkeypatch: pytest.MonkeyPatch, amperes: float) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        with pytest.raises(ValueRefused):
            await rig.write({LIMIT: amperes})
        assert not rig.commands


@pytest.mark.parametrize("mode", [0, 5, 2.5, -1, float("nan")])
async def test_impossible_modes(monkeypatch: pytest.MonkeyPatch, mode: float) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        with pytest.raises(ValueRefused):
            await rig.write({MODE: mode})
        assert not rig.commands


@pytest.mark.parametrize(
    "batch",
    [
        {MODE: ON, INVERTER: 0},
        {MODE: ON, CHARGER: 1},
        {HAND_BACK: 1, MODE: ON},
        {LIMIT_TO_MAXIMUM: 1, LIMIT: 10},
    ],
)
async def test_contradictions(monkeypatch: pytest.MonkeyPatch, batch: dict[str, float]) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        with pytest.raises(ValueRefused):
            await rig.write(batch)
        assert not rig.commands


async def test_mode_and_limit_of_a_batch_are_one_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write({MODE: CHARGER_ONLY, LIMIT: 16}) == {MODE: CONFIRMED, LIMIT: CONFIRMED}
        assert rig.commands == [(CHARGER_ONLY, 160)]


@pytest.mark.parametrize(
    ("before", "batch", "mode"),
    [
        (ON, {INVERTER: 0}, CHARGER_ONLY),
        (ON, {CHARGER: 0}, INVERTER_ONLY),
        (ON, {INVERTER: 0, CHARGER: 0}, OFF),
        (CHARGER_ONLY, {INVERTER: 1}, ON),
        (OFF, {INVERTER: 1, CHARGER: 1, STANDBY: 1}, ON),
        (OFF, {INVERTER: 1}, INVERTER_ONLY),
    ],
)
async def test_coils_of_a_batch_are_one_frame(
    monkeypatch: pytest.MonkeyPatch, before: int, batch: dict[str, float], mode: int
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({MODE: before})
        await rig.clock.advance(3)
        assert set((await rig.write(batch)).values()) == {CONFIRMED}
        assert [sent for sent, _ in rig.commands] == [before, mode]
        assert rig.device.value(MODE) == mode
        assert rig.device.held(MODE) == mode


async def test_time_to_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Well within the 0.4 s that a Modbus reply waits, whatever is on the line when the command comes."""
    async with Rig(monkeypatch, latency=0.02) as rig:
        await rig.known()
        await rig.write({MODE: ON})
        times = []
        for step in range(20):
            await rig.clock.advance(0.137)
            began = rig.clock.monotonic()
            task = rig.begin({LIMIT: 10 + step})
            while not task.done():
                await rig.clock.advance(0.005)
            assert await task == {LIMIT: CONFIRMED}
            times.append(rig.clock.monotonic() - began)
        assert max(times) < 0.4
        assert sorted(times)[len(times) // 2] < 0.3


async def test_twenty_set_points_in_a_second_end_on_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        tasks = []
        for step in range(20):
            tasks.append(rig.begin({LIMIT: 10 + step, MODE: ON if step % 2 else CHARGER_ONLY}))
            await rig.clock.advance(0.05)
        await rig.clock.advance(4)
        outcomes = [task.result()[LIMIT] for task in tasks]
        assert set(outcomes) <= {CONFIRMED, SUPERSEDED}
        assert outcomes[-1] is CONFIRMED
        assert rig.unit.limit_da == 290
        assert rig.unit.remote_mode == ON
        assert rig.device.value(LIMIT) == 29.0


async def test_off_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({MODE: ON})
        rig.simulator.misbehave("ignore_state")
        slow = rig.begin({LIMIT: 20})  # waits for a unit that does not obey
        await rig.clock.advance(0.5)
        rig.simulator.misbehave("well")
        began = rig.clock.monotonic()
        off = rig.begin({MODE: OFF})
        await rig.until(lambda: rig.unit.remote_mode == OFF)
        assert rig.clock.monotonic() - began < 0.4
        await rig.clock.advance(4)
        assert off.result() == {MODE: CONFIRMED}
        assert slow.result()[LIMIT] is CONFIRMED  # its limit went along with the off
        assert rig.commands[-1] == (OFF, 200)
        assert not rig.unit.running


async def test_nothing_switches_on_again_after_an_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that waits while an off passes must not send the mode it began with."""
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({MODE: ON})
        tasks = [rig.begin({LIMIT: 20}), rig.begin({MODE: OFF}), rig.begin({LIMIT: 21})]
        await rig.clock.advance(6)
        assert [task.done() for task in tasks] == [True] * 3
        assert rig.unit.remote_mode == OFF
        assert rig.unit.limit_da == 210
        assert ON not in [mode for mode, _ in rig.commands[2:]]


async def test_a_charger_rests_before_it_is_switched_on_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({MODE: OFF})
        await rig.write({MODE: ON})
        off, on = rig.simulator.commands
        assert on.time - off.time >= 2.0


async def test_the_limit_to_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({LIMIT: 12})
        assert await rig.write({LIMIT_TO_MAXIMUM: 1}) == {LIMIT_TO_MAXIMUM: CONFIRMED}
        assert rig.commands[-1] == (ON, MAXIMUM)
        assert rig.device.value(LIMIT) == 50.0
        assert rig.device.value(LIMIT_TO_MAXIMUM) == 0
        assert await rig.write({LIMIT_TO_MAXIMUM: 0}) == {LIMIT_TO_MAXIMUM: CONFIRMED}
        assert len(rig.commands) == 2


async def test_hand_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, options={"standby": True}) as rig:
        await rig.known()
        await rig.write({MODE: OFF, LIMIT: 12})
        await rig.clock.advance(3)
        assert await rig.write({HAND_BACK: 1}) == {HAND_BACK: CONFIRMED}
        assert rig.commands[-1] == (ON, MAXIMUM)
        await rig.clock.advance(5)
        assert not rig.unit.panel
        assert not rig.unit.standby
        assert rig.unit.running
        assert rig.device.held(MODE) is None
        assert rig.device.held(LIMIT) is None
        sent = len(rig.commands), len(rig.lines_set)
        await rig.clock.advance(30)
        assert (len(rig.commands), len(rig.lines_set)) == sent


@pytest.mark.parametrize(
    ("system", "change", "outcome"),
    [
        ({"limit_settable": False}, {LIMIT: 20}, REFUSED),
        ({"limit_settable": False}, {LIMIT_TO_MAXIMUM: 1}, REFUSED),
        ({"limit_settable": False}, {MODE: CHARGER_ONLY}, CONFIRMED),
        ({"multi_control": True}, {MODE: ON}, REFUSED),
        ({"multi_control": True}, {LIMIT: 20}, REFUSED),
        ({"mains": False}, {MODE: OFF}, REFUSED),  # it would fall asleep
        ({"mains": False}, {MODE: OFF, STANDBY: 1}, CONFIRMED),
        ({"mains": True}, {MODE: OFF}, CONFIRMED),
    ],
)
async def test_what_the_unit_would_not_obey_is_refused(
    monkeypatch: pytest.MonkeyPatch, system: dict[str, bool], change: dict[str, float], outcome: Outcome
) -> None:
    async with Rig(monkeypatch, **system) as rig:
        await rig.known()
        outcomes = await rig.write(change)
        assert set(outcomes.values()) == {outcome}
        assert bool(rig.commands) == (outcome is CONFIRMED)


async def test_refused_without_limits_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.until(lambda: rig.device.value("/Dc/0/Voltage") is not None)
        assert rig.device.value(MODE) is None
        assert await rig.write({MODE: ON}) == {MODE: REFUSED}
        assert not rig.commands


async def test_standby_is_pulled_before_an_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, mains=False, options={"standby": True}) as rig:
        await rig.known()
        assert await rig.write({MODE: OFF}) == {MODE: CONFIRMED}
        pulled = next(time for time, flags in rig.simulator.lines_set if flags & 3 == 3)
        assert pulled < rig.simulator.commands[0].time
        await rig.clock.advance(60)
        assert rig.unit.awake
        assert rig.device.link is LinkState.ONLINE
        assert await rig.write({MODE: ON}) == {MODE: CONFIRMED}
        assert rig.unit.running


async def test_the_standby_line_is_never_pulled_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({STANDBY: 1})
        await rig.write({STANDBY: 0})
        await rig.clock.advance(5)
        assert all(flags & 1 for flags in rig.lines_set if flags & 2)


async def test_an_off_that_sleeps_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, mains=False, options={"allow_sleep": True}) as rig:
        await rig.known()
        assert await rig.write({MODE: OFF}) == {MODE: CONFIRMED}
        await rig.clock.advance(8)
        assert not rig.unit.awake
        assert rig.device.link is LinkState.ASLEEP
        assert await rig.write({MODE: ON}) == {MODE: REFUSED}
        rig.simulator.misbehave("mains", "on")  # wakes it
        await rig.clock.advance(10)
        assert rig.device.link is LinkState.ONLINE
        assert rig.unit.remote_mode == OFF
        assert not rig.unit.running  # as its owner wished
        await rig.write({MODE: ON})
        assert rig.unit.running


async def test_a_unit_that_does_not_obey(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("ignore_state")
        began = rig.clock.monotonic()
        assert await rig.write({MODE: CHARGER_ONLY}) == {MODE: REFUSED}
        assert 3 <= rig.clock.monotonic() - began < 4
        assert rig.device.value(MODE) == ON
        assert await rig.write({LIMIT: 20}) == {LIMIT: REFUSED}


async def test_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("silent")
        task = rig.begin({LIMIT: 20})
        await rig.clock.advance(9)
        assert task.result()[LIMIT] in (Outcome.OFFLINE, Outcome.TIMED_OUT)
        assert rig.device.link is LinkState.SILENT
        assert await rig.write({LIMIT: 20}) == {LIMIT: Outcome.OFFLINE}
        await rig.simulator.unplug()
        await rig.clock.advance(1)
        assert rig.device.link is LinkState.PORT_MISSING
        assert await rig.write({MODE: OFF}) == {MODE: Outcome.OFFLINE}


async def test_a_mode_changed_at_another_panel_is_adopted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({MODE: ON})
        rig.unit.command(CHARGER_ONLY, 300)
        await rig.clock.advance(5)
        assert rig.device.value(MODE) == CHARGER_ONLY
        assert rig.device.held(MODE) is None
        assert rig.commands == [(ON, 500)]


async def test_commands_get_through_a_bad_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, seed=5) as rig:
        await rig.known()
        rig.simulator.misbehave("drop", "0.005")
        rig.simulator.misbehave("flip", "0.005")
        for step in range(20):
            assert await rig.write({LIMIT: 10 + step}) == {LIMIT: CONFIRMED}
            assert rig.unit.limit_da == 100 + 10 * step
            await asyncio.sleep(0)


async def test_standby_is_not_let_go_where_the_unit_would_fall_asleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch, mains=False) as rig:
        await rig.known()
        await rig.write({MODE: OFF, STANDBY: 1})
        assert await rig.write({STANDBY: 0}) == {STANDBY: REFUSED}
        await rig.clock.advance(20)
        assert rig.unit.awake


@pytest.mark.parametrize(
    ("path", "value", "safe", "after"),
    [
        (LIMIT, 12, "release", (ON, 500)),
        (LIMIT, 12, 10, (ON, 100)),
        (LIMIT, 12, "hold", (ON, 120)),
        (MODE, CHARGER_ONLY, "release", (ON, 500)),
        (MODE, CHARGER_ONLY, 2, (INVERTER_ONLY, 500)),
    ],
)
async def test_leases_end(
    monkeypatch: pytest.MonkeyPatch, path: str, value: float, safe: object, after: tuple[int, int]
) -> None:
    async with Rig(monkeypatch, options={"lease": {path: {"time": 30, "safe": safe}}}) as rig:
        await rig.known()
        assert await rig.write({path: value}) == {path: CONFIRMED}
        await rig.clock.advance(20)
        assert rig.unit.panel  # in command, so the lines are kept
        assert len(rig.commands) == 1
        await rig.clock.advance(20)
        assert (rig.unit.remote_mode, rig.unit.limit_da) == after
