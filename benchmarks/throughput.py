"""FC3 requests a second: the whole bridge, its values changing, against others in the same run.

The servers run in turn, round after round, pinned to the first core, the generator to the second. `ratio`
compares best rounds, for a machine that does something else is only ever slower; `median` compares middle
rounds and `by CPU` the processor time of a request. Where the three are far apart the machine was busy and
the run says little. Figures are reported as measured; the exit status is 1 only when a reply of the bridge
was lost, doubled or wrong.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import libmodbus_server
from benchmarks.figures import AGAINST, BRIDGE, BRIDGE_UVLOOP, CELLS, LIBMODBUS, STOCK, WANTED, Cell
from benchmarks.load import Run, compile_load, run_load

#: Server -> the module that runs it, and its arguments.
_SERVERS = {
    STOCK: ("benchmarks.stock_server",),
    LIBMODBUS: ("benchmarks.libmodbus_server",),
    BRIDGE: ("benchmarks.bridge_server",),
    BRIDGE_UVLOOP: ("benchmarks.bridge_server", "--uvloop"),
}

Runs = dict[tuple[str, Cell], list[Run]]
Row = dict[str, Any]


@contextmanager
def serving(name: str, *more: str) -> Iterator[tuple[int, int]]:
    """Run a server in a process of its own; gives its port and process id."""
    command = [sys.executable, "-m", *_SERVERS[name], *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said.strip():
            raise RuntimeError(f"{name} did not start (exit {process.wait(10)}): see its message above")
        yield int(said), process.pid
    finally:
        process.terminate()
        process.wait(10)


def servers() -> list[str]:
    """Return the servers that can run here, the bridge's best one last."""
    there = {
        LIBMODBUS: libmodbus_server.flags() is not None,
        BRIDGE_UVLOOP: importlib.util.find_spec("uvloop") is not None,
    }
    for name in (name for name, found in there.items() if not found):
        print(f"{name} is not installed: its rows are left out", file=sys.stderr)
    return [name for name in _SERVERS if there.get(name, True)]


def measure(rounds: int, seconds: float) -> Runs:
    """Run every server and cell in turn, `rounds` times."""
    names = servers()
    runs: Runs = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory:
        program = compile_load(Path(directory))
        for done in range(rounds):
            print(f"round {done + 1} of {rounds}", file=sys.stderr)
            for name in names:
                with serving(name) as (port, pid):
                    for cell in CELLS[name]:
                        runs[name, cell].append(run_load(program, port, pid, cell, seconds))
    return runs


def rows(runs: Runs) -> list[Row]:
    """One row a server and cell, with its ratios to the other server where there are any."""
    return [_row(name, cell, measured, _others(runs, cell)) for (name, cell), measured in runs.items()]


def _others(runs: Runs, cell: Cell) -> list[Run]:
    return runs.get((AGAINST[cell], cell), []) if cell in AGAINST else []


def _row(name: str, cell: Cell, measured: list[Run], others: list[Run]) -> Row:
    rps = sorted(run.rps for run in measured)
    cpu_us = min(run.cpu_us for run in measured)
    row: Row = {
        "server": name,
        "load": str(cell),
        "rps": round(rps[-1]),
        "rps_of_rounds": [round(run.rps) for run in measured],
        "p50_us": round(min(run.p50_us for run in measured)),
        "p99_us": round(min(run.p99_us for run in measured)),
        "cpu_us": round(cpu_us, 1),
        "wanted": WANTED.get((name, cell)),
        "replies": sum(run.replies for run in measured),
        "errors": sum(run.errors for run in measured),
    }
    if others:
        row["against"] = AGAINST[cell]
        row["ratio"] = round(rps[-1] / max(run.rps for run in others), 2)
        row["ratio_of_medians"] = round(median(rps) / median(run.rps for run in others), 2)
        row["ratio_by_cpu"] = round(min(run.cpu_us for run in others) / cpu_us, 2)
    return row


COLUMNS = (
    ("server", "server", "<16"),
    ("load", "load", "<44"),
    ("rps", "req/s", ">8"),
    ("p50_us", "p50 us", ">7"),
    ("p99_us", "p99 us", ">7"),
    ("cpu_us", "CPU us", ">7"),
    ("against", "against", ">15"),
    ("ratio", "ratio", ">6"),
    ("ratio_of_medians", "median", ">7"),
    ("ratio_by_cpu", "by CPU", ">7"),
    ("wanted", "wanted", ">7"),
    ("errors", "errors", ">7"),
)


def show(table: Sequence[Row], columns: Sequence[tuple[str, str, str]] = COLUMNS) -> None:
    """Print a table for people."""
    print(" ".join(f"{title:{width}}" for _, title, width in columns))
    for row in table:
        cells = ((row.get(key), width) for key, _, width in columns)
        print(" ".join(f"{'' if value is None else str(value):{width}}" for value, width in cells))


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and judge only correctness."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one run")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    chosen = parser.parse_args(arguments)
    runs = measure(chosen.rounds, chosen.seconds)
    table = rows(runs)
    if not chosen.json:
        show(table)
    print(json.dumps({"throughput": table}))
    return told_wrong(runs)


def told_wrong(runs: Runs) -> int:
    """Say which replies of the bridge were lost, doubled or wrong; return the exit status."""
    ours = (run for (name, _), measured in runs.items() if name.startswith(BRIDGE) for run in measured)
    wrong = [run.kinds for run in ours if run.errors]
    for kinds in wrong:
        print(f"replies of the bridge were lost, doubled or wrong: {kinds}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
