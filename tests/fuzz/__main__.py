"""`python -m tests.fuzz [--minutes M] [--seed S] [--jobs N] [TARGET ..]`: fuzz, and keep what is found."""

import argparse
import importlib.util
import sys
import time
from collections.abc import Sequence

from tests.fuzz.campaign import Outcome, campaign, written
from tests.fuzz.target import GROWN
from tests.fuzz.targets import TARGETS

parser = argparse.ArgumentParser(
    prog="python -m tests.fuzz",
    epilog="targets: " + " ".join(TARGETS),
    description="Fuzz with coverage as a guide; findings are made small and kept in tests/data/fuzz.",
)
parser.add_argument("--minutes", type=float, default=10.0, help="for all targets together (10)")
parser.add_argument("--seed", type=int, default=int(time.time()) % 2**31)
parser.add_argument("--jobs", type=int, default=1, help="targets at a time (1)")
parser.add_argument("targets", nargs="*", metavar="TARGET", help="all where left out")
arguments = parser.parse_args()
if unknown := [name for name in arguments.targets if name not in TARGETS]:
    parser.error(f"found the target {unknown[0]}, expected one of {' '.join(TARGETS)}")
if importlib.util.find_spec("atheris") is None:
    sys.exit(
        "atheris is not installed: there are wheels of it for CPython 3.11 to 3.13 on Linux and macOS; "
        "there, run `make fuzz`, elsewhere `python -m pytest tests/fuzz` replays what was found before"
    )
names = arguments.targets or list(TARGETS)
title = f"{len(names)} targets, {arguments.minutes:g} min, {arguments.jobs} at a time, seed {arguments.seed}"
print(title, flush=True)
GROWN.mkdir(parents=True, exist_ok=True)
report = GROWN / "report.txt"


def note(so_far: Sequence[Outcome]) -> None:
    """Keep a report on disk while it grows."""
    report.write_text(written(title, so_far))


outcomes = campaign(names, arguments.minutes, arguments.seed, arguments.jobs, note)
text = written(title, outcomes)
report.write_text(text)
print(text.splitlines()[-1])
sys.exit(1 if any(outcome.findings or outcome.faults for outcome in outcomes) else 0)
