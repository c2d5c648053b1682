"""The directory of the saved state: it can be written, has room, and this program can read what is in it."""

import os
from collections.abc import Iterator
from pathlib import Path

from bridge.datastore.state import FILE_NAME, SCHEMA_VERSION
from bridge.datastore.state_schema import saved_version
from bridge.doctor.finding import Case, Finding

_CHECK = "state"
#: Below this a log and an audit fill the disk within days.
_ROOM_LEAST = 50 << 20
_WRITE_AND_SEARCH = 3


def directory(case: Case) -> Iterator[Finding]:
    """Find a directory that the bridge's user may not write."""
    if case.site is None:
        return
    state, account = case.site.state, case.machine.runs_as
    place = _nearest(state)
    try:
        node = place.stat()
    except OSError:
        return
    if not account.may(node, _WRITE_AND_SEARCH):
        yield Finding(
            _CHECK,
            f"user {account.name} may not write {place}, and the state is to be in {state}",
            f"sudo install -d -o {account.name} -m 0700 {state}, or name another directory in `state:`",
        )


def room(case: Case) -> Iterator[Finding]:
    """Find a disk that is full, nearly full or read-only."""
    if case.site is None:
        return
    place = _nearest(case.site.state)
    try:
        disk = case.machine.statvfs(place)
    except OSError:
        return
    free = disk.f_bavail * disk.f_frsize
    if disk.f_flag & os.ST_RDONLY:
        yield Finding(
            _CHECK,
            f"{place} is on a file system that cannot be written",
            "name a directory in `state:` that can; in a container give it a volume (docs/docker.md)",
        )
    elif free < _ROOM_LEAST or (disk.f_files and not disk.f_favail):
        yield Finding(
            _CHECK,
            f"the disk of {place} has {free >> 20} MiB and {disk.f_favail} files left",
            f"make room: at least {_ROOM_LEAST >> 20} MiB; the bridge runs on without, and remembers nothing",
        )


def schema(case: Case) -> Iterator[Finding]:
    """Find a state that a newer version wrote, which this one leaves alone."""
    if case.site is None:
        return
    found = saved_version(case.site.state, FILE_NAME)
    if found is not None and found > SCHEMA_VERSION:
        yield Finding(
            _CHECK,
            f"{case.site.state / FILE_NAME} is of schema {found}, this version knows up to {SCHEMA_VERSION}",
            "run the newer version again, or go back to the copy of before it (docs/updating.md)",
        )


def _nearest(path: Path) -> Path:
    """Return the first of a path and its parents that is there."""
    for place in (path, *path.absolute().parents):
        try:
            if place.exists():
                return place
        except OSError:
            continue
    return path
