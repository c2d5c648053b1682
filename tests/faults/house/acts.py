"""`python -m tests.faults.house.acts LIST FOLDER`: everything that writes a file, each in a folder of its own.

Run under `recorder.c`. Each act makes what is there before, says `ready`, does what is to be cut short, and says
what has been promised to a person or a device once it has been.
"""

import asyncio
import logging
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bridge.adapters.trace import TraceWriter
from bridge.cli import discover, maps, service
from bridge.cli.backup import backup
from bridge.cli.restore import restore
from bridge.cli.setup import _SetUp
from bridge.datastore import state_schema
from bridge.datastore.clock import ManualClock, SystemClock
from bridge.datastore.state import FILE_NAME, StateStore
from bridge.datastore.store import Datastore
from bridge.outlets.history_batch import Batch, Sample, Series
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import HistoryFile, Retention
from bridge.outlets.line_file import LineFile
from bridge.outlets.web.doors import SiteDoor
from bridge.outlets.web.editing import Editing, mark
from bridge.outlets.web.events import EventLog
from bridge.outlets.web.first_run import Chosen
from bridge.outlets.web.passwords import PasswordBook, Role
from bridge.outlets.web.versions import Versions
from bridge.site.addresses import HostPort
from tests.faults.house.disk import READY

Tell = Callable[[str], None]
Act = Callable[[Path, Tell], None]

FORMER, LATER = "former pass", "later password"
#: Low cost: the passwords here guard nothing.
COST = 16
ROWS = 40
SITE = """\
state: state
listeners: [{tcp: "127.0.0.1:0"}]
devices: {}
"""
EDITED = SITE + "site: Edited\n"
KEPT = Retention(1e9, 1e9, 1e9)
POWER = Series("pump", "/Ac/Power", "W")
LINE = b'{"line": %d}\n'
LINES = 12


def stored(folder: Path, **values: object) -> None:
    """Keep values in a state, and close it."""
    store = StateStore(folder)
    store.open()
    for key, value in values.items():
        store.put("s", key, value)
    store.close()


def written(path: Path, *batches: Batch) -> None:
    """Write batches into a history, and close it."""
    file = HistoryFile(path, Calendar("UTC"), KEPT)
    for batch in batches:
        file.write(batch, 0.0)
    file.close()


def day(number: int) -> Batch:
    """A sample and 10 kWh of a day."""
    batch = Batch([Sample(POWER, 86_400 * number, 10.0, 5.0, 5.0, 5.0, 5.0)])
    batch.energy(POWER, number).forward = 10.0
    return batch


def to_schema_2(database: sqlite3.Connection) -> None:
    """What a program to come does to a state of schema 1."""
    database.execute("UPDATE state SET value=value || ' '")


def a_new_state(root: Path, tell: Tell) -> None:
    tell(READY)
    store = StateStore(root / "state")
    store.open()
    for number in range(3):
        asyncio.run(store.save("s", f"key {number}", number))
        tell(f"saved {number}")
    store.close()


def a_state_goes_on(root: Path, tell: Tell) -> None:
    stored(root / "state", **{f"key {number}": 0 for number in range(ROWS)})
    tell(READY)
    store = StateStore(root / "state")
    store.open()
    for number in range(3):
        store.put("s", "beside", number)
        asyncio.run(store.save("s", f"key {number}", number))
        tell(f"saved {number}")
    store.close()


def a_damaged_state(root: Path, tell: Tell) -> None:
    stored(root / "state", key=0)
    whole = (root / "state" / FILE_NAME).read_bytes()
    (root / "state" / FILE_NAME).write_bytes(b"damaged" + whole[7:])
    tell(READY)
    store = StateStore(root / "state")
    store.open()
    asyncio.run(store.save("s", "key 0", 0))
    tell("saved 0")
    store.close()


def an_older_state(root: Path, tell: Tell) -> None:
    stored(root / "state", **{f"key {number}": number for number in range(ROWS)})
    tell(READY)
    state_schema.SCHEMA_VERSION, first = 2, state_schema.STEPS
    state_schema.STEPS = {**first, 1: to_schema_2}
    try:
        stored(root / "state", **{"key 0": 0})
    finally:
        state_schema.SCHEMA_VERSION, state_schema.STEPS = 1, first
    tell("brought up")


def a_history(root: Path, tell: Tell) -> None:
    tell(READY)
    file = HistoryFile(root / "history.sqlite", Calendar("UTC"), KEPT)
    for number in range(3):
        file.write(day(number), 0.0)
        tell(f"written {number}")
    file.close()


def a_damaged_history(root: Path, tell: Tell) -> None:
    path = root / "history.sqlite"
    written(path, *(day(number) for number in range(3)))
    with closing(sqlite3.connect(path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name='raw'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 200)
    tell(READY)
    written(path)
    tell("taken over")


def a_password(root: Path, tell: Tell) -> None:
    (root / "state").mkdir()
    tell(READY)
    book = PasswordBook(root / "state", n=COST)
    for said in (FORMER, LATER):
        book.set(Role.OPERATOR, said)
        tell(said)


class _Door:
    """A bridge that takes any text."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, path: Path) -> object:
        from bridge.cli.checked import load_checked

        return load_checked(path)

    async def reload(self, load: object) -> str:
        return "taken"


def a_site_file(root: Path, tell: Tell) -> None:
    (root / "site.yaml").write_text(SITE)
    (root / "state").mkdir()
    tell(READY)
    door: SiteDoor = _Door(root / "site.yaml")  # type: ignore[assignment]  # what it has is all that is asked
    clock = ManualClock(1e9)
    editing = Editing(door, Versions(root / "state"), EventLog(Datastore(clock, StateStore(None))), clock)
    asyncio.run(editing.apply(EDITED, mark(SITE), "a test"))
    tell("applied")


def a_set_up(root: Path, tell: Tell) -> None:
    (root / "home").mkdir()
    tell(READY)
    os.chdir(root / "home")
    begun = _SetUp(HostPort("127.0.0.1", 0), root / "home" / "site.yaml")
    begun._finish(Chosen(SITE, LATER, service=False))
    tell("set up")


def a_site_found(root: Path, tell: Tell) -> None:
    (root / "site.yaml").write_text(SITE)
    tell(READY)
    discover._agreed = lambda *_, **__: True  # type: ignore[assignment]
    discover._write(root / "site.yaml", EDITED, yes=False)
    tell("written")


def a_service(root: Path, tell: Tell) -> None:
    (root / "unit").write_text(SITE)
    tell(READY)
    service._write(root / "unit", EDITED)
    tell("written")


def a_map_document(root: Path, tell: Tell) -> None:
    (root / "map.md").write_text(SITE)
    tell(READY)
    maps._write_file(root / "map.md", EDITED)
    tell("written")


def _home(root: Path) -> Path:
    home = root / "home"
    home.mkdir()
    (home / "site.yaml").write_text(SITE)
    stored(home / "state", key="backed up")
    (home / "state" / "passwords.json").write_text("{}")
    return home


def a_backup(root: Path, tell: Tell) -> None:
    home = _home(root)
    tell(READY)
    backup.main([str(root / "b.tgz"), "--site", str(home / "site.yaml")], standalone_mode=False)
    tell("backed up")


def a_restore(root: Path, tell: Tell) -> None:
    home = _home(root)
    backup.main([str(root / "b.tgz"), "--site", str(home / "site.yaml")], standalone_mode=False)
    (home / "site.yaml").write_text(EDITED)
    stored(home / "state", key="newer")
    tell(READY)
    restore.main([str(root / "b.tgz"), "--site", str(home / "site.yaml")], standalone_mode=False)
    tell("restored")


def an_audit(root: Path, tell: Tell) -> None:
    tell(READY)
    file = LineFile(root / "audit.jsonl", size_max=5 * len(LINE % 10), keep=3)
    for number in range(LINES):
        file.append(LINE % number)
        if number % 2:
            file.sync()
            tell(f"synced {number}")
    file.close()


def a_trace(root: Path, tell: Tell) -> None:
    tell(READY)
    tracing = TraceWriter(root / "line.trace", "/dev/null", "8N1", SystemClock())
    tracing.open()
    for number in range(3):
        tracing.received(bytes([number]))
    tracing.close()
    tell("recorded")


ACTS: tuple[Act, ...] = (
    a_new_state, a_state_goes_on, a_damaged_state, an_older_state, a_history, a_damaged_history, a_password,
    a_site_file, a_set_up, a_site_found, a_service, a_map_document, a_backup, a_restore, an_audit, a_trace,
)  # fmt: skip


def main(path: Path, folder: Path) -> None:
    logging.disable()
    with path.open("ab", buffering=0) as told:
        for act in ACTS:
            root = folder / act.__name__
            told.write(f"B {root}\n".encode())
            root.mkdir()
            os.environ["STATE_DIRECTORY"] = str(root / "state")

            def tell(what: str) -> None:
                told.write(f"A {what}\n".encode())

            try:
                act(root, tell)
            except BaseException:
                tell("failed: " + traceback.format_exc().replace("\n", " / "))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
