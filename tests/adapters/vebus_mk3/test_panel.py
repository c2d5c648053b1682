"""The unit never stays dark, nor starts by itself, because of the bridge."""

import asyncio
import logging

import pytest

from bridge.datastore.values import LinkState, Outcome
from tests.adapters.vebus_mk3.rig import (
    CHARGER_ONLY,
    HAND_BACK,
    INVERTER_ONLY,
    LIMIT,
    MODE,
    OFF,
    ON,
    STANDBY,
    Rig,
)

#: What happens to a unit, step by step, with the seconds that pass after each.
FRONT = (("front", "off", 11), ("front", "on", 11))
FRONT_WITH_MAINS_LOST = (("mains", "off", 5), ("front", "off", 11), ("front", "on", 11), ("mains", "on", 9))
MAINS = (("mains", "off", 11), ("mains", "on", 11))
BATTERY = (("battery", "off", 11), ("battery", "on", 11))
BATTERY_ALONE = (("mains", "off", 5), ("battery", "off", 11), ("battery", "on", 11), ("mains", "on", 9))
TERMINALS = (("terminals", "open", 11), ("terminals", "closed", 11))
STORIES = {
    "front switch": FRONT,
    "front switch without mains": FRONT_WITH_MAINS_LOST,
    "mains": MAINS,
    "battery": BATTERY,
    "battery without mains": BATTERY_ALONE,
    "terminals": TERMINALS,
    "interface reset": (("reset", "", 11),),
    "all of it": (*MAINS, *FRONT, *BATTERY_ALONE, *TERMINALS, *FRONT_WITH_MAINS_LOST),
}


async def live(rig: Rig, story: str) -> None:
    for fault, argument, seconds in STORIES[story]:
        rig.simulator.misbehave(fault, argument)
        await rig.clock.advance(seconds)


@pytest.mark.parametrize("story", STORIES)
async def test_a_unit_that_ran_runs_before_the_first_command(
    monkeypatch: pytest.MonkeyPatch, story: str
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert rig.unit.running
        await live(rig, story)
        assert rig.unit.running
        assert not rig.commands  # nothing that moves a switch
        assert rig.device.link is LinkState.ONLINE
        assert rig.device.value("/Ac/Out/L1/P") == 400


@pytest.mark.parametrize("story", STORIES)
async def test_a_unit_that_was_off_stays_off_before_the_first_command(
    monkeypatch: pytest.MonkeyPatch, story: str
) -> None:
    async with Rig(monkeypatch, remote_mode=OFF) as rig:
        await rig.known()
        started = []
        rig.device.changed.connect(lambda _: started.append(rig.unit.running))
        await live(rig, story)
        assert not any(started)
        assert not rig.unit.running
        assert not rig.commands
        assert not rig.lines_set


@pytest.mark.parametrize(
    ("story", "mode"),
    [*((story, ON) for story in STORIES), ("battery", CHARGER_ONLY), ("front switch", INVERTER_ONLY)],
)
async def test_a_commanded_mode_is_in_force_again(
    monkeypatch: pytest.MonkeyPatch, story: str, mode: int
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write({MODE: mode, LIMIT: 16}) == {MODE: Outcome.CONFIRMED, LIMIT: Outcome.CONFIRMED}
        ran = rig.unit.running
        await live(rig, story)
        assert rig.unit.running == ran
        assert rig.unit.remote_mode == mode
        assert rig.unit.panel
        assert rig.unit.limit_da == 160
        assert rig.device.value(MODE) == mode
        assert rig.device.held(MODE) == mode


@pytest.mark.parametrize(
    ("story", "standby"),
    [*((story, False) for story in STORIES), ("front switch", True), ("mains", True)],
)
async def test_a_commanded_off_stays(monkeypatch: pytest.MonkeyPatch, story: str, standby: bool) -> None:
    async with Rig(monkeypatch, options={"standby": standby}) as rig:
        await rig.known()
        await rig.write({MODE: OFF})
        started = []
        rig.device.changed.connect(lambda _: started.append(rig.unit.running))
        await live(rig, story)
        assert not any(started)
        assert not rig.unit.running
        assert rig.device.value(MODE) == OFF


@pytest.mark.parametrize("story", ["front switch", "battery without mains"])
async def test_a_limit_alone_keeps_the_unit_running_too(monkeypatch: pytest.MonkeyPatch, story: str) -> None:
    """The S frame that sets a limit makes a panel of the bridge, and the unit then waits for its mode."""
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({LIMIT: 20})
        await live(rig, story)
        assert rig.unit.running
        assert rig.unit.limit_da == 200


@pytest.mark.parametrize("commanded", [None, ON, OFF])
async def test_a_bridge_that_is_killed_leaves_the_unit_as_it_is(
    monkeypatch: pytest.MonkeyPatch, commanded: int | None
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        if commanded is not None:
            await rig.write({MODE: commanded})
        ran = rig.unit.running
    await rig.clock.advance(60)
    assert rig.unit.running == ran
    async with Rig(monkeypatch, state=rig.state, simulator=rig.simulator, clock=rig.clock) as later:
        await later.known()
        assert later.unit.running == ran
        assert later.device.held(MODE) == commanded
        assert later.commands == rig.commands[:1]  # nothing is sent again while it is in force


#: What happens while no bridge listens: each step lasts six seconds.
MEANWHILE = {
    "front switch": (("front", "off"), ("front", "on")),
    "terminals": (("terminals", "open"), ("terminals", "closed")),
    "battery": (("battery", "off"), ("battery", "on")),
    "mains": (("mains", "off"), ("mains", "on")),
    "interface reset": (("reset", ""),),
}


@pytest.mark.parametrize("story", MEANWHILE)
@pytest.mark.parametrize(
    ("commanded", "mains"),
    [(None, True), (ON, True), (CHARGER_ONLY, True), (OFF, True), (None, False), (ON, False)],
)
async def test_what_happened_while_no_bridge_listened(
    monkeypatch: pytest.MonkeyPatch, story: str, commanded: int | None, mains: bool
) -> None:
    async with Rig(monkeypatch, mains=mains) as rig:
        await rig.known()
        if commanded is not None:
            await rig.write({MODE: commanded})
        ran, mode = rig.unit.running, rig.unit.remote_mode
    playing = asyncio.create_task(rig.simulator.play(rig.wire))
    for fault, argument in MEANWHILE[story]:
        if mains or fault != "mains":
            rig.simulator.misbehave(fault, argument)
        await rig.clock.advance(6)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    async with Rig(monkeypatch, state=rig.state, simulator=rig.simulator, clock=rig.clock) as later:
        await later.clock.advance(12)
        assert later.unit.running == ran
        assert later.unit.remote_mode == mode


async def test_a_unit_that_stays_dark_is_not_told_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its switches would let it run and it does not: the mode is said again, twice a minute and no more."""
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({MODE: ON})
        rig.unit.panel = True
        monkeypatch.setattr(type(rig.unit), "allowed", property(lambda unit: (False, False)))
        await rig.clock.advance(120)
        assert 3 <= len(rig.commands) <= 6
        assert set(rig.commands) == {(ON, 500)}


async def test_the_unit_restarts_while_the_bridge_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, mains=False) as rig:
        await rig.known()
        await rig.write({MODE: ON})
    rig.simulator.misbehave("front", "off")
    async with Rig(monkeypatch, state=rig.state, simulator=rig.simulator, clock=rig.clock) as later:
        await later.clock.advance(10)
        assert not later.unit.awake
        later.simulator.misbehave("front", "on")
        assert not later.unit.running  # it waits for the panel
        await later.clock.advance(10)
        assert later.unit.running


async def test_dark_for_a_few_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for commanded in (False, True):
        async with Rig(monkeypatch, mains=False) as rig:
            await rig.known()
            if commanded:
                await rig.write({MODE: ON})
            rig.simulator.misbehave("front", "off")
            await rig.clock.advance(30)
            assert rig.device.link is LinkState.ASLEEP
            rig.simulator.misbehave("front", "on")
            assert await rig.until(lambda: rig.unit.running) < 6


@pytest.mark.parametrize(
    ("policy", "remote_mode", "lines"),
    [
        ("auto", ON, [4]),
        ("auto", CHARGER_ONLY, [4]),
        ("auto", INVERTER_ONLY, [4]),
        ("auto", OFF, []),
        ("leave", ON, []),
        ("leave", OFF, []),
        ("release", ON, [4]),
        ("release", OFF, [4]),
    ],
)
async def test_panel_detect(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    policy: str,
    remote_mode: int,
    lines: list[int],
) -> None:
    async with Rig(monkeypatch, remote_mode=remote_mode, options={"panel_detect": policy}) as rig:
        await rig.known()
        await rig.clock.advance(60)
        assert rig.lines_set == lines  # once, and never again
        assert not rig.commands
        left = [r for r in caplog.records if HAND_BACK in r.getMessage() and r.levelno == logging.WARNING]
        assert len(left) == (policy == "auto" and remote_mode == OFF)
        halves = [r for r in caplog.records if "panel_detect: leave" in r.getMessage()]
        assert len(halves) == (lines == [4] and remote_mode in (CHARGER_ONLY, INVERTER_ONLY))


async def test_lines_of_a_bridge_in_command_are_sent_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, options={"standby": True}) as rig:
        await rig.known()
        await rig.write({MODE: ON})
        before = len(rig.lines_set)
        await rig.clock.advance(30)
        assert len(rig.lines_set) - before >= 10
        assert set(rig.lines_set[before:]) == {7}


async def test_a_front_switch_in_charger_only_is_told_truthfully(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("front", "charger")
        await rig.clock.advance(5)
        assert rig.device.value("/Switch/Front") == CHARGER_ONLY
        assert await rig.write({MODE: ON}) == {MODE: Outcome.CONFIRMED}
        assert rig.device.value(MODE) == ON
        assert rig.device.value("/Switch/Effective") == CHARGER_ONLY


async def test_standby_as_a_set_point(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, mains=False) as rig:
        await rig.known()
        assert await rig.write({STANDBY: 1}) == {STANDBY: Outcome.CONFIRMED}
        assert await rig.write({MODE: OFF}) == {MODE: Outcome.CONFIRMED}
        await rig.clock.advance(60)
        assert rig.unit.awake
        assert rig.device.value(STANDBY) == 1


async def test_never_a_frame_that_restarts_units(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, phases=3) as rig:
        await rig.known()
        await rig.write({MODE: ON})
        await live(rig, "all of it")
        assert not rig.simulator.forbidden
        letters = {data[1] for _, data in rig.simulator.received if data[0] == 0xFF}
        assert letters <= {ord(letter) for letter in "VAHLSFXYZ"}
