"""Powers of answers that follow each other closely: inverters tell whole seconds, and nothing finer."""

from datetime import UTC, datetime

import pytest

from bridge.adapters.apsystems.counting import Facts, Run, Sample
from bridge.adapters.apsystems.inverter_energy import POWER_SPAN_S, InverterBook, Moment

WATTS, COUNT_WH = 320.0, 0.001
FACTS = Facts(1 << 32, 1 << 32, COUNT_WH, 400.0)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def answers(book: InverterBook, *times: float) -> list[float | None]:
    """Let an inverter answer at these seconds of its run; return what power is shown each time."""
    shown: list[float | None] = []
    for time in times:
        counter = int(WATTS * time / 3600 / COUNT_WH)
        moment = Moment(NOON.timestamp() + time, 1000 + time, NOON.date(), NOON.timestamp() - 6 * 3600)
        taken = book.take(Sample(int(time), (counter,)), FACTS, moment)
        shown.append(None if taken.powers is None else taken.powers[0])
    return shown


@pytest.mark.parametrize("step", [1.05, 1.95, 2.5, 4.9])
def test_answers_close_together_show_what_there_was_over_several(step: float) -> None:
    shown = answers(InverterBook(1), *(3600 + step * n for n in range(30)))
    known = [watts for watts in shown if watts is not None]
    assert len(known) > 15
    assert all(abs(watts - WATTS) <= WATTS / POWER_SPAN_S for watts in known)


def test_a_question_just_after_an_answer_hides_no_power() -> None:
    book = InverterBook(1)
    assert answers(book, 3600.9, 3900.9, 3902.1) == [
        None,
        pytest.approx(WATTS, 0.01),
        pytest.approx(WATTS, 0.01),
    ]


def test_a_new_run_begins_a_new_power() -> None:
    book = InverterBook(1)
    answers(book, 3600, 3900)
    late = Moment(NOON.timestamp() + 4000, 5000, NOON.date(), NOON.timestamp() - 6 * 3600)
    assert book.take(Sample(2, (0,)), FACTS, late).powers is None


def test_the_last_answer_of_a_day_told_again_at_dawn_adds_nothing() -> None:
    book = InverterBook(1)
    answers(book, 42_000, 42_405)
    before = book.total
    dawn = Moment(NOON.timestamp() + 42_405 + 44_000, 87_405, NOON.date(), NOON.timestamp() + 86_000)
    again = Sample(42_405, (int(WATTS * 42_405 / 3600 / COUNT_WH),))
    assert book.take(again, FACTS, dawn).run is Run.REPEATED
    assert book.total == before
