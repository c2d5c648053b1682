"""What may still be told, by the ages of its sources: the table of phases."""

import math

import pytest

from bridge.adapters.can_bms.phases import Phase, PhaseTimes, Source, oldest_s

USUAL = PhaseTimes(10.0, 30.0)
AT_ONCE = PhaseTimes(0.0, 0.0)
#: A linked source is fresh to 5 s, a written one to its lease.
LINKED, WRITTEN = 5.0, 30.0


@pytest.mark.parametrize(
    ("times", "fresh_s", "age_s", "phase"),
    [
        (USUAL, LINKED, 0.0, Phase.FRESH),
        (USUAL, LINKED, 5.0, Phase.FRESH),
        (USUAL, LINKED, 5.1, Phase.HOLD),
        (USUAL, LINKED, 15.0, Phase.HOLD),
        (USUAL, LINKED, 15.1, Phase.ZERO),
        (USUAL, LINKED, 45.0, Phase.ZERO),
        (USUAL, LINKED, 45.1, Phase.STOPPED),
        (USUAL, LINKED, 1e9, Phase.STOPPED),
        (USUAL, WRITTEN, 30.0, Phase.FRESH),
        (USUAL, WRITTEN, 30.1, Phase.HOLD),
        (USUAL, WRITTEN, 40.1, Phase.ZERO),
        (USUAL, WRITTEN, 70.0, Phase.ZERO),
        (USUAL, WRITTEN, 70.1, Phase.STOPPED),
        (AT_ONCE, LINKED, 5.0, Phase.FRESH),
        (AT_ONCE, LINKED, 5.1, Phase.STOPPED),
        (PhaseTimes(0.0, 30.0), LINKED, 5.1, Phase.ZERO),
        (PhaseTimes(10.0, 0.0), LINKED, 15.1, Phase.STOPPED),
        (USUAL, LINKED, None, Phase.STOPPED),
    ],
)
def test_the_phase_of_one_source(
    times: PhaseTimes, fresh_s: float, age_s: float | None, phase: Phase
) -> None:
    assert times.phase([Source(age_s, fresh_s)]) is phase


@pytest.mark.parametrize(
    ("sources", "phase"),
    [
        ([], Phase.STOPPED),
        ([(0.0, 5.0), (0.0, 30.0)], Phase.FRESH),
        ([(0.0, 5.0), (31.0, 30.0)], Phase.HOLD),
        ([(20.0, 5.0), (20.0, 30.0)], Phase.ZERO),
        ([(50.0, 5.0), (20.0, 30.0)], Phase.STOPPED),
        ([(0.0, 5.0), (None, 30.0)], Phase.STOPPED),
    ],
)
def test_the_worst_source_decides(sources: list[tuple[float | None, float]], phase: Phase) -> None:
    assert USUAL.phase([Source(*source) for source in sources]) is phase


@pytest.mark.parametrize(
    ("age_s", "left_s"),
    [(0.0, 5.0), (4.0, 1.0), (5.5, 9.5), (20.0, 25.0), (46.0, math.inf), (None, math.inf)],
)
def test_when_a_phase_ends(age_s: float | None, left_s: float) -> None:
    assert USUAL.ends_in_s([Source(age_s, LINKED)]) == pytest.approx(left_s)


@pytest.mark.parametrize(("ages", "oldest"), [([1.0, 7.0, 3.0], 7.0), ([1.0, None], None), ([], None)])
def test_the_oldest_age(ages: list[float | None], oldest: float | None) -> None:
    assert oldest_s([Source(age, 5.0) for age in ages]) == oldest
