"""Surplus charging at work: a simulated house, meter and charger on a manual clock."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.surplus_house import (
    HOUR,
    LIMIT,
    LINK,
    MODE,
    OFF,
    ON,
    SimulatedHouse,
    automated,
    plan_of,
    script,
)
from bridge.control.charger import ChargerPlan
from bridge.control.surplus import Reason, Rule, State
from bridge.datastore.device import Device
from bridge.datastore.values import Origin, Outcome, WriteRequest

MODBUS = Origin("modbus", "192.168.1.20")
NOON = 12 * HOUR


def constant(watts: float) -> Callable[[float], float]:
    return lambda _: watts


def house(sun: float = 600.0, load: float = 200.0, **more: object) -> SimulatedHouse:
    return SimulatedHouse(constant(sun), constant(load), begins=NOON, **more)  # type: ignore[arg-type]


def shown(own: Device) -> tuple[State, Reason]:
    return State(int(own.value("/State") or 0)), Reason(int(own.value("/Reason") or 0))


async def ask(device: Device, **changes: float) -> None:
    await device.write(WriteRequest({f"/{path}": value for path, value in changes.items()}, MODBUS), 0.0)


async def test_no_hunting_at_constant_sun() -> None:
    """An hour of it: switched on once, and after two minutes the current never moves again."""
    home = house()
    async with automated(home, plan_of(home)) as own:
        await home.pass_time(120)
        settled, writes = home.charger.stored, home.charger.flash_writes
        await home.pass_time(HOUR)
        assert (home.charger.stored, home.charger.flash_writes) == (settled, writes)
        assert home.charger.switched == 1
        assert writes <= 3
        assert abs(home.grid_w) < 40
        assert shown(own) == (State.CHARGING, Reason.STEADY)


async def test_the_circulating_rule_hunts_at_the_same_sun() -> None:
    home = house()
    home.charger.stored = 4.0
    await script(home, HOUR)
    assert home.charger.flash_writes > 30  # what there is to be better than


async def test_it_follows_the_sun_down_and_switches_off() -> None:
    sun = {NOON: 600.0, NOON + 600: 400.0, NOON + 1200: 150.0}
    home = SimulatedHouse(lambda now: sun[max(t for t in sun if t <= now)], constant(200.0), begins=NOON)
    async with automated(home, plan_of(home)) as own:
        await home.pass_time(590)
        assert home.charger.amps == pytest.approx(13.0, abs=1.2)
        await home.pass_time(600)
        assert home.charger.amps == pytest.approx(6.5, abs=1.2)
        assert home.charger.on
        await home.pass_time(600)
        assert not home.charger.on
        assert shown(own) == (State.WAITING, Reason.NO_SURPLUS)
        assert home.charger.switched == 2


async def test_a_volatile_current_is_taken_where_there_is_one_and_kept_in_force() -> None:
    home = house(volatile=True)
    async with automated(home, plan_of(home)):
        await home.pass_time(HOUR)
        assert home.charger.flash_writes == 0
        assert home.charger.volatile is not None
        assert abs(home.grid_w) < 40


async def test_a_point_of_ones_own_choice_is_taken() -> None:
    home = house(volatile=True)
    plan = plan_of(home, chargers=(ChargerPlan("charger", current=LIMIT),))
    async with automated(home, plan):
        await home.pass_time(120)
        assert (home.charger.volatile, home.charger.flash_writes) == (None, 1)


async def test_the_ends_of_the_range_are_the_sites_where_it_names_them() -> None:
    home = house(sun=900.0)
    plan = plan_of(home, chargers=(ChargerPlan("charger", minimum=6.0, maximum=9.5),))
    async with automated(home, plan) as own:
        await home.pass_time(120)
        assert home.charger.stored == 9.5
        assert shown(own)[1] is Reason.AT_MAXIMUM
    low = house(sun=200 + 5 * 30.0)
    async with automated(low, plan_of(low, chargers=(ChargerPlan("charger", minimum=6.0),))):
        await low.pass_time(120)
        assert not low.charger.on


async def test_two_chargers_by_priority() -> None:
    home = house(sun=200 + 650.0, chargers=2)
    async with automated(home, plan_of(home)) as own:
        await home.pass_time(600)
        first, second = home.sims
        assert first.amps == pytest.approx(16.0, abs=0.5)
        assert 4.0 <= second.amps <= 7.0
        assert own.value("/Chargers/2/TargetCurrent") == pytest.approx(second.stored)
        first.accepts = 2.0  # its battery is nearly full: the rest is for the other
        await home.pass_time(600)
        assert second.amps > 12.0


async def test_a_write_of_the_owner_ends_it_for_an_hour() -> None:
    home = house()
    async with automated(home, plan_of(home)) as own:
        await home.pass_time(120)
        await ask(home.store.devices["charger"], Mode=OFF)
        await home.pass_time(HOUR - 60)
        assert not home.charger.on
        assert shown(own) == (State.LEFT_ALONE, Reason.OWNER)
        await home.pass_time(120)
        assert home.charger.on
        assert shown(own)[0] is State.CHARGING


async def test_resumed_it_takes_the_charger_back() -> None:
    home = house()
    async with automated(home, plan_of(home)) as own:
        await home.pass_time(400)
        await ask(home.store.devices["charger"], Mode=OFF)
        await home.pass_time(400)
        await ask(own, Resume=1)
        await home.pass_time(10)
        assert home.charger.on
        assert own.value("/Resume") == 0


async def test_the_owners_time_outlives_a_restart() -> None:
    home = house()
    async with automated(home, plan_of(home)):
        await home.pass_time(120)
        await ask(home.store.devices["charger"], Mode=OFF)
        await home.pass_time(10)
    home.store.devices["charger"].owner_wrote_at = float("-inf")  # as a new bridge knows it
    async with automated(home, plan_of(home)) as own:
        await home.pass_time(HOUR / 2)
        assert shown(own)[0] is State.LEFT_ALONE
        assert not home.charger.on


async def test_paused_it_touches_nothing_also_after_a_restart() -> None:
    home = house()
    async with automated(home, plan_of(home)) as own:
        await ask(own, Pause=1)
        await home.pass_time(300)
        assert not home.charger.on
        assert shown(own) == (State.PAUSED, Reason.PAUSED)
        assert own.value("/Pause") == 1
    async with automated(home, plan_of(home)) as own:
        await home.pass_time(300)
        assert not home.charger.on
        await ask(own, Pause=0)
        await home.pass_time(60)
        assert home.charger.on


async def test_a_silent_meter_changes_nothing_for_a_while_and_then_switches_off() -> None:
    silent = (NOON + 600, NOON + 1800)
    home = house(deaf=lambda now: silent[0] < now < silent[1])
    async with automated(home, plan_of(home, rule=Rule(hold_s=120.0))) as own:
        await home.pass_time(600)
        before = home.charger.stored
        await home.pass_time(60)
        assert shown(own) == (State.HOLD, Reason.METER_SILENT)
        assert (home.charger.on, home.charger.stored) == (True, before)
        await home.pass_time(180)
        assert shown(own) == (State.SAFE, Reason.METER_SILENT)
        assert not home.charger.on
        assert own.value("/GridPower") is None
        await home.pass_time(1000)
        assert home.charger.on  # the meter is back


async def test_one_silent_phase_of_three_is_a_silent_meter() -> None:
    home = house()
    other = home.store.add("phase2")
    plan = replace(plan_of(home), grid_power=(("gx", "/Ac/Grid/L1/Power"), ("phase2", "/Power")))
    async with automated(home, plan) as own:
        await home.pass_time(300)
        assert shown(own) == (State.SAFE, Reason.METER_SILENT)
        assert not other.paths
        assert not home.charger.on


async def test_a_charger_that_refuses_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    home = house()
    home.charger.obeys = Outcome.REFUSED
    async with automated(home, plan_of(home)) as own:
        await home.pass_time(300)
        assert shown(own)[1] is Reason.REFUSED
        home.charger.obeys = Outcome.CONFIRMED
        await home.pass_time(60)
        assert home.charger.on
    told = [r.getMessage() for r in caplog.records if r.name == "bridge.control.automation"]
    assert [line for line in told if "does not take" in line] == [
        "device=surplus charger=charger does not take what is asked: /Settings/ChargeCurrentLimit refused, "
        "/Mode refused"
    ]


async def test_states_are_logged_when_they_change(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    home = house()
    async with automated(home, plan_of(home)):
        await home.pass_time(HOUR)
    told = [r.getMessage() for r in caplog.records if r.name == "bridge.control.automation"]
    assert len(told) == 1
    assert told[0].startswith("device=surplus state=charging reason=following target=1")


async def test_a_spent_budget_is_not_written_against() -> None:
    """Clouds for four hours with ten writes left to the day: those go where they gain most, and no further."""
    clouds = SimulatedHouse(
        lambda now: 700.0 if now % 900 < 500 else 320.0, constant(150.0), begins=20 * HOUR
    )
    device = clouds.store.devices["charger"]
    async with automated(clouds, plan_of(clouds)):
        for _ in range(90):  # the day so far
            await clouds.clock.advance(60)
            clouds.charger.tell()
            wish = 4.0 + clouds.charger.flash_writes % 2
            await device.write(WriteRequest({LIMIT: wish}, Origin("automation", "other")), 0.0)
        assert device.status().wear_left <= 12
        before = clouds.charger.flash_writes
        await clouds.pass_time(2 * HOUR)
        assert clouds.charger.flash_writes - before <= 12
        assert device.status().wear_left >= 0


def test_names() -> None:
    """The values that the registers show are published: they never change their meaning."""
    assert {state.name.lower(): state.value for state in State} == {
        "waiting": 0, "charging": 1, "hold": 2, "safe": 3, "paused": 4, "left_alone": 5, "unreachable": 6,
    }  # fmt: skip
    assert {reason.name.lower(): reason.value for reason in Reason} == {
        "following": 0, "no_surplus": 1, "at_maximum": 2, "steady": 3, "ramp": 4, "wear": 5, "minimum_on": 6,
        "minimum_off": 7, "meter_silent": 8, "paused": 9, "owner": 10, "unreachable": 11, "refused": 12,
    }  # fmt: skip
    assert (MODE, LINK, ON) == ("/Mode", "/Link/ChargeCurrent", 1)
