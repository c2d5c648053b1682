"""How well a BMS keeps the period of its frames while 50 Modbus clients read at full speed.

The bridge runs in a process of its own, behind an slcan adapter on a PTY that a thread of this process
reads: it notes when each line arrives and says a keep-alive a second, as an inverter does.

`python -m benchmarks.can_period [--seconds 20] [--dialect sma]`
"""

import argparse
import contextlib
import itertools
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import compile_load
from benchmarks.throughput import Row, show

#: Largest part of the period by which two frames of one id may come too early or too late.
WANTED = 0.05
CLIENTS, UNIT, FIRST, COUNT = 50, 31, 0x3000, 14
PERIOD_S = 1.0
_BLOCK = (26600, 32000, 560, 1000, 1200)
_RENEW_S = 5.0
_START_WITHIN_S = 30.0
_SITE = """
state: "{folder}/state"
listeners: [{{tcp: "127.0.0.1:0", connections: 200}}]
devices:
  bms: {{adapter: can_bms, interface: slcan, channel: "{port}", dialect: {dialect}, unit: 31, observe: false,
         battery: {{cells: 16, chemistry: lfp, capacity: 200}}}}
"""
COLUMNS = (
    ("what", "frames of a BMS", "<28"),
    ("frames", "frames", ">7"),
    ("worst_ms", "worst ms", ">9"),
    ("part", "of period", ">10"),
    ("wanted", "wanted", ">7"),
    ("rps", "reads/s", ">8"),
    ("errors", "errors", ">7"),
)


class Adapter:
    """A pseudo-terminal read by a thread; `arrived` has the times of each id's frames."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.arrived: dict[str, list[float]] = defaultdict(list)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._speak)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End both threads."""
        self._ended.set()
        os.close(self._slave)
        for thread in self._threads:
            thread.join(2)
        os.close(self._master)

    def _read(self) -> None:
        rest = b""
        while not self._ended.is_set():
            try:
                data = os.read(self._master, 4096)
            except OSError:
                return
            now = time.monotonic()
            *lines, rest = (rest + data).split(b"\r")
            for line in lines:
                if line.startswith(b"t"):
                    self.arrived[line[1:4].decode()].append(now)

    def _speak(self) -> None:
        while not self._ended.wait(PERIOD_S):
            os.write(self._master, b"t3058" + b"00" * 8 + b"\r")


@contextlib.contextmanager
def bridge(folder: Path, port: str, dialect: str) -> Iterator[int]:
    """Run the bridge in a process of its own; gives the TCP port it serves on."""
    site = folder / "site.yaml"
    site.write_text(_SITE.format(folder=folder, port=port, dialect=dialect))
    command = [sys.executable, "-m", "bridge", "run", str(site)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    log: list[str] = []
    try:
        while (found := re.search(r"serving=tcp://127\.0\.0\.1:(\d+)", "".join(log))) is None:
            line = process.stderr.readline()
            if not line:
                raise RuntimeError("the bridge did not start: " + "".join(log))
            log.append(line)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield int(found[1])
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def written(port: int) -> Iterator[None]:
    """Write the set-points and keep them fresh until the block ends."""
    ended = threading.Event()

    def write() -> None:
        with socket.create_connection(("127.0.0.1", port), 10) as line:
            while True:
                words = struct.pack(">5H", *_BLOCK)
                body = struct.pack(">BBHHB", UNIT, 16, FIRST, len(_BLOCK), len(words)) + words
                line.sendall(struct.pack(">HHH", 1, 0, len(body)) + body)
                reply = line.recv(260)
                if ended.wait(_RENEW_S if reply[7:8] == b"\x10" else 0.2):
                    return

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def measure(seconds: float, dialect: str) -> list[Row]:
    """Return the rows of a quiet run and of one under load."""
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        program = compile_load(Path(directory))
        adapter = Adapter()
        stack.callback(adapter.close)
        port = stack.enter_context(bridge(Path(directory), adapter.port, dialect))
        stack.enter_context(written(port))
        _await_frames(adapter)
        return [_run(adapter, seconds, None), _run(adapter, seconds, [str(program), "127.0.0.1", str(port)])]


def _await_frames(adapter: Adapter) -> None:
    patience = time.monotonic() + _START_WITHIN_S
    while len(adapter.arrived["351"]) < 2:
        if time.monotonic() > patience:
            raise RuntimeError(f"no frames after {_START_WITHIN_S:g} s")
        time.sleep(0.1)


def _run(adapter: Adapter, seconds: float, load: list[str] | None) -> Row:
    began = time.monotonic()
    said = {"rps": 0.0, "errors": 0}
    if load is None:
        time.sleep(seconds)
    else:
        reads = [*load, *map(str, (UNIT, 3, FIRST, COUNT, CLIENTS, seconds))]
        said = json.loads(subprocess.run(reads, capture_output=True, text=True, check=False).stdout)
    frames, worst_s = 0, 0.0
    for times in adapter.arrived.values():
        seen = [at for at in times if at >= began]
        frames += len(seen)
        gaps = (b - a for a, b in itertools.pairwise(seen))
        worst_s = max([worst_s, *(abs(gap - PERIOD_S) for gap in gaps)])
    return {
        "what": "quiet" if load is None else f"{CLIENTS} clients at full speed",
        "frames": frames,
        "worst_ms": round(1000 * worst_s, 1),
        "part": round(worst_s / PERIOD_S, 3),
        "wanted": WANTED,
        "rps": round(said["rps"]),
        "errors": said["errors"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.can_period", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of one run")
    parser.add_argument("--dialect", default="sma")
    chosen = parser.parse_args()
    show(measure(chosen.seconds, chosen.dialect), COLUMNS)
