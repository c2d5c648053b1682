"""`python -m tests.power_cuts [--seconds S]`: a history that is killed (-9) every second while it counts.

After each cut: the database is sound, everything that had been said to be written is there, and what a
counter adds is neither lost nor doubled: its energy is exactly the way that it has come.
"""

import argparse
import asyncio
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bridge.datastore.clock import SystemClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.outlets.history import History, HistoryPlan
from bridge.outlets.history_batch import Batch
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import HistoryFile, Retention

COUNTER, POWER, FURTHER = "/Ac/Energy/Forward", "/Ac/Power", 40
#: What flows, in W; the counter begins at so many kWh.
WATTS, BEGUN_KWH = 36_000.0, 500.0
KEPT = Retention(1e9, 1e9, 1e9)
#: How often values are published, and how often written, in seconds.
PUBLISH_S, WRITE_S = 0.02, 0.1
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Found:
    """What a file holds: kWh by counter and by power, where the counter stood, its way since the beginning."""

    counted: float
    position: float
    summed: float
    raw_summed: float


@dataclass
class Report:
    cuts: int = 0
    commits: int = 0
    wrong: list[str] | None = None


class Telling(HistoryFile):
    """Says what is written once it is: where the counter stood, and the energy by power since the start."""

    summed = 0.0

    def write(self, batch: Batch, now: float) -> None:
        super().write(batch, now)
        self.summed += sum(one.forward for (series, _), one in batch.energies.items() if series.path == POWER)
        for series, position in batch.positions.items():
            if series.path == COUNTER:
                print(f"{position.kwh!r} {self.summed!r}", flush=True)


async def write_for_ever(path: Path, began: float) -> None:
    """Be the bridge that is killed."""
    clock = SystemClock()
    datastore = Datastore(clock, StateStore(None))
    meter = datastore.add("meter")
    further = [f"/Further/{number}" for number in range(FURTHER)]
    specs = [PointSpec(COUNTER, "kWh"), PointSpec(POWER, "W"), *(PointSpec(one, "V") for one in further)]
    meter.declare(specs, [GroupSpec("all", None)], ())
    calendar = Calendar("UTC")
    plan = HistoryPlan(1, WRITE_S, power_w=1e9)
    history = History(datastore, plan, calendar, lambda: Telling(path, calendar, KEPT), str(path))
    history.start()
    write_at = 0.0
    while True:
        kwh = BEGUN_KWH + (time.time() - began) * WATTS / 3.6e6
        volts = {one: 12 + random.random() for one in further}
        meter.publish("all", {COUNTER: kwh, POWER: WATTS, **volts})
        if time.monotonic() >= write_at:
            write_at = time.monotonic() + WRITE_S
            for track in history._all():
                track.cut(history._now(), history._batch, history._now())
            history._hand_over()
        await asyncio.sleep(PUBLISH_S)


def look(path: Path) -> Found | str:
    """Look into a copy of the file, as a bridge that starts would find it; returns what is wrong, if anything."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for ending in ("", "-wal"):
            if path.with_name(path.name + ending).exists():
                shutil.copyfile(path.with_name(path.name + ending), copy.with_name(copy.name + ending))
        with closing(sqlite3.connect(copy)) as database:
            (sound,) = database.execute("PRAGMA integrity_check").fetchone()
            if sound != "ok":
                return f"integrity: {sound}"
            if database.execute("PRAGMA user_version").fetchone() == (0,):
                return Found(0.0, BEGUN_KWH, 0.0, 0.0)  # cut before the schema was there
            of_path = "(SELECT id FROM series WHERE path=?)"

            def one(query: str, path: str, otherwise: float = 0.0) -> float:
                row = database.execute(f"{query} WHERE series={of_path}", (path,)).fetchone()
                return otherwise if row is None or row[0] is None else float(row[0])

            return Found(
                counted=one("SELECT total(forward) FROM energy", COUNTER),
                position=one("SELECT kwh FROM position", COUNTER),
                summed=one("SELECT total(forward) FROM energy", POWER),
                raw_summed=one("SELECT total(average * seconds) / 3.6e6 FROM raw", POWER),
            )


def storm(
    path: Path, *, cuts: int = 10**9, seconds: float = 1e9, pause_s: float = 1.0, patient: bool = True
) -> Report:
    """Kill the writer again and again; returns what was found wrong.

    patient: wait for a commit, then up to twice `pause_s`; else the kill comes `pause_s` after the last one,
    whatever the writer has come to.
    """
    report = Report(wrong=[])
    assert report.wrong is not None
    began = time.time()
    first: float | None = None
    summed_before = 0.0
    killed = time.monotonic()
    ends = killed + seconds
    while report.cuts < cuts and time.monotonic() < ends:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.power_cuts", "--write", str(path), "--began", repr(began)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        said = []
        if patient:
            bound = threading.Timer(PATIENCE_S, child.kill)  # a child that says nothing is not waited for
            bound.start()
            said = [child.stdout.readline()]
            bound.cancel()
            time.sleep(random.uniform(0.0, 2 * pause_s))
        else:
            time.sleep(max(0.0, killed + pause_s - time.monotonic()))
        killed = time.monotonic()
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read().splitlines()
        child.wait()
        child.stdout.close()
        report.cuts += 1
        said = [line.strip() for line in said if len(line.split()) == 2]
        if patient and not said:
            report.wrong.append(f"cut {report.cuts}: nothing was written within {PATIENCE_S:g} s")
            break
        report.commits += len(said)
        found = look(path)
        if isinstance(found, str):
            report.wrong.append(found)
            break
        kwh, summed = (float(word) for word in said[-1].split()) if said else (BEGUN_KWH, 0.0)
        if first is None:
            if not said:
                continue  # it had not come to write anything yet
            first = found.position - found.counted
        for wrong, words in (
            (abs(found.position - first - found.counted) > 1e-6, "counter lost or doubled"),
            (found.position < kwh, "a counter's position that was written is lost"),
            (found.summed < summed_before + summed - 1e-9, "energy that was written is lost"),
            (abs(found.summed - found.raw_summed) > 1e-6, "samples and energies differ"),
            (found.counted > (time.time() - began) * WATTS / 3.6e6 + 1e-6, "more than has flowed"),
        ):
            if wrong:
                report.wrong.append(f"cut {report.cuts}: {words}: {found}, said {said[-1:]}")
        summed_before = found.summed
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.power_cuts", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write is not None:
        asyncio.run(write_for_ever(chosen.write, chosen.began))
    with tempfile.TemporaryDirectory() as folder:
        report = storm(Path(folder) / "history.sqlite", seconds=chosen.seconds, patient=False)
    print(f"cuts {report.cuts}, commits {report.commits}, wrong {len(report.wrong or ())}")
    for line in (report.wrong or ())[:20]:
        print(" ", line)
    return 1 if report.wrong or report.commits == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
