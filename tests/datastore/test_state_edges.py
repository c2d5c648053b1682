"""The saved state where the disk refuses for a moment, and where a file is not what its name says."""

import asyncio
import re
import sqlite3
import stat
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from bridge.datastore import state, state_file
from bridge.datastore.state import FILE_NAME, StateStore
from bridge.datastore.state_file import Place, StateFile

PATIENCE_S = 20.0


class Disk:
    """Stands between a store and its file: refuses while told to, and remembers what was written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.asked: list[dict[Place, str | None]] = []
        self.refused = threading.Event()
        self.written = threading.Event()
        commit = StateFile.commit

        def judged(file: StateFile, changes: Mapping[Place, str | None]) -> None:
            self.asked.append(dict(changes))
            if self.full:
                self.refused.set()
                raise sqlite3.OperationalError("database or disk is full")
            commit(file, changes)
            self.written.set()

        monkeypatch.setattr(StateFile, "commit", judged)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_what_was_refused_is_written_later_though_nobody_puts_anything(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(state, "_RETRY_S", 0.01)
    store = StateStore(tmp_path)
    store.open()
    disk.full = True
    store.put("s", "k", 1)
    assert disk.refused.wait(PATIENCE_S)
    disk.full = False
    assert disk.written.wait(PATIENCE_S)
    store.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        assert database.execute("SELECT value FROM state").fetchall() == [("1",)]


async def test_what_is_written_is_not_written_again(tmp_path: Path, disk: Disk) -> None:
    store = StateStore(tmp_path)
    store.open()
    await asyncio.wait_for(store.save("s", "a", 1), PATIENCE_S)
    await asyncio.wait_for(store.save("s", "b", 2), PATIENCE_S)
    store.close()
    assert disk.asked == [{("s", "a"): "1"}, {("s", "b"): "2"}]


async def test_after_close_a_save_waits_for_nothing(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    store.open()
    store.close()
    await asyncio.wait_for(store.save("s", "k", 1), PATIENCE_S)
    assert store.get("s", "k") == 1


def test_without_a_disk_a_put_is_done_at_once() -> None:
    done: list[str] = []
    StateStore().put("s", "k", 1, lambda: done.append("done"))
    assert done == ["done"]


def test_the_lock_is_nobody_elses_business(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    store.open()
    store.close()
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_commit_that_fails_half_way_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    file = StateFile(tmp_path / FILE_NAME)
    with pytest.raises(sqlite3.Error):
        file.commit({("s", "a"): "1", ("s", "b"): object()})  # type: ignore[dict-item]
    file.commit({("s", "c"): "3"})
    file.close()
    again = StateFile(tmp_path / FILE_NAME)
    assert again.texts == {("s", "c"): "3"}
    again.close()


@pytest.fixture
def midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file.time, "strftime", lambda form: re.sub("%[YmdHMS]", "1", form))


@pytest.mark.usefixtures("midnight")
def test_what_is_put_aside_goes_with_all_its_parts_under_one_name_each_time(tmp_path: Path) -> None:
    parts = ("", "-journal", "-wal", "-shm")
    for number, end in ((1, ""), (2, "-2"), (3, "-3")):
        for part in parts:
            (tmp_path / f"{FILE_NAME}{part}").write_text(f"{number}{part}")
        aside = state_file._put_aside(tmp_path / FILE_NAME)
        assert aside.name == f"{FILE_NAME}.damaged-111T111{end}"
        assert [aside.with_name(aside.name + part).read_text() for part in parts] == [
            f"{number}{part}" for part in parts
        ]
    assert len(list(tmp_path.iterdir())) == 3 * len(parts)


def filled(directory: Path) -> Path:
    store = StateStore(directory)
    store.open()
    store.put("charger", "first", 1)
    store.put("charger", "second", 2)
    store.close()
    return directory / FILE_NAME


def test_a_row_whose_name_is_no_text_costs_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(sqlite3.connect(filled(tmp_path))) as database:
        database.execute("INSERT INTO state VALUES ('charger', x'FF', '3')")
        database.execute("INSERT INTO state VALUES ('charger', CAST(x'FE' AS TEXT), '4')")
        database.commit()
    store = StateStore(tmp_path)
    store.open()
    assert (store.get("charger", "first"), store.get("charger", "second")) == (1, 2)
    store.close()
    assert len(caplog.records) == 2


def test_an_index_that_does_not_fit_its_table_is_made_anew(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    table, index = (place for place in range(len(whole)) if whole.startswith(b"second", place))
    assert table < index  # pages in the order they were made
    path.write_bytes(whole[:index] + b"zecond" + whole[index + 6 :])
    for _ in range(2):  # and stays so
        store = StateStore(tmp_path)
        store.open()
        assert store.get("charger", "second") == 2
        store.put("charger", "second", 2)
        store.close()
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert database.execute("SELECT count(*) FROM state").fetchone() == (2,)
    assert not [other for other in tmp_path.iterdir() if "damaged" in other.name]


def test_a_database_of_somebody_else_under_our_name_is_put_aside(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
        database.execute(f"PRAGMA user_version={state.SCHEMA_VERSION}")
    store = StateStore(tmp_path)
    store.open()
    assert store.get("s", "k") is None
    store.close()
    assert [path.name for path in tmp_path.iterdir() if "damaged" in path.name]


def test_a_state_of_this_version_is_opened_without_a_copy(tmp_path: Path) -> None:
    for _ in range(2):
        store = StateStore(tmp_path)
        store.open()
        store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", FILE_NAME]


@pytest.mark.parametrize(
    ("code", "text", "damage"),
    [
        (sqlite3.SQLITE_CORRUPT, "malformed", True),
        (sqlite3.SQLITE_NOTADB, "file is not a database", True),
        (sqlite3.SQLITE_ERROR, "no such table: state", True),
        (sqlite3.SQLITE_ERROR, "near: syntax error", False),
        (sqlite3.SQLITE_BUSY, "database is locked", False),
        (sqlite3.SQLITE_FULL, "no such room", False),
        (sqlite3.SQLITE_READONLY, "attempt to write a readonly database", False),
        (sqlite3.SQLITE_IOERR, "disk I/O error", False),
    ],
)
def test_only_wrong_bytes_are_damage(code: int, text: str, damage: bool) -> None:
    fault = sqlite3.OperationalError(text)
    fault.sqlite_errorcode = code
    assert state_file._is_damage(fault) is damage


def test_damage_that_sqlite_gives_no_code() -> None:
    assert state_file._is_damage(sqlite3.DatabaseError("*** in database main ***"))
    assert not state_file._is_damage(sqlite3.OperationalError("whatever"))
