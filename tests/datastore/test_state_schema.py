"""The state file over versions: copied, brought up whole or not at all, and never touched by an older program.

The program's own schema has one version so far, so the steps here are those of a program to come.
"""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bridge.datastore import state_schema
from bridge.datastore.state import FILE_NAME, StateError, StateStore
from bridge.datastore.state_schema import backup_of, saved_version

#: Bound of every wait for another process; nothing is expected to come near it.
PATIENCE_S = 30.0
ROWS = 300
#: What a program to come does: a column more, and every value in another shape.
FUTURE = """
from bridge.datastore import state_schema

def a_column_more(database):
    database.execute("PRAGMA cache_size=3")  # so that the transaction reaches the disk before its end
    database.execute("ALTER TABLE state ADD COLUMN since INTEGER")
    database.execute("UPDATE state SET since=7")

def another_shape(database):
    database.execute("UPDATE state SET value='[' || value || ']'")

state_schema.SCHEMA_VERSION = 3
state_schema.STEPS = {**state_schema.STEPS, 1: a_column_more, 2: another_shape}
"""
#: Dies by its own hand just before a statement, or before or after a call of the system.
DYING = """
import os, signal, sys
from pathlib import Path
from bridge.datastore import state_file
from bridge.datastore.state import StateStore

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

point, migrate = sys.argv[2], state_schema.migrate
if point == "copied, not on the disk":
    os.fsync = die
elif point == "copied, not named":
    Path.replace = die
elif point == "copied and named":
    replace = Path.replace
    Path.replace = lambda part, whole: (replace(part, whole), die())

def watched(database, path):
    database.set_trace_callback(lambda statement: die() if statement.startswith(point) else None)
    migrate(database, path)

state_file.migrate = watched
StateStore(Path(sys.argv[1])).open()
"""
POINTS = (
    "copied, not on the disk",
    "copied, not named",
    "copied and named",
    "BEGIN IMMEDIATE",
    "ALTER TABLE",
    "UPDATE state SET since",
    "UPDATE state SET value",
    "PRAGMA user_version=3",
    "COMMIT",
    "SELECT scope",
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state of this version, an old one for the program to come."""
    store = StateStore(tmp_path)
    store.open()
    for number in range(ROWS):
        store.put("s", f"{number:04}", "x" * 200)
    store.close()
    return tmp_path


def become_future(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process the program to come."""
    monkeypatch.setattr(state_schema, "SCHEMA_VERSION", 1)  # noted, so that both are put back
    monkeypatch.setattr(state_schema, "STEPS", state_schema.STEPS)
    exec(FUTURE, {})


@pytest.fixture
def future(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the program to come, and finds the old state."""
    become_future(monkeypatch)


def contents(path: Path) -> tuple[int, list[object]]:
    """Version and values of a file, judged by SQLite alone."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        return version, [json.loads(value) for (value,) in database.execute("SELECT value FROM state")]


OLD, NEW = (1, ["x" * 200] * ROWS), (3, [["x" * 200]] * ROWS)


def opens(directory: Path) -> object:
    """A value of the state, as the house reads it."""
    store = StateStore(directory)
    store.open()
    try:
        return store.get("s", "0007")
    finally:
        store.close()


@pytest.mark.usefixtures("future")
def test_an_older_file_is_copied_and_brought_up(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert opens(old) == ["x" * 200]
    assert contents(old / FILE_NAME) == NEW
    backup = backup_of(old / FILE_NAME, 1)
    assert contents(backup) == OLD
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert backup.name in caplog.text
    assert opens(old) == ["x" * 200]  # once, not at every start
    assert caplog.text.count("schema=3 was=1") == 1


def test_the_copy_leads_back_to_the_former_version(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as upgraded:
        become_future(upgraded)
        opens(old)
    backup = backup_of(old / FILE_NAME, 1)
    with pytest.raises(StateError, match=backup.name):
        opens(old)
    shutil.copy(backup, old / FILE_NAME)
    assert opens(old) == "x" * 200


@pytest.mark.usefixtures("future")
def test_what_is_still_in_the_journal_is_copied_too(old: Path) -> None:
    writer = sqlite3.connect(old / FILE_NAME, isolation_level=None)
    with closing(writer):
        writer.execute("PRAGMA wal_autocheckpoint=0")
        writer.execute("INSERT INTO state VALUES ('s', 'late', '1')")
        assert (old / f"{FILE_NAME}-wal").stat().st_size
        opens(old)
    assert contents(backup_of(old / FILE_NAME, 1))[1].count(1) == 1


@pytest.mark.usefixtures("future")
def test_a_new_state_needs_no_copy(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state")
    store.open()
    store.close()
    assert saved_version(tmp_path / "state", FILE_NAME) == 3
    assert not [path for path in (tmp_path / "state").iterdir() if "schema" in path.name]


def test_a_newer_file_is_refused_and_left_as_it_is(old: Path) -> None:
    with closing(sqlite3.connect(old / FILE_NAME)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        database.execute("PRAGMA user_version=2")
        database.commit()
    before = (old / FILE_NAME).read_bytes()
    with pytest.raises(StateError) as caught:
        opens(old)
    assert "found schema 2, expected at most 1: run that version" in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert (old / FILE_NAME).read_bytes() == before
    assert sorted(path.name for path in old.iterdir()) == ["lock", FILE_NAME]


@pytest.mark.usefixtures("future")
def test_a_step_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {**state_schema.STEPS, 2: lambda database: database.execute("SELECT value FROM nowhere")}
    monkeypatch.setattr(state_schema, "STEPS", steps)
    with pytest.raises(StateError, match=r"no such table: nowhere.*run the former version"):
        opens(old)
    assert contents(old / FILE_NAME) == OLD
    assert not [path for path in old.iterdir() if "damaged" in path.name]


@pytest.mark.usefixtures("future")
def test_without_room_for_the_copy_nothing_is_changed(old: Path) -> None:
    backup_of(old / FILE_NAME, 1).mkdir()  # stands for whatever keeps the copy from its name
    with pytest.raises(StateError, match=r"could not be copied.*make room on its disk"):
        opens(old)
    assert contents(old / FILE_NAME) == OLD


@pytest.mark.parametrize("point", POINTS)
def test_killed_on_the_way_it_is_the_old_or_the_new_one_and_the_next_start_goes_on(
    old: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FUTURE + DYING, str(old), point],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    look = old.parent / f"{old.name}-look"
    shutil.copytree(old, look)  # looked at in a copy: opening a database tidies it up
    assert contents(look / FILE_NAME) == (NEW if point == "SELECT scope" else OLD)
    backup = backup_of(look / FILE_NAME, 1)
    assert backup.exists() == (point not in ("copied, not on the disk", "copied, not named"))
    assert not backup.exists() or contents(backup) == OLD
    if point != "SELECT scope":
        assert opens(look) == "x" * 200  # the former version goes on as if nothing had been
    become_future(monkeypatch)
    assert opens(old) == ["x" * 200]
    assert contents(old / FILE_NAME) == NEW
    assert contents(backup_of(old / FILE_NAME, 1)) == OLD
    assert not [path for path in old.iterdir() if path.name.endswith(".part") or "damaged" in path.name]


def test_the_schema_is_known_without_opening_it(old: Path) -> None:
    assert saved_version(old, FILE_NAME) == 1
    assert saved_version(old / "nowhere", FILE_NAME) is None
    (old / "text").write_bytes(os.urandom(5000))
    assert saved_version(old, "text") is None
