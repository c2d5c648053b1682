"""Reading the history, also while it is written: for the page, the commands and whoever else asks.

Each question opens the file for itself, in a thread, and sees what was written up to the last minute.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from bridge.outlets.energy_book import total_of
from bridge.outlets.history_calendar import SPANS, Calendar, name_of, spans
from bridge.outlets.history_file import DAYS, EARLIER, MINUTES, QUARTERS, RAW, STEP_S, TABLES, HistoryFault

T = TypeVar("T")
#: Rows that one question looks at: some 0.1 s on a Raspberry Pi.
_LOOKED_AT_MAX = 20_000
_DAY_S = 86_400
#: What stands for a whole device.
TOTAL = "total"


class SeriesPoint(NamedTuple):
    """One stretch of a series: its beginning (wall time), and what the point was in it."""

    time: float
    average: float
    low: float
    high: float


class PeriodEnergy(NamedTuple):
    """What flowed in one day, month or year (`2026-03-29`, `2026-03`, `2026`), in kWh."""

    period: str
    kwh: float


class PeriodFlow(NamedTuple):
    """All that is booked of a period: kWh either way, average power while heard (W), highest powers (W).

    Powers are 0 where only a counter was read.
    """

    period: str
    forward_kwh: float
    reverse_kwh: float
    average_w: float
    peak_w: float
    peak_reverse_w: float


@dataclass(frozen=True, slots=True)
class EnergySummary:
    """Several periods in figures, in kWh; best and worst are None where there are none."""

    total: float
    average: float
    best: PeriodEnergy | None
    worst: PeriodEnergy | None


def summary(periods: Sequence[PeriodEnergy]) -> EnergySummary:
    """Return total, average, best and worst of some periods."""
    if not periods:
        return EnergySummary(0.0, 0.0, None, None)
    total = sum(one.kwh for one in periods)
    by_kwh = sorted(periods, key=lambda one: one.kwh)
    return EnergySummary(total, total / len(periods), by_kwh[-1], by_kwh[0])


class HistoryReader:
    """Answers questions about the history in `path`. The methods raise HistoryFault.

    raw_s: the step of the finest samples. quarters of an hour and finer are gone after a while: a question
    about long ago is answered from what is left.
    """

    def __init__(self, path: Path, calendar: Calendar, raw_s: int = 10) -> None:
        self._path = path
        self._calendar = calendar
        self._steps = {RAW: raw_s, **STEP_S, DAYS: _DAY_S}

    # -- in threads, for the loop ------------------------------------------------------------------

    async def series(
        self, device: str, path: str, start: float, end: float, points: int = 500
    ) -> list[SeriesPoint]:
        """Return at most so many stretches of a point; a gap has none."""
        return await asyncio.to_thread(self.read_series, device, path, start, end, points)

    async def energy(
        self, device: str, path: str, by: str, start: float, end: float, *, reverse: bool = False
    ) -> list[PeriodEnergy]:
        """Return what flowed through a point, or a whole device (`total`), by day, month or year."""
        flows = await self.flows(device, path, by, start, end)
        return [PeriodEnergy(one.period, one.reverse_kwh if reverse else one.forward_kwh) for one in flows]

    async def flows(self, device: str, path: str, by: str, start: float, end: float) -> list[PeriodFlow]:
        """Return all that is booked of a point or a whole device, by day, month or year."""
        return await asyncio.to_thread(self.read_flows, device, path, by, start, end)

    async def lifetime(self, device: str, path: str) -> float:
        """Return all that ever flowed, in kWh, with what was set for the time before the history."""
        return await asyncio.to_thread(self.read_lifetime, device, path)

    async def known(self) -> list[tuple[str, str, str]]:
        """Return all points that the history has: device, path, unit of measure."""
        return await asyncio.to_thread(self.read_known)

    # -- blocking ----------------------------------------------------------------------------------

    def read_known(self) -> list[tuple[str, str, str]]:
        """Do what `known` does, in this thread."""
        return self._asked(
            lambda database: list(
                database.execute("SELECT device, path, unit FROM series ORDER BY device, path")
            )
        )

    def read_series(self, device: str, path: str, start: float, end: float, points: int) -> list[SeriesPoint]:
        """Do what `series` does, in this thread."""
        if points < 1 or not end > start:
            return []
        width = max((end - start) / points, 1.0)

        def read(database: sqlite3.Connection) -> list[SeriesPoint]:
            (number,) = _numbers(database, device, [path])
            for table in self._tables(database, start, end, width):
                found = self._stretches(database, table, number, (start, end), width)
                if found:
                    return found
            return []

        return self._asked(read)

    def read_flows(self, device: str, path: str, by: str, start: float, end: float) -> list[PeriodFlow]:
        """Do what `flows` does, in this thread."""
        if by not in SPANS:
            raise HistoryFault(f"found the span '{by}', expected one of {', '.join(SPANS)}")

        def read(database: sqlite3.Connection) -> list[PeriodFlow]:
            numbers = self._meant(database, device, path)
            first, last = database.execute(
                "SELECT min(day), max(day) FROM energy WHERE day > ?", (EARLIER,)
            ).fetchone()
            if first is None:
                return []
            wanted = self._calendar.days(start, end)
            days = range(max(wanted.start, first), min(wanted.stop, last + 1))
            rows = database.execute(
                "SELECT day, sum(forward), sum(reverse), max(seconds), sum(peak), sum(peak_reverse),"
                " sum(CASE WHEN seconds > 0 THEN (forward - reverse) / seconds * 3600000 END) FROM"
                " json_each(?) AS d JOIN json_each(?) AS s JOIN energy ON day = d.value AND series = s.value"
                " GROUP BY day ORDER BY day",
                (json.dumps([*days]), json.dumps(numbers)),
            )
            return _by_span(rows, by, days)

        return self._asked(read)

    def read_lifetime(self, device: str, path: str) -> float:
        """Do what `lifetime` does, in this thread."""

        def read(database: sqlite3.Connection) -> float:
            numbers = self._meant(database, device, path)
            (found,) = database.execute(
                "SELECT total(forward) FROM energy WHERE series IN (SELECT value FROM json_each(?))",
                (json.dumps(numbers),),
            ).fetchone()
            return float(found)

        return self._asked(read)

    def rows(
        self, table: str, start: float, end: float, wanted: Callable[[str, str], bool]
    ) -> Iterator[tuple[float, str, str, str, float, float, float, float, float]]:
        """Yield the samples of one table in the order of time, however many: time, device, path, unit of
        measure, seconds, average, low, high, last. `table` is raw, minutes, quarters or days.
        """
        if table not in TABLES:
            raise HistoryFault(f"found the table '{table}', expected one of {', '.join(TABLES)}")
        days = table == DAYS
        with self._open() as database:
            ids = {
                number: (device, path, unit)
                for number, device, path, unit in database.execute("SELECT * FROM series")
                if wanted(device, path)
            }
            low, high = (self._calendar.day(at) if days else at for at in (start, end))
            query = f"SELECT * FROM {table} WHERE start >= ? AND start < ? ORDER BY start, series"  # noqa: S608
            for begun, number, *figures in database.execute(query, (low, high)):
                if number in ids:
                    seconds, average, least, most, last = figures
                    time = self._calendar.midnight(begun) if days else float(begun)
                    yield (time, *ids[number], seconds, average, least, most, last)

    # -- inside ------------------------------------------------------------------------------------

    def _tables(self, database: sqlite3.Connection, start: float, end: float, width: float) -> Iterator[str]:
        """Yield the tables that may answer, the best first: no finer than need be, no coarser either."""
        able = [
            table
            for table in (QUARTERS, MINUTES, RAW)
            if (end - start) / self._steps[table] <= _LOOKED_AT_MAX and self._reaches(database, table, start)
        ]
        yield from (table for table in able if self._steps[table] <= width)
        yield from (table for table in reversed(able) if self._steps[table] > width)
        if QUARTERS not in able:
            yield DAYS

    def _reaches(self, database: sqlite3.Connection, table: str, start: float) -> bool:
        """True where a table goes back as far as the question, or as far as the next coarser one."""
        (first,) = database.execute(f"SELECT min(start) FROM {table}").fetchone()  # noqa: S608 - our own name
        if first is None:
            return False
        coarser = DAYS if table == QUARTERS else QUARTERS
        (begun,) = database.execute(f"SELECT min(start) FROM {coarser}").fetchone()  # noqa: S608 - as above
        if begun is None:
            return True
        until = self._calendar.midnight(begun + 1) if coarser == DAYS else begun + self._steps[coarser]
        return bool(first <= max(start, until))

    def _stretches(
        self,
        database: sqlite3.Connection,
        table: str,
        number: int,
        between: tuple[float, float],
        width: float,
    ) -> list[SeriesPoint]:
        """Return what one table has, in stretches of `width` seconds; a sample belongs where it begins."""
        start, end = between
        if table == DAYS:
            starts: Sequence[int] = self._calendar.days(start, end)
        else:
            step = self._steps[table]
            starts = range(int(start // step) * step, int(-(-end // step)) * step, step)
        found: dict[int, list[float]] = {}
        rows = database.execute(
            f"SELECT start, seconds, average, low, high FROM json_each(?) AS grid JOIN {table}"  # noqa: S608
            " ON start = grid.value AND series = ?",
            (json.dumps([*starts]), number),
        )
        for begun, seconds, average, low, high in rows:
            time = self._calendar.midnight(begun) if table == DAYS else begun
            place = max(0, int((time - start) // width))
            into = found.setdefault(place, [0.0, 0.0, low, high])
            into[0] += seconds
            into[1] += average * seconds
            into[2] = min(into[2], low)
            into[3] = max(into[3], high)
        return [
            SeriesPoint(start + place * width, total / seconds, low, high)
            for place, (seconds, total, low, high) in sorted(found.items())
        ]

    def _meant(self, database: sqlite3.Connection, device: str, path: str) -> list[int]:
        if path != TOTAL:
            return _numbers(database, device, [path])
        rows = database.execute(
            "SELECT DISTINCT path FROM series JOIN energy ON series = id WHERE device=?", (device,)
        )
        return _numbers(database, device, total_of(row[0] for row in rows))

    def _asked(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._open() as database:
                return question(database)
        except (sqlite3.Error, UnicodeDecodeError) as fault:
            raise HistoryFault(f"{self._path} cannot be read ({fault}): see the bridge's log") from fault

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self._path.is_file():
            raise HistoryFault(
                f"{self._path}: found no history: name `history:` in `outlets:` and let the bridge "
                "run for a minute"
            )
        with contextlib.closing(self._connected("mode=ro")) as database:
            yield database

    def _connected(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{quote(str(self._path.absolute()))}?{mode}"
        database = sqlite3.connect(uri, uri=True, timeout=5.0)
        try:
            database.execute("SELECT 1 FROM series LIMIT 1")
        except sqlite3.OperationalError:
            database.close()
            if "immutable" in mode or self._path.with_name(f"{self._path.name}-wal").exists():
                raise
            return self._connected("mode=ro&immutable=1")  # closed well, where this user may not write
        except BaseException:
            database.close()
            raise
        return database


def _numbers(database: sqlite3.Connection, device: str, paths: Iterable[str]) -> list[int]:
    found = []
    for path in paths:
        row = database.execute("SELECT id FROM series WHERE device=? AND path=?", (device, path)).fetchone()
        if row is None:
            raise HistoryFault(f"the history knows no point {device}:{path}: see `history list`")
        found.append(int(row[0]))
    if not found:
        raise HistoryFault(f"the history knows no energy of '{device}': see `history list`")
    return found


def _by_span(rows: Iterable[Sequence[float]], by: str, days: range) -> list[PeriodFlow]:
    """Sum days to spans; a span of which nothing is known is there with 0 all the same."""
    sums = {name: [0.0] * 6 for name in spans(days, by)}
    for day, forward, reverse, seconds, peak, peak_reverse, power_w in rows:
        into = sums[name_of(int(day), by)]
        into[0] += forward
        into[1] += reverse
        into[2] += (power_w or 0.0) * seconds
        into[3] += seconds
        into[4] = max(into[4], peak)
        into[5] = max(into[5], peak_reverse)
    return [
        PeriodFlow(name, forward, reverse, joules / seconds if seconds else 0.0, peak, peak_reverse)
        for name, (forward, reverse, joules, seconds, peak, peak_reverse) in sums.items()
    ]
