"""The fault matrix says what is so: no cell of it is empty, and every test that it names is there."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MATRIX = ROOT / "docs" / "faults.md"
#: A program that a test of the suite runs for a moment, and a person for as long as he likes.
POWER_CUTS = "tests/power_cuts.py"
#: A test as the matrix names it: a file or folder below `tests/`, with or without one test of it.
_NAMED = re.compile(r"`(tests/[\w/]+(?:\.py)?)(?:::(\w+))?`")
#: A row whose proof is not a test of the suite names the command that is.
_COMMAND = re.compile(r"`make \w+`")
#: Where a fault cannot happen to a family, the cell says so and why.
_SPARED = re.compile(r"does not apply: .{10,}")


@dataclass(frozen=True)
class Row:
    """A row of a table: its place in the file, the headings of its columns, and its cells."""

    line: int
    headings: tuple[str, ...]
    cells: tuple[str, ...]

    def __str__(self) -> str:
        return f"docs/faults.md:{self.line} {self.cells[0]}"


def cells_of(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def rows() -> Iterator[Row]:
    headings: tuple[str, ...] = ()
    for number, line in enumerate(MATRIX.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("|"):
            headings = ()
        elif set(line) <= set("|-: "):
            continue
        elif not headings:
            headings = cells_of(line)
        else:
            yield Row(number, headings, cells_of(line))


ROWS = list(rows())


@cache
def named_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name.startswith("test_")
    )


def test_there_is_a_matrix() -> None:
    assert len(ROWS) > 80
    assert {"fault", "promised behaviour", "figure", "test"} <= {
        word for row in ROWS for word in row.headings
    }


def test_no_cell_is_empty() -> None:
    uneven = [str(row) for row in ROWS if len(row.cells) != len(row.headings)]
    assert not uneven, "\n".join(uneven)
    empty = [
        f"{row}: nothing under {heading}"
        for row in ROWS
        for heading, cell in zip(row.headings, row.cells, strict=True)
        if not cell.strip("-– ?.")
    ]
    assert not empty, "\n".join(empty)


def missing(name: str, test: str) -> str:
    """Say what is wrong with a test that is named; nothing when it is there."""
    file = ROOT / name
    if not file.exists():
        return f"found no {name}"
    if file.is_dir():
        return f"found the folder {name}, expected a file for ::{test}" if test else ""
    if test:
        return "" if test in named_in(file) else f"found no {test} in {name}"
    return "" if named_in(file) or name == POWER_CUTS else f"found no test in {name}"


def test_every_named_test_is_there() -> None:
    wrong = [
        f"{row}: {fault}"
        for row in ROWS
        for cell in row.cells
        for found in _NAMED.findall(cell)
        if (fault := missing(*found))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_promise_has_its_proof() -> None:
    unproven = [
        f"{row}: found {cell!r} under {heading}"
        for row in ROWS
        for heading, cell in zip(row.headings, row.cells, strict=True)
        if heading not in ("fault", "promised behaviour", "figure")
        and not (_NAMED.search(cell) or _COMMAND.search(cell) or (heading != "test" and _SPARED.search(cell)))
    ]
    assert not unproven, "\n".join(unproven)
