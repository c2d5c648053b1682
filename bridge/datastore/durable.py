"""Files that a power cut leaves whole: the former text or the new one, and the new one once that is said.

A file system may write the name of a new file before its bytes, and forget a name whose folder was not
synced: bytes are synced before the name is given, and the folder after it.
"""

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

#: What a folder's sync tells of the disk; other errors mean a file system that does not sync folders.
_BAD_DISK = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
#: What replacing a file that is mounted by itself, as into a container, ends with.
_MOUNTED = (errno.EBUSY, errno.EXDEV)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last. Raises OSError where the disk fails."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as fault:
        if fault.errno in _BAD_DISK:
            raise


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Make a folder with its parents, which last, and leave one alone that is there. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def put_in_place(fresh: Path, path: Path) -> None:
    """Give a file, whose bytes are synced, its name, in the place of the one that has it. Raises OSError."""
    fresh.replace(path)
    sync_folder(path.parent)


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file so that it is whole or the former one at any moment. Raises OSError.

    mode: of a new file; one that is there keeps its own. Two are written over, as they cannot be replaced:
    what is no regular file, and a file that is mounted by itself (a power cut may leave that one half).
    """
    path = path.resolve()  # what a link leads to is meant, not the link
    data = text.encode("utf-8")
    try:
        found = path.stat().st_mode
    except FileNotFoundError:
        found = stat.S_IFREG | mode
    if not stat.S_ISREG(found):
        path.write_bytes(data)
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), stat.S_IMODE(found))
            os.fsync(stream.fileno())
        try:
            put_in_place(fresh, path)
        except OSError as fault:
            if fault.errno not in _MOUNTED or not path.exists():
                raise
            _write_over(path, data)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def _write_over(path: Path, data: bytes) -> None:
    """Write into a file that is there; where the disk has no room for it, it stays as it was."""
    with path.open("r+b") as stream:
        former = stream.read()
        try:
            os.posix_fallocate(stream.fileno(), 0, max(1, len(data)))
        except OSError as fault:
            if fault.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                os.ftruncate(stream.fileno(), len(former))
                raise
        stream.seek(0)
        stream.write(data)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())
