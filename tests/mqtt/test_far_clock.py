"""The bound on the age of what another machine said: never younger than it is."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.exchange.far_clock import DRIFT, FarClock

delays = st.floats(0, 30)


@given(
    offset=st.floats(-1e6, 1e6),
    rate=st.floats(1 - DRIFT / 2, 1 + DRIFT / 2),
    questions=st.lists(st.tuples(st.floats(0, 1e5), delays), min_size=1, max_size=8),
    said_at=st.floats(0, 1e5),
)
def test_a_moment_is_never_taken_for_later_than_it_was(
    offset: float, rate: float, questions: list[tuple[float, float]], said_at: float
) -> None:
    def far(local: float) -> float:
        return round(offset + local * rate, 3)

    clock = FarClock()
    for asked_at, delay in sorted(questions):
        clock.answered(asked_at, far(asked_at + delay))
    assert clock.earliest(far(said_at)) <= said_at
    assert not clock.contradicted(far(said_at), said_at)


def test_the_quickest_answer_decides() -> None:
    clock = FarClock()
    assert clock.earliest(5.0) == float("-inf")
    clock.answered(100.0, 1004.0)  # four seconds under way
    assert 99.9 < clock.earliest(1004.0) <= 100.0
    clock.answered(110.0, 1010.1)
    assert 109.9 < clock.earliest(1010.1) <= 110.0
    clock.answered(120.0, 1025.0)
    assert 114.8 < clock.earliest(1015.0) <= 115.0


def test_a_machine_that_has_slept_is_found_out() -> None:
    clock = FarClock()
    clock.answered(100.0, 1000.0)
    assert not clock.contradicted(1010.0, 110.0)
    assert clock.contradicted(4600.0, 110.0)  # an hour went by there, ten seconds here
    clock.forget()
    assert not clock.known
    assert clock.earliest(4600.0) == float("-inf")
