"""The file of the saved state: one SQLite table of JSON texts by scope and key, in WAL mode."""

import contextlib
import json
import logging
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from bridge.datastore.durable import sync_folder
from bridge.datastore.state_schema import migrate, refuse_newer

_log = logging.getLogger(__name__)

FILE_NAME = "state.sqlite"

#: Scope and key of a value.
Place = tuple[str, str]


class StateFile:
    """An open state file. Made on one thread, then used on one other: the writer's."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; a damaged one is put aside under a new name, an older one brought up.

        Raises StateError for a file of a newer version and for one that cannot be brought up to this one,
        sqlite3.Error or OSError for one that cannot be used.
        """
        self.path = path
        try:
            self._database, self.texts = _opened(path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as fault:
            if not _is_damage(fault):
                raise
            aside = _put_aside(path)
            _log.error("state=%s damaged (%s): put aside as %s, starting empty", path, fault, aside.name)
            self._database, self.texts = _opened(path)

    def commit(self, changes: Mapping[Place, str | None]) -> None:
        """Write changes; on the disk, as far as it tells the truth, on return. Raises sqlite3.Error."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for (scope, key), text in changes.items():
                if text is None:
                    self._database.execute("DELETE FROM state WHERE scope=? AND key=?", (scope, key))
                else:
                    self._database.execute(
                        "INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (scope, key, text)
                    )
            self._database.execute("COMMIT")
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def read_saved(directory: Path, scope: str, key: str) -> object:
    """Read one saved value without locking, also while a bridge runs; None when there is none to be seen."""
    path = directory / FILE_NAME
    modes = ["mode=ro"]
    try:
        if not path.is_file():
            return None
        if not path.with_name(f"{FILE_NAME}-wal").exists():
            modes.append("immutable=1")  # closed well, in a directory this user may not write
    except OSError:  # the directory of a service, closed to this user
        return None
    for mode in modes:
        with contextlib.suppress(sqlite3.Error, ValueError, TypeError, RecursionError):
            uri = f"file:{quote(str(path.absolute()))}?{mode}"
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as database:
                row = database.execute(
                    "SELECT value FROM state WHERE scope=? AND key=?", (scope, key)
                ).fetchone()
                found: object = None if row is None else json.loads(row[0])
                return found
    return None


def _opened(path: Path) -> tuple[sqlite3.Connection, dict[Place, str]]:
    refuse_newer(path)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")  # a commit is on the disk when it returns
        if _fault_in(database) is not None:
            database.execute("REINDEX")  # an index that does not fit would let nothing be saved any more
            fault = _fault_in(database)
            if fault is not None:
                raise sqlite3.DatabaseError(fault)
        migrate(database, path)
        texts = _read(database, path)
    except BaseException:
        database.close()
        raise
    return database, texts


def _fault_in(database: sqlite3.Connection) -> str | None:
    (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    return None if found == "ok" else str(found)


def _read(database: sqlite3.Connection, path: Path) -> dict[Place, str]:
    """Return what is saved; a row that cannot be read must not cost the others."""
    texts: dict[Place, str] = {}
    database.text_factory = bytes
    for row in database.execute("SELECT scope, key, value FROM state"):
        try:
            scope, key, text = (part.decode() for part in row)
            json.loads(text)
        except (AttributeError, ValueError, RecursionError):  # no text at all, none in UTF-8, or no JSON
            scope, key = (
                part.decode(errors="replace") if isinstance(part, bytes) else part for part in row[:2]
            )
            _log.error("state=%s scope=%s key=%s unreadable: dropped", path, scope, key)
        else:
            texts[scope, key] = text
    database.text_factory = str
    return texts


def _is_damage(fault: sqlite3.DatabaseError | UnicodeDecodeError) -> bool:
    """True where the bytes are wrong; not for a file that is locked, full, read-only or out of reach."""
    code = getattr(fault, "sqlite_errorcode", None)
    if code is None:
        return not isinstance(fault, sqlite3.OperationalError) or "Could not decode" in str(fault)
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return True
    # our version number and another's tables, or a spoilt head
    return code == sqlite3.SQLITE_ERROR and any(
        word in str(fault) for word in ("no such", "unsupported file")
    )


def _put_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for number in range(2, 1000):
        if not aside.exists():
            break
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for part in ("-journal", "-wal", "-shm", ""):  # the file last: it alone tells a cut that this is not done
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + part).rename(aside.with_name(aside.name + part))
    sync_folder(path.parent)
    return aside
