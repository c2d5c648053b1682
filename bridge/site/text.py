"""Reading a file that a person wrote: every way in which it can be unreadable is a problem with a place."""

import errno
import os
import stat
from pathlib import Path

from bridge.register_maps.positions import Problem, lines_of

#: Far more than any site; a wrong file is noticed at once instead of being parsed for seconds.
SIZE_MAX = 256 * 1024

_SAID = {
    errno.ENOENT: ("found no such file", "check the path"),
    errno.ENOTDIR: ("found no such file", "check the path"),
    errno.EISDIR: ("found a directory, expected a file", "name the file in it"),
    errno.EACCES: (
        "found a file that may not be read",
        "check its owner and mode, and those of its directories",
    ),
    errno.EPERM: (
        "found a file that may not be read",
        "check its owner and mode, and those of its directories",
    ),
    errno.ELOOP: ("found links that lead in a circle", "check the path"),
    errno.ENAMETOOLONG: ("found a path longer than the system allows", "check the path"),
}


def read_text(path: Path) -> str | Problem:
    """Return a file's text, or the problem that its reader meets.

    Only regular files of at most `SIZE_MAX` bytes in UTF-8 are taken: nothing here can block for long.
    """
    file = str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as opened:  # noqa: PTH123 - a descriptor, opened without waiting for a FIFO
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                return Problem(file, 1, 1, *_SAID[errno.EISDIR])
            if not stat.S_ISREG(mode):
                return Problem(file, 1, 1, "found a device or a pipe, expected a file", "name a regular file")
            content = opened.read(SIZE_MAX + 1)
    except OSError as fault:
        said = _SAID.get(fault.errno or 0, (f"cannot read the file: {fault.strerror}", "check the path"))
        return Problem(file, 1, 1, *said)
    except ValueError:  # a NUL in the path
        return Problem(file, 1, 1, "found a path with a NUL character", "check the path")
    if len(content) > SIZE_MAX:
        return Problem(file, 1, 1, f"found more than {SIZE_MAX} bytes", "is this the right file?")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as fault:
        before = lines_of(content[: fault.start].decode("utf-8"))
        what = f"found the byte 0x{content[fault.start]:02X}, which is not UTF-8"
        return Problem(file, len(before), len(before[-1]) + 1, what, "save the file as UTF-8")
