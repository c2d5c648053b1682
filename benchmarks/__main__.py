"""`python -m benchmarks`: every row there is so far, as tables and as one line of JSON.

Exit status 1 only where replies of the bridge were lost, doubled, wrong or missed, or where hostile clients
left descriptors open; figures are told, not judged.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import (
    can_period,
    fleet,
    hostile,
    idle,
    many_units,
    memory,
    outlets,
    throughput,
    vebus,
    waiting,
)

#: Length of the runs of parts that watch a clock of their own, in seconds.
_CAN_S, _UNITS_S, _VEBUS_S = 20.0, 60, 20.0

#: Measures a part; returns its rows, how they are shown, and the exit status.
Part = Callable[[argparse.Namespace], tuple[Any, Any, int]]


def _throughput(chosen: argparse.Namespace) -> tuple[Any, Any, int]:
    runs = throughput.measure(chosen.rounds, chosen.seconds)
    return throughput.rows(runs), throughput.COLUMNS, throughput.told_wrong(runs)


def _waiting(chosen: argparse.Namespace) -> tuple[Any, Any, int]:
    # A p99 of paced clients needs as many requests as an unpaced run has in less time.
    rows, runs = waiting.measure(chosen.rounds, max(1.0, 2 * chosen.seconds))
    return rows, waiting.COLUMNS, throughput.told_wrong(runs)


def _outlets(chosen: argparse.Namespace) -> tuple[Any, Any, int]:
    rows, runs = outlets.measure(chosen.rounds)
    return rows, outlets.COLUMNS, throughput.told_wrong(runs)


def _memory(_: argparse.Namespace) -> tuple[Any, Any, int]:
    return memory.measure(), memory.COLUMNS, 0


def _hostile(chosen: argparse.Namespace) -> tuple[Any, Any, int]:
    rows = hostile.measure(min(chosen.rounds, 3))
    return rows, hostile.COLUMNS, hostile.told_wrong(rows)


def _units(_: argparse.Namespace) -> tuple[Any, Any, int]:
    found = many_units.measure(_UNITS_S)
    return [found], None, int(bool(found["clients"]["missed"] or found["meters"]["missed"]))


def _can(_: argparse.Namespace) -> tuple[Any, Any, int]:
    return can_period.measure(_CAN_S, "sma"), can_period.COLUMNS, 0


def _vebus(_: argparse.Namespace) -> tuple[Any, Any, int]:
    return vebus.measure(_VEBUS_S), vebus.COLUMNS, 0


def _fleet(_: argparse.Namespace) -> tuple[Any, Any, int]:
    rows = fleet.measure()
    return rows, fleet.COLUMNS, int(any(row["wrong"] for row in rows))


def _idle(_: argparse.Namespace) -> tuple[Any, Any, int]:
    return idle.measure(), idle.COLUMNS, 0


PARTS: Mapping[str, Part] = {
    "throughput": _throughput,
    "waiting": _waiting,
    "outlets": _outlets,
    "memory": _memory,
    "hostile": _hostile,
    "idle": _idle,
    "units": _units,
    "can": _can,
    "vebus": _vebus,
    "fleet": _fleet,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one run")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given again")
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    status = 0
    for name in chosen.only or PARTS:
        found[name], columns, worst = PARTS[name](chosen)
        status |= worst
        if not chosen.json and columns is not None:
            throughput.show(found[name], columns)
            print()
        elif not chosen.json:
            print(name, json.dumps(found[name], indent=2), end="\n\n")
    print(json.dumps(found))
    return status


if __name__ == "__main__":
    sys.exit(main())
