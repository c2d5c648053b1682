"""The command `restore`: put back what a backup holds, keeping what it replaces."""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from bridge.cli.backup import BEFORE
from bridge.cli.backup_file import OUTSIDE, SITE, STATE, Manifest, unpack
from bridge.cli.checked import explained, load_checked
from bridge.cli.errors import CommandFailed
from bridge.cli.target import SITE_HERE
from bridge.datastore.durable import make_folder, sync_folder, write_whole
from bridge.datastore.state import RESTORING
from bridge.outlets.door import SOCKET_NAME

#: Held by a bridge that runs; see `datastore/state.py`.
_LOCK = "lock"
#: What lies beside a database and would be taken for a part of the new one.
_OF_DATABASES = ("-wal", "-shm", "-journal")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--site",
    type=click.Path(path_type=Path),
    default=SITE_HERE,
    show_default=True,
    help="Where the site file is to lie; its maps and secrets beside it.",
)
@click.option(
    "--state", type=click.Path(path_type=Path), help="Directory of the state; left out: what the site says."
)
def restore(file: Path, site: Path, state: Path | None) -> None:
    """Put back what FILE holds. The bridge of the site must be stopped.

    All of FILE is checked before anything is changed. What is replaced is kept under a name with
    `before-restore-`.
    """
    home = site.absolute().parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=home) as name:
        folder = Path(name)
        manifest = unpack(file, folder)
        where = (_state_of(manifest, folder, home) if state is None else state).absolute()
        with _stopped(where):
            move = _Move(_stamp(site.absolute(), where))
            unfinished = where / RESTORING
            write_whole(unfinished, f"{file}\n")  # a bridge does not begin on half of it, after a power cut
            try:
                _put_back(manifest, folder, site.absolute(), where, move)
                move.sync()
            except BaseException:
                move.undo()
                unfinished.unlink()
                raise
            unfinished.unlink()
            sync_folder(where)
    click.echo(f"{site}: {len(manifest.parts)} files of {manifest.made} are back; the state is in {where}")
    for kept in move.kept:
        click.echo(f"kept what was there: {kept}")
    for part in manifest.parts:
        if part.kind == OUTSIDE:
            click.echo(f"{move.stray(home) / part.below} belongs to {part.path}: put it there yourself")


class _Move:
    """Files on their way; what they replace is put aside, and all can be undone."""

    def __init__(self, stamp: str) -> None:
        self.stamp = stamp
        self.kept: list[Path] = []
        self._done: list[tuple[Path, Path]] = []

    def stray(self, home: Path) -> Path:
        """Return where files lie that belong elsewhere."""
        return home / f"restored-{self.stamp}"

    def aside(self, path: Path, to: Path) -> None:
        """Put something that is there aside."""
        make_folder(to.parent)
        path.rename(to)
        self._done.append((path, to))

    def bring(self, path: Path, to: Path) -> None:
        """Bring a new file to its place, also on another disk."""
        make_folder(to.parent)
        try:
            path.rename(to)
        except OSError as fault:
            if fault.errno != errno.EXDEV:
                raise
            _copy_over(path, to)
        self._done.append((path, to))

    def sync(self) -> None:
        """Return when all names last."""
        for folder in {place.parent for pair in self._done for place in pair}:
            sync_folder(folder)

    def undo(self) -> None:
        """Bring everything back to where it was."""
        for path, to in reversed(self._done):
            with contextlib.suppress(OSError):
                shutil.move(to, path)


def _put_back(manifest: Manifest, folder: Path, site: Path, state: Path, move: _Move) -> None:
    home = site.parent
    if not home.is_relative_to(state):
        aside = state / f"{BEFORE}{move.stamp}"
        for there in sorted(state.iterdir()):
            if there.name not in (_LOCK, SOCKET_NAME, RESTORING) and not there.name.startswith((BEFORE, ".")):
                move.aside(there, aside / there.name)
        if aside.exists():
            move.kept.append(aside)
    for part in manifest.parts:
        base, target = {
            SITE: (home, site if part.below == manifest.site else home / part.below),
            STATE: (state, state / part.below),
            OUTSIDE: (move.stray(home), move.stray(home) / part.below),
        }[part.kind]
        if not _inside(target, base):
            raise CommandFailed(
                f"{target} would lie outside {base}, behind a link: remove the link. Nothing was changed"
            )
        for ending in ("", *_OF_DATABASES):
            there = target.with_name(target.name + ending)
            if there.exists() or there.is_symlink():
                kept = there.with_name(f"{there.name}.{BEFORE}{move.stamp}")
                move.aside(there, kept)
                move.kept.append(kept)
        move.bring(folder / part.name, target)


def _copy_over(path: Path, to: Path) -> None:
    part = to.with_name(f".{to.name}.part")
    shutil.copy2(path, part)
    with part.open("rb") as copy:
        os.fsync(copy.fileno())
    part.rename(to)
    path.unlink()


def _stamp(site: Path, state: Path) -> str:
    """Return a name for what is put aside, which nothing has that a restore before this one put there."""
    now = time.strftime("%Y%m%dT%H%M%S")
    for stamp in (now, *(f"{now}-{number}" for number in range(2, 1000))):
        places = (state / f"{BEFORE}{stamp}", site.with_name(f"{site.name}.{BEFORE}{stamp}"))
        if not any(place.exists() for place in places):
            break
    return stamp


def _inside(target: Path, base: Path) -> bool:
    return target.parent.resolve().is_relative_to(base.resolve())


def _state_of(manifest: Manifest, folder: Path, home: Path) -> Path:
    """Return the state directory that the site in the backup names."""
    staged = folder / SITE / manifest.site
    load = load_checked(staged)
    if load.site is None:
        raise CommandFailed(
            "the site in the backup cannot be used here: name the directory of its state by --state, and "
            f"mend the site afterwards:\n{explained(load.problems)}"
        )
    state = Path(os.path.normpath(load.site.state.absolute()))
    below = (folder / SITE).absolute()
    if state.is_relative_to(folder.absolute()):  # written relative to the site file
        return Path(os.path.normpath(home / os.path.relpath(state, below)))
    return state


@contextlib.contextmanager
def _stopped(state: Path) -> Iterator[None]:
    """Keep any bridge from starting in `state` meanwhile. Raises CommandFailed where one runs."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise CommandFailed(
            f"{state}: {fault.strerror or fault}: expected a directory that this user may write; "
            "run it as the bridge's user, or by sudo"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CommandFailed(
            f"a bridge runs with its state in {state}: stop it first (`systemctl stop inverter-bridge`). "
            "Nothing was changed"
        ) from None
    finally:
        os.close(lock)
