"""An append-only file of lines that is rotated by size and survives being moved away under its writer.

Every line is one `write`, so that a reader never meets half of one, and nobody else's line lands in it.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_MODE = 0o600


class LineFile:
    """The file `path` and its elders `path.1` (the newest) to `path.<keep>`. Every method blocks.

    size_max: bytes beyond which the next line begins a new file; a longer line has one to itself.
    """

    def __init__(self, path: Path, size_max: int, keep: int) -> None:
        self.path = path
        self._size_max = size_max
        self._keep = keep
        self._descriptor: int | None = None
        self._size = 0
        #: True where the file ends within a line: after a crash, or on a disk that filled up.
        self._torn = False
        #: Why the last attempt at beginning a new file failed; lines then go on into the old one.
        self.rotation_fault: OSError | None = None

    def append(self, line: bytes) -> None:
        """Write one line, which ends with a line break. Raises OSError; then nothing of it is in the file."""
        descriptor = self._opened()
        if self._size and self._size + len(line) > self._size_max:
            descriptor = self._rotated(descriptor)
        data = b"\n" + line if self._torn else line
        written = os.write(descriptor, data)
        if written < len(data):
            self._undo(descriptor)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False
        self._size += written

    def sync(self) -> None:
        """Return when everything written is on the disk. Raises OSError."""
        if self._descriptor is not None:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):  # network file systems tell late; `sync` has told before
                os.close(descriptor)

    def _opened(self) -> int:
        """Return the descriptor of what stands under the path now, made anew where that is gone."""
        if self._descriptor is not None and not self._is_here(self._descriptor):
            with contextlib.suppress(OSError):  # it is the mover's file now
                self.sync()
            self.close()
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, _FLAGS, _MODE)
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                os.close(descriptor)
                raise OSError(errno.EINVAL, "found a device or a pipe, expected a regular file")
            self._descriptor = descriptor
            self._size = found.st_size
            self._torn = self._size > 0 and os.pread(descriptor, 1, self._size - 1) != b"\n"
            self._sync_folder()
        return self._descriptor

    def _is_here(self, descriptor: int) -> bool:
        try:
            here = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(here, os.fstat(descriptor))

    def _rotated(self, descriptor: int) -> int:
        """Begin a new file; where that cannot be, go on in this one: a long file is better than a gap."""
        try:
            os.fdatasync(descriptor)
            for number in range(self._keep - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._elder(number).replace(self._elder(number + 1))
            self.path.replace(self._elder(1))
        except OSError as fault:
            self.rotation_fault = fault
            return descriptor
        self.rotation_fault = None
        return self._opened()

    def _elder(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _undo(self, descriptor: int) -> None:
        """Take back the half of a line that went in."""
        try:
            os.ftruncate(descriptor, self._size)
        except OSError:
            self._torn = True

    def _sync_folder(self) -> None:
        """Make a new name last, where the file system lets a folder be synced."""
        with contextlib.suppress(OSError):
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
