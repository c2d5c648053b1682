"""How long reads take while history, metrics, notify and audit are on, against a bridge without any outlet.

Clients ask at the pace of pollers while 2000 values a second change. Bridges with and without take turns, and
each is compared with its neighbour in time, for what else the machine does lasts longer than a run; the ratio
is the median of these pairs. A run with outlets has a commit of the history in it, and a scrape of the
metrics every 5 s.
"""

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.figures import BRIDGE_UVLOOP, OUTLETS_P99, SMALL
from benchmarks.load import Run, compile_load, run_load
from benchmarks.throughput import Row, Runs, servers, serving

#: Long enough for the history's own minute, which is 10 s here.
_RUN_S, _SCRAPE_S = 12.0, 5.0
_PACE = ("--interval", "5")
COLUMNS = (
    ("what", "p99 of reads with all outlets", "<44"),
    ("off_us", "off us", ">9"),
    ("on_us", "on us", ">11"),
    ("ratio", "ratio", ">6"),
    ("ratios", "of pairs", "<44"),
    ("wanted", "wanted", ">7"),
    ("errors_off", "errors", ">7"),
    ("errors", "with", ">7"),
)


def measure(rounds: int) -> tuple[list[Row], Runs]:
    """Return the row, and the runs behind it."""
    name = servers()[-1]
    off: list[Run] = []
    on: list[Run] = []
    with TemporaryDirectory() as directory:
        program = compile_load(Path(directory))
        for _ in range(rounds):
            with serving(name, "--outlets", "none") as (port, pid):
                off.append(run_load(program, port, pid, SMALL, _RUN_S, *_PACE))
            metrics = _free_port()
            with (
                serving(name, "--outlets", "all", "--metrics", str(metrics)) as (port, pid),
                _scraped(metrics),
            ):
                on.append(run_load(program, port, pid, SMALL, _RUN_S, *_PACE))
    off_us, on_us = ([run.p99_us for run in runs] for runs in (off, on))
    ratios = [after / before for before, after in zip(off_us, on_us, strict=True)]
    row: Row = {
        "what": f"{name}: history, metrics, notify, audit",
        "off_us": round(median(off_us)),
        "on_us": round(median(on_us)),
        "ratio": round(median(ratios), 2),
        "ratios": " ".join(f"{ratio:.2f}" for ratio in sorted(ratios)),
        "wanted": OUTLETS_P99,
        "errors_off": sum(run.errors for run in off),
        "errors": sum(run.errors for run in on),
    }
    return [row], {(BRIDGE_UVLOOP, SMALL): [*off, *on]}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def _scraped(port: int) -> Iterator[None]:
    """Ask for the metrics again and again, as Prometheus does."""
    over = threading.Event()
    scrapes: list[int] = []

    def run() -> None:
        while not over.wait(0.5 if not scrapes else _SCRAPE_S):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                scrapes.append(len(page.read()))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(15)
    if not scrapes:
        raise RuntimeError(f"no metrics could be had from port {port}")
