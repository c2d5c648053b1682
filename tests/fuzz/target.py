"""What is fuzzed: a promise about any bytes, and a function that raises where it is broken."""

import random
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

#: Takes one input; whatever it raises is a broken promise.
Run = Callable[[bytes], None]

ROOT = Path(__file__).parents[2]
#: Findings and a few small seeds, a folder for each target: replayed by the tests.
KEPT = ROOT / "tests" / "data" / "fuzz"
#: Whatever else grows while fuzzing.
GROWN = ROOT / "build" / "fuzz"
#: Frames that tell one broken promise from another.
_TOLD_BY = 2


def _no_seeds() -> Iterable[bytes]:
    return ()


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is fuzzed.

    `make` builds what is needed once; its result is called for every input. `longest` is in bytes, `tokens`
    are words worth trying, `seeds` are right or interesting inputs: captures, vectors, shipped files.
    `slow_s` is how much processor time one input may take, in seconds, with coverage counted.
    """

    name: str
    promise: str
    make: Callable[[], Run]
    longest: int
    seeds: Callable[[], Iterable[bytes]] = _no_seeds
    tokens: tuple[bytes, ...] = ()
    slow_s: float = 10.0


def ended(run: Run) -> None:
    """Close what a target has made, where it has anything to close."""
    close = getattr(run, "close", None)
    if close is not None:
        close()


def signature(fault: BaseException) -> str:
    """Return what makes two broken promises the same one: the kind, and where it came from."""
    places = [
        f"{Path(frame.filename).name}:{frame.name}:{frame.lineno}"
        for frame in traceback.extract_tb(fault.__traceback__)
        if "/bridge/" in frame.filename or "/tests/" in frame.filename
    ]
    return " < ".join((type(fault).__name__, *reversed(places[-_TOLD_BY:])))


def portions(data: bytes, dice: int) -> list[bytes]:
    """Cut bytes into pieces as `dice` says: 0 one by one, else sizes of 0 to 19 by chance."""
    if not dice:
        return [data[i : i + 1] for i in range(len(data))]
    chance, pieces, start = random.Random(dice), [], 0
    while start < len(data):
        size = chance.randrange(20)
        pieces.append(data[start : start + size])
        start += size
    return pieces


def cut_and_rest(data: bytes) -> tuple[int, bytes]:
    """Take the first byte, which says how the rest is cut."""
    return (data[0], data[1:]) if data else (0, b"")
