"""Files that the bridge reads and anybody, or a bad disk, may have written."""

import contextlib
import gzip
import hashlib
import io
import json
import logging
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bridge.adapters.trace import TraceError, is_trace, read_trace
from bridge.cli.backup_file import Manifest, unpack
from bridge.cli.errors import CommandFailed
from bridge.datastore.state_file import FILE_NAME, StateFile, read_saved
from bridge.datastore.state_schema import StateError
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import DAYS, HistoryFile, Retention
from bridge.outlets.history_reader import HistoryFault, HistoryReader
from bridge.outlets.web.passwords import FILE_NAME as PASSWORDS
from bridge.outlets.web.passwords import PasswordBook, PasswordFault, Role
from tests.fuzz.target import Run, Target


class _Folder:
    """A folder that is emptied before every input."""

    def __init__(self) -> None:
        self._above = Path(tempfile.mkdtemp(prefix="fuzz-files-"))
        self.folder = self._above / "folder"
        logging.getLogger("bridge").addHandler(logging.NullHandler())

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self._above, ignore_errors=True)

    def fresh(self) -> Path:
        """Return the folder, empty."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        return self.folder

    def beside(self) -> list[str]:
        """Return what lies beside it, where nothing should."""
        return sorted(path.name for path in self._above.iterdir() if path != self.folder)


# -- traces and passwords --------------------------------------------------------------------------------


class Traces(_Folder):
    """A trace is read, or refused with its line."""

    def __call__(self, data: bytes) -> None:
        path = self.fresh() / "line.trace"
        path.write_bytes(data)
        is_trace(path)
        entries = []
        try:
            for entry in read_trace(path):
                assert entry.direction in "<>"
                assert entry.data
                assert not entries or entry.time_s >= entries[-1].time_s
                entries.append(entry)
        except TraceError as fault:
            assert str(fault).startswith(f"{path}:")  # noqa: PT017
        entries = [entry for entry in entries if entry.time_s < 1e9]  # a float holds no more microseconds
        again = path.with_name("again.trace")
        again.write_text("".join(f"{entry}\n" for entry in entries))
        assert [entry.data for entry in read_trace(again)] == [entry.data for entry in entries]


class Passwords(_Folder):
    """A file of passwords is read and can be checked against, or is refused in words."""

    def __call__(self, data: bytes) -> None:
        folder = self.fresh()
        (folder / PASSWORDS).write_bytes(data)
        book = PasswordBook(folder, 16)
        try:
            kept = book.read()
        except PasswordFault:
            return
        for role, how in kept.items():
            if how.n * how.r * how.p <= 1 << 12:  # more would only cost time
                assert book.matches(role, "nobody's") is None
        if sum(how.n * how.r * how.p for how in kept.values()) <= 1 << 12:
            book.set(Role.VIEWER, "correct horse")
            assert book.matches(Role.VIEWER, "correct horse") is not None


# -- databases -------------------------------------------------------------------------------------------


def _damaged(base: bytes, data: bytes) -> bytes:
    """Overwrite parts of a file, three bytes of the input for each: place and what to put there.

    Places far behind the end cut the file off.
    """
    found = bytearray(base)
    for start in range(0, len(data) - 2, 3):
        place, byte = int.from_bytes(data[start : start + 2], "big"), data[start + 2]
        if place < len(found):
            found[place] = byte
        elif place >= 0xFF00:
            del found[len(found) * byte // 256 :]
    return bytes(found)


def _closed_file(path: Path, make: Callable[[Path], None]) -> bytes:
    make(path)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    return path.read_bytes()


class Databases(_Folder):
    """A damaged file is used, put aside with all its bytes, or refused in words; the bridge can go on."""

    def __init__(self, make: Callable[[Path], None], use: Callable[[Path], bool]) -> None:
        super().__init__()
        self.base = _closed_file(self.fresh() / "base", make)
        self._use = use

    def __call__(self, data: bytes) -> None:
        folder = self.fresh()
        path = folder / FILE_NAME
        written = _damaged(self.base, data)
        path.write_bytes(written)
        used = self._use(path)
        if used:
            assert self._use(path), "what was written cannot be read"


def _make_state(path: Path) -> None:
    file = StateFile(path)
    saved = {("charger", "identity"): '{"serial":"HQ1"}', ("charger", "held"): "[1,2.5]", ("b", "k"): '"é"'}
    file.commit(saved)
    file.close()


def _use_state(path: Path) -> bool:
    """Open, write and read a state; False where it is refused in words."""
    try:
        file = StateFile(path)
    except StateError:
        return False
    except sqlite3.OperationalError as fault:
        assert fault.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY  # noqa: PT017 - told by the store
        return False
    try:
        for place, text in file.texts.items():
            assert all(isinstance(part, str) for part in (*place, text)), (place, text)
            json.loads(text)
        file.commit({("charger", "mark"): '"kept"', ("gone", "k"): None})
    finally:
        file.close()
    assert read_saved(path.parent, "charger", "mark") == "kept"
    read_saved(path.parent, "charger", "identity")
    return True


_KEPT = Retention(86_400.0, 14 * 86_400.0, 366 * 86_400.0)


def _make_history(path: Path) -> None:
    file = HistoryFile(path, Calendar("UTC"), _KEPT)
    database = file._database
    database.execute("INSERT INTO series VALUES (1, 'pump', '/Ac/Energy/Forward', 'kWh')")
    database.execute("INSERT INTO energy VALUES (19675, 1, 1.5, 0, 60, 2, 0)")
    database.execute("INSERT INTO position VALUES (1, 12.5, 1700000000)")
    for number in range(5):
        row = (1_700_000_000 + 10 * number, 1, 10.0, 1.0, 0.5, 2.0, 1.5)
        database.execute("INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        database.execute(f"INSERT INTO {DAYS} VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    file.close()


def _use_history(path: Path) -> bool:
    """Open and read a history; False where it is refused in words."""
    calendar = Calendar("UTC")
    try:
        file = HistoryFile(path, calendar, _KEPT)
    except HistoryFault:
        return False
    except sqlite3.OperationalError as fault:
        assert fault.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY  # noqa: PT017 - told by the outlet
        return False
    try:
        file.positions()
    finally:
        file.close()
    reader = HistoryReader(path, calendar)
    with contextlib.suppress(HistoryFault):
        reader.read_known()
        reader.read_series("pump", "/Ac/Energy/Forward", 1_699_999_000, 1_700_001_000, 50)
        reader.read_flows("pump", "/Ac/Energy/Forward", "day", 1_699_000_000, 1_700_001_000)
        reader.read_lifetime("pump", "/Ac/Energy/Forward")
    return True


# -- backups ---------------------------------------------------------------------------------------------

_KINDS = {
    b"d": tarfile.DIRTYPE,
    b"l": tarfile.SYMTYPE,
    b"h": tarfile.LNKTYPE,
    b"c": tarfile.CHRTYPE,
    b"p": tarfile.FIFOTYPE,
}


class Backups(_Folder):
    """A backup is unpacked as its manifest says, below its folder, or refused in words.

    The first byte says what the input is: a packed file, an archive, or lines `kind name content` of which
    one is made; `@name` in the manifest's line stands for a right entry for that name.
    """

    def __call__(self, data: bytes) -> None:
        folder = self.fresh()
        source = folder.parent / "backup.tar.gz"
        kind, rest = (data[0], data[1:]) if data else (0, b"")
        source.write_bytes(rest if kind == 1 else gzip.compress(rest if kind == 2 else _archive(rest), 1))
        try:
            manifest: Manifest | None = unpack(source, folder)
        except CommandFailed:
            manifest = None
        source.unlink()
        assert not self.beside(), f"written beside the folder: {self.beside()}"
        there = [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
        for path in there:
            assert path.is_file()
            assert not path.is_symlink()
        if manifest is not None:
            named = {part.name: part for part in manifest.parts}
            assert {str(path.relative_to(folder)) for path in there} == set(named)
            for name, part in named.items():
                assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == part.sha256
                assert not (folder / name).stat().st_mode & 0o7000


def _archive(text: bytes) -> bytes:
    lines = [line.split(b" ", 2) for line in text.split(b"\n")]
    contents = {line[1]: line[2] for line in lines if len(line) == 3}
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for line in lines:
            if len(line) != 3:
                continue
            kind, name, content = line
            if name == b"manifest.json":
                content = _with_entries(content, contents)
            member = tarfile.TarInfo(name.decode("latin-1"))
            member.type = _KINDS.get(kind, tarfile.REGTYPE)
            if member.issym() or member.islnk():
                member.linkname = content.decode("latin-1")
            regular = member.type == tarfile.REGTYPE
            member.size = len(content) if regular else 0
            with contextlib.suppress(ValueError, UnicodeError):
                tar.addfile(member, io.BytesIO(content) if regular else None)
    return made.getvalue()


def _with_entries(manifest: bytes, contents: dict[bytes, bytes]) -> bytes:
    for name, content in contents.items():
        entry = {
            "name": name.decode("latin-1"),
            "path": "/x",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "mode": 0o640,
        }
        manifest = manifest.replace(b"@" + name + b";", json.dumps(entry).encode())
    return manifest


_GOOD = (
    b'f manifest.json {"format": 1, "version": "1", "made": "now", "site": "site.yaml", "files": '
    b"[@site/site.yaml;, @state/state.sqlite;]}\nf site/site.yaml devices: {}\nf state/state.sqlite xyz"
)


def _backup_seeds() -> Iterator[bytes]:
    yield b"\0" + _GOOD
    yield b"\2" + _archive(_GOOD)
    yield b"\1" + gzip.compress(_archive(_GOOD), mtime=0)
    for name in (
        b"site/../x",
        b"/site/x",
        b"site/x/../../y",
        b"state\\..\\x",
        b"site/./x",
        b"outside/" + b"x" * 300,
    ):
        yield b"\0" + _GOOD.replace(b"state/state.sqlite", name)
    for kind in b"dlhcp":
        yield b"\0" + _GOOD.replace(b"\nf state/", b"\n" + bytes((kind,)) + b" state/")
    yield b"\0" + _GOOD + b"\nl site/link ../..\nf site/link/x y"
    yield b"\0" + _GOOD.replace(b"[@", b"[" * 2000 + b"@")
    yield b"\0" + _GOOD.replace(b"state/state.sqlite", b"site/site.yaml/x")


def _trace_seeds() -> Iterator[bytes]:
    yield b"# inverter-bridge trace\n# port /dev/ttyUSB0\n0.013370 < 0d0a5049\n0.512004 > 3a37\n"
    yield b"1 < 00\n0.5 < 00\n"
    yield b"0 < 0 1\n999999999999.999999999 > 0A 0b\n\n1e5 < 00"


def _password_seeds() -> Iterator[bytes]:
    entry = '{"salt": "00ff", "hash": "00", "n": 16, "r": 1, "p": 1}'
    yield f'{{"operator": {entry}, "viewer": {entry}}}'.encode()
    yield f'{{"operator": {entry.replace("16", "15")}}}'.encode()
    yield b'{"nobody": {}}'
    yield b"[]"
    yield b"[" * 3000


def _database_seeds() -> Iterator[bytes]:
    for place in (0, 16, 18, 24, 28, 40, 44, 56, 60, 96, 100, 103, 105, 107, 4096, 4100, 8192, 8200):
        yield place.to_bytes(2, "big") + b"\xff"
    for place in range(8000, 16300, 97):
        yield place.to_bytes(2, "big") + b"\xc8"
    for byte in (0, 1, 60, 120, 200, 254):
        yield b"\xff\xff" + bytes((byte,))


def _state() -> Run:
    return Databases(_make_state, _use_state)


def _history() -> Run:
    return Databases(_make_history, _use_history)


TARGETS = (
    Target(
        "trace_file",
        "any file: entries in order, or an error with its line; what was read is read again",
        Traces,
        1000,
        _trace_seeds,
        (b" < ", b" > ", b"\n", b"# ", b"0.1", b"999999999999"),
    ),
    Target(
        "password_file",
        "any file: passwords that can be checked, or a fault that says what to do",
        Passwords,
        1000,
        _password_seeds,
        tuple(f'"{word}"'.encode() for word in ("operator", "viewer", "salt", "hash", "n", "r", "p")),
    ),
    Target(
        "state_file",
        "any damage: used, put aside or refused in words; what is written then can be read",
        _state,
        300,
        _database_seeds,
    ),
    Target(
        "history_file",
        "any damage: used, put aside or refused in words; reading it never ends in a crash",
        _history,
        300,
        _database_seeds,
    ),
    Target(
        "backup_file",
        "any archive: unpacked as its manifest says and nowhere else, or refused in words",
        Backups,
        12_000,
        _backup_seeds,
        (
            b"../",
            b"site/",
            b"state/",
            b"manifest.json",
            b"\nl ",
            b"\nh ",
            b"@site/site.yaml;",
            b'"size": ',
            b"\\u0000",
        ),
    ),
)
