"""Energy counters of equipment that counts nothing: integrated, kept by serial, never believed blindly."""

import pytest

from bridge.adapters.energy_counter import GAP_S, SAVE_EVERY_S, EnergyCounter
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore

NAMES = ("In", "Out")


def counter(clock: ManualClock, state: StateStore) -> EnergyCounter:
    return EnergyCounter(clock, state.memory("device"), NAMES)


async def test_parts_are_counted_each_for_its_own_time() -> None:
    clock = ManualClock()
    counted = counter(clock, StateStore(None))
    counted.count("L1", {"In": 3600.0})
    await clock.advance(5)
    counted.count("L2", {"In": 3600.0})  # its first power: nothing is known of the time before
    await clock.advance(5)
    counted.count("L1", {"In": 3600.0})
    counted.count("L2", {"In": 1800.0, "Out": 720.0})
    assert counted.points() == {
        "/Energy/In": pytest.approx(0.01 + 0.0025),
        "/Energy/Out": pytest.approx(0.001),
    }


@pytest.mark.parametrize(("pause_s", "kwh"), [(GAP_S, 0.01), (GAP_S + 0.1, 0.0)])
async def test_a_longer_gap_is_not_filled(pause_s: float, kwh: float) -> None:
    clock = ManualClock()
    counted = counter(clock, StateStore(None))
    counted.count("", {"In": 3600.0})
    await clock.advance(pause_s)
    counted.count("", {"In": 3600.0})
    assert counted.points()["/Energy/In"] == pytest.approx(kwh)


async def test_a_counter_never_falls() -> None:
    clock = ManualClock()
    counted = counter(clock, StateStore(None))
    for power in (3600.0, 3600.0, -3600.0, -7200.0):
        counted.count("", {"In": power})
        await clock.advance(10)
    assert counted.points()["/Energy/In"] == pytest.approx(0.01)


async def test_it_is_saved_by_itself_once_a_minute() -> None:
    clock, state = ManualClock(), StateStore(None)
    counted = counter(clock, state)
    counted.belong_to("A")
    for _ in range(int(SAVE_EVERY_S) + 1):
        counted.count("", {"In": 3600.0})
        await clock.advance(1)
    later = counter(clock, state)
    later.belong_to("A")
    assert later.points()["/Energy/In"] == pytest.approx(SAVE_EVERY_S / 1000)


@pytest.mark.parametrize(
    "saved",
    [
        None,
        "junk",
        [],
        {},
        {"serial": "B", "kwh": {"In": 5.0}},
        {"serial": "A", "kwh": [5.0]},
        {"serial": "A", "kwh": {"In": "5"}},
    ],
)
def test_what_was_saved_is_judged(saved: object) -> None:
    clock, state = ManualClock(), StateStore(None)
    state.memory("device").put("energy", saved)
    counted = counter(clock, state)
    counted.belong_to("A")
    assert counted.points() == {"/Energy/In": 0.0, "/Energy/Out": 0.0}


def test_another_device_begins_at_zero_and_the_first_comes_back() -> None:
    clock, state = ManualClock(), StateStore(None)
    state.memory("device").put("energy", {"serial": "A", "kwh": {"In": 5.0}})
    counted = counter(clock, state)
    counted.belong_to("B")
    assert counted.points()["/Energy/In"] == 0.0
    counted.belong_to("A")
    assert counted.points()["/Energy/In"] == 5.0
