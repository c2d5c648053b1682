"""The faults that are tried, one line of code at a time; and what is left alone."""

from pathlib import Path

import pytest

from tests.mutation.accepted import Accepted
from tests.mutation.operators import mutants
from tests.mutation.rooms import ROOMS

ROOT = Path(__file__).resolve().parents[2]


def changes(tmp_path: Path, source: str) -> list[str]:
    (tmp_path / "m.py").write_text(source)
    return [mutant.becomes for mutant in mutants(tmp_path, "m.py")]


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("x = a < b", ["x = a <= b"]),
        ("x = a is not b", ["x = a is b"]),
        ("x = a not in b", ["x = a in b"]),
        ("x = a and b or c", ["x = a or b or c", "x = a and b and c"]),
        ("x = not a", ["x = a"]),
        ("x = a + b // c", ["x = a - b // c", "x = a + b / c"]),
        ("x = 0x0F", ["x = 0x10"]),
        ("x = 2.5", ["x = 3.5"]),
        ("x = True", ["x = False"]),
        ("x = '/Mode'", ["x = 'XX/Mode'"]),
        ("x = min(a, b)", ["x = max(a, b)"]),
        ("x = [a for a in b if a]", ["x = [a for a in b if not (a)]"]),
        ("def f(a=1): return a", ["def f(a=2): return a", "def f(a=1): return None"]),
        ("def f(self): self.a = b", ["def f(self): pass"]),
        ("def f(a): a += b", ["def f(a): pass", "def f(a): a -= b"]),
        ("def f(a): return -a", ["def f(a): return None", "def f(a): return a"]),
        ("def f(a):\n    if a: a()", ["if not (a): a()", "if a: pass"]),
        ("while a: break", ["while not (a): break", "while a: pass"]),
    ],
)
def test_what_is_tried(tmp_path: Path, line: str, becomes: list[str]) -> None:
    assert sorted(changes(tmp_path, line)) == sorted(becomes)


@pytest.mark.parametrize(
    "line",
    [
        "'''A text for people.'''",
        "x = 'found nothing'",
        "x = f'{a + 1}'",
        "x: dict[str, 'int'] = a",
        "X = int | str",
        "@d(1)\ndef f(a: 'int') -> 'int': ...",
        "_log.info('x', 1)",
        "raise E('x', 1)",
        "if TYPE_CHECKING: x = 1",
        "x = zip(a, b, strict=True)",
    ],
)
def test_what_is_left_alone(tmp_path: Path, line: str) -> None:
    assert changes(tmp_path, line) == []


def test_a_statement_taken_out_leaves_the_lines_below_in_their_places(tmp_path: Path) -> None:
    source = "def f():\n    g(\n        a,\n    )\n    h()\n"
    (tmp_path / "m.py").write_text(source)
    first = mutants(tmp_path, "m.py")[0]
    assert first.apply(source.encode()).decode() == "def f():\n    pass\n\n\n    h()\n"


def test_equal_changes_of_equal_lines_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("x = 1\nx = 1\n")
    assert [(m.line, m.occurrence) for m in mutants(tmp_path, "m.py")] == [(1, 0), (2, 1)]


def test_every_room_has_modules_and_tests() -> None:
    for room in ROOMS.values():
        assert room.module_paths(ROOT)
        assert room.test_paths(ROOT)


def test_an_accepted_survivor_needs_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("m.py\n- x = 1\n+ x = 2\n=\n")
    with pytest.raises(ValueError, match="reason"):
        Accepted.read(tmp_path / "a.txt")
