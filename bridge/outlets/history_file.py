"""The file of the history: SQLite in WAL mode, each batch one transaction: a power cut takes all or nothing.

Rows stand in the order of time, so a minute's rows share a few pages: flash memory is written little.
Readers look single rows up by their start, which is on the grid of the table's step.
"""

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.datastore.durable import put_in_place, sync_folder
from bridge.outlets.energy_book import Position
from bridge.outlets.history_batch import Batch, Series
from bridge.outlets.history_calendar import Calendar

_log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
RAW, MINUTES, QUARTERS, DAYS = TABLES = ("raw", "minutes", "quarters", "days")
#: Steps of the tables that thin by age, in seconds; `raw` has its own, and `days` counts days.
STEP_S: Mapping[str, int] = {MINUTES: 60, QUARTERS: 900}
#: The day that holds what had flowed before the history began.
EARLIER = -1
#: How much of a table is thinned at once, in seconds of its samples.
_THIN_S = 3600
#: The longest the log of a file that nobody reads meanwhile grows, in bytes.
_WAL_MAX = 4 << 20

_SCHEMA = (
    "CREATE TABLE series (id INTEGER PRIMARY KEY, device TEXT NOT NULL, path TEXT NOT NULL,"
    " unit TEXT NOT NULL, UNIQUE (device, path))",
    *(
        f"CREATE TABLE {table} (start INTEGER, series INTEGER, seconds REAL, average REAL, low REAL,"
        " high REAL, last REAL, PRIMARY KEY (start, series)) WITHOUT ROWID"
        for table in TABLES
    ),
    "CREATE TABLE energy (day INTEGER, series INTEGER, forward REAL, reverse REAL, seconds REAL, peak REAL,"
    " peak_reverse REAL, PRIMARY KEY (day, series)) WITHOUT ROWID",
    "CREATE TABLE position (series INTEGER PRIMARY KEY, kwh REAL, heard REAL)",
    f"PRAGMA user_version={SCHEMA_VERSION}",
)
#: What SQLite says of a spoilt head, or of our version number and another's tables.
_OTHERS = ("no such", "already exists", "unsupported file", "same text encoding")
#: What must be there to be read: names in the table of series and in its index, the columns of all tables.
_WANTED = (
    "id, device, path, unit FROM series",
    "id, device, path FROM series",
    "day, series, forward, reverse, seconds, peak, peak_reverse FROM energy LIMIT 0",
    "series, kwh, heard FROM position LIMIT 0",
    *(f"start, series, seconds, average, low, high, last FROM {table} LIMIT 0" for table in TABLES),
)
_MERGE = """
ON CONFLICT (start, series) DO UPDATE SET
average = (average * seconds + excluded.average * excluded.seconds) / (seconds + excluded.seconds),
seconds = seconds + excluded.seconds, low = min(low, excluded.low), high = max(high, excluded.high),
last = excluded.last
"""
#: What a batch brings, in memory, before it goes to the tables: SQLite thins it without Python's help.
_FRESH = """
CREATE TEMP TABLE fresh (start INTEGER, series INTEGER, seconds REAL, average REAL, low REAL, high REAL,
last REAL, day INTEGER, PRIMARY KEY (start, series)) WITHOUT ROWID
"""
_ADD_FRESH = f"INSERT INTO fresh VALUES (?, ?, ?, ?, ?, ?, ?, ?) {_MERGE}"  # noqa: S608 - our own texts
_ADD_SAMPLES = f"""
INSERT INTO {{table}} SELECT begun, span.series, span.seconds, span.average, span.low, span.high, newest.last
FROM (SELECT {{begun}} AS begun, series, sum(seconds) AS seconds,
sum(average * seconds) / sum(seconds) AS average,
min(low) AS low, max(high) AS high, max(start) AS newest FROM fresh GROUP BY begun, series) AS span
JOIN fresh AS newest ON newest.start = span.newest AND newest.series = span.series WHERE true {_MERGE}
"""  # noqa: S608 - as above
#: Table -> where a sample's row begins.
_BEGUN: Mapping[str, str] = {
    RAW: "start",
    **{table: f"start / {step} * {step}" for table, step in STEP_S.items()},
    DAYS: "day",
}
#: Samples that are taken at once, and the pause after them in seconds: the loop has the processor meanwhile.
_AT_ONCE, _PAUSE_S = 200, 0.002
_ADD_ENERGY = """
INSERT INTO energy VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, series) DO UPDATE SET
forward = forward + excluded.forward, reverse = reverse + excluded.reverse,
seconds = seconds + excluded.seconds, peak = max(peak, excluded.peak),
peak_reverse = max(peak_reverse, excluded.peak_reverse)
"""


#: The file, and what SQLite puts beside it.
_ENDINGS = ("", "-journal", "-wal", "-shm")
_COUNT_DAYS = f"SELECT (SELECT count(*) FROM energy) + (SELECT count(*) FROM {DAYS})"  # noqa: S608 - as above


class HistoryFault(Exception):
    """The history cannot be used; the text says what was found and what to do."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long samples are kept before only coarser ones remain, in seconds. Days stay for ever."""

    raw_s: float
    minutes_s: float
    quarters_s: float

    def of(self) -> Sequence[tuple[str, float]]:
        """Return the tables that are thinned."""
        return (RAW, self.raw_s), (MINUTES, self.minutes_s), (QUARTERS, self.quarters_s)


class HistoryFile:
    """An open history, for one thread. Its methods raise sqlite3.Error and leave nothing half done."""

    def __init__(self, path: Path, calendar: Calendar, retention: Retention) -> None:
        """Open or create the file; a damaged one is put aside, and what can be read of its days kept.

        Raises HistoryFault for a file of a newer version, sqlite3.Error or OSError for one out of reach.
        """
        self.path = path
        self._calendar = calendar
        self._retention = retention
        salvaged = path.with_name(f"{path.name}.salvaged")
        try:
            if not salvaged.exists():  # left by a power cut: all in it is whole
                self._database = _opened(path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as fault:
            if not is_damage(fault):
                raise
            _log.error("history=%s damaged (%s)", path, fault)
            _salvage(path, salvaged)
        if salvaged.exists():
            aside = _put_aside(path)
            put_in_place(salvaged, path)
            self._database = _opened(path)
            (kept,) = self._database.execute(_COUNT_DAYS).fetchone()
            _log.error(
                "history=%s put aside as %s, beginning anew with %d days' values of it",
                path,
                aside.name,
                kept,
            )
        self._series: dict[tuple[str, str], int] = {
            (device, found): number
            for number, device, found in self._database.execute("SELECT id, device, path FROM series")
        }

    def positions(self) -> Mapping[tuple[str, str], Position]:
        """Return where the counters stood, by device and path."""
        rows = self._database.execute(
            "SELECT device, path, kwh, heard FROM position JOIN series ON series = id"
        )
        return {(device, path): Position(kwh, heard) for device, path, kwh, heard in rows}

    def write(self, batch: Batch, now: float) -> None:
        """Write a batch, and thin by age what is left of older ones; on the disk on return."""
        with self._transaction():
            ids = {series: self._id(series) for series in _all_series(batch)}
            for first in range(0, len(batch.samples), _AT_ONCE):
                self._database.executemany(
                    _ADD_FRESH,
                    (
                        (one.start, ids[one.series], *one[2:], self._calendar.day(one.start))
                        for one in batch.samples[first : first + _AT_ONCE]
                    ),
                )
                time.sleep(_PAUSE_S)
            for table, begun in _BEGUN.items():
                self._database.execute(_ADD_SAMPLES.format(table=table, begun=begun))
            self._database.execute("DELETE FROM fresh")
            self._database.executemany(
                _ADD_ENERGY,
                (
                    (day, ids[series], one.forward, one.reverse, one.seconds, one.peak, one.peak_reverse)
                    for (series, day), one in batch.energies.items()
                ),
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO position VALUES (?, ?, ?)",
                ((ids[series], one.kwh, one.heard) for series, one in batch.positions.items()),
            )
            self._thin(now)

    def set_energy(self, device: str, path: str, day: int, kwh: float) -> float:
        """Set the energy of a day, or of EARLIER; returns what stood there. Raises HistoryFault."""
        with self._transaction():
            number = self._known(device, path)
            found = self._database.execute(
                "SELECT forward FROM energy WHERE day=? AND series=?", (day, number)
            ).fetchone()
            self._database.execute(
                "INSERT INTO energy VALUES (?, ?, ?, 0, 0, 0, 0) ON CONFLICT (day, series)"
                " DO UPDATE SET forward = excluded.forward",
                (day, number, kwh),
            )
        return 0.0 if found is None else float(found[0])

    def wipe_energy(self, device: str, path: str | None, first: int, last: int) -> int:
        """Remove the energies of some days; returns how many there were. Raises HistoryFault."""
        with self._transaction():
            if path is None:
                numbers = [number for (name, _), number in self._series.items() if name == device]
                if not numbers:
                    raise HistoryFault(f"the history knows no device '{device}': see `history list`")
            else:
                numbers = [self._known(device, path)]
            wiped = 0
            for number in numbers:
                wiped += self._database.execute(
                    "DELETE FROM energy WHERE series=? AND day BETWEEN ? AND ?", (number, first, last)
                ).rowcount
        return wiped

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # -- inside ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        known = dict(self._series)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._series = known
            if self._database.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
            raise

    def _id(self, series: Series) -> int:
        place = series.device, series.path
        number = self._series.get(place)
        if number is None:
            added = self._database.execute(
                "INSERT INTO series (device, path, unit) VALUES (?, ?, ?)", (*place, series.unit_of_measure)
            ).lastrowid
            assert added is not None  # noqa: S101 - SQLite numbers every row it inserts
            number = self._series[place] = int(added)
        return number

    def _known(self, device: str, path: str) -> int:
        number = self._series.get((device, path))
        if number is None:
            raise HistoryFault(f"the history knows no point {device}:{path}: see `history list`")
        return number

    def _thin(self, now: float) -> None:
        for table, kept_s in self._retention.of():
            (first,) = self._database.execute(f"SELECT min(start) FROM {table}").fetchone()  # noqa: S608
            if first is not None and first < now - kept_s:
                until = min(now - kept_s, first + _THIN_S)
                self._database.execute(f"DELETE FROM {table} WHERE start < ?", (until,))  # noqa: S608


def is_damage(fault: sqlite3.Error | UnicodeDecodeError) -> bool:
    """True where the bytes are wrong; not for a file that is locked, full, read-only or out of reach."""
    if isinstance(fault, UnicodeDecodeError):
        return True  # what SQLite says of a spoilt schema repeats its bytes
    code = getattr(fault, "sqlite_errorcode", None)
    if code is None:
        return "Could not decode to UTF-8" in str(fault)
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return True
    return code == sqlite3.SQLITE_ERROR and any(word in str(fault) for word in _OTHERS)


def _all_series(batch: Batch) -> set[Series]:
    return {
        *(sample.series for sample in batch.samples),
        *(series for series, _ in batch.energies),
        *batch.positions,
    }


def _opened(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(FileExistsError):  # nobody else's to read from the first moment
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")  # a commit is on the disk when it returns
        database.execute(f"PRAGMA journal_size_limit={_WAL_MAX}")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise HistoryFault(
                f"{path} was written by a newer version: found schema {version}, expected at most "
                f"{SCHEMA_VERSION}: run that version, or name another `file` for the history"
            )
        (sound,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if sound != "ok" or version < 0:
            fault = sqlite3.DatabaseError(sound)
            fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise fault
        if version == 0:
            database.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute("COMMIT")
        for wanted in _WANTED:
            database.execute(f"SELECT {wanted}").fetchall()
        database.execute("PRAGMA temp_store=MEMORY")
        database.execute(_FRESH)
    except BaseException:
        database.close()
        raise
    return database


def _salvage(path: Path, salvaged: Path) -> None:
    """Make a file of what can be read of series, days, energies and counters; whole, once it has its name."""
    part = salvaged.with_name(f"{salvaged.name}.part")
    for ending in _ENDINGS:
        part.with_name(part.name + ending).unlink(missing_ok=True)
    with contextlib.closing(_opened(part)) as database:
        database.execute("BEGIN IMMEDIATE")
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as old:
            for table in ("series", "energy", DAYS, "position"):
                with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                    for row in old.execute(f"SELECT * FROM {table}"):  # noqa: S608 - our own names
                        marks = ", ".join("?" * len(row))
                        database.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode=DELETE")  # one file alone, synced
    put_in_place(part, salvaged)


def _put_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 2
    while aside.exists():
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
        number += 1
    for ending in _ENDINGS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    sync_folder(path.parent)
    return aside
