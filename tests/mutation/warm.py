"""Faults inside functions: put into the functions that live, in a child that has its tests collected."""

import gc
import sys
import types
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mutation.operators import Mutant
from tests.mutation.trial import (
    COLD_START_S,
    NOT_TRIED,
    SURVIVED,
    TOGETHER_S,
    WARM_START_S,
    Board,
    Cover,
    Results,
    Watcher,
    in_child,
)


class Warm:
    """A plugin that, once all tests are collected, tries faults instead of running them."""

    def __init__(self, todo: list[Mutant], cover: Cover, results: Results, root: Path) -> None:
        self._todo = todo
        self._cover = cover
        self._results = results
        self._root = root
        self._board = Board()
        self._watcher = Watcher(cover, self._board)
        self.left: list[Mutant] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        session.config.pluginmanager.register(self._watcher)
        functions = _living_functions(self._root)
        self._drop_what_fails_alone(items)
        gc.collect()
        gc.freeze()
        sources: dict[str, bytes] = {}
        for mutant in self._todo:
            source = sources.setdefault(mutant.module, (self._root / mutant.module).read_bytes())
            living = functions.get((str(self._root / mutant.module), mutant.function or 0), [])
            if not living:
                self.left.append(mutant)
                continue
            tests = [t for t in self._cover.tests(mutant, wide=False) if t in items]
            if not tests:
                self._board.write(0.0, -1)
                self._results.add(mutant, "uncovered", self._board, tests)
                continue
            verdict = in_child(
                self._board,
                WARM_START_S,
                self._cover.together(tests),
                lambda m=mutant, s=source, f=living, t=tests: self._try(m, s, f, [items[n] for n in t]),
            )
            if verdict == "not_tried":
                self.left.append(mutant)
            else:
                self._results.add(mutant, verdict, self._board, tests)
        return True

    def _try(
        self, mutant: Mutant, source: bytes, living: list[types.FunctionType], items: list[pytest.Item]
    ) -> int:
        code = compile(mutant.apply(source), str(self._root / mutant.module), "exec", dont_inherit=True)
        for function in living:
            was = function.__code__
            faulty = _code_of(code, was)
            if faulty is None or faulty.co_freevars != was.co_freevars:
                return NOT_TRIED
            function.__code__ = faulty
        return _run(items)

    def _drop_what_fails_alone(self, items: dict[str, pytest.Item]) -> None:
        """A test that fails in a forked child without any fault can judge none."""
        for name in [
            n for n, seconds in self._cover.seconds.items() if n not in items or seconds > TOGETHER_S
        ]:
            del self._cover.seconds[name]
        for _ in range(20):
            names = list(self._cover.seconds)
            verdict = in_child(
                self._board,
                COLD_START_S,
                5 * self._cover.together(names),
                lambda names=names: _run([items[n] for n in names if n in items]),
            )
            number = self._board.read()[1]
            if verdict == "survived":
                return
            bad = self._cover.names[number]
            print(f"  left out, {verdict} without a fault: {bad}", file=sys.__stderr__, flush=True)
            self._cover.seconds.pop(bad, None)


def _run(items: Sequence[pytest.Item]) -> int:
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return SURVIVED


def _living_functions(root: Path) -> dict[tuple[str, int], list[types.FunctionType]]:
    found: dict[tuple[str, int], list[types.FunctionType]] = defaultdict(list)
    ours = str(root / "bridge")
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and thing.__code__.co_filename.startswith(ours):
            found[thing.__code__.co_filename, thing.__code__.co_firstlineno].append(thing)
    return found


def _code_of(module: types.CodeType, was: types.CodeType) -> types.CodeType | None:
    for constant in module.co_consts:
        if isinstance(constant, types.CodeType):
            if (constant.co_qualname, constant.co_firstlineno) == (was.co_qualname, was.co_firstlineno):
                return constant
            deeper = _code_of(constant, was)
            if deeper is not None:
                return deeper
    return None
