"""`python -m benchmarks`: every row there is so far, as tables and as one line of JSON.

Exit status 1 only where replies of the bridge were lost, doubled or wrong, or where hostile clients left
descriptors open; figures are told, not judged.
"""

import argparse
import json
import sys
from typing import Any

from benchmarks import hostile, memory, throughput, waiting

PARTS = ("throughput", "waiting", "memory", "hostile")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one run")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given again")
    chosen = parser.parse_args()
    wanted = chosen.only or PARTS
    found: dict[str, Any] = {}
    status = 0

    def show(part: str, columns: Any) -> None:
        if not chosen.json:
            throughput.show(found[part], columns)
            print()

    if "throughput" in wanted:
        runs = throughput.measure(chosen.rounds, chosen.seconds)
        found["throughput"] = throughput.rows(runs)
        status |= throughput.told_wrong(runs)
        show("throughput", throughput.COLUMNS)
    if "waiting" in wanted:
        # A p99 of paced clients needs as many requests as an unpaced run has in less time.
        found["waiting"], runs = waiting.measure(chosen.rounds, max(1.0, 2 * chosen.seconds))
        status |= throughput.told_wrong(runs)
        show("waiting", waiting.COLUMNS)
    if "memory" in wanted:
        found["memory"] = memory.measure()
        show("memory", memory.COLUMNS)
    if "hostile" in wanted:
        found["hostile"] = hostile.measure(min(chosen.rounds, 3))
        status |= hostile.told_wrong(found["hostile"])
        show("hostile", hostile.COLUMNS)
    print(json.dumps(found))
    return status


if __name__ == "__main__":
    sys.exit(main())
