"""The bounds on a far clock, on both sides, to the number."""

import pytest

from bridge.exchange.far_clock import DRIFT, FarClock


def test_the_far_clock_is_bounded_on_both_sides() -> None:
    clock = FarClock()
    assert not clock.known
    with pytest.raises(ValueError, match="not answered yet"):
        clock.far(1.0)
    clock.answered(100.0, 5000.0)
    assert clock.known
    assert clock.far(100.0) == 5000.0
    assert clock.far(1100.0) == pytest.approx(6000.0 + 1000 * DRIFT, abs=1e-6)  # at most
    assert clock.earliest(6000.0) == pytest.approx(1100.0 - 1000 * DRIFT - 0.001, abs=1e-6)
    assert clock.earliest(4000.0) == pytest.approx(-900.0 - 1000 * DRIFT - 0.001, abs=1e-6)
    assert DRIFT == 5e-4


def test_only_a_better_answer_counts() -> None:
    clock = FarClock()
    clock.answered(100.0, 5000.0)
    clock.answered(105.0, 5010.0)  # 5 s under way: says less than was known
    assert clock.earliest(5010.0) == pytest.approx(110.0, abs=0.01)
    clock.answered(111.0, 5010.0)  # younger than was known
    assert clock.earliest(5010.0) == pytest.approx(111.0, abs=0.0011)


@pytest.mark.parametrize(("now", "contradicted"), [(109.0, True), (109.99, True), (110.0, False)])
def test_a_far_time_that_is_yet_to_come(now: float, contradicted: bool) -> None:
    clock = FarClock()
    assert not clock.contradicted(5010.0, now)
    clock.answered(100.0, 5000.0)
    assert clock.contradicted(5010.0, now) is contradicted
