"""The command `backup`: a site with its maps, secrets and certificates, and the state, in one file."""

import contextlib
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import click

from bridge import __version__
from bridge.cli.backup_file import OUTSIDE, SITE, STATE, Manifest, Part, digest, write_backup
from bridge.cli.checked import explained, load_checked
from bridge.cli.errors import BadFile, CommandFailed
from bridge.cli.target import SITE_HERE
from bridge.outlets.door import SOCKET_NAME
from bridge.register_maps.positions import Node, compose
from bridge.site.expansion import expand
from bridge.site.maps import is_file_name
from bridge.site.models import Site
from bridge.site.text import read_text

#: What a restore has put aside lies in folders of these names.
BEFORE = "before-restore-"
_SQLITE = b"SQLite format 3\0"
#: Keys of a site file, and of maps, whose values name files.
_FILE_KEYS = frozenset({"certificate", "key", "client_ca"})
_MAP_KEYS = frozenset({"map", "extends"})
_NO_STATE = frozenset({"lock", SOCKET_NAME})


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--site", type=click.Path(path_type=Path), default=SITE_HERE, show_default=True, help="Site file."
)
@click.option("--without-history", is_flag=True, help="Leave the history out, which may be long.")
def backup(file: Path, site: Path, without_history: bool) -> None:
    """Write a site and all that its bridge has kept into FILE, also while the bridge runs.

    FILE holds passwords and keys: keep it where only you can read it.
    """
    load = load_checked(site)
    if load.site is None:
        raise BadFile(f"{site} cannot be used:\n{explained(load.problems)}")
    if file.exists():
        raise CommandFailed(f"{file}: found a file there already: name another, or remove it first")
    try:
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=file.absolute().parent) as folder:
            parts = _gathered(site, load.site, Path(folder), without_history)
            made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            write_backup(file, Manifest(__version__, made, site.name, parts), Path(folder))
    except OSError as fault:
        where = fault.filename or file
        raise CommandFailed(
            f"{where}: {fault.strerror or fault}: expected files that this user may read, and room for a "
            f"copy of them beside {file}; run it as the bridge's user, or by sudo"
        ) from None
    size_mb = sum(part.size for part in parts) / 1e6
    click.echo(f"{file}: {len(parts)} files, {size_mb:.1f} MB; it holds passwords and keys: keep it safe")


def _gathered(site: Path, found: Site, folder: Path, without_history: bool) -> list[Part]:
    """Copy everything into `folder` under its name in the backup."""
    home = site.absolute().parent
    parts, outside = [], 0
    for path in dict.fromkeys([site.absolute(), *site_files(site)]):
        if not path.is_file():
            raise CommandFailed(f"{path}: found no such file, which {site} names")
        try:
            name = f"{SITE}/{Path(os.path.normpath(path)).relative_to(home).as_posix()}"
        except ValueError:
            outside += 1
            name = f"{OUTSIDE}/{outside}/{path.name}"
        parts.append(_copied(path, name, folder))
    state = found.state.absolute()
    history = None if found.outlets.history is None else found.outlets.history.path(found.state).absolute()
    kept = [(path, f"{STATE}/{path.relative_to(state).as_posix()}") for path in _state_files(state)]
    if history is not None and history.is_file() and not history.is_relative_to(state):
        kept.append((history, f"{OUTSIDE}/{outside + 1}/{history.name}"))
    parts += [_copied(path, name, folder) for path, name in kept if not (without_history and path == history)]
    return parts


def site_files(site: Path) -> Iterator[Path]:
    """Yield the files that a site file names: includes and what they name, secrets, maps, certificates."""
    yield from _named_by(site.absolute(), site.absolute().parent, set())


def _named_by(file: Path, home: Path, seen: set[Path]) -> Iterator[Path]:
    if file in seen:
        return
    seen.add(file)
    text = read_text(file)
    node = compose(text, str(file))[0] if isinstance(text, str) else None
    if node is None:
        return
    for key, value in _pairs(node):
        written = expand(value, os.environ, []).text
        if not written:
            continue
        if key == "include":
            beside = Path(os.path.normpath(file.parent / written))
            yield beside
            yield from _named_by(beside, home, seen)
        elif key in _MAP_KEYS and is_file_name(written):
            beside = Path(os.path.normpath(home / written))
            yield beside
            yield from _named_by(beside, beside.parent, seen)
        elif key.endswith("_file") or key in _FILE_KEYS:
            yield Path(os.path.normpath((file.parent if key.endswith("_file") else home) / written))


def _pairs(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield every key with its scalar, or each scalar of its list."""
    if isinstance(node.value, dict):
        for key, value in node.value.items():
            if isinstance(value.value, dict):
                yield from _pairs(value)
            elif isinstance(value.value, list):
                for entry in value.value:
                    yield from _pairs(entry) if isinstance(entry.value, dict | list) else [(key, entry)]
            else:
                yield key, value
    elif isinstance(node.value, list):
        for entry in node.value:
            yield from _pairs(entry)


def _state_files(state: Path) -> Iterator[Path]:
    for path in sorted(state.rglob("*")):
        inner = path.relative_to(state)
        ours = not inner.parts[0].startswith((BEFORE, ".")) and path.name not in _NO_STATE
        passing = path.name.endswith(("-wal", "-shm", "-journal", ".part")) or ".damaged-" in path.name
        if ours and not passing and stat.S_ISREG(path.lstat().st_mode):
            yield path


def _copied(path: Path, name: str, folder: Path) -> Part:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with path.open("rb") as file:
        database = file.read(len(_SQLITE)) == _SQLITE
    if database:
        _copy_database(path, target)
    else:
        shutil.copyfile(path, target)
    return Part(name, str(path), target.stat().st_size, digest(target), stat.S_IMODE(path.stat().st_mode))


def _copy_database(path: Path, target: Path) -> None:
    """Copy a database as it stands at one moment, also while it is written."""
    try:
        uri = f"file:{quote(str(path))}?mode=ro"
        with (
            contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10.0)) as database,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            database.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as fault:
        raise CommandFailed(f"{path} cannot be read ({fault}): see the log of the bridge") from None
