"""A short storm over every family in every run of the tests; `make soak` lets long ones blow.

In a process of its own: there the order of sets is always the same, so that a seed is one storm and no other.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.repo.checkout import ROOT

BOUND_S = 240.0


@pytest.mark.timeout(300)
async def test_nothing_wrong_is_served_and_nothing_acknowledged_that_did_not_happen(tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    wanted = ["--minutes", "0.4", "--settle", "9", "--seed", "1", "--report", str(report)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storm", *wanted, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(BOUND_S):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    text = report.read_text(encoding="utf-8")
    assert text.startswith("soak: nothing wrong\n")
    assert text.count("values judged") == 8  # of every family
