"""How well the bridge uses the 2400 Bd of an MK3: whole bridges in processes of their own, seen from the PTY.

The watcher plays interface and unit byte by byte at the pace of the line, on its own clock. It notes when it
has written the last byte of a reply and when the first byte of the next request is there; a request's own
bytes are given the time they would take. `delay` is what a unit takes to answer. A busy machine makes gaps of
its own: the last row is a reader that does nothing but ask again, from the same run, and each row tells by
how much the watcher itself woke too late.

`python -m benchmarks.vebus [--seconds 20]`
"""

import argparse
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.throughput import Row, show
from bridge.adapters.vebus_mk3.frames import Frame, FrameDecoder
from bridge.adapters.vebus_mk3.simulated_interface import SimulatedInterface
from bridge.adapters.vebus_mk3.simulated_unit import SimulatedUnit
from bridge.datastore.clock import SystemClock

BYTES_PER_S = 240.0
#: From a reply's last byte to the next request's first; a cycle against the time of its bytes; from opening
#: the port, and from the start of the process, to the first value over Modbus.
GAP_MS, CYCLE, FIRST_S, COLD_S = 5.0, 1.3, 2.5, 5.0
CASES = ((1, 0.0), (1, 0.02), (3, 0.0), (3, 0.02))
_UNIT, _VOLTAGE, _NONE = 10, 0x3000, 0xFFFF
_START_WITHIN_S = 60.0
#: From the first value to the measurement: settings and slow scales have been asked by then.
_SETTLES_S = 8.0
_DC_REQUEST = b"\xffF\0"
_SITE = """
state: "{folder}/state"
listeners: [{{tcp: "127.0.0.1:0"}}]
devices: {{multi: {{adapter: vebus_mk3, port: "{port}", unit: {unit}}}}}
"""
COLUMNS = (
    ("what", "VE.Bus at 2400 Bd", "<28"),
    ("requests", "requests", ">9"),
    ("gap_ms", "gap ms", ">7"),
    ("gap_p99_ms", "p99", ">7"),
    ("gap_max_ms", "max", ">7"),
    ("gap_wanted", "at most", ">8"),
    ("cycle_s", "cycle s", ">8"),
    ("byte_s", "bytes s", ">8"),
    ("ratio", "ratio", ">6"),
    ("ratio_with_delay", "with delay", ">11"),
    ("ratio_wanted", "at most", ">8"),
    ("first_s", "first s", ">8"),
    ("cold_s", "cold s", ">7"),
    ("late_ms", "watcher p99", ">12"),
)


#: Asks for the DC values as soon as they have come: no parsing, no loop, nobody served.
_NOBODY = """
import os, sys, tty
port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
tty.setraw(port)
while True:
    os.write(port, bytes.fromhex("03ff4600b8"))
    heard = 0
    while heard < 17:
        heard += len(os.read(port, 64))
"""


@dataclass
class Watched:
    """What the watcher has noted: gaps and its own lateness in s, times of DC requests, bytes and answers."""

    opened: float = 0.0
    gaps: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    cycles: list[float] = field(default_factory=list)
    carried: int = 0
    answers: int = 0

    def begin(self) -> None:
        """Forget all but when the port was opened."""
        self.__init__(self.opened)  # type: ignore[misc]


class Interface:
    """The far end on a PTY, played by a thread of its own; `watched` has what it noted."""

    def __init__(self, phases: int, delay_s: float) -> None:
        unit = SimulatedUnit(SystemClock(), phases=phases)
        self._mk3 = SimulatedInterface(unit, time.monotonic, number=b"SIM1")
        self._delay_s = delay_s
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)
        self.watched = Watched()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join(10)
        os.close(self._master)

    def _play(self) -> None:
        if not self._await_reader():
            return
        self.watched.opened = time.monotonic()
        decoder, replied_at = FrameDecoder(), None
        while not self._ended.is_set():
            if not select.select([self._master], [], [], 0.2)[0]:
                continue
            began = time.monotonic()
            with suppress(OSError):
                data = os.read(self._master, 4096)
                watched = self.watched
                if replied_at is not None:
                    watched.gaps.append(began - replied_at)
                    replied_at = None
                watched.carried += len(data)
                asked = [found.data for found in decoder.receive(data, began) if isinstance(found, Frame)]
                if _DC_REQUEST in asked:
                    watched.cycles.append(began)
                at = began + len(data) / BYTES_PER_S + self._delay_s
                for reply in (reply for request in asked for reply in self._mk3.answers(request)):
                    at, replied_at = self._say(self._mk3.wrap(reply), at)
                    watched.answers += 1
                    watched.late.append(max(0.0, replied_at - at))

    def _await_reader(self) -> bool:
        hung_up = select.poll()
        hung_up.register(self._master, 0)
        while hung_up.poll(0):
            if self._ended.wait(0.005):
                return False
        return True

    def _say(self, frame: bytes, at: float) -> tuple[float, float]:
        """Write byte by byte from `at` on; returns when the last one was due, and when it was about to go.

        Not when its writing had returned: the system may let the bridge run first, and not count its work.
        """
        going = at
        for byte in frame:
            at += 1 / BYTES_PER_S
            time.sleep(max(0.0, at - time.monotonic()))
            going = time.monotonic()
            os.write(self._master, bytes((byte,)))
        self.watched.carried += len(frame)
        return at, going


@contextmanager
def _bridge(folder: Path, port: str) -> Iterator[int]:
    """Run the bridge; gives the TCP port it serves on."""
    site = folder / "site.yaml"
    site.write_text(_SITE.format(folder=folder, port=port, unit=_UNIT))
    command = [sys.executable, "-m", "bridge", "run", str(site)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"serving=tcp://127\.0\.0\.1:(\d+)", line):
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield int(found[1])
                return
        raise RuntimeError(f"the bridge did not start (exit {process.wait(10)})")
    finally:
        process.terminate()
        process.wait(10)


def _first_value(port: int) -> float:
    """Return when the battery's voltage could first be read."""
    until = time.monotonic() + _START_WITHIN_S
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        while time.monotonic() < until:
            line.sendall(struct.pack(">HHHBBHH", 1, 0, 6, _UNIT, 3, _VOLTAGE, 1))
            reply = line.recv(260)
            if reply[7] == 3 and struct.unpack(">H", reply[9:11])[0] != _NONE:
                return time.monotonic()
            time.sleep(0.01)
    raise RuntimeError(f"no value after {_START_WITHIN_S:g} s")


def _run(phases: int, delay_s: float, seconds: float) -> Row:
    with tempfile.TemporaryDirectory() as directory:
        interface = Interface(phases, delay_s)
        try:
            started = time.monotonic()
            with _bridge(Path(directory), interface.port) as port:
                first = _first_value(port)
                opened = interface.watched.opened
                time.sleep(_SETTLES_S)
                interface.watched.begin()
                time.sleep(seconds)
                watched = interface.watched
        finally:
            interface.close()
    spent = watched.cycles[-1] - watched.cycles[0]
    byte_s = watched.carried / BYTES_PER_S * spent / seconds
    waited_s = watched.answers * delay_s * spent / seconds
    rounds = len(watched.cycles) - 1
    return {
        "what": f"{phases} phase{'s' if phases > 1 else ''}, delay {1000 * delay_s:g} ms",
        "requests": len(watched.gaps),
        **_milliseconds(watched),
        "gap_wanted": GAP_MS,
        "cycle_s": round(spent / rounds, 3),
        "byte_s": round(byte_s / rounds, 3),
        "ratio": round(spent / byte_s, 2),
        "ratio_with_delay": round(spent / (byte_s + waited_s), 2),
        "ratio_wanted": CYCLE,
        "first_s": round(first - opened, 2),
        "cold_s": round(first - started, 2),
        "first_wanted": FIRST_S,
        "cold_wanted": COLD_S,
    }


def _nobody(seconds: float) -> Row:
    interface = Interface(1, 0.0)
    process = subprocess.Popen([sys.executable, "-c", _NOBODY, interface.port])
    try:
        time.sleep(1.0)
        interface.watched.begin()
        time.sleep(seconds)
        watched = interface.watched
        return {"what": "nobody: asks DC again", "requests": len(watched.gaps), **_milliseconds(watched)}
    finally:
        process.kill()
        process.wait(10)
        interface.close()


def _milliseconds(watched: Watched) -> dict[str, Any]:
    gaps, late = sorted(watched.gaps), sorted(watched.late)
    return {
        "gap_ms": round(1000 * median(gaps), 2),
        "gap_p99_ms": round(1000 * gaps[int(0.99 * len(gaps))], 2),
        "gap_max_ms": round(1000 * gaps[-1], 2),
        "gaps_over": sum(1000 * gap > GAP_MS for gap in gaps),
        "late_ms": round(1000 * late[int(0.99 * len(late))], 2),
    }


def measure(seconds: float) -> list[Row]:
    """Return a row for each number of phases and delay."""
    return [*(_run(phases, delay_s, seconds) for phases, delay_s in CASES), _nobody(seconds)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vebus", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of one run")
    show(measure(parser.parse_args().seconds), COLUMNS)
