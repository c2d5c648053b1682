"""The simulated inverters: what a Sunny Island does with a BMS, rule by rule, and that it can be played."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.can.alarms import pairs_data
from bridge.adapters.can.battery_frames import LIMITS, STATE_OF_CHARGE
from bridge.adapters.can.fields import FieldValue, FrameSpec, encode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can_bms.options import FAMILY
from bridge.adapters.can_bms.simulated_island import DEFAULTS, Condition, Pack, SupervisedIsland
from bridge.adapters.can_bms.simulator import InverterSimulator, KeepaliveInverter
from bridge.datastore.clock import ManualClock

CVL, CCL, DCL = "charge_voltage_limit_v", "charge_current_limit_a", "discharge_current_limit_a"
DVL, SOC = "discharge_voltage_limit_v", "soc_pct"
GOOD: Mapping[str, FieldValue] = {CVL: 56.0, CCL: 100.0, DCL: 120.0, DVL: 44.0}


def frame(spec: FrameSpec, values: Mapping[str, FieldValue]) -> CanFrame:
    return CanFrame(spec.id, encode(spec, values))


class Bench:
    """An island on a bus of its own; `say` sends what a BMS would."""

    def __init__(self, **island: Any) -> None:
        self.clock = ManualClock()
        self.bus = SimulatedBus(self.clock)
        self.island = SupervisedIsland(self.clock, self.bus, pack=Pack(soc_pct=60), **island)
        self.place = self.bus.join(lambda _: None)

    def say(self, limits: Mapping[str, FieldValue] | None = None, soc: float | None = 64.0) -> None:
        if limits is not None:
            self.place.send(frame(LIMITS, limits))
        if soc is not None:
            self.place.send(frame(STATE_OF_CHARGE, {SOC: soc, "soh_pct": 98, "soc_hires_pct": soc}))

    async def spend(self, seconds: int, limits: Mapping[str, FieldValue] | None, soc: float | None) -> None:
        for _ in range(seconds):
            self.say(limits, soc)
            await self.clock.advance(1.0)
            self.island.step(1.0)


async def test_it_begins_with_its_defaults() -> None:
    bench = Bench()
    assert bench.island.values == DEFAULTS
    bench.say(GOOD, 64.0)
    assert bench.island.values == {**GOOD, SOC: 64.0, "soh_pct": 98.0}


@pytest.mark.parametrize(
    ("field", "wrong", "kept"),
    [
        (CVL, 40.9, 56.0),
        (CVL, 63.1, 56.0),
        (CCL, -1.0, 100.0),
        (CCL, 1200.1, 100.0),
        (DVL, 48.1, 44.0),
        (DVL, 0.0, 44.0),
    ],
)
async def test_what_is_out_of_range_is_dropped_without_a_word(field: str, wrong: float, kept: float) -> None:
    bench = Bench()
    bench.say(GOOD)
    bench.say({**GOOD, field: wrong})
    assert bench.island.values[field] == kept
    assert bench.island.rejected == [(field, pytest.approx(wrong))]


async def test_a_marker_sets_the_default_again() -> None:
    bench = Bench()
    bench.say(GOOD)
    bench.say({**GOOD, CCL: None})
    assert bench.island.values[CCL] == 0.0


@pytest.mark.parametrize(
    ("limits", "soc", "error", "warning", "values"),
    [
        (GOOD, 64.0, 0, False, {CVL: 56.0, SOC: 64.0}),
        (None, 64.0, 0, True, {CVL: 54.0, CCL: 0.0, SOC: 64.0}),  # W952
        (GOOD, None, 952, False, {CVL: 54.0, SOC: 0.0}),  # F952
        (None, None, 952, True, {CVL: 54.0, SOC: 0.0}),
    ],
)
async def test_its_supervision(
    limits: Mapping[str, FieldValue] | None,
    soc: float | None,
    error: int,
    warning: bool,
    values: dict[str, float],
) -> None:
    bench = Bench()
    bench.say(GOOD)
    await bench.spend(60, limits, soc)
    assert (bench.island.error, bench.island.warning) == (0, False)
    await bench.spend(1, limits, soc)
    assert (bench.island.error, bench.island.warning) == (error, warning)
    assert {name: bench.island.values[name] for name in values} == values
    assert bench.island.condition is (Condition.STANDBY if error else Condition.RUNNING)


async def test_a_lost_bms_makes_it_dark_and_a_person_must_start_it() -> None:
    bench = Bench()
    bench.say(GOOD)
    await bench.spend(61, None, None)
    await bench.spend(298, None, None)
    assert bench.island.condition is Condition.STANDBY
    await bench.spend(2, None, None)
    assert bench.island.condition is Condition.OFF
    await bench.spend(10, GOOD, 64.0)
    assert bench.island.condition is Condition.OFF
    bench.island.switch_on()
    assert (bench.island.condition, bench.island.values) == (Condition.RUNNING, DEFAULTS)


@pytest.mark.parametrize(("sun_w", "condition"), [(0.0, Condition.OFF), (3000.0, Condition.RUNNING)])
async def test_charging_keeps_an_empty_one_alive(sun_w: float, condition: Condition) -> None:
    bench = Bench(sun_w=sun_w)
    await bench.spend(400, GOOD, 0.0)
    assert bench.island.condition is condition


@pytest.mark.parametrize(
    ("off_grid", "limits", "current_a"),
    [
        (True, {DCL: 0.0}, -9.0),  # loads come first: no discharge limit disconnects
        (False, {DCL: 0.0}, 0.0),
        (False, {DCL: 4.0}, -4.0),
        (
            False,
            {CVL: 52.0, DCL: 0.0},
            -20.0,
        ),  # a charge voltage below the battery's is a command to discharge
        (True, {CVL: 52.0}, -20.0),
    ],
)
async def test_what_it_draws(off_grid: bool, limits: dict[str, float], current_a: float) -> None:
    bench = Bench(off_grid=off_grid, load_w=480.0)
    await bench.spend(2, {**GOOD, **limits}, 64.0)
    assert bench.island.pack.current_a == pytest.approx(current_a, abs=0.15)


@pytest.mark.parametrize(("soc", "charge_a"), [(64.0, 30.0), (100.0, 30.0)])
async def test_only_the_current_limit_stops_charging(soc: float, charge_a: float) -> None:
    bench = Bench(sun_w=5000.0)
    await bench.spend(2, {**GOOD, CCL: charge_a}, soc)
    assert bench.island.pack.current_a == charge_a
    await bench.spend(2, {**GOOD, CCL: 0.0}, soc)
    assert bench.island.pack.current_a == 0.0


async def test_an_alarm_stops_it_until_it_is_cleared() -> None:
    bench = Bench()
    await bench.spend(2, GOOD, 64.0)
    bench.place.send(CanFrame(0x35A, pairs_data({"high_voltage"}, ())))
    await bench.spend(1, GOOD, 64.0)
    assert bench.island.condition is Condition.STANDBY
    bench.place.send(CanFrame(0x35A, bytes(8)))  # zeros clear nothing
    await bench.spend(1, GOOD, 64.0)
    assert bench.island.condition is Condition.STANDBY
    bench.place.send(CanFrame(0x35A, pairs_data((), {"cell_imbalance"})))  # a warning is only shown
    await bench.spend(1, GOOD, 64.0)
    assert (bench.island.condition, bench.island.warned) == (Condition.RUNNING, {"cell_imbalance"})


async def test_frames_that_have_no_place_on_its_bus_are_noted() -> None:
    bench = Bench()
    for frame_id in (0x351, 0x359, 0x35C, 0x373):
        bench.place.send(CanFrame(frame_id, bytes(8)))
    assert [found.id for found in bench.island.strangers] == [0x359, 0x35C, 0x373]


async def test_an_inverter_of_pylontechs_kind() -> None:
    clock = ManualClock()
    bus = SimulatedBus(clock)
    inverter = KeepaliveInverter(clock, bus)
    heard: list[CanFrame] = []
    place = bus.join(heard.append)
    playing = asyncio.create_task(inverter.play())
    await clock.advance(3.5)
    assert heard == [CanFrame(0x305, bytes(8))] * 4
    assert not inverter.has_battery
    place.send(frame(LIMITS, GOOD))
    assert (inverter.has_battery, inverter.told[0x351][CCL]) == (True, 100.0)
    await clock.advance(10.5)
    assert not inverter.has_battery
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dialect": "sam"}, "expected one of pylontech, pylontech_new, sma, victron"),
        ({"soc": 101}, "expected 0 to 100"),
    ],
)
def test_impossible_inverters(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        InverterSimulator(**settings)


@pytest.mark.parametrize(
    ("fault", "argument", "expected"),
    [
        ("mtue", "", "expected one of mute"),
        ("load", "much", "expected watts"),
        ("garbled", "2", "expected a number"),
    ],
)
def test_impossible_faults(fault: str, argument: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        InverterSimulator().misbehave(fault, argument)


def test_it_is_the_familys_simulator(tmp_path: Path) -> None:
    assert FAMILY.simulator_class() is InverterSimulator
    simulator = InverterSimulator(dialect="sma")
    for fault in simulator.faults:
        simulator.misbehave(fault.name)
