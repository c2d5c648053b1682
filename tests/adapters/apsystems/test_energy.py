"""The energy book: nothing lost and nothing counted twice, whoever restarts."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from bridge.adapters.apsystems.counting import Facts, Run, Sample
from bridge.adapters.apsystems.energy import EnergyBook
from bridge.adapters.apsystems.inverter_energy import Moment, Taken
from tests.adapters.apsystems.year import MODELS, Roof

FACTS = Facts(1 << 32, 1 << 24, 0.1, 400.0)
ONE = "408000158215"
DAWN = datetime(2026, 6, 15, 6, tzinfo=UTC).timestamp()


class Bridge:
    """A book with its clocks; `restart` keeps what was saved, as JSON makes of it."""

    def __init__(self, *, panels: int = 2) -> None:
        self.panels = panels
        self.book = EnergyBook()
        self.booted = DAWN - 5000
        self.saved = "{}"
        self._open()

    def _open(self) -> None:
        self.entered = self.book.enter(ONE, self.panels, 0.0)

    def restart(self, at_s: float, *, keep: bool = True) -> None:
        self.book = EnergyBook.from_record(json.loads(self.saved) if keep else None)
        self.booted = DAWN + at_s - 10.0
        self._open()

    def moment(self, at_s: float) -> Moment:
        wall = DAWN + at_s
        day = datetime.fromtimestamp(wall, UTC)
        sunrise = wall - (wall - DAWN) % 86400
        return Moment(wall, wall - self.booted, day.date(), sunrise)

    def poll(self, at_s: float, seconds: int, *counters: int) -> Taken:
        taken = self.book.take(ONE, Sample(seconds, counters or (0,) * self.panels), FACTS, self.moment(at_s))
        self.saved = json.dumps(self.book.record())
        return taken

    @property
    def wh(self) -> tuple[float, float, float]:
        book = self.book.inverters[ONE]
        return round(book.today, 3), round(book.yesterday, 3), round(book.total, 3)


def test_a_day_of_polls() -> None:
    bridge = Bridge()
    assert bridge.poll(600, 500, 30, 20) == Taken(Run.NEW)  # no power yet: it needs two answers
    taken = bridge.poll(900, 800, 130, 80)
    assert taken.powers == pytest.approx((120.0, 72.0))
    assert taken.span_s == 300
    assert bridge.wh == (21.0, 0.0, 21.0)
    assert [panel.total for panel in bridge.entered.panels] == pytest.approx([13.0, 8.0])


@pytest.mark.parametrize("keep", [True, False], ids=["with its book", "without its book"])
def test_a_restart_of_the_bridge(keep: bool) -> None:
    bridge = Bridge()
    bridge.poll(600, 500, 300, 200)
    bridge.restart(700, keep=keep)
    taken = bridge.poll(900, 800, 400, 300)
    # With its book it counts the difference; without one all that the inverter has counted today.
    assert bridge.wh == (70.0, 0.0, 70.0)
    assert (taken.powers is not None) is keep


def test_a_first_answer_older_than_the_day_is_not_todays() -> None:
    bridge = Bridge()
    taken = bridge.poll(600, 5000, 300, 200)
    assert "more than today" in taken.text
    assert bridge.wh == (0.0, 0.0, 0.0)
    bridge.poll(900, 5300, 310, 210)
    assert bridge.wh == (2.0, 0.0, 2.0)


def test_a_clock_that_is_not_set_counts_no_first_answer() -> None:
    bridge = Bridge()
    unset = Moment(1000.0, 50.0, date(1970, 1, 1), 0.0)
    assert bridge.book.take(ONE, Sample(500, (30, 20)), FACTS, unset).run is None
    later = Moment(1300.0, 350.0, date(1970, 1, 1), 0.0)
    assert bridge.book.take(ONE, Sample(800, (130, 80)), FACTS, later).run is Run.SAME
    assert bridge.wh == (16.0, 0.0, 16.0)


def test_midnight_keeps_yesterday_and_the_total() -> None:
    bridge = Bridge()
    bridge.poll(600, 500, 300, 200)
    assert bridge.book.roll(bridge.moment(18 * 3600 + 1))
    assert bridge.wh == (0.0, 50.0, 50.0)
    assert not bridge.book.roll(bridge.moment(20 * 3600))
    bridge.poll(24 * 3600 + 600, 500, 100, 100)
    assert bridge.wh == (20.0, 50.0, 70.0)
    bridge.book.roll(bridge.moment(3 * 86400.0))
    assert bridge.wh == (0.0, 0.0, 70.0)  # two days later: yesterday nobody counted


def test_a_night_without_the_bridge() -> None:
    bridge = Bridge()
    bridge.poll(600, 500, 300, 200)
    bridge.restart(86400 + 7200)
    bridge.poll(86400 + 7200, 7000, 2000, 1500)
    assert bridge.wh == (350.0, 50.0, 400.0)


def test_a_machine_that_wakes_in_the_past_keeps_its_day() -> None:
    bridge = Bridge()
    bridge.poll(600, 500, 300, 200)
    bridge.restart(900)
    behind = Moment(DAWN - 86400, 20.0, date(2026, 6, 14), DAWN - 86400)
    assert not bridge.book.roll(behind)
    assert bridge.wh == (50.0, 0.0, 50.0)
    # It stays in the past: the clock was ahead when the book was written.
    assert bridge.book.roll(Moment(DAWN - 60000, 30000.0, date(2026, 6, 14), DAWN - 86400))
    assert bridge.wh == (50.0, 0.0, 50.0)
    assert bridge.book.roll(bridge.moment(600))
    assert bridge.wh == (0.0, 50.0, 50.0)


def test_a_clock_that_is_set_does_not_make_a_restart_of_the_inverter() -> None:
    bridge = Bridge()
    moment = Moment(DAWN - 36000, 20.0, date(2026, 6, 14), DAWN - 86400)
    bridge.book.take(ONE, Sample(2000, (300, 200)), FACTS, moment)
    total = bridge.book.total
    bridge.book.clock_moved(36000 + 7200)
    bridge.saved = json.dumps(bridge.book.record())
    bridge.restart(7500)
    bridge.poll(7500, 2300, 310, 210)
    assert bridge.book.total - total == pytest.approx(2.0)


def test_an_odd_answer_is_believed_when_the_next_goes_on_from_it() -> None:
    bridge = Bridge()
    bridge.poll(20000, 19000, 30000, 30000)
    counted = bridge.book.total
    # One answer out of line changes nothing, and the next good one counts all that it stands for.
    assert bridge.poll(20300, 19300, 99000, 30100).run is Run.IMPLAUSIBLE
    assert bridge.poll(20600, 19600, 30200, 30200).run is Run.SAME
    assert bridge.book.total - counted == pytest.approx(40.0)
    # Two that agree are the truth: what lies between them counts, the leap does not.
    assert bridge.poll(20900, 19900, 90000, 90000).run is Run.IMPLAUSIBLE
    assert bridge.poll(21200, 20200, 90100, 90100).run is Run.SAME
    assert bridge.book.total - counted == pytest.approx(60.0)


def test_a_new_run_that_time_does_not_allow_counts_once_it_goes_on() -> None:
    bridge = Bridge()
    bridge.poll(20000, 19000, 30000, 30000)
    counted = bridge.book.total
    assert bridge.poll(20300, 9000, 400, 300).run is Run.DOUBTED
    assert bridge.poll(20600, 9300, 500, 400).run is Run.NEW
    assert bridge.book.total - counted == pytest.approx(90.0)


def test_energies_of_inverters_that_are_gone_stay_in_the_total() -> None:
    bridge = Bridge()
    bridge.poll(600, 500, 300, 200)
    book = EnergyBook.from_record(json.loads(bridge.saved))
    book.enter("802000018915", 4, 1_234_000.0)
    assert book.total == pytest.approx(1_234_050.0)
    assert book.inverters["802000018915"].total == pytest.approx(1_234_000.0)


@pytest.mark.parametrize("panels", [1, 4])
def test_another_number_of_panels_loses_nothing(panels: int) -> None:
    bridge = Bridge()
    bridge.poll(600, 500, 300, 200)
    book = EnergyBook.from_record(json.loads(bridge.saved))
    entered = book.enter(ONE, panels, 0.0)
    assert (len(entered.panels), round(entered.total, 3)) == (panels, 50.0)
    assert book.take(ONE, Sample(800, (100,) * panels), FACTS, bridge.moment(900)).powers is None


@pytest.mark.parametrize(
    "saved",
    [
        *(None, 7, [], {}, {"inverters": 3}, {"inverters": {ONE: None}}, {"date": "tomorrow"}),
        *({"inverters": {ONE: {"panels": panels}}} for panels in (None, [], [[1, 2]], [["a", 2, 3]], [3])),
        {"inverters": {ONE: {"panels": [[1, 2, True]]}}},
    ],
)
def test_a_book_that_cannot_be_read_begins_anew(saved: Any) -> None:
    book = EnergyBook.from_record(saved)
    assert book.enter(ONE, 2, 0.0).total == 0.0
    json.dumps(book.record())


@pytest.mark.parametrize(
    "last",
    [None, 3, {}, {"seconds": "5", "counters": [1, 2], "at": 3}, {"seconds": 5, "counters": [1], "at": 3}],
)
def test_a_last_answer_that_cannot_be_read_is_none(last: Any) -> None:
    book = EnergyBook.from_record({"inverters": {ONE: {"panels": [[1, 2, 3], [1, 2, 3]], "last": last}}})
    assert book.enter(ONE, 2, 0.0).total == 6.0
    sample = Sample(500, (30, 20))
    assert book.take(ONE, sample, FACTS, Bridge().moment(600)) == Taken(Run.NEW)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_year_of_nine_inverters(seed: int) -> None:
    """Half-hourly polls, two restarts of the bridge a day, radio outages, restarts at noon, lost polls.

    The book has what was made but for the tails that nobody asked for in time, and at most one count a panel
    and run; it never has more. Every total ever shown was at least the one before.
    """
    roof = Roof(poll_s=1800, seed=seed)
    roof.play(0, 365)
    assert roof.restarts > 300
    missing_wh = roof.made_wh - roof.tails_wh - roof.book.total
    assert 0.0 <= missing_wh <= roof.counts_wh
    assert sum(roof.yields) == pytest.approx(roof.book.total)
    assert roof.tails_wh < 0.02 * roof.made_wh


def test_an_account_would_show_a_run_counted_twice() -> None:
    """The year's bound is tight: one forgotten or doubled run of one inverter breaks it."""
    roof = Roof(poll_s=1800, seed=1)
    roof.play(170, 2)
    whole = roof.made_wh - roof.tails_wh
    one_run: Sequence[float] = [i.asked_wh for i in roof.inverters if i.asked_wh]
    assert min(one_run) > 10 * roof.counts_wh
    assert whole - roof.book.total <= roof.counts_wh
    assert {i.model for i in roof.inverters} == set(MODELS)
