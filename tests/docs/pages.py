"""The documents, and what stands in them between fences."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.repo.checkout import ROOT

#: Pages of the repository that a person reads; those made from maps are judged with the maps.
PAGES = tuple(
    page
    for page in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
    if not page.is_relative_to(ROOT / "docs/registers")
)
FRAGMENT = "<!-- fragment -->"
_FENCE = re.compile(
    rf"^(?P<mark>{FRAGMENT}\n)?```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block. `fragment`: the page says that it is no whole file."""

    page: Path
    line: int
    language: str
    title: str
    text: str
    fragment: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page; `line` is that of the opening fence."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1 + bool(found["mark"]),
            found["language"],
            found["title"] or "",
            found["text"],
            bool(found["mark"]),
        )
        for found in _FENCE.finditer(text)
    ]


BLOCKS = tuple(block for page in PAGES for block in blocks_of(page))
