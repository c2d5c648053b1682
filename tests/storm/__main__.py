"""`python -m tests.storm`: storms over simulated houses until the time is over, their counts and the verdict.

`--minutes` of the simulated clock blow over one house; with `--wall` real minutes house follows house, with the
seeds S, S+1 and so on. `--wire` is the part in real time: a bridge of its own process, lines and sockets.
"""

import argparse
import asyncio
import logging
import os
import sys
import time
import traceback
from collections.abc import Coroutine
from pathlib import Path

from tests.storm.report import Total
from tests.storm.storm import FAMILIES, SETTLE_S, Report, day_and_night, storm
from tests.storm.wire import wire

REPORT = Path("build/soak/report.txt")
#: Minutes of the simulated clock for each house of a long run.
_HOUSE_MINUTES = 10.0
#: In a long run every so many houses are followed by a roof alone, for a day and a night.
_NIGHT_EVERY = 12


def main() -> int:
    """Run what the command line asks for; returns 0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm")
    parser.add_argument(
        "--minutes", type=float, default=_HOUSE_MINUTES, help="of the simulated clock, for each house"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--wall", type=float, default=0.0, help="go on with further seeds for so many real minutes"
    )
    parser.add_argument(
        "--settle", type=float, default=SETTLE_S, help="seconds of quiet before and after each storm"
    )
    parser.add_argument("--report", type=Path, default=REPORT, help="where the report goes")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument(
        "--wire", action="store_true", help="in real time, for --minutes: processes, lines, sockets"
    )
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if arguments.wire:
        return _in_real_time(arguments.minutes * 60, arguments.seed, arguments.report)
    total = Total(arguments.families)
    ends = time.monotonic() + arguments.wall * 60
    seed = arguments.seed
    while True:
        began = time.monotonic()
        print(f"seed {seed}: {arguments.minutes:g} min of {', '.join(arguments.families)}", flush=True)
        reports = [_one(seed, storm(arguments.minutes * 60, seed, arguments.families, arguments.settle))]
        if (
            arguments.wall
            and "apsystems" in arguments.families
            and (seed - arguments.seed) % _NIGHT_EVERY == 0
        ):
            print(f"seed {seed}: 30 h of a roof alone", flush=True)
            reports.append(_one(seed, day_and_night(seed)))
        for report in reports:
            total.add(report, time.monotonic() - began)
            began = time.monotonic()
            for line in report.faults:
                print(f"  {line}", flush=True)
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(total.text(), encoding="utf-8")
        seed += 1
        if time.monotonic() >= ends:
            break
    print(total.text())
    return 1 if total.faults else 0


def _one(seed: int, house: Coroutine[None, None, Report]) -> Report:
    """Let one storm blow; a house that falls down is a finding, and the next one is begun all the same."""
    try:
        return asyncio.run(house)
    except Exception:
        return Report(seed, 0.0, {}, crashes=[" / ".join(traceback.format_exc().split("\n")[-8:])])


def _in_real_time(seconds: float, seed: int, written: Path) -> int:
    print(f"seed {seed}: {seconds:.0f} s in real time", flush=True)
    report = asyncio.run(wire(seconds, seed))
    written.parent.mkdir(parents=True, exist_ok=True)
    written.with_stem(f"{written.stem}-wire").write_text(report.text() + "\n", encoding="utf-8")
    print(report.text())
    return 1 if report.faults else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of a set must not differ where a seed is repeated
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.storm", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
