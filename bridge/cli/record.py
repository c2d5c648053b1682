"""The history that a command is about, and days and times as people write them."""

from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import click

from bridge.cli.checked import explained, load_checked
from bridge.cli.errors import BadFile, CommandFailed
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import HistoryFault
from bridge.outlets.history_reader import HistoryReader
from bridge.outlets.history_site import reader_of


class Record(NamedTuple):
    """A site's history, its calendar, and its time zone (None: the system's)."""

    reader: HistoryReader
    calendar: Calendar
    zone: ZoneInfo | None


def record_of(site: Path) -> Record:
    """Return the history of a site. Raises BadFile and CommandFailed."""
    load = load_checked(site)
    if load.site is None:
        raise BadFile(f"{site} cannot be used:\n{explained(load.problems)}")
    wanted = load.site.outlets.history
    if wanted is None:
        raise CommandFailed(f"{site} keeps no history: add `outlets: {{history: }}`")
    zone = load.site.timezone
    return Record(reader_of(load.site, wanted), Calendar(zone), None if zone is None else ZoneInfo(zone))


class Moment(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A day such as 2026-03-29, or a moment such as 2026-03-29T12:30."""

    name = "day"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment, without a time zone unless one was written."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"found {value!r}, expected a day such as 2026-03-29, or 2026-03-29T12:30", param, ctx)


class Day(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A day such as 2026-03-29."""

    name = "day"

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the date."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"found {value!r}, expected a day such as 2026-03-29", param, ctx)


def wall_time(moment: datetime, zone: ZoneInfo | None) -> float:
    """Return a moment, of the site's time zone unless it names its own, as wall time."""
    return (moment if moment.tzinfo is not None or zone is None else moment.replace(tzinfo=zone)).timestamp()


__all__ = ["Day", "HistoryFault", "Moment", "Record", "record_of", "wall_time"]
