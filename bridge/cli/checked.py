"""A site file read and checked, and what is wrong with it as a compiler shows it."""

import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.house.learnt import learnt_product
from bridge.register_maps.positions import Problem, lines_of
from bridge.site.families import InstalledFamilies
from bridge.site.loader import SiteLoad, load_site
from bridge.site.text import read_text

#: Characters of a source line shown around a fault.
_SHOWN = 100
#: What is told of a unit, in this order.
HEADINGS = ("listener", "unit", "device", "map", "role")


def load_checked(site: Path, variables: Mapping[str, str] | None = None) -> SiteLoad:
    """Load a site file with this environment, the installed families and maps, and the saved state.

    variables: what stands over those of the environment.
    """
    env = {**os.environ, **variables} if variables else os.environ
    return load_site(site, env, InstalledFamilies(), learnt_product)


def explained(problems: Iterable[Problem], word: str = "") -> str:
    """Return problems as a compiler shows them: the place, the text, the line, a caret."""
    lines: dict[str, list[str]] = {}
    return "\n".join(_explained(problem, word, lines) for problem in problems)


def _explained(problem: Problem, word: str, lines: dict[str, list[str]]) -> str:
    if problem.file not in lines:
        text = read_text(Path(problem.file))
        lines[problem.file] = [] if isinstance(text, Problem) else lines_of(text.removeprefix("\ufeff"))
    place = f"{problem.file}:{problem.line}:{problem.column}:"
    said = problem.message + (f", {problem.hint}" if problem.hint else "")
    head = _printable(f"{place} {word}{said}")
    if not 0 < problem.line <= len(lines[problem.file]):
        return head
    line = lines[problem.file][problem.line - 1]
    start = max(0, problem.column - 1 - _SHOWN // 2)
    before = _printable(line[start : problem.column - 1])
    shown = before + _printable(line[problem.column - 1 : start + _SHOWN])
    margin = f"{problem.line:5} | "
    return f"{head}\n{margin}{shown}\n{' ' * (len(margin) - 2)}| {' ' * _width(before)}^"


def as_fields(load: SiteLoad) -> dict[str, object]:
    """Return what `--json` prints of a site."""
    return {
        "errors": [_fields(problem) for problem in load.problems],
        "units": [{key: getattr(unit, key) for key in HEADINGS} for unit in load.units],
        "warnings": [_fields(problem) for problem in load.warnings],
    }


def _fields(problem: Problem) -> dict[str, str | int]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "hint": problem.hint,
    }


def _printable(text: str) -> str:
    """Return text that cannot steer a terminal: tabs as one space, everything unprintable as `?`."""
    return "".join(
        " " if character == "\t" else character if character.isprintable() else "?" for character in text
    )


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
