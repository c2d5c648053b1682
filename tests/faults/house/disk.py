"""What a disk holds after a power cut, from a list of what a program did to it (see `recorder.c`).

A disk promises little: bytes last once their file was synced, a name lasts once its folder was synced. What was
not may be there or not, each for itself. `Recording.cuts` plays a program up to every one of its calls and
yields what may then be found, in six ways from "all of it" (kill -9) to "nothing that was not synced".
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

#: Ways in which what was not synced may have arrived.
WAYS = (
    "killed",  # everything: the system lives on
    "lost",  # nothing
    "names only",  # names of files, none of their bytes
    "bytes only",  # bytes of files, no names
    "torn",  # all names; the last write of each file by half
    "out of order",  # all names; of each file's writes only the last
)
#: What a scenario says once it has made its files, which are then taken for synced.
READY = "ready"


@dataclass(eq=False)
class File:
    """The bytes of a file: those that last, and what has been done to them since."""

    synced: bytes = b""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        self.synced, self.since = self.bytes_in("killed"), []

    def bytes_in(self, way: str) -> bytes:
        done = self.since
        if way in ("lost", "names only"):
            done = []
        elif way == "out of order":
            done = done[-1:]
        elif way == "torn" and done:
            at, last = done[-1]
            done = [*done[:-1], (at, last[: len(last) // 2])] if last is not None else done[:-1]
        content = bytearray(self.synced)
        for at, written in done:
            if written is None:
                content = content[:at].ljust(at, b"\0")
            else:
                content = content[:at].ljust(at, b"\0") + written + content[at + len(written) :]
        return bytes(content)


@dataclass(eq=False)
class Folder:
    """The names in a folder: those there are, and those that last."""

    names: "dict[str, File | Folder]" = field(default_factory=dict)
    synced: "dict[str, File | Folder]" = field(default_factory=dict)

    def settle(self) -> None:
        """Take all below for synced."""
        for below in self.names.values():
            if isinstance(below, Folder):
                below.settle()
            else:
                below.sync()
        self.synced = dict(self.names)


Tree = dict[str, bytes | None]


def tree_of(folder: Folder, way: str, at: str = "") -> Tree:
    """Return path -> bytes, None for a folder."""
    found: Tree = {}
    names = folder.synced if way in ("lost", "bytes only") else folder.names
    for name, below in names.items():
        path = f"{at}{name}"
        if isinstance(below, Folder):
            found[path] = None
            found |= tree_of(below, way, f"{path}/")
        else:
            found[path] = below.bytes_in(way)
    return found


@dataclass(frozen=True)
class Cut:
    """What may be found after a cut before call `number`, and what the program had promised by then."""

    number: int
    call: str
    way: str
    promised: tuple[str, ...]
    tree: Tree

    def lay_out(self, folder: Path) -> Path:
        """Make the files in an empty folder."""
        folder.mkdir()
        for name, content in self.tree.items():
            if content is None:
                (folder / name).mkdir(mode=0o700)
            else:
                (folder / name).write_bytes(content)
                (folder / name).chmod(0o600)
        return folder


def recordings(path: Path) -> "dict[str, Recording]":
    """Return the scenarios of a list by the names of their folders; each begins by making its folder."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text().splitlines():
        if line.startswith("B "):
            lines = found[line[2:]] = []
        elif line != f"M {[*found][-1]}":
            lines.append(line)
    return {Path(root).name: Recording(lines, Path(root)) for root, lines in found.items()}


class Recording:
    """One scenario of a list: its calls below `root`, in order."""

    def __init__(self, lines: list[str], root: Path) -> None:
        self._root = PurePosixPath(root)
        self._lines = lines
        self._top = Folder()
        self._files: dict[str, File] = {}

    def cuts(self) -> Iterator[Cut]:
        """Yield every different state that a cut may leave once the scenario was ready."""
        seen: set[bytes] = set()
        promised: tuple[str, ...] = ()
        ready, number = False, 0
        for line in (*self._lines, ""):
            kind, _, rest = line.partition(" ")
            if ready and kind != "A":
                number += 1
                for way in WAYS:
                    cut = Cut(number, line[:120], way, promised, tree_of(self._top, way))
                    mark = hashlib.sha256(repr((promised, sorted(cut.tree.items()))).encode()).digest()
                    if mark not in seen:
                        seen.add(mark)
                        yield cut
            if kind == "A" and rest == READY:
                self._top.settle()
                ready = True
            elif kind == "A":
                promised = (*promised, rest)
            elif kind:
                self._do(kind, rest)

    def _do(self, kind: str, rest: str) -> None:
        if kind == "C":
            path, _, inode = rest.rpartition(" ")
            self._files[inode] = File()
            self._put(path, self._files[inode])
        elif kind == "W":
            inode, at, written = rest.split(" ")
            self._files[inode].since.append((int(at), bytes.fromhex(written)))
        elif kind == "T":
            inode, length = rest.split(" ")
            self._files[inode].since.append((int(length), None))
        elif kind == "S":
            self._files[rest].sync()
        elif kind == "D":
            folder = self._folder(self._below(rest))
            folder.synced = dict(folder.names)
        elif kind == "M":
            self._put(rest, Folder())
        elif kind in "UX":
            self._take(rest)
        else:
            old, _, new = rest.partition("|")
            self._put(new, self._take(old))

    def _below(self, path: str) -> tuple[str, ...]:
        return PurePosixPath(path).relative_to(self._root).parts

    def _folder(self, parts: tuple[str, ...]) -> Folder:
        found = self._top
        for part in parts:
            below = found.names[part]
            assert isinstance(below, Folder)
            found = below
        return found

    def _put(self, path: str, what: File | Folder) -> None:
        *parents, name = self._below(path)
        self._folder(tuple(parents)).names[name] = what

    def _take(self, path: str) -> File | Folder:
        *parents, name = self._below(path)
        return self._folder(tuple(parents)).names.pop(name)
