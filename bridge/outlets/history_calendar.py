"""Days of the site's own time zone, counted from 1970-01-01: a day has 23 or 25 hours where clocks change."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = date(1970, 1, 1)
#: Offsets from UTC, and their changes, are whole quarters of an hour.
_QUARTER_S = 900

#: How a day, the first of a month and the first of a year are written.
_FORMS = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
SPANS = tuple(_FORMS)


class Calendar:
    """The calendar of one time zone; None is the system's own."""

    def __init__(self, zone: str | None) -> None:
        self._zone = None if zone is None else ZoneInfo(zone)
        self._known = (-1, 0)

    def day(self, wall_s: float) -> int:
        """Return the day in which a moment lies."""
        quarter = int(wall_s // _QUARTER_S)
        if quarter != self._known[0]:
            found = datetime.fromtimestamp(quarter * _QUARTER_S, self._zone).date()
            self._known = quarter, (found - _EPOCH).days
        return self._known[1]

    def midnight(self, day: int) -> float:
        """Return the moment at which a day begins."""
        found = date_of(day)
        return datetime(found.year, found.month, found.day, tzinfo=self._zone).timestamp()

    def days(self, start: float, end: float) -> range:
        """Return the days that begin before `end` and end after `start`."""
        return range(self.day(start), self.day(end - 0.001) + 1) if end > start else range(0)


def date_of(day: int) -> date:
    """Return the date of a day."""
    return _EPOCH + timedelta(days=day)


def day_of(found: date) -> int:
    """Return the day of a date."""
    return (found - _EPOCH).days


def name_of(day: int, span: str) -> str:
    """Return a day as `2026-03-29`, or its month or year. Raises KeyError for another span."""
    return date_of(day).strftime(_FORMS[span])


def spans(days: range, span: str) -> Iterator[str]:
    """Yield the names of all spans that have one of these days, each once."""
    yield from dict.fromkeys(name_of(day, span) for day in days)
