"""200 Modbus devices polled once a second by the bridge, and their 200 units polled once a second behind it.

`python -m benchmarks.many_units`: meters, bridge and clients are three processes. Each unit has a connection
of its own, as a GX makes them. A poll is missed when its reply comes after its second, is an exception, or
shows another unit's value; at the meters, when a unit is not asked for a second and a half. Exit status 1
where any is missed.
"""

import argparse
import asyncio
import json
import re
import statistics
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

UNITS = 200
PERIOD_S = 1.0
#: At the meters a unit counts as missed when it has not been asked for this long.
GAP_S = 1.5 * PERIOD_S
REGISTERS = 10
#: What a start may take, and what the bridge is given to find everybody, in seconds.
_START_S, _FIND_S = 60.0, 30.0
_HEADER = struct.Struct(">HHHB")
_MAP = f"""
title: Meter of the benchmark
kind: client
device: {{role: grid}}
registers:
  - {{address: 0, repeat: {{count: {REGISTERS}, stride: 1, path: "/Value/{{n}}"}},
     registers: [{{address: 0, type: u16, path: /Power}}]}}
"""
_SITE = """
state: state
listeners: [{{tcp: "127.0.0.1:0", name: lan}}]
devices:
{devices}"""
_DEVICE = (
    "  meter{unit}: {{adapter: modbus, map: {map}, host: '127.0.0.1:{port}', remote_unit: {unit}, poll: 1, "
    "unit: {unit}}}\n"
)


@dataclass
class Meters:
    """Answers for every unit with registers that all hold its number, and notes when each was asked."""

    asked: dict[int, list[float]] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                number, _, length, unit = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                function, _, count = struct.unpack(">BHH", await reader.readexactly(length - 1))
                self.asked.setdefault(unit, []).append(time.monotonic())
                pdu = struct.pack(f">BB{count}H", function, 2 * count, *[unit] * count)
                writer.write(_HEADER.pack(number, 0, len(pdu) + 1, unit) + pdu)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run(self) -> None:
        """Serve, tell the port, and at each line of input what happened since the one before it."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            gaps = [
                after - before
                for times in self.asked.values()
                for before, after in zip(times, [*times[1:], time.monotonic()], strict=True)
            ]
            told = {
                "units": len(self.asked),
                "polls": sum(map(len, self.asked.values())),
                "missed": sum(gap > GAP_S for gap in gaps),
                "longest_gap_s": round(max(gaps, default=0.0), 3),
            }
            print(json.dumps(told), flush=True)
            self.asked.clear()


@dataclass
class Polls:
    """What the clients have seen."""

    latencies_s: list[float] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)

    def row(self) -> dict[str, Any]:
        """Return polls, misses by their kind, and milliseconds of replies."""
        ordered = sorted(self.latencies_s)
        return {
            "polls": len(ordered) + self.missed.total(),
            "missed": dict(self.missed),
            "median_ms": round(1000 * statistics.median(ordered), 2),
            "p99_ms": round(1000 * ordered[int(0.99 * len(ordered))], 2),
            "slowest_ms": round(1000 * ordered[-1], 2),
        }


async def poll(port: int, unit: int, rounds: int, seen: Polls) -> None:
    """Poll one unit on its own connection, in its own part of each second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic() + PERIOD_S * unit / UNITS
    wanted = struct.pack(">BB", 3, 2 * REGISTERS) + struct.pack(">H", unit) * REGISTERS
    for number in range(rounds):
        due = began + number * PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        asked = time.monotonic()
        writer.write(_HEADER.pack(number, 0, 6, unit) + struct.pack(">BHH", 3, 0, REGISTERS))
        head = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        pdu = await reader.readexactly(head[2] - 1)
        took = time.monotonic() - asked
        if head != (number, 0, len(wanted) + 1, unit) or pdu != wanted:
            seen.missed[f"exception {pdu[1]}" if pdu[0] & 0x80 else "another reply"] += 1
        elif took > PERIOD_S:
            seen.missed["late"] += 1
        else:
            seen.latencies_s.append(took)
    writer.close()


async def _all(port: int, rounds: int) -> Polls:
    seen = Polls()
    await asyncio.gather(*(poll(port, unit, rounds, seen) for unit in range(1, UNITS + 1)))
    return seen


def measure(seconds: int) -> dict[str, Any]:
    """Return what clients and meters have seen in so many seconds."""
    with TemporaryDirectory() as directory, _meters() as meters:
        folder = Path(directory)
        assert meters.stdout is not None
        (folder / "meter.yaml").write_text(_MAP)
        source = int(meters.stdout.readline())
        devices = "".join(
            _DEVICE.format(unit=unit, port=source, map=folder / "meter.yaml") for unit in range(1, UNITS + 1)
        )
        (folder / "site.yaml").write_text(_SITE.format(devices=devices))
        with _bridge(folder) as port:
            asyncio.run(_found(port))
            _told(meters)
            seen = asyncio.run(_all(port, seconds))
            return {"seconds": seconds, "units": UNITS, "clients": seen.row(), "meters": _told(meters)}


def _told(meters: subprocess.Popen[str]) -> dict[str, Any]:
    assert meters.stdin is not None
    assert meters.stdout is not None
    meters.stdin.write("\n")
    meters.stdin.flush()
    told: dict[str, Any] = json.loads(meters.stdout.readline())
    return told


async def _found(port: int) -> None:
    """Wait until every unit has been answered once."""
    deadline = time.monotonic() + _FIND_S
    while (seen := await _all(port, 1)).missed:
        if time.monotonic() > deadline:
            raise RuntimeError(f"after {_FIND_S:g} s units are not there yet: {dict(seen.missed)}")


@contextmanager
def _meters() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.many_units", "--meters"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


@contextmanager
def _bridge(folder: Path) -> Iterator[int]:
    """Run `inverter-bridge run`; gives its port once it serves."""
    log = folder / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "run", str(folder / "site.yaml")], stderr=errors
        )
    try:
        deadline = time.monotonic() + _START_S
        while not (serving := re.search(r"serving=tcp://[^ ]*:(\d+)", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the bridge did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield int(serving[1])
    finally:
        process.terminate()
        process.wait(timeout=20)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_units", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="length of the run")
    parser.add_argument("--meters", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.meters:
        asyncio.run(Meters().run())
        return 0
    found = measure(chosen.seconds)
    print(json.dumps(found))
    return 1 if found["clients"]["missed"] or found["meters"]["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
