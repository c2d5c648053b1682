"""The last versions of the site file, kept in the state directory so that each can be taken back."""

import contextlib
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

KEPT = 10
_FOLDER = "site-versions"
_NAME = re.compile(r"(?P<number>\d{6})-(?P<time>\d{8}T\d{6}Z)\.yaml")


@dataclass(frozen=True, slots=True)
class Version:
    """One version, with the moment at which it was replaced."""

    number: int
    time: datetime
    file: Path

    def text(self) -> str:
        """Return it. Blocks."""
        return self.file.read_text(encoding="utf-8")


class Versions:
    """The versions of one site. All methods block; those that write raise OSError."""

    def __init__(self, state: Path) -> None:
        self._folder = state / _FOLDER

    def listed(self) -> list[Version]:
        """Return them, the newest first."""
        try:
            names = [(file, _NAME.fullmatch(file.name)) for file in self._folder.iterdir()]
        except OSError:
            return []
        found = [
            Version(
                int(name["number"]),
                datetime.strptime(name["time"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
                file,
            )
            for file, name in names
            if name is not None
        ]
        return sorted(found, key=lambda one: one.number, reverse=True)

    def find(self, number: int) -> Version | None:
        """Return one version, None where it is not kept any more."""
        return next((one for one in self.listed() if one.number == number), None)

    def keep(self, text: str, now: float) -> None:
        """Keep a text, and only the last of those before it. The newest is not kept twice."""
        known = self.listed()
        if known:
            with contextlib.suppress(OSError, ValueError):
                if known[0].text() == text:
                    return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = known[0].number + 1 if known else 1
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        write_whole(self._folder / f"{number:06d}-{stamp}.yaml", text)
        for one in self.listed()[KEPT:]:
            with contextlib.suppress(OSError):
                one.file.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is whole or the former one at any moment. Raises OSError.

    A file that is mounted by itself cannot be replaced, and is written over.
    """
    mode = path.stat().st_mode & 0o7777 if path.exists() else 0o600
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(fresh).chmod(mode)
        try:
            Path(fresh).replace(path)
        except OSError:
            if not path.exists():
                raise
            path.write_text(text, encoding="utf-8")
    finally:
        with contextlib.suppress(OSError):
            Path(fresh).unlink()
