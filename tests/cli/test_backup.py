"""`backup` and `restore`: everything comes back, nothing leaves its place, and nothing is half done."""

import fcntl
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.cli.backup import site_files
from bridge.cli.backup_file import is_safe
from bridge.datastore.state import StateStore, read_saved
from tests.cli.conftest import Command

MAP = "title: Mine\nregisters:\n  - {address: 0, type: u16, path: /Soc}\n"
SITE = """\
state: state
include: [more.yaml]
listeners: [{tcp: "127.0.0.1:0"}]
outlets: {history: , notify: {url_file: secrets/url}}
serve:
  - {unit: 120, map: ./maps/mine.yaml, device: shunt}
"""
MORE = "devices:\n  shunt: {adapter: vedirect, port: ./nowhere, product: battery_monitor, unit: 21}\n"


def put(folder: Path, **values: object) -> None:
    store = StateStore(folder)
    store.open()
    for key, value in values.items():
        store.put("shunt", key, value)
    store.close()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site of several files, with something in its state."""
    home = tmp_path / "home"
    (home / "maps").mkdir(parents=True)
    (home / "secrets").mkdir()
    (home / "site.yaml").write_text(SITE)
    (home / "more.yaml").write_text(MORE)
    (home / "maps" / "mine.yaml").write_text(MAP)
    (home / "secrets" / "url").write_text("https://ntfy.example/secret\n")
    put(home / "state", identity="HQ1")
    (home / "state" / "passwords.json").write_text("{}")
    return home / "site.yaml"


def tree(folder: Path) -> dict[str, bytes]:
    """Every file that people have, by its name; databases and locks are looked at elsewhere."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (path.suffix not in (".sqlite", "") or path.name == "url")
    }


def test_what_a_site_consists_of(site: Path) -> None:
    found = [str(path.relative_to(site.parent)) for path in site_files(site)]
    assert found == ["more.yaml", "secrets/url", "maps/mine.yaml"]


def test_everything_comes_back(site: Path, tmp_path: Path, command: Command) -> None:
    before = tree(site.parent)
    done = command("backup", str(tmp_path / "b.tgz"), "--site", str(site))
    assert (done.status, done.err) == (0, "")
    assert "keep it safe" in done.out
    assert (tmp_path / "b.tgz").stat().st_mode & 0o777 == 0o600
    there = tmp_path / "new" / "site.yaml"
    assert command("restore", str(tmp_path / "b.tgz"), "--site", str(there)).status == 0
    assert tree(there.parent) == before
    assert read_saved(there.parent / "state", "shunt", "identity") == "HQ1"
    assert command("check", str(there)).status == 0


def test_what_is_replaced_is_kept(site: Path, tmp_path: Path, command: Command) -> None:
    command("backup", str(tmp_path / "b.tgz"), "--site", str(site))
    site.write_text(SITE + "# newer\n")
    put(site.parent / "state", identity="HQ2")
    (site.parent / "state" / "state.sqlite-wal").write_bytes(b"of another database")
    done = command("restore", str(tmp_path / "b.tgz"), "--site", str(site))
    assert done.status == 0, done.err
    assert site.read_text() == SITE
    assert read_saved(site.parent / "state", "shunt", "identity") == "HQ1"
    (kept,) = site.parent.glob("site.yaml.before-restore-*")
    assert kept.read_text().endswith("# newer\n")
    (folder,) = (site.parent / "state").glob("before-restore-*")
    assert (folder / "state.sqlite-wal").read_bytes() == b"of another database"
    assert not (site.parent / "state" / "state.sqlite-wal").exists()
    assert str(folder) in done.out
    again = command("backup", str(tmp_path / "c.tgz"), "--site", str(site))
    assert again.out.split(":")[1].split(" files")[0] == " 6"  # what was put aside is not in it


def test_a_database_that_is_written_is_copied_whole(site: Path, tmp_path: Path, command: Command) -> None:
    path = site.parent / "state" / "history.sqlite"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE t (n)")
    database.execute("INSERT INTO t VALUES (1)")  # in the log alone
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO t VALUES (2)")  # under way
    assert command("backup", str(tmp_path / "b.tgz"), "--site", str(site)).status == 0
    database.close()
    there = tmp_path / "new" / "site.yaml"
    assert command("restore", str(tmp_path / "b.tgz"), "--site", str(there)).status == 0
    copy = sqlite3.connect(there.parent / "state" / "history.sqlite")
    assert copy.execute("SELECT n FROM t").fetchall() == [(1,)]
    copy.close()
    assert command("backup", str(tmp_path / "c.tgz"), "--site", str(site), "--without-history").status == 0
    with tarfile.open(tmp_path / "c.tgz") as tar:
        assert "state/history.sqlite" not in tar.getnames()


def test_files_elsewhere_are_told_not_overwritten(site: Path, tmp_path: Path, command: Command) -> None:
    secret = tmp_path / "elsewhere"
    secret.write_text("https://ntfy.example/other")
    site.write_text(SITE.replace("secrets/url", str(secret)))
    command("backup", str(tmp_path / "b.tgz"), "--site", str(site))
    secret.write_text("https://ntfy.example/newer")
    done = command("restore", str(tmp_path / "b.tgz"), "--site", str(site))
    assert done.status == 0
    assert secret.read_text() == "https://ntfy.example/newer"
    assert f"belongs to {secret}: put it there yourself" in done.out
    (stray,) = site.parent.glob("restored-*/1/elsewhere")
    assert stray.read_text() == "https://ntfy.example/other"


def test_not_while_a_bridge_runs(site: Path, tmp_path: Path, command: Command) -> None:
    command("backup", str(tmp_path / "b.tgz"), "--site", str(site))
    site.write_text(SITE + "# newer\n")
    with (site.parent / "state" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = command("restore", str(tmp_path / "b.tgz"), "--site", str(site))
    assert done.status == 1
    assert "a bridge runs" in done.err
    assert site.read_text().endswith("# newer\n")
    assert [path.name for path in site.parent.iterdir() if "restore" in path.name] == []


def rewritten(
    source: Path, target: Path, change: Callable[[dict[str, object], dict[str, bytes]], None]
) -> Path:
    """Write a backup anew after a change of its manifest and its files."""
    with tarfile.open(source) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar.getmembers()}  # type: ignore[union-attr]
    manifest = json.loads(files.pop("manifest.json"))
    change(manifest, files)
    with tarfile.open(target, "w:gz") as tar:
        for name, content in {"manifest.json": json.dumps(manifest).encode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target


def renamed(to: str) -> Callable[[dict[str, object], dict[str, bytes]], None]:
    def change(manifest: dict[str, object], files: dict[str, bytes]) -> None:
        for entry in manifest["files"]:  # type: ignore[attr-defined]
            if entry["name"] == "site/more.yaml":
                entry["name"] = to
        files[to] = files.pop("site/more.yaml")

    return change


def changed(manifest: dict[str, object], files: dict[str, bytes]) -> None:
    files["site/more.yaml"] = files["site/more.yaml"].replace(b"shunt", b"sHunt")


def missing(manifest: dict[str, object], files: dict[str, bytes]) -> None:
    del files["site/more.yaml"]


def added(manifest: dict[str, object], files: dict[str, bytes]) -> None:
    files["site/evil.yaml"] = b""


def newer(manifest: dict[str, object], files: dict[str, bytes]) -> None:
    manifest["format"] = 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed("site/../../evil"), "lies elsewhere"),
        (renamed("/etc/evil"), "lies elsewhere"),
        (renamed("state/../../evil"), "lies elsewhere"),
        (renamed("other/evil"), "lies elsewhere"),
        (changed, "has changed since it was written"),
        (missing, "'site/more.yaml' is missing"),
        (added, "'site/evil.yaml' in it is not what its manifest says"),
        (newer, "found a backup of format 2, expected 1"),
    ],
)
def test_a_backup_that_was_tampered_with(
    site: Path,
    tmp_path: Path,
    command: Command,
    change: Callable[[dict[str, object], dict[str, bytes]], None],
    said: str,
) -> None:
    command("backup", str(tmp_path / "b.tgz"), "--site", str(site))
    evil = rewritten(tmp_path / "b.tgz", tmp_path / "evil.tgz", change)
    before = sorted(tmp_path.rglob("*"))
    done = command("restore", str(evil), "--site", str(site))
    assert done.status == 1
    assert said in done.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_manifest_of_endless_depth(site: Path, tmp_path: Path, command: Command) -> None:
    text = b"[" * 100_000
    with tarfile.open(tmp_path / "evil.tgz", "w:gz") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    done = command("restore", str(tmp_path / "evil.tgz"), "--site", str(site))
    assert done.status == 1
    assert "its manifest cannot be read" in done.err


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_backup_that_was_cut_short(site: Path, tmp_path: Path, command: Command, kept: float) -> None:
    command("backup", str(tmp_path / "b.tgz"), "--site", str(site))
    whole = (tmp_path / "b.tgz").read_bytes()
    (tmp_path / "b.tgz").write_bytes(whole[: int(len(whole) * kept)])
    done = command("restore", str(tmp_path / "b.tgz"), "--site", str(site))
    assert done.status == 1
    assert "is no sound backup" in done.err


def test_a_link_in_a_backup(site: Path, tmp_path: Path, command: Command) -> None:
    command("backup", str(tmp_path / "b.tgz"), "--site", str(site))
    with tarfile.open(tmp_path / "b.tgz") as tar:
        manifest = tar.extractfile("manifest.json").read()  # type: ignore[union-attr]
    with tarfile.open(tmp_path / "evil.tgz", "w:gz") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
        link = tarfile.TarInfo("site/more.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    done = command("restore", str(tmp_path / "evil.tgz"), "--site", str(site))
    assert "'site/more.yaml' in it is not what its manifest says" in done.err


def test_a_link_where_it_is_restored(site: Path, tmp_path: Path, command: Command) -> None:
    command("backup", str(tmp_path / "b.tgz"), "--site", str(site))
    elsewhere = tmp_path / "elsewhere"
    (site.parent / "maps").rename(elsewhere)
    (site.parent / "maps").symlink_to(elsewhere)
    site.write_text(SITE + "# newer\n")
    done = command("restore", str(tmp_path / "b.tgz"), "--site", str(site))
    assert done.status == 1
    assert "behind a link" in done.err
    assert site.read_text().endswith("# newer\n")  # what had been done was undone
    assert read_saved(site.parent / "state", "shunt", "identity") == "HQ1"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("site/a.yaml", True), ("state/deep/er", True), ("site", False), ("site/", False), ("site//a", False),
        ("site/./a", False), ("site/../a", False), ("/site/a", False), ("a/b", False), ("site\\..\\a", False),
        ("site/a\0", False), ("site/a\n", False), ("", False),
    ],
)  # fmt: skip
def test_names_that_stay_where_they_belong(name: str, safe: bool) -> None:
    assert is_safe(name) is safe


def test_faults_of_the_person(site: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "there").write_text("")
    assert "found a file there already" in command("backup", str(tmp_path / "there"), "--site", str(site)).err
    assert "found no such file" in command("restore", str(tmp_path / "none"), "--site", str(site)).err
    os.remove(site.parent / "secrets" / "url")
    assert command("backup", str(tmp_path / "b.tgz"), "--site", str(site)).status == 2
    assert not (tmp_path / "b.tgz").exists()
