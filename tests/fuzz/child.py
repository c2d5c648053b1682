"""One target in a process of its own: `python -m tests.fuzz.child fuzz|shrink TARGET ..`; see `campaign`.

A broken promise does not end the fuzzing: each kind is written down once, with the input that showed it,
and what was fuzzed is built anew.
"""

import argparse
import contextlib
import hashlib
import logging
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.shrink import shrunk
from tests.fuzz.target import GROWN, Run, Target, ended, signature
from tests.fuzz.targets import TARGETS

#: Kinds of findings of one target that are written down in one run.
_FINDINGS_MOST = 10
_SHRINK_S = 45.0


class Slow(AssertionError):
    """An input took more processor time than its target allows."""


class Watched:
    """Runs a target's inputs; rebuilds it after a broken promise."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._run: Run = target.make()

    def __call__(self, data: bytes) -> BaseException | None:
        """Return what an input broke, None where all promises held."""
        began = time.process_time()
        try:
            self._run(data)
            if (took := time.process_time() - began) > self._target.slow_s:
                raise Slow(f"took {took:.1f} s of processor time, expected at most {self._target.slow_s:g} s")
        except (Exception, SystemExit) as fault:
            with contextlib.suppress(Exception):
                ended(self._run)
            self._run = self._target.make()
            return fault
        return None

    def close(self) -> None:
        """End what was fuzzed."""
        ended(self._run)


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz until libFuzzer's arguments say that it is over; never returns."""
    import atheris  # here, because the replay needs none of it

    with atheris.instrument_imports(include=["bridge"]):
        target = TARGETS[name]
        watched = Watched(target)
    folder = GROWN / "findings" / name
    folder.mkdir(parents=True, exist_ok=True)
    known: set[str] = set()

    def one(data: bytes) -> None:
        fault = watched(data)
        if fault is None:
            return
        sign = signature(fault)
        if sign in known or len(known) >= _FINDINGS_MOST:
            return
        known.add(sign)
        note(folder, data, fault)
        print(f"FINDING {name}: {sign}", file=sys.stderr, flush=True)

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def note(folder: Path, data: bytes, fault: BaseException) -> None:
    """Write a finding down: the input, and beside it what it broke."""
    place = folder / hashlib.sha256(data).hexdigest()[:16]
    place.write_bytes(data)
    told = "".join(traceback.format_exception(fault, limit=-12))
    place.with_suffix(".txt").write_text(f"{signature(fault)}\n\n{told}", errors="backslashreplace")


def shrink(name: str, found: Path, smaller: Path) -> int:
    """Write the smallest input that breaks the same promise; returns 1 where it does not break any more."""
    watched, data = Watched(TARGETS[name]), found.read_bytes()
    fault = watched(data)
    if fault is None:
        watched.close()
        return 1
    sign = signature(fault)

    def breaks(less: bytes) -> bool:
        other = watched(less)
        return other is not None and signature(other) == sign

    smallest = shrunk(data, breaks, until=_deadline(_SHRINK_S))
    smaller.write_bytes(smallest)
    fault = watched(smallest)
    if fault is not None:
        note(found.parent, smallest, fault)
    watched.close()
    return 0


def _deadline(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.child")
    parser.add_argument("what", choices=("fuzz", "shrink"))
    parser.add_argument("target")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    told = parser.parse_args()
    logging.raiseExceptions = False
    with contextlib.suppress(KeyboardInterrupt):
        if told.what == "fuzz":
            fuzz(told.target, told.rest)
        else:
            sys.exit(shrink(told.target, *map(Path, told.rest)))
