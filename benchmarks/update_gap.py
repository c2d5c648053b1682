"""`python -m benchmarks.update_gap`: how long an update keeps Modbus clients waiting.

A bridge with a simulated charger is told to end (SIGTERM), and the next one starts as soon as it has ended,
as `systemctl restart` does it. Meanwhile a client asks again and again. Told are the times from SIGTERM to
the first reply of the new process (unit 247), and to the first value of the charger.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

#: Far beyond what any of this takes.
BOUND_S = 60.0
EVERY_S = 0.005
#: FC3, one register: the link of unit 247, and the battery voltage of the charger's map.
ASK_BRIDGE = bytes.fromhex("0001 0000 0006 F7 03 0000 0001")
ASK_VALUE = bytes.fromhex("0002 0000 0006 14 03 3000 0001")
SITE = """\
state: {folder}/state
mdns: false
listeners: [{{tcp: "127.0.0.1:{port}"}}]
devices:
  charger: {{adapter: vedirect, port: {folder}/charger, unit: 20}}
"""
COMMAND = (sys.executable, "-m", "bridge")


def reply(port: int, ask: bytes) -> bytes:
    """Ask once on a connection of its own; empty where there is no answer."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=1.0) as asking,
    ):
        asking.sendall(ask)
        return asking.recv(260)
    return b""


def wait(port: int, ask: bytes) -> float:
    """Ask until a value comes; returns when it came."""
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        if reply(port, ask)[7:8] == b"\x03":
            return time.monotonic()
        time.sleep(EVERY_S)
    raise SystemExit(f"no reply of the bridge within {BOUND_S:g} s")


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(BOUND_S)


def measure(rounds: int) -> list[tuple[float, float]]:
    """Return the seconds of each round: to the first reply, to the first value."""
    folder = Path(tempfile.mkdtemp(prefix="gap-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "site.yaml").write_text(SITE.format(folder=folder, port=port))
    found = []
    try:
        with (
            running("simulate", "vedirect", "--link", str(folder / "charger")),
            contextlib.ExitStack() as stack,
        ):
            old = stack.enter_context(running("run", str(folder / "site.yaml")))
            for _ in range(rounds):
                wait(port, ASK_VALUE)
                began = time.monotonic()
                old.send_signal(signal.SIGTERM)
                old.wait(BOUND_S)
                old = stack.enter_context(running("run", str(folder / "site.yaml")))
                found.append((wait(port, ASK_BRIDGE) - began, wait(port, ASK_VALUE) - began))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.update_gap", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    chosen = parser.parse_args()
    runs = measure(chosen.rounds)
    rows = {
        name: {"least": min(times), "median": statistics.median(times), "most": max(times)}
        for name, times in zip(("first reply", "first value"), zip(*runs, strict=True), strict=True)
    }
    if chosen.json:
        print(json.dumps({"rounds": len(runs), "cores": os.cpu_count(), "gap_s": rows}))
        return 0
    print(f"seconds from SIGTERM, {len(runs)} rounds, {os.cpu_count()} cores")
    for name, row in rows.items():
        print(f"  {name:12}" + "".join(f"  {word} {value:.2f}" for word, value in row.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
