"""The wear budget over restarts, days and clock corrections, to the second."""

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.wear import Verdict, Wear, WearBudget, WearLimits

DAY = 86400.0
#: Just after a UTC midnight.
MIDNIGHT = 19_700 * DAY


def budget(clock: ManualClock, state: StateStore | None = None, **limits: float) -> WearBudget:
    return WearBudget(clock, (state or StateStore()).memory("charger"), WearLimits(**limits))  # type: ignore[arg-type]


def test_only_a_wait_has_a_time() -> None:
    clock = ManualClock()
    spent = budget(clock, burst=1, lowerings_per_day=1)
    assert spent.grant([Wear.RAISE]) == (Verdict.GRANTED, 0.0)
    assert spent.grant([Wear.RAISE]) == (Verdict.SPENT, 0.0)
    assert spent.grant([Wear.LOWER]) == (Verdict.GRANTED, 0.0)
    assert spent.grant([Wear.LOWER]) == (Verdict.OFF_ONLY, 0.0)


async def test_after_a_restart_a_lowering_waits_for_what_is_left_of_its_interval() -> None:
    clock, state = ManualClock(), StateStore()
    before = budget(clock, state, burst=0)
    assert before.grant([Wear.LOWER]) == (Verdict.GRANTED, 0.0)
    await before.secure()
    await clock.advance(4)
    assert budget(clock, state, burst=0).grant([Wear.LOWER]) == (Verdict.WAIT, 6.0)


async def test_the_day_turns_at_midnight_and_not_by_the_age_of_the_machine() -> None:
    clock = ManualClock(now=MIDNIGHT, monotonic=80_000.0)
    spent = budget(clock, per_day=1, lowerings_per_day=1, lowering_interval_s=0)
    assert spent.grant([Wear.RAISE])[0] is Verdict.GRANTED
    await clock.advance(DAY - 1)
    assert spent.left_today == 0
    assert spent.grant([Wear.RAISE])[0] is Verdict.SPENT
    assert spent.grant([Wear.LOWER])[0] is Verdict.GRANTED
    await clock.advance(1)
    assert spent.left_today == 1
    assert [spent.grant([Wear.LOWER])[0] for _ in range(3)] == [
        Verdict.GRANTED,
        Verdict.GRANTED,
        Verdict.OFF_ONLY,
    ]


async def test_after_a_correction_backwards_a_day_is_counted_from_the_last_turn() -> None:
    clock = ManualClock(now=MIDNIGHT)
    spent = budget(clock, per_day=1)
    await clock.advance(DAY)  # the day turns here
    assert spent.grant([Wear.RAISE])[0] is Verdict.GRANTED
    clock.jump(-3 * DAY)
    await clock.advance(DAY - 1)
    assert spent.grant([Wear.RAISE])[0] is Verdict.SPENT
    await clock.advance(1)
    assert spent.grant([Wear.RAISE])[0] is Verdict.GRANTED


@pytest.mark.parametrize("name", ["day", "time", "tokens"])
def test_a_saved_account_with_a_text_for_a_number_is_no_account(name: str) -> None:
    clock, state = ManualClock(now=MIDNIGHT), StateStore()
    state.put("charger", "wear", {"day": 19_700, "time": MIDNIGHT, "tokens": 1, "written": 7, name: "1"})
    assert budget(clock, state).left_today == 100
