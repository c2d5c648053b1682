"""Faults in what runs at import: their module is imported anew, in a child that has none of ours loaded."""

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from tests.mutation.operators import Mutant
from tests.mutation.running import PYTEST
from tests.mutation.trial import COLD_START_S, KILLED, SURVIVED, Board, Cover, Results, Watcher, in_child

#: How many of the likeliest killers are asked before all the others.
LIKELY = 12


class FaultyImport(importlib.abc.MetaPathFinder):
    """Imports one module from its faulty text, all others as they are."""

    def __init__(self, mutant: Mutant, root: Path) -> None:
        self._name = mutant.module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self._source = mutant.apply((root / mutant.module).read_bytes())

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _FromText(fullname, spec.origin, self._source)
        return spec


class _FromText(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._faulty = source

    def get_code(self, fullname: str) -> types.CodeType:
        return compile(self._faulty, self.path, "exec", dont_inherit=True)


class Chosen:
    """Keeps the chosen tests of what a cold child collects, in their order."""

    def __init__(self, tests: list[str]) -> None:
        self._order = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self._order), key=lambda i: self._order[i.nodeid])


def try_cold(todo: Iterable[Mutant], cover: Cover, results: Results, root: Path) -> None:
    """Try faults that need their module imported anew, where its tests pass in such a child without one."""
    board = Board()

    def run(mutant: Mutant | None, tests: list[str]) -> int:
        if mutant is not None:
            sys.meta_path.insert(0, FaultyImport(mutant, root))
        files = sorted({test.partition("::")[0] for test in tests})
        code = pytest.main(["-x", *PYTEST, *files], plugins=[Chosen(tests), Watcher(cover, board)])
        return SURVIVED if code == pytest.ExitCode.OK else KILLED

    sound: dict[str, bool] = {}
    for mutant in todo:
        tests = cover.tests(mutant, wide=cover.at_import(mutant))
        if tests and mutant.module not in sound:
            alone = in_child(board, COLD_START_S, 3 * cover.together(tests), lambda t=tests: run(None, t))
            sound[mutant.module] = alone == "survived"
            if not sound[mutant.module]:
                print(
                    f"  {mutant.module}: tests were {alone} without a fault", file=sys.__stderr__, flush=True
                )
        if not tests or not sound[mutant.module]:
            board.write(0.0, -1)
            results.add(mutant, "not tried" if tests else "uncovered", board, tests)
            continue
        verdict = "survived"
        for part in (tests[:LIKELY], tests[LIKELY:]):  # few tests need few files, which are quickly imported
            if part and verdict == "survived":
                verdict = in_child(
                    board, COLD_START_S, cover.together(part), lambda m=mutant, t=part: run(m, t)
                )
        results.add(mutant, verdict, board, tests)
