"""The energy book of a roof: today, yesterday and in all, per panel, over every restart of anybody. Pure.

What the book gives out never steps back, and never counts a Wh twice. It cannot know what an inverter made
after its last answer and before it lost power: the tail of a day is missing, at most one poll of fading
light, and so is at most one count a panel of each run.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from bridge.adapters.apsystems.counting import Facts, Sample
from bridge.adapters.apsystems.inverter_energy import InverterBook, Moment, Taken

#: A machine without a clock of its own is set within this time after its start, where it ever is.
_CLOCK_BEHIND_MOST_S = 6 * 3600.0


class EnergyBook:
    """The books of all inverters, those of former ones included: the roof's total never steps back."""

    def __init__(self) -> None:
        self.inverters: dict[str, InverterBook] = {}
        self._date: date | None = None
        self._behind_since: float | None = None

    @property
    def today(self) -> float:
        """Wh counted today."""
        return sum(book.today for book in self.inverters.values())

    @property
    def yesterday(self) -> float:
        """Wh counted yesterday."""
        return sum(book.yesterday for book in self.inverters.values())

    @property
    def total(self) -> float:
        """Wh counted in all."""
        return sum(book.total for book in self.inverters.values())

    def roll(self, moment: Moment) -> bool:
        """Begin a new day where the date has changed; True when it has.

        A clock that is not set yet, or is behind after a start, changes nothing; one that stays behind is
        followed without a new day: it was ahead before.
        """
        if not moment.clock_set or moment.today == self._date:
            self._behind_since = None
            return False
        former = self._date
        if former is not None and moment.today < former:
            self._behind_since = self._behind_since or moment.monotonic
            if moment.monotonic - self._behind_since < _CLOCK_BEHIND_MOST_S:
                return False
        self._date, self._behind_since = moment.today, None
        if former is not None and moment.today > former:
            for book in self.inverters.values():
                book.roll((moment.today - former) // timedelta(days=1))
        return True

    def take(self, serial: str, sample: Sample, facts: Facts, moment: Moment) -> Taken:
        """Count what an answer adds; raises KeyError for an inverter that is not in the book."""
        self.roll(moment)
        return self.inverters[serial].take(sample, facts, moment)

    def clock_moved(self, seconds: float) -> None:
        """Correct what this run has stamped with a wall clock that has been set meanwhile."""
        for book in self.inverters.values():
            book.clock_moved(seconds)

    def enter(self, serial: str, panels: int, initial_wh: float) -> InverterBook:
        """Return the book of an inverter of the site, opened where there is none."""
        book = self.inverters.get(serial)
        if book is None or len(book.panels) != panels:
            saved = None if book is None else book.record()
            book = InverterBook.from_record(saved, panels) or InverterBook(panels)
            self.inverters[serial] = book
        book.initial_wh = initial_wh
        return book

    def record(self) -> dict[str, object]:
        """Return what is saved."""
        return {
            "date": None if self._date is None else self._date.isoformat(),
            "inverters": {serial: book.record() for serial, book in self.inverters.items()},
        }

    @classmethod
    def from_record(cls, saved: object) -> "EnergyBook":
        """Return the book as saved, without what cannot be read of it."""
        book = cls()
        found: Mapping[object, object] = saved if isinstance(saved, dict) else {}
        book._date = _date(found.get("date"))
        inverters = found.get("inverters")
        for serial, record in _items(inverters):
            inverter = InverterBook.from_record(record)
            if inverter is not None:
                book.inverters[serial] = inverter
        return book


def _items(found: object) -> Iterator[tuple[str, object]]:
    for key, value in found.items() if isinstance(found, dict) else ():
        if isinstance(key, str):
            yield key, value


def _date(saved: object) -> date | None:
    try:
        return date.fromisoformat(saved) if isinstance(saved, str) else None
    except ValueError:
        return None
