"""Which tests run which lines, and how long each takes: found once, before any fault is tried.

Run in the copy of the tree: `python -m tests.mutation.covering ROOM RESULT.json`.
"""

import json
import sys
from collections.abc import Generator
from pathlib import Path
from time import monotonic
from typing import Any

import coverage
import pytest

from tests.mutation.rooms import ROOMS
from tests.mutation.running import PYTEST, deterministic_hypothesis

#: The context of lines that run while modules are imported or tests are collected.
AT_IMPORT = "import"


class Recorder:
    """Names the test to coverage, and keeps times and failures."""

    def __init__(self, measuring: coverage.Coverage) -> None:
        self.seconds: dict[str, float] = {}
        self.unusable: set[str] = set()
        self._measuring = measuring

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, None]:
        self._measuring.switch_context(item.nodeid)
        began = monotonic()
        yield
        self.seconds[item.nodeid] = monotonic() - began
        self._measuring.switch_context(AT_IMPORT)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:  # failed here without a fault, or skipped: it can show nothing
            self.unusable.add(report.nodeid)


def main(room_name: str, result: str) -> None:
    """Run the room's tests once and write what was found."""
    root = Path.cwd()
    room = ROOMS[room_name]
    modules = room.module_paths(root)
    measuring = coverage.Coverage(data_file=None, include=[str(root / m) for m in modules], config_file=False)
    measuring.start()
    measuring.switch_context(AT_IMPORT)
    deterministic_hypothesis()
    recorder = Recorder(measuring)
    pytest.main([*PYTEST, *room.test_paths(root)], plugins=[recorder])
    measuring.stop()
    data = measuring.get_data()
    lines = {m: data.contexts_by_lineno(str(root / m)) for m in modules}
    found = {
        "seconds": {test: s for test, s in recorder.seconds.items() if test not in recorder.unusable},
        "unusable": sorted(recorder.unusable),
        "lines": lines,
        # what a trial in a fresh interpreter finds loaded already
        "loaded": sorted(n for n in sys.modules if n.split(".")[0] not in ("bridge", "tests", "__main__")),
    }
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
