"""The last versions of the site file, kept in the state directory so that each can be taken back."""

import contextlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bridge.datastore.durable import make_folder, write_whole

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
        make_folder(self._folder)
        number = known[0].number + 1 if known else 1
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        write_whole(self._folder / f"{number:06d}-{stamp}.yaml", text)
        for one in self.listed()[KEPT:]:
            with contextlib.suppress(OSError):
                one.file.unlink()
