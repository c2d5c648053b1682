"""Whose turn it is: spread over the period, soon after a first answer, at once when asked."""

import itertools

import pytest

from bridge.adapters.apsystems.polling import SECOND_S, Turns
from bridge.datastore.clock import ManualClock


async def poll_for(turns: Turns, clock: ManualClock, count: int, seconds: float) -> list[tuple[float, int]]:
    """Ask whoever's turn it is for a time; returns when each was asked."""
    began, asked = clock.monotonic(), []
    while clock.monotonic() < began + seconds:
        found = turns.next_due(range(count))
        assert found is not None
        index, due = found
        if due <= clock.monotonic():
            asked.append((clock.monotonic() - began, index))
            turns.polled(index, soon=False)
        await clock.advance(1.0)
    return asked


@pytest.mark.parametrize(("count", "period_s"), [(1, 300.0), (3, 300.0), (9, 300.0), (9, 36.0)])
async def test_everybody_once_in_a_period_and_apart(count: int, period_s: float) -> None:
    clock = ManualClock()
    asked = await poll_for(Turns(clock, count, period_s), clock, count, 6 * period_s)
    assert sorted(index for _, index in asked[:count]) == list(range(count))  # all at once at the start
    settled = [(at, index) for at, index in asked if 2 * period_s <= at < 5 * period_s]
    for index in range(count):
        assert len([at for at, each in settled if each == index]) == 3
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(settled)]
    assert min(gaps) >= period_s / count - 2


async def test_a_second_poll_soon_after_the_first() -> None:
    clock = ManualClock()
    turns = Turns(clock, 2, 300.0)
    turns.polled(0, soon=True)
    turns.polled(1, soon=False)
    assert turns.next_due([0, 1]) == (0, clock.monotonic() + SECOND_S)


async def test_at_once_when_somebody_asks() -> None:
    clock = ManualClock()
    turns = Turns(clock, 3, 300.0)
    for index in range(3):
        turns.polled(index, soon=False)
    turns.now(2)
    assert turns.stirred.is_set()
    found = turns.next_due([0, 1, 2])
    assert found is not None
    assert (found[0], found[1] <= clock.monotonic()) == (2, True)


def test_nobody_to_ask() -> None:
    assert Turns(ManualClock(), 3, 300.0).next_due([]) is None
