"""What a well-behaved client and the bridge itself feel of a thousand connections, greedy clients and noise.

A polite client reads before, during and after each storm, each of them in a process of its own: the bridge
on the first core, all others on the second. `ratio` is the p99 of its reads during the storm against that
of the quiet runs beside it, the lowest of each, for a machine that does something else makes any one of them
longer; `worst` is the longest of all reads. Memory, descriptors, connections and tasks are compared with
those before the storm once the bridge has had a moment to come to rest. Each row says whether its figures
were reached; the exit status is 1 only when the polite client got a wrong, lost or doubled reply, or when
descriptors are left.
"""

import json
import os
import subprocess
import sys
import threading
import time
import tty
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import BRIDGE, BRIDGE_UVLOOP
from benchmarks.throughput import Row, servers
from tests.conformance.running import make_certificates

#: p99 against quiet, MiB above those before the storm.
P99_RATIO, KEPT_MIB = 3.0, 5.0
#: Bytes of noise for each transport; connections of the crowd, and of those who never read.
NOISE, CROWD, UNREAD = 10_000_000, 1000, 200
#: Seconds of each quiet run, and what the bridge is given to come to rest.
QUIET_S, REST_S = 2.0, 5.0
#: Seconds after which a client is killed (no storm takes as long, see `storms.MOST_S`), and the bridge.
_BOUND_S, _BRIDGE_BOUND_S = 120.0, 1200.0
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Storm:
    """A row: what it is, the storm's name, where it goes, how much of it, and whom the polite client asks."""

    what: str
    name: str
    listener: str
    count: int
    polite: str = "tcp"


STORMS = (
    Storm(f"{CROWD} connections against the cap", "crowd", "tcp", CROWD),
    Storm(f"{UNREAD} clients that never read", "unread", "wide", UNREAD, "wide"),
    Storm("noise on tcp", "tcp", "tcp", NOISE),
    Storm("noise on udp", "udp", "udp", NOISE),
    Storm("noise on rtu (PTY)", "rtu", "rtu", NOISE),
    Storm("noise on rtu_tcp", "bare", "rtu_tcp", NOISE),
    Storm("noise on tls, no handshake", "bare", "tls", NOISE),
    Storm("noise on tls, inside a session", "inside", "tls", NOISE),
)
COLUMNS = (
    ("server", "server", "<15"),
    ("what", "polite reads during", "<33"),
    ("sent", "sent", ">9"),
    ("seconds", "s", ">5"),
    ("reads", "reads", ">6"),
    ("quiet_us", "quiet us", ">9"),
    ("p50_us", "p50 us", ">7"),
    ("p99_us", "p99 us", ">8"),
    ("worst_us", "worst us", ">9"),
    ("ratio", "ratio", ">6"),
    ("kept_mib", "+MiB", ">6"),
    ("descriptors", "fds", ">4"),
    ("connections", "conns", ">6"),
    ("tasks", "tasks", ">6"),
    ("errors", "errors", ">7"),
    ("reached", "reached", ">8"),
)


@dataclass(frozen=True)
class State:
    """What a bridge holds."""

    resident: int
    #: What each open descriptor leads to.
    descriptors: Counter[str]
    tasks: int
    connections: int


def _open(folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for entry in folder.iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            kind = os.readlink(entry)
            found[kind.partition(":")[0]] += 1  # sockets and pipes without their numbers
    return found


def _left(before: State, after: State) -> dict[str, int]:
    return {
        "descriptors": after.descriptors.total() - before.descriptors.total(),
        "connections": after.connections - before.connections,
        "tasks": after.tasks - before.tasks,
    }


class _Process:
    """A process that is told and asked by lines."""

    def __init__(self, module: str, *arguments: object, held: Sequence[int] = ()) -> None:
        self.command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, text=True, pass_fds=held)
        self.pid = self._process.pid
        bound_s = _BRIDGE_BOUND_S if module == "hostile_server" else _BOUND_S
        self._overdue = threading.Timer(bound_s, self._process.kill)
        self._overdue.start()

    def hear(self) -> str:
        """Return the next line it says."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.strip():
            raise RuntimeError(f"{' '.join(self.command)} ended (exit {self._process.wait(10)})")
        return said

    def tell(self) -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """End it."""
        self._overdue.cancel()
        self._process.terminate()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def _process(module: str, *arguments: object, held: Sequence[int] = ()) -> Iterator[_Process]:
    process = _Process(module, *arguments, held=held)
    try:
        yield process
    finally:
        process.end()


class Polite:
    """What polite clients saw, run after run."""

    def __init__(self) -> None:
        #: Seconds, run by run.
        self.runs: list[list[float]] = []
        self.kinds: Counter[str] = Counter()

    @contextmanager
    def asking(self, address: str) -> Iterator[None]:
        """Let one read meanwhile."""
        with _process("polite", address) as process:
            process.hear()
            try:
                yield
            finally:
                process.tell()
                said: dict[str, Any] = json.loads(process.hear())
                self.runs.append(sorted(said["latencies"]))
                self.kinds.update(said["kinds"])

    def quiet(self, address: str, seconds: float) -> None:
        """Let one read while nobody disturbs it."""
        with self.asking(address):
            time.sleep(seconds)

    def at(self, share: float) -> float:
        """Return the lowest quantile of all runs in microseconds; nan where one had no reply."""
        found = [run[min(len(run) - 1, int(share * len(run)))] if run else float("nan") for run in self.runs]
        return min(found) * 1e6

    @property
    def worst(self) -> float:
        """The longest that any reply took in microseconds."""
        return max((run[-1] for run in self.runs if run), default=float("nan")) * 1e6


class Served:
    """A bridge that runs, with certificates in `folder` and `line` the far end of its serial line."""

    def __init__(self, process: _Process, folder: Path, line: int) -> None:
        self._process = process
        self.folder = folder
        self.line = line
        #: Listener -> host:port; a serial line has none, and its storm does not look at it.
        self.addresses = {"rtu": "nowhere:0"}
        for name, (host, port) in json.loads(process.hear()).items():
            self.addresses[name] = f"{host}:{port}"

    @property
    def state(self) -> State:
        """Ask for what it holds now."""
        self._process.tell()
        said: dict[str, int] = json.loads(self._process.hear())
        proc = Path(f"/proc/{self._process.pid}")
        resident = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return State(resident, _open(proc / "fd"), said["tasks"], said["connections"])

    def audited(self) -> None:
        """Wait until the audit's file is open, which the first who is turned away causes."""
        until = time.monotonic() + _BOUND_S
        while str(self.folder / "state" / "audit.jsonl") not in self.state.descriptors:
            if time.monotonic() > until:
                raise RuntimeError(f"the bridge wrote no audit within {_BOUND_S:.0f} s")
            time.sleep(0.1)

    def at_rest(self, before: State) -> State:
        """Return what it holds once it is back to what it held before, or after `REST_S`."""
        until = time.monotonic() + REST_S
        while True:
            now = self.state
            kept = now.resident - before.resident > KEPT_MIB * _MIB
            if time.monotonic() > until or not (kept or max(_left(before, now).values()) > 0):
                return now
            time.sleep(0.1)


@contextmanager
def served(*options: str) -> Iterator[Served]:
    """Run a bridge behind every transport."""
    line, bridges_end = os.openpty()
    tty.setraw(bridges_end)  # kept open, so that the line does not hang up
    try:
        with TemporaryDirectory() as directory:
            make_certificates(Path(directory))
            with _process("hostile_server", directory, os.ttyname(bridges_end), *options) as process:
                yield Served(process, Path(directory), line)
    finally:
        os.close(line)
        os.close(bridges_end)


def measure(rounds: int = 3, storms: Sequence[Storm] = STORMS, quiet_s: float = QUIET_S) -> list[Row]:
    """Return a row for each storm and each loop the bridge can run on: asyncio's own, and uvloop's."""
    return [
        row
        for name in servers()
        if name in (BRIDGE, BRIDGE_UVLOOP)
        for row in _measure(name, rounds, storms, quiet_s)
    ]


def _measure(name: str, rounds: int, storms: Sequence[Storm], quiet_s: float) -> list[Row]:
    found = []
    with served(*(("--uvloop",) if name == BRIDGE_UVLOOP else ())) as bridge:
        # What is made but once, such as the file of the audit, is made before anything counts.
        weathered(bridge, Storm("a first crowd", "crowd", "tcp", 100), 1, quiet_s)
        bridge.audited()
        for storm in storms:
            print(f"{name}, storm: {storm.what}", file=sys.stderr)
            found.append({"server": name, **weathered(bridge, storm, rounds, quiet_s)})
    return found


def weathered(bridge: Served, storm: Storm, rounds: int, quiet_s: float = QUIET_S) -> Row:
    """Let one storm pass, `rounds` times."""
    address = bridge.addresses[storm.polite]
    aim = (storm.name, bridge.addresses[storm.listener], storm.count, bridge.folder, bridge.line)
    quiet, during = Polite(), Polite()
    quiet.quiet(address, quiet_s)
    before = bridge.at_rest(bridge.state)
    did = []
    for _ in range(rounds):
        with _process("storms", *aim, held=(bridge.line,)) as process:
            process.hear()
            with during.asking(address):
                process.tell()
                did.append(json.loads(process.hear()))
        quiet.quiet(address, quiet_s)
    after = bridge.at_rest(before)
    row: Row = {
        "what": storm.what,
        "sent": min(done["sent"] for done in did),
        "wanted_sent": storm.count,
        "seconds": round(min(done["seconds"] for done in did), 1),
        "reads": sum(map(len, during.runs)),
        "quiet_us": round(quiet.at(0.99)),
        "quiet_p50_us": round(quiet.at(0.5)),
        "p50_us": round(during.at(0.5)),
        "p99_us": round(during.at(0.99)),
        "worst_us": round(during.worst),
        "ratio": round(during.at(0.99) / quiet.at(0.99), 2),
        "wanted": P99_RATIO,
        "kept_mib": round((after.resident - before.resident) / _MIB, 1),
        "wanted_kept_mib": KEPT_MIB,
        **_left(before, after),
        "left_open": dict(after.descriptors - before.descriptors),
        "errors": quiet.kinds.total() + during.kinds.total(),
        "kinds": dict(quiet.kinds + during.kinds),
    }
    row["reached"] = "yes" if reached(row) else "no"
    return row


def reached(row: Row) -> bool:
    """True where a row met every figure, and the storm was as large as it was to be."""
    return bool(
        row["sent"] >= row["wanted_sent"]
        and row["ratio"] <= P99_RATIO
        and row["kept_mib"] <= KEPT_MIB
        and not any(row[left] > 0 for left in ("descriptors", "connections", "tasks", "errors"))
    )


def told_wrong(table: Sequence[Row]) -> int:
    """Say which replies were lost, doubled or wrong and what was left open; return the exit status."""
    status = 0
    for row in table:
        if row["errors"]:
            print(f"{row['what']}: the polite client was failed: {row['kinds']}", file=sys.stderr)
            status = 1
        if row["descriptors"] > 0:
            print(f"{row['what']}: left open: {row['left_open']}", file=sys.stderr)
            status = 1
    return status
