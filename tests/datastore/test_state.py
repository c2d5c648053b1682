"""Saved state: on disk when it says so, and never in the way."""

import asyncio
import json
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bridge.datastore.state import FILE_NAME, SCHEMA_VERSION, StateError, StateStore, read_saved

#: Bound of every wait for another process; nothing is expected to come near it.
PATIENCE_S = 30.0


@contextmanager
def opened(directory: Path) -> Iterator[StateStore]:
    store = StateStore(directory)
    store.open()
    try:
        yield store
    finally:
        store.close()


def rows(directory: Path) -> dict[tuple[str, str], object]:
    with closing(sqlite3.connect(directory / FILE_NAME)) as database:
        return {(s, k): json.loads(v) for s, k, v in database.execute("SELECT scope, key, value FROM state")}


@pytest.mark.parametrize("value", [0, 1.5, "ü", True, [1, "a"], {"a": {"b": None}}, float("inf")])
def test_what_was_put_is_there_after_a_restart(tmp_path: Path, value: object) -> None:
    with opened(tmp_path / "a" / "b") as store:
        store.memory("charger").put("key", value)
        assert store.memory("charger").get("key") == value
        assert store.memory("shunt").get("key") is None
    with opened(tmp_path / "a" / "b") as store:
        assert store.get("charger", "key") == value
        store.put("charger", "key", None)
        assert store.get("charger", "key") is None
    with opened(tmp_path / "a" / "b") as store:
        assert store.get("charger", "key") is None


def test_the_directory_is_nobody_elses_business(tmp_path: Path) -> None:
    with opened(tmp_path / "state"):
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_what_is_changed_after_it_was_put_is_not_changed_in_the_state() -> None:
    store, value = StateStore(), [1]
    store.put("s", "k", value)
    value.append(2)
    assert store.get("s", "k") == [1]


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x"])
def test_what_json_has_not_is_refused_and_the_old_value_stays(tmp_path: Path, value: object) -> None:
    with opened(tmp_path) as store:
        store.put("s", "k", 1)
        with pytest.raises(TypeError):
            store.put("s", "k", value)
        assert store.get("s", "k") == 1
    assert rows(tmp_path) == {("s", "k"): 1}


async def test_save_returns_when_it_is_on_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(20):
            await store.memory("s").save("k", number)
            assert rows(tmp_path)[("s", "k")] == number
            assert read_saved(tmp_path, "s", "k") == number


async def test_many_saves_at_once_share_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        await asyncio.gather(*(store.save("s", str(n), n) for n in range(500)))
        assert len(rows(tmp_path)) == 500


async def test_a_save_given_up_is_saved_all_the_same(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        task = asyncio.ensure_future(store.save("s", "k", 1))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.save("s", "after", 2)
    assert rows(tmp_path) == {("s", "k"): 1, ("s", "after"): 2}


async def test_without_a_directory_nothing_is_kept_and_nothing_waits() -> None:
    store = StateStore()
    store.open()
    await store.save("s", "k", 1)
    assert store.get("s", "k") == 1
    store.close()


def test_after_close_it_is_a_memory(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put("s", "k", 1)
    store.put("s", "k", 2)
    assert store.get("s", "k") == 2
    assert rows(tmp_path) == {("s", "k"): 1}
    store.close()


def test_two_bridges_never_share_a_state(tmp_path: Path) -> None:
    with opened(tmp_path):
        with pytest.raises(StateError, match="in use by another running bridge"):
            StateStore(tmp_path).open()
        with pytest.raises(StateError, match="in use"):  # the failure let go of nothing it had not taken
            StateStore(tmp_path).open()
    with opened(tmp_path):
        pass


# -- what can be wrong with it ---------------------------------------------------------------------


def as_file_in_place_of_the_directory(path: Path) -> None:
    path.write_text("x")


def as_directory_in_place_of_the_file(path: Path) -> None:
    (path / FILE_NAME).mkdir(parents=True)


def as_directory_in_place_of_the_lock(path: Path) -> None:
    (path / "lock").mkdir(parents=True)


def as_a_newer_version(path: Path) -> None:
    path.mkdir()
    with closing(sqlite3.connect(path / FILE_NAME)) as database:
        database.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (as_file_in_place_of_the_directory, "state:"),
        (as_directory_in_place_of_the_file, "state:"),
        (as_directory_in_place_of_the_lock, "state:"),
        (as_a_newer_version, "newer version"),
    ],
)
def test_unusable(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    directory = tmp_path / "state"
    make(directory)
    before = sorted(
        str(path) for path in tmp_path.rglob("*") if path.suffix not in {".sqlite-wal", ".sqlite-shm"}
    )
    with pytest.raises(StateError) as caught:
        StateStore(directory).open()
    assert words in str(caught.value)
    assert str(directory) in str(caught.value)
    left = {str(path) for path in tmp_path.rglob("*")} - {str(directory / "lock")}
    assert set(before) - {str(directory / "lock")} <= left  # nothing put aside, nothing removed
    assert not [path for path in left if "damaged" in path]
    descriptors = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)}
    assert not [name for name in descriptors if name.startswith(str(directory))]


def _is_open(fd: str) -> bool:
    return Path(f"/proc/self/fd/{fd}").is_symlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_this_user_may_not_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StateError, match="permissions"):
        StateStore(tmp_path).open()
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_closed_well_can_be_read_by_who_may_not_write_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put("s", "k", 1)
    tmp_path.chmod(0o500)
    assert read_saved(tmp_path, "s", "k") == 1
    tmp_path.chmod(0o700)


def filled(directory: Path) -> bytes:
    """A state of several pages, closed well; returns its bytes."""
    with opened(directory) as store:
        for number in range(400):
            store.put("s", f"{number:04}", "x" * 100)
    return (directory / FILE_NAME).read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: b"not a database at all, but long enough to be taken for one" * 40,
        lambda good: b"\0" * len(good),
        lambda good: good[: len(good) // 2],
        lambda good: good[:4096] + b"\xff" * 8192 + good[12288:],
        lambda good: good[:100] + b"\xa5" * 1000 + good[1100:],
    ],
    ids=["text", "zeros", "half", "pages", "first page"],
)
def test_a_damaged_file_is_put_aside(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    broken = damage(filled(tmp_path))
    (tmp_path / FILE_NAME).write_bytes(broken)
    with opened(tmp_path) as store:
        assert store.get("s", "0001") is None
        store.put("s", "new", 1)
    assert rows(tmp_path) == {("s", "new"): 1}
    (aside,) = (
        path
        for path in tmp_path.iterdir()
        if "damaged" in path.name and not path.name.endswith(("wal", "shm"))
    )
    assert aside.read_bytes()[:50] == broken[:50]
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert aside.name in caplog.text


def test_a_spoilt_text_costs_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as store:
        for key in ("one", "two", "three"):
            store.put("s", key, f"value of {key}")
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        database.execute("UPDATE state SET value=CAST(x'22c822' AS TEXT) WHERE key='one'")
        database.execute("UPDATE state SET value=? WHERE key='two'", ("[" * 20_000,))
    database.close()
    with opened(tmp_path) as store:
        assert (store.get("s", "one"), store.get("s", "two")) == (None, None)
        assert store.get("s", "three") == "value of three"
    assert [r.getMessage().partition(" ")[2] for r in caplog.records] == [
        "scope=s key=one unreadable: dropped",
        "scope=s key=two unreadable: dropped",
    ]


@pytest.mark.parametrize(
    ("wanted", "byte"),
    [
        (b"TABLE state", 0xFF),  # SQLite's own message is no text then
        (b"s0007", 0x30),  # first in the index: it does not fit the table
    ],
    ids=["schema", "index"],
)
def test_a_spoilt_byte_that_sqlite_would_live_with_is_damage(
    tmp_path: Path, wanted: bytes, byte: int
) -> None:
    whole = filled(tmp_path)
    places = [at for at in range(len(whole)) if whole.startswith(wanted, at)]
    assert places
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / FILE_NAME).write_bytes(whole[:place] + bytes((byte,)) + whole[place + 1 :])
        with opened(folder) as store:
            store.put("s", "0007", "new")
            store.put("s", "new", 1)
        assert rows(folder)["s", "new"] == 1


def test_the_format_number_of_the_file_spoilt_is_damage(tmp_path: Path) -> None:
    whole = filled(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(whole[:47] + b"\x30" + whole[48:])
    with opened(tmp_path) as store:
        store.put("s", "new", 1)
    assert rows(tmp_path) == {("s", "new"): 1}


def test_a_version_below_zero_is_damage(tmp_path: Path) -> None:
    filled(tmp_path)
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        database.execute("PRAGMA user_version=-7")
    database.close()
    with opened(tmp_path) as store:
        assert store.get("s", "0001") is None
    assert [path for path in tmp_path.iterdir() if "damaged" in path.name]


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    for text in (b"first" * 500, b"second" * 500):
        (tmp_path / FILE_NAME).write_bytes(text)
        with opened(tmp_path):
            pass
    aside = {
        p.read_bytes()[:5] for p in tmp_path.iterdir() if "damaged" in p.name and p.suffix not in ("", "-wal")
    }
    assert aside >= {b"first", b"secon"}


def test_an_empty_file_is_an_empty_state(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"")
    with opened(tmp_path) as store:
        assert store.get("s", "k") is None
    assert not [path for path in tmp_path.iterdir() if "damaged" in path.name]


def test_one_unreadable_value_costs_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        database.execute("UPDATE state SET value='{' WHERE key='0001'")
        database.execute("UPDATE state SET value=x'ff' WHERE key='0002'")
        database.commit()
    with opened(tmp_path) as store:
        assert [store.get("s", key) for key in ("0001", "0002", "0003")] == [None, None, "x" * 100]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_bytes(b"x" * 5000), Path.mkdir])
def test_reading_what_is_not_there(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / FILE_NAME)
    assert read_saved(tmp_path, "s", "k") is None
    assert read_saved(tmp_path / "nowhere", "s", "k") is None


def test_reading_beside_a_running_bridge_from_a_path_with_signs(tmp_path: Path) -> None:
    directory = tmp_path / "a b?c#d%41"
    with opened(directory) as store:
        done = threading.Event()
        store.put("s", "k", {"product": "ac_charger"}, done.set)
        assert done.wait(PATIENCE_S)
        assert read_saved(directory, "s", "k") == {"product": "ac_charger"}
    assert read_saved(directory, "s", "k") == {"product": "ac_charger"}


# -- with another process --------------------------------------------------------------------------

ACKNOWLEDGING = """
import asyncio, sys
from pathlib import Path
from bridge.datastore.state import StateStore

async def main():
    store = StateStore(Path(sys.argv[1]))
    store.open()
    number = 0
    while True:
        store.put("s", f"put {number}", number)
        await store.save("s", "count", number)
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""

FULL = """
import asyncio, logging, resource, signal, sys
from pathlib import Path
from bridge.datastore import state
from bridge.datastore.state import StateStore

logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
state._RETRY_S = 0.05
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
directory = Path(sys.argv[1])

async def main():
    store = StateStore(directory)
    store.open()
    await store.save("s", "before", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    for number in range(5):
        await asyncio.wait_for(store.save("s", f"full {number}", "x" * 5000), 20)
    assert store.get("s", "full 4") == "x" * 5000
    assert state.read_saved(directory, "s", "full 4") is None
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await asyncio.wait_for(store.save("s", "after", 3), 20)
    assert state.read_saved(directory, "s", "full 4") == "x" * 5000
    store.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_killed_in_mid_write_everything_acknowledged_is_there(tmp_path: Path, acknowledged: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ACKNOWLEDGING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(PATIENCE_S, process.kill)
        watchdog.start()
        assert process.stdout is not None
        seen = [int(process.stdout.readline()) for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        seen += [int(line) for line in process.stdout if line.endswith("\n")]
        watchdog.cancel()
    assert process.returncode == -signal.SIGKILL
    with opened(tmp_path) as store:  # the lock died with its owner
        count = store.get("s", "count")
        assert isinstance(count, int)
        assert count >= seen[-1]
        there = [number for number in range(count + 10) if store.get("s", f"put {number}") == number]
        assert there in (list(range(count + 1)), list(range(count + 2)))  # a prefix: none is missing before
    assert not [path for path in tmp_path.iterdir() if "damaged" in path.name]


def test_a_full_disk_stops_nothing_and_loses_nothing_once_it_has_room(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2  # once when it begins, once when it ends
    assert "cannot be written" in lines[0]
    assert "writable again" in lines[1]
