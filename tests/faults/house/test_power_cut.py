"""Everything that writes a file, cut short before each of its calls: what is found is whole, and keeps its word.

`acts` does it all once under `recorder.c`; `disk` then says what may lie on the disk after a cut before each
call. Every state that differs is laid out and opened as the program opens it after the restart.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.cli.backup_file import unpack
from bridge.cli.restore import restore
from bridge.datastore import state_schema
from bridge.datastore.state import FILE_NAME, StateError, StateStore
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import HistoryFile
from bridge.outlets.line_file import LineFile
from bridge.outlets.web.passwords import PasswordBook, Role
from bridge.outlets.web.versions import Versions
from tests.faults.house import acts
from tests.faults.house.disk import WAYS, Cut, Recording, recordings
from tests.interop.tools import tool
from tests.repo.checkout import ROOT

PATIENCE_S = 60.0
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    """What each act does to the disk."""
    folder = tmp_path_factory.mktemp("recorded")
    library, path, below = folder / "recorder.so", folder / "list", folder / "below"
    below.mkdir()
    compiler = tool("cc", "gcc libc6-dev")
    options = ("-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    subprocess.run(
        [compiler, *options, "-o", library, HERE / "recorder.c", "-ldl"], check=True, timeout=PATIENCE_S
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.house.acts", path, below],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        env={**os.environ, "LD_PRELOAD": str(library), "RECORD": str(path), "RECORD_BELOW": str(below)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    failed = [line for line in path.read_text().splitlines() if line.startswith("A failed")]
    assert failed == []
    return recordings(path)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Path]:
    """Where disks are laid out: in memory if there is such a place, as each is synced many times."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def keys_in(state: Path) -> dict[str, object]:
    """What a state holds, as the house reads it; nothing of it may be called damaged."""
    store = StateStore(state)
    store.open()
    found = {key: store.get("s", key) for scope, key in list(store._texts) if scope == "s"}
    store.close()
    return found


def damaged(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*damaged*") if not path.name.endswith(("-wal", "-shm"))]


def last(promised: tuple[str, ...], word: str) -> int:
    """The number of the last promise of a kind, -1 without one."""
    return max((int(one.split()[1]) for one in promised if one.startswith(word)), default=-1)


def a_new_state(folder: Path, cut: Cut) -> None:
    found = keys_in(folder / "state")
    assert found == {f"key {number}": number for number in range(len(found))}
    assert len(found) > last(cut.promised, "saved")
    assert damaged(folder / "state") == []


def a_state_goes_on(folder: Path, cut: Cut) -> None:
    found = keys_in(folder / "state")
    saved = found.get("beside", -1)
    assert isinstance(saved, int)
    assert saved >= last(cut.promised, "saved")
    assert {key: value for key, value in found.items() if key != "beside"} in (
        {f"key {number}": number if number <= at else 0 for number in range(acts.ROWS)}
        for at in (saved, saved - 1)  # what stands beside may have gone alone, before
    )
    assert damaged(folder / "state") == []


def a_damaged_state(folder: Path, cut: Cut) -> None:
    found = keys_in(folder / "state")
    assert found == ({"key 0": 0} if found or "saved 0" in cut.promised else {})
    (aside,) = damaged(folder / "state")
    assert aside.read_bytes().startswith(b"damaged")


def an_older_state(folder: Path, cut: Cut) -> None:
    path, copy = folder / "state" / FILE_NAME, folder / "state" / f"{FILE_NAME}.schema-1"
    if "brought up" in cut.promised:
        assert state_schema.saved_version(folder / "state", FILE_NAME) == 2
    found = keys_in(folder / "state")
    assert found == {f"key {number}": number for number in range(1, acts.ROWS)} | {"key 0": 0}
    for file, version in ((path, 2), (copy, 1)):
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert database.execute("PRAGMA user_version").fetchone() == (version,)
            assert database.execute("SELECT count(*) FROM state").fetchone() == (acts.ROWS,)


def energies(path: Path) -> list[tuple[int, float]]:
    HistoryFile(path, Calendar("UTC"), acts.KEPT).close()
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT day, forward FROM energy ORDER BY day").fetchall()


def a_history(folder: Path, cut: Cut) -> None:
    found = energies(folder / "history.sqlite")
    assert found == [(day, 10.0) for day in range(len(found))]
    assert len(found) > last(cut.promised, "written")
    assert damaged(folder) == []


def a_damaged_history(folder: Path, cut: Cut) -> None:
    assert energies(folder / "history.sqlite") == [(0, 10.0), (1, 10.0), (2, 10.0)]
    assert len(damaged(folder)) == 1


def a_password(folder: Path, cut: Cut) -> None:
    book = PasswordBook(folder / "state", n=acts.COST)
    right = [said for said in (acts.FORMER, acts.LATER) if book.matches(Role.OPERATOR, said)]
    may_be: dict[tuple[str, ...], list[list[str]]] = {
        (): [[], [acts.FORMER]],
        (acts.FORMER,): [[acts.FORMER], [acts.LATER]],
        (acts.FORMER, acts.LATER): [[acts.LATER]],
    }
    assert right in may_be[cut.promised]


def a_site_file(folder: Path, cut: Cut) -> None:
    found = (folder / "site.yaml").read_text()
    assert found in ((acts.EDITED,) if cut.promised else (acts.SITE, acts.EDITED))
    former = [one.text() for one in Versions(folder / "state").listed()]
    assert former in ([acts.SITE],) if found == acts.EDITED else ([], [acts.SITE])


def a_set_up(folder: Path, cut: Cut) -> None:
    site, book = folder / "home" / "site.yaml", PasswordBook(folder / "home" / "state", n=acts.COST)
    assert not site.exists() or site.read_text() == acts.SITE
    if book.read():
        assert book.matches(Role.OPERATOR, acts.LATER)
        assert site.exists()
    if cut.promised:
        assert book.read()


def one_or_the_other(name: str) -> Callable[[Path, Cut], None]:
    def judge(folder: Path, cut: Cut) -> None:
        assert (folder / name).read_text() in ((acts.EDITED,) if cut.promised else (acts.SITE, acts.EDITED))

    return judge


def a_backup(folder: Path, cut: Cut) -> None:
    backup = folder / "b.tgz"
    assert backup.exists() or not cut.promised
    if backup.exists():
        (folder / "unpacked").mkdir()
        assert len(unpack(backup, folder / "unpacked").parts) == 3


def a_restore(folder: Path, cut: Cut) -> None:
    home = folder / "home"
    try:
        (key,) = keys_in(home / "state").values()
        found = (home / "site.yaml").read_text(), key
        assert (home / "state" / "passwords.json").read_text() == "{}"
    except StateError as refused:  # the bridge does not begin on half of it
        assert "inverter-bridge restore" in str(refused)  # noqa: PT017 - one of two good ends
        assert not cut.promised
    else:
        later = (acts.SITE, "backed up")
        assert found in ((later,) if cut.promised else ((acts.EDITED, "newer"), later))
    restore.main([str(folder / "b.tgz"), "--site", str(home / "site.yaml")], standalone_mode=False)
    assert keys_in(home / "state") == {"key": "backed up"}
    assert (home / "site.yaml").read_text() == acts.SITE
    assert acts.EDITED in [file.read_text() for file in home.rglob("site.yaml*")]  # kept, however often


def an_audit(folder: Path, cut: Cut) -> None:
    path = folder / "audit.jsonl"
    LineFile(path, size_max=10_000, keep=3).append(b'{"line": "after"}\n')
    files = (path.with_name(f"{path.name}{ending}") for ending in (".3", ".2", ".1", ""))
    lines = b"".join(file.read_bytes() for file in files if file.exists()).split(b"\n")
    synced = last(cut.promised, "synced") + 1
    assert lines[:synced] == [(acts.LINE % number).rstrip() for number in range(synced)]
    assert lines[-2:] == [b'{"line": "after"}', b""]
    assert len(lines) <= acts.LINES + 3


def a_trace(folder: Path, cut: Cut) -> None:
    path = folder / "line.trace"
    assert path.exists() or not cut.promised
    if cut.promised:
        assert [line.split()[-1] for line in path.read_text().splitlines()[-3:]] == ["00", "01", "02"]


JUDGES: dict[str, Callable[[Path, Cut], None]] = {
    **{
        judge.__name__: judge
        for judge in (
            a_new_state, a_state_goes_on, a_damaged_state, an_older_state, a_history, a_damaged_history,
            a_password, a_site_file, a_set_up, a_backup, a_restore, an_audit, a_trace,
        )
    },
    "a_site_found": one_or_the_other("site.yaml"),
    "a_service": one_or_the_other("unit"),
    "a_map_document": one_or_the_other("map.md"),
}  # fmt: skip


def test_the_installer_on_a_gx_syncs_before_it_names() -> None:
    """A shell script that runs on a GX: nobody can record its calls here."""
    source = (ROOT / "bridge" / "register_maps" / "class_file_installer.py").read_text().splitlines()
    lines = [line.strip() for line in source]
    before = [former for former, line in pairwise(lines) if line.startswith("mv ")]
    assert before == ["sync"] * 3


def test_every_act_is_judged(recorded: dict[str, Recording]) -> None:
    assert set(recorded) == {act.__name__ for act in acts.ACTS} == set(JUDGES)


@pytest.mark.parametrize("name", JUDGES)
def test_a_cut_before_any_call(
    name: str, recorded: dict[str, Recording], ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "an_older_state":
        steps = {**state_schema.STEPS, 1: acts.to_schema_2}
        monkeypatch.setattr(state_schema, "SCHEMA_VERSION", 2)
        monkeypatch.setattr(state_schema, "STEPS", steps)
    wrong: list[str] = []
    number = 0
    for number, cut in enumerate(recorded[name].cuts(), 1):
        folder = ground / str(number)
        try:
            JUDGES[name](cut.lay_out(folder), cut)
        except Exception as fault:
            wrong.append(
                f"{cut.way}, before call {cut.number} ({cut.call}), promised {cut.promised}: {fault!r}"
            )
        finally:
            shutil.rmtree(folder)  # such a place may be small
    assert wrong == []
    assert number > len(WAYS) // 2
