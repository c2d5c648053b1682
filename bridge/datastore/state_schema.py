"""The schema of the state file, and how a file of an older version becomes one of this version.

The version stands in the file itself (SQLite's `user_version`); 0 is a file that has no table yet. All steps
share one transaction with the new number, so that a file is of the old version or of the new one, whatever
happens in between. Before them the file is copied: an older program cannot read what they make.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from bridge.datastore.durable import put_in_place

_log = logging.getLogger(__name__)

SCHEMA_VERSION = 1

#: Makes a file of one version into one of the next; neither commits nor rolls back.
Step = Callable[[sqlite3.Connection], object]


class StateError(Exception):
    """The state cannot be used; the text says what was found and what to do."""


def _first_table(database: sqlite3.Connection) -> None:
    database.execute(
        "CREATE TABLE IF NOT EXISTS state (scope TEXT, key TEXT, value TEXT, PRIMARY KEY (scope, key))"
    )


#: Version that a step starts from -> the step.
STEPS: Mapping[int, Step] = {0: _first_table}


def backup_of(path: Path, version: int) -> Path:
    """Return what the copy of a state file of an older version is called."""
    return path.with_name(f"{path.name}.schema-{version}")


def refuse_newer(path: Path) -> None:
    """Raise StateError for a file of a newer version, and change nothing; sqlite3.Error for no database."""
    if not path.exists():
        return
    try:
        version = _version_in(path)
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        return  # cut short while it was made: only who may write can undo that, and it holds nothing yet
    if version > SCHEMA_VERSION:
        backup = backup_of(path, SCHEMA_VERSION)
        beside = (
            f" (a copy from before it became newer is {backup.name} beside it)" if backup.exists() else ""
        )
        raise StateError(
            f"{path} was written by a newer version: found schema {version}, expected at most "
            f"{SCHEMA_VERSION}: run that version, or give this one another `state:` directory{beside}; "
            "nothing was changed"
        )


def saved_version(directory: Path, name: str) -> int | None:
    """Return the schema of a saved state, also while a bridge runs; None where there is none to be read."""
    path = directory / name
    with contextlib.suppress(sqlite3.Error, OSError):
        return _version_in(path) if path.is_file() else None
    return None


def migrate(database: sqlite3.Connection, path: Path) -> None:
    """Bring an open, sound file to this version; on the disk, whole, on return.

    Raises StateError where that fails; then the file is as it was.
    """
    version = _version_of(database)
    if version >= SCHEMA_VERSION:
        return
    if version < 0:
        raise sqlite3.DatabaseError(f"found schema {version}")  # damage: no version ever wrote that
    backup = backup_of(path, version)
    if version:
        try:
            _copy(database, backup)
        except (OSError, sqlite3.Error) as fault:
            raise StateError(
                f"{path} has schema {version} and could not be copied to {backup.name} before it becomes "
                f"{SCHEMA_VERSION} ({fault}): make room on its disk, or mend the permissions of its "
                "directory; nothing was changed"
            ) from fault
    try:
        database.execute("BEGIN IMMEDIATE")
        for number in range(version, SCHEMA_VERSION):
            STEPS[number](database)
        database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        database.execute("COMMIT")
    except sqlite3.Error as fault:
        if database.in_transaction:
            database.execute("ROLLBACK")
        if not version:
            raise
        raise StateError(
            f"{path} has schema {version} and could not become {SCHEMA_VERSION} ({fault}): make room on its "
            "disk, or run the former version and report this; nothing was changed"
        ) from fault
    if version:
        _log.info("state=%s schema=%d was=%d copy=%s", path, SCHEMA_VERSION, version, backup.name)


def _copy(database: sqlite3.Connection, backup: Path) -> None:
    """Copy a file whole, also what is still in its journal; a copy that is broken off never has the name."""
    part = backup.with_name(f"{backup.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
            database.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file alone, whatever the original has beside it
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    put_in_place(part, backup)


def _version_in(path: Path) -> int:
    """Read the version without a change to the file: closing it may not even move its journal into it."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as database:
        return _version_of(database)


def _version_of(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])
