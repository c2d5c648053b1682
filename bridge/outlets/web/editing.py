"""A new text of the site file: checked as it would be read, taken on while serving, kept to be undone."""

import asyncio
import contextlib
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bridge.datastore.clock import Clock
from bridge.datastore.durable import write_whole
from bridge.outlets.web.doors import ReloadRefused, SiteDoor
from bridge.outlets.web.events import EventLog
from bridge.outlets.web.gate import Refusal
from bridge.outlets.web.versions import Versions
from bridge.register_maps.positions import Problem, lines_of
from bridge.site.loader import SiteLoad

#: The longest site file that is taken.
TEXT_MAX = 512 << 10
#: Characters of a line shown around a fault.
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Checked:
    """What a text says: its faults and warnings as a compiler shows them."""

    good: bool
    said: str


class Editing:
    """Changes of the one site file, one after the other."""

    def __init__(self, door: SiteDoor, versions: Versions, events: EventLog, clock: Clock) -> None:
        self.versions = versions
        self._door = door
        self._events = events
        self._clock = clock
        self._turn = asyncio.Lock()

    @property
    def path(self) -> Path:
        """Where the site file lies."""
        return self._door.path

    async def text(self) -> str:
        """Return the file as it is. Raises Refusal."""
        try:
            return await asyncio.to_thread(self.path.read_text, encoding="utf-8")
        except (OSError, ValueError) as fault:
            raise Refusal(409, f"{self.path} cannot be read: {fault}") from None

    async def check(self, text: str) -> Checked:
        """Check a text as if it stood in the file. Raises Refusal where that cannot be done."""
        return await asyncio.to_thread(self._check, _tidy(text))

    async def apply(self, text: str, base: str, who: str) -> str:
        """Write a text and serve it; returns what has changed. Raises Refusal; then nothing has changed.

        base: `mark` of the text that the change was made of.
        """
        text = _tidy(text)
        async with self._turn:
            former = await self.text()
            if mark(former) != base:
                raise Refusal(
                    409, "the site file has changed meanwhile: load this page again and repeat the change"
                )
            checked = await self.check(text)
            if not checked.good:
                raise Refusal(422, checked.said)
            try:
                await asyncio.to_thread(self._write, former, text)
            except OSError as fault:
                raise Refusal(
                    409,
                    f"{self.path} cannot be written ({fault.strerror or fault}): let the bridge's user write "
                    "it and its directory",
                ) from None
            load = await asyncio.to_thread(self._door.load, self.path)
            try:
                said = await self._door.reload(load)
            except ReloadRefused as refused:
                await asyncio.to_thread(write_whole, self.path, former)
                raise Refusal(409, f"{refused}. The file is as it was") from None
            self._events.told("site", f"{who}: {said}")
            return said

    async def reload(self, who: str) -> str:
        """Serve the file as it lies there. Raises Refusal."""
        async with self._turn:
            load = await asyncio.to_thread(self._door.load, self.path)
            if load.site is None:
                raise Refusal(422, "\n".join(map(str, load.problems)))
            try:
                said = await self._door.reload(load)
            except ReloadRefused as refused:
                raise Refusal(409, str(refused)) from None
            self._events.told("site", f"{who}: {said}")
            return said

    def _write(self, former: str, text: str) -> None:
        if former != text:
            self.versions.keep(former, self._clock.now())
            write_whole(self.path, text)

    def _check(self, text: str) -> Checked:
        """Check in a file beside the real one, so that includes and maps are found."""
        try:
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self.path.parent, prefix=".site.", suffix=".yaml"
            ) as stream:
                stream.write(text)
                stream.flush()
                load = self._door.load(Path(stream.name))
                return checked_of(load, stream.name, self.path.name, text)
        except OSError as fault:
            raise Refusal(
                409,
                f"{self.path.parent} cannot be written ({fault.strerror or fault}): let the bridge's user "
                "write it, or change the file on the machine itself",
            ) from None
        except UnicodeEncodeError:
            return Checked(good=False, said="found characters that no file can hold")


def mark(text: str) -> str:
    """Return what tells one text from another."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def checked_of(load: SiteLoad, file: str, name: str, text: str) -> Checked:
    """Return a load in words: every fault with its line and a caret."""
    lines = lines_of(text)
    faults = [_said(one, file, name, lines) for one in load.problems]
    warnings = [_said(one, file, name, lines, "warning: ") for one in load.warnings]
    if faults:
        return Checked(good=False, said="\n".join((*faults, *warnings)))
    served = len({(unit.unit, unit.device) for unit in load.units})
    good = f"no fault found; {served} unit{'' if served == 1 else 's'} would be served"
    return Checked(good=True, said="\n".join((good, *warnings)))


def _said(problem: Problem, file: str, name: str, lines: list[str], word: str = "") -> str:
    own = problem.file == file
    hint = f", {problem.hint}" if problem.hint else ""
    head = f"{name if own else problem.file}:{problem.line}:{problem.column}: {word}{problem.message}{hint}"
    head = head.replace(file, name)
    if not own or not 0 < problem.line <= len(lines):
        return head
    start = max(0, problem.column - 1 - _SHOWN // 2)
    line = lines[problem.line - 1]
    margin = f"{problem.line:5} | "
    caret = " " * (len(margin) + problem.column - 1 - start)
    return f"{head}\n{margin}{line[start : start + _SHOWN]}\n{caret}^"


def _tidy(text: str) -> str:
    """Return a text from a browser with the line ends of a file. Raises Refusal for one that is too long."""
    if len(text) > TEXT_MAX:
        raise Refusal(413, f"found {len(text)} characters, expected a site file of at most {TEXT_MAX}")
    text = text.replace("\r\n", "\n")
    with contextlib.suppress(IndexError):
        if text[-1] != "\n":
            text += "\n"
    return text
