"""Trying faults: each in a forked child of a process that has everything loaded.

A fault inside a function is put into the functions that live: the child swaps their code and runs the
tests that cover the line, collected already. A fault in what runs at import (tables, defaults, constants)
needs its module anew: a child of a process that has loaded everything but our own code imports the faulty
text and collects the tests itself.

Run in the copy of the tree: `python -m tests.mutation.trials ROOM COVERING.json TODO.json RESULT.jsonl`.
"""

import gc
import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.mutation.cold import try_cold
from tests.mutation.operators import Mutant
from tests.mutation.rooms import ROOMS
from tests.mutation.running import PYTEST, deterministic_hypothesis, end_with_parent
from tests.mutation.trial import Cover, Results
from tests.mutation.warm import Warm


def main(room_name: str, covering: str, todo_file: str, result: str) -> None:
    """Try all faults named in the file of what is to be done."""
    end_with_parent()
    root = Path.cwd()
    found = json.loads(Path(covering).read_text())
    cover = Cover(found)
    todo = [Mutant(**fields) for fields in json.loads(Path(todo_file).read_text())]
    with Path(result).open("a") as out:
        results = Results(out, cover)
        cold = [m for m in todo if cover.at_import(m)]
        inside = [m for m in todo if not cover.at_import(m)]
        deterministic_hypothesis()
        if inside:
            left_file = Path(result).with_suffix(".left")
            pid = os.fork()  # the warm one loads our code, which this one must not
            if pid == 0:
                end_with_parent()
                warm = Warm(inside, cover, results, root)
                pytest.main([*PYTEST, *ROOMS[room_name].test_paths(root)], plugins=[warm])
                left_file.write_text(json.dumps([asdict(m) for m in warm.left]))
                os._exit(0)
            os.waitpid(pid, 0)
            cold += [Mutant(**fields) for fields in json.loads(left_file.read_text())]
            left_file.unlink()
        names = ["asyncio", *found["loaded"]]  # _asyncio, loaded before it, would leave it in two halves
        for name in names:
            try:
                importlib.import_module(name)
            except Exception:
                continue
        gc.freeze()
        try_cold(cold, cover, results, root)


if __name__ == "__main__":
    main(*sys.argv[1:])
