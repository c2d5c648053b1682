"""docs/serving.md: what it says of tests, functions and the audit is so."""

import ast
import json
import re

from bridge.outlets import audit, line_writer
from tests.repo.checkout import ROOT

TEXT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (P\d+) \|.*\| `(\w+)` \|$", TEXT, re.MULTILINE)


def test_every_row_of_the_stock_table_names_its_test() -> None:
    assert [number for number, _ in ROWS] == [f"P{number}" for number in range(1, 17)]
    tree = ast.parse((ROOT / "tests" / "server" / "test_stock_table.py").read_text())
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for number, name in ROWS:
        assert name in there
        assert re.search(rf"_{number.lower()}_", name)


def test_the_lines_of_the_audit_are_such_lines() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert audit.__doc__ is not None
    for line in block.splitlines():
        shown = json.loads(line)
        described = re.search(rf'\{{"event": "{shown["event"]}"(.*?)\}}', audit.__doc__, re.DOTALL)
        assert described is not None
        assert ["event", *re.findall(r'"(\w+)"', described[1])] == list(shown)


def test_its_figures_are_those_of_the_code() -> None:
    assert f"within a second, or {line_writer.SYNC_LINES} lines" in TEXT
    assert line_writer.SYNC_S == 1.0
    assert f"{line_writer.LINES_MAX} lines of it" in (ROOT / "docs" / "site-file.md").read_text()
