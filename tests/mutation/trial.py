"""One trial: a forked child that runs the tests of one fault, and what its parent knows of it."""

import contextlib
import json
import mmap
import os
import select
import signal
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

import pytest

from tests.mutation.covering import AT_IMPORT
from tests.mutation.operators import Mutant
from tests.mutation.running import settle_in_child

#: A test gets so many times what it took, and so many seconds, before it counts as hanging.
_TIMES, _PLUS_S = 5, 1.5
#: What the tests of one fault may take together, slowest left out, in seconds.
TOGETHER_S = 10.0
#: What a child may take to its first test, warm and cold, in seconds.
WARM_START_S, COLD_START_S = 2.0, 15.0
#: Exit codes of a child.
SURVIVED, KILLED, NOT_TRIED = 0, 1, 3


def busy() -> float:
    """How many times longer than alone anything takes on this machine now, at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Board:
    """What a child tells its parent: until when its test may take, and which test that is."""

    _FORM = struct.Struct("di")

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._FORM.size)

    def write(self, until: float, test: int) -> None:
        self._memory[:] = self._FORM.pack(until, test)

    def read(self) -> tuple[float, int]:
        until, test = self._FORM.unpack(self._memory[:])
        return until, test


def in_child(board: Board, start_s: float, together_s: float, trial: Callable[[], int]) -> str:
    """Run a trial in a forked child; returns `survived killed timed_out not_tried`.

    start_s: what it may take to its first test; together_s: what its tests take without a fault.
    """
    began = monotonic()
    board.write(began + start_s * busy(), -1)
    last = began + (start_s + 2 * together_s) * busy()
    pid = os.fork()
    if pid == 0:
        code = KILLED
        try:
            settle_in_child()
            code = trial()
        except BaseException:
            code = KILLED
        finally:
            os._exit(code)
    ended = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        timed_out = False
        while not poll.poll(50):
            if monotonic() > min(last, board.read()[0]):
                timed_out = True
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # also what the tests have begun
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(ended)
    if timed_out:
        return "timed_out"
    code = os.waitstatus_to_exitcode(status)
    return {SURVIVED: "survived", NOT_TRIED: "not_tried"}.get(code, "killed")


class Cover:
    """What the covering run has found, asked for one fault at a time."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.seconds: dict[str, float] = found["seconds"]
        self.names = list(self.seconds)
        self.numbers = {name: number for number, name in enumerate(self.names)}
        self._lines = {m: {int(n): set(tests) for n, tests in by.items()} for m, by in found["lines"].items()}
        self._killers: dict[str, list[str]] = defaultdict(list)
        self._named: dict[str, set[str]] = {}

    def at_import(self, mutant: Mutant) -> bool:
        """True where the fault's line runs before a test does."""
        return mutant.function is None or AT_IMPORT in self._of_line(mutant)

    def tests(self, mutant: Mutant, *, wide: bool) -> list[str]:
        """Return the tests for a fault, likely killers first; `wide`: all that know or run its module."""
        if wide:
            tests = set().union(*self._lines[mutant.module].values()) | self._naming(mutant.module)
            tests = {t for t in tests if t in self.seconds} or set(self.seconds)
        else:
            tests = {t for t in self._of_line(mutant) if t in self.seconds}
        killers = [t for t in self._killers[mutant.module] if t in tests]
        naming = self._naming(mutant.module) if wide else set()
        rest = sorted(tests - set(killers), key=lambda t: (t not in naming, self.seconds[t]))
        chosen, together = [], 0.0
        for test in [*killers, *rest]:
            together += self.seconds[test]
            if together > TOGETHER_S and chosen:
                break
            chosen.append(test)
        return chosen

    def killed_by(self, mutant: Mutant, test: str) -> None:
        killers = self._killers[mutant.module]
        if test in killers:
            killers.remove(test)
        killers.insert(0, test)
        del killers[12:]

    def together(self, tests: Iterable[str]) -> float:
        return sum(self.seconds[test] for test in tests)

    def until(self, test: str) -> float:
        return monotonic() + (_TIMES * self.seconds[test] + _PLUS_S) * busy()

    def _naming(self, module: str) -> set[str]:
        """Return the tests of files that import the module: a table is looked at without running a line."""
        if module not in self._named:
            name = module.removesuffix(".py").replace("/", ".")
            files = {test.partition("::")[0] for test in self.names}
            naming = {file for file in files if f"{name} import" in Path(file).read_text()}
            self._named[module] = {test for test in self.names if test.partition("::")[0] in naming}
        return self._named[module]

    def _of_line(self, mutant: Mutant) -> set[str]:
        """Tests of the line, or of the nearest one above it in its function (a statement of several lines)."""
        lines = self._lines[mutant.module]
        for line in range(mutant.line, (mutant.function or mutant.line) - 1, -1):
            if line in lines:
                return lines[line]
        return set()


class Watcher:
    """In the child: names each test on the board before it runs, and ends the child at the first failure."""

    def __init__(self, cover: Cover, board: Board) -> None:
        self._cover = cover
        self._board = board

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if nodeid in self._cover.numbers:
            self._board.write(self._cover.until(nodeid), self._cover.numbers[nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os._exit(KILLED)


class Results:
    """One line a fault, written as it is found."""

    def __init__(self, out: TextIO, cover: Cover) -> None:
        self._out = out
        self._cover = cover

    def add(self, mutant: Mutant, verdict: str, board: Board, tests: Sequence[str]) -> None:
        number = board.read()[1]
        by = self._cover.names[number] if verdict in ("killed", "timed_out") and number >= 0 else ""
        if by and verdict == "killed":  # one that waits in vain is no quick judge of the next
            self._cover.killed_by(mutant, by)
        line = {"key": mutant.key, "line": mutant.line, "verdict": verdict, "by": by, "tests": len(tests)}
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()
