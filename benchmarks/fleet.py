"""Many bridges on one machine: field bridges, a Mosquitto, a head-end that serves them all, Modbus clients.

`python -m benchmarks --only fleet`. Latency is from the moment a device published a value to the moment a
client that reads every 20 ms has it. Then the broker is killed and started again: how long clients get 0B,
and whether any was ever told a value older than it may be.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.fleet_field import DEVICES, PERIOD_S, POINTS, WRAP_MS, stamp, topic

COLUMNS = (
    ("bridges", "bridges", ">7"),
    ("points", "points/s", ">8"),
    ("p50_ms", "p50 ms", ">7"),
    ("p99_ms", "p99 ms", ">7"),
    ("head_cpu", "head-end CPU % per 1000 points/s", ">32"),
    ("field_cpu", "one field bridge CPU %", ">22"),
    ("broker_cpu", "broker CPU %", ">12"),
    ("head_mib", "head-end MiB", ">12"),
    ("kbyte_s", "kB/s", ">7"),
    ("gone_s", "0B after s", ">10"),
    ("back_s", "back after s", ">12"),
    ("wrong", "wrong", ">5"),
)
CLIENTS = 10
#: What the head-end believes at most, the field's reading of its points and a client's pause included.
_STALE_AFTER_S = 5.0
_OLDEST_S = _STALE_AFTER_S + 3 * PERIOD_S + 1.0
_READ_EVERY_S, _MEASURE_S, _DOWN_S, _PATIENCE_S = 0.02, 15.0, 8.0, 120.0
#: Devices of one listener: Modbus has no more units.
_UNITS = 200
_MAP = f"""
title: Device of the fleet
registers:
  - {{address: 0x3000, repeat: {{count: {POINTS}, stride: 1, path: "/Value/{{n}}"}},
     registers: [{{address: 0, type: u16, path: /Power}}]}}
"""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Client:
    """Reads one unit again and again."""

    port: int
    unit: int
    latencies_s: list[float] = field(default_factory=list)
    wrong: int = 0
    #: When the newest reply was an exception, and when a value.
    refused_at: float = 0.0
    heard_at: float = 0.0

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        last = -1
        try:
            while True:
                writer.write(struct.pack(">HHHBBHH", 1, 0, 6, self.unit, 3, 0x3000, 1))
                length, _, function = struct.unpack(">4xHBB", await reader.readexactly(8))
                data = await reader.readexactly(length - 2)
                now = time.monotonic()
                if function & 0x80:
                    self.refused_at = now
                else:
                    value = int.from_bytes(data[1:])
                    age_s = (stamp() - value) % WRAP_MS / 1000
                    self.heard_at = now
                    self.wrong += age_s > _OLDEST_S
                    if value != last:
                        self.latencies_s.append(age_s)
                    last = value
                await asyncio.sleep(_READ_EVERY_S)
        finally:
            writer.close()


class Used:
    """Processor time of a process, and its memory."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = time.monotonic(), self._ticks()

    def percent(self) -> float:
        """Return the share of one core since the beginning."""
        at, ticks = self._began
        return 100 * (self._ticks() - ticks) / _TICKS / (time.monotonic() - at)

    def mib(self) -> float:
        """Return resident memory."""
        pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _ticks(self) -> int:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


def measure(sizes: tuple[int, ...] = (1, 5, 10, 20)) -> list[dict[str, Any]]:
    """Return a row for each number of bridges."""
    return [asyncio.run(_measure(bridges)) for bridges in sizes]


async def _measure(bridges: int) -> dict[str, Any]:
    with TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, broker_port = Path(name), 27883
        (folder / "broker.conf").write_text(
            f"user root\nlistener {broker_port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "log_type none\n"
        )
        broker = stack.enter_context(_mosquitto(folder))
        fields = stack.enter_context(
            _process("benchmarks.fleet_field", "--broker", str(broker_port), "--bridges", str(bridges))
        )
        ports = _site(folder, bridges, broker_port)
        head = stack.enter_context(_process("bridge", "run", str(folder / "site.yaml")))
        clients = [_client(ports, number, bridges) for number in range(CLIENTS)]
        await _until_listening(ports)
        tasks = [asyncio.create_task(client.run()) for client in clients]
        try:
            await _until(lambda: all(client.latencies_s for client in clients), tasks)
            await asyncio.sleep(3.0)
            row = await _steady(bridges, clients, head.pid, fields.pid, broker.pid)
            return row | await _restart(clients, broker, folder, stack, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _steady(bridges: int, clients: list[Client], head: int, fields: int, broker: int) -> dict[str, Any]:
    for client in clients:
        client.latencies_s.clear()
    used = {name: Used(pid) for name, pid in (("head", head), ("field", fields), ("broker", broker))}
    before = _loopback_bytes()
    await asyncio.sleep(_MEASURE_S)
    points = bridges * DEVICES * POINTS / PERIOD_S
    found = sorted(one for client in clients for one in client.latencies_s)
    return {
        "bridges": bridges,
        "points": round(points),
        "p50_ms": round(1000 * statistics.median(found)),
        "p99_ms": round(1000 * found[int(0.99 * (len(found) - 1))]),
        "head_cpu": round(used["head"].percent() / points * 1000, 2),
        "field_cpu": round(used["field"].percent() / bridges, 2),
        "broker_cpu": round(used["broker"].percent(), 1),
        "head_mib": round(used["head"].mib()),
        "kbyte_s": round((_loopback_bytes() - before) / 1000 / _MEASURE_S),
    }


async def _restart(
    clients: list[Client],
    broker: "subprocess.Popen[bytes]",
    folder: Path,
    stack: contextlib.ExitStack,
    tasks: "list[asyncio.Task[None]]",
) -> dict[str, Any]:
    broker.kill()
    broker.wait()
    killed = time.monotonic()
    await _until(lambda: all(client.refused_at > client.heard_at for client in clients), tasks)
    gone_s = time.monotonic() - killed
    await asyncio.sleep(max(0.0, _DOWN_S - gone_s))
    stack.enter_context(_mosquitto(folder))
    began = time.monotonic()
    await _until(lambda: all(client.heard_at > max(began, client.refused_at) for client in clients), tasks)
    back_s = time.monotonic() - began
    await asyncio.sleep(3.0)
    wrong = sum(client.wrong for client in clients)
    return {"gone_s": round(gone_s, 1), "back_s": round(back_s, 1), "wrong": wrong}


def _site(folder: Path, bridges: int, broker_port: int) -> list[int]:
    """Write the head-end's site; returns its ports."""
    (folder / "fleet.yaml").write_text(_MAP)
    total = bridges * DEVICES
    ports = [27900 + number for number in range(-(-total // _UNITS))]
    listeners = "".join(f"  - {{tcp: '127.0.0.1:{port}', name: l{port}}}\n" for port in ports)
    devices, views = [], []
    for place in range(total):
        bridge, number = divmod(place, DEVICES)
        name = f"b{bridge}d{number}"
        devices.append(
            f"  {name}: {{adapter: remote, url: 'mqtt://127.0.0.1:{broker_port}', topic: {topic(bridge)}, "
            f"device: device{number}, map: ./fleet.yaml, stale_after: {_STALE_AFTER_S}}}\n"
        )
        port = ports[place // _UNITS]
        views.append(
            f"  - {{unit: {place % _UNITS + 1}, map: ./fleet.yaml, device: {name}, listeners: [l{port}]}}\n"
        )
    (folder / "site.yaml").write_text(
        f"state: ./state\nmdns: false\nlisteners:\n{listeners}"
        f"devices:\n{''.join(devices)}serve:\n{''.join(views)}"
    )
    return ports


def _client(ports: list[int], number: int, bridges: int) -> Client:
    place = number * bridges * DEVICES // CLIENTS
    return Client(ports[place // _UNITS], place % _UNITS + 1)


async def _until(true: Any, tasks: "list[asyncio.Task[None]]") -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not true():
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)


async def _until_listening(ports: list[int]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        for port in ports:
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    break


def _loopback_bytes() -> int:
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))


@contextlib.contextmanager
def _mosquitto(folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("mosquitto is missing: apt-get install mosquitto")
    with _ended(subprocess.Popen([program, "-c", folder / "broker.conf"], stderr=subprocess.DEVNULL)) as made:
        yield made


@contextlib.contextmanager
def _process(module: str, *arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
    with _ended(
        subprocess.Popen([sys.executable, "-m", module, *arguments], stderr=subprocess.DEVNULL)
    ) as made:
        yield made


@contextlib.contextmanager
def _ended(made: "subprocess.Popen[bytes]") -> "Iterator[subprocess.Popen[bytes]]":
    try:
        yield made
    finally:
        if made.poll() is None:
            made.send_signal(signal.SIGTERM)
            try:
                made.wait(20)
            except subprocess.TimeoutExpired:
                made.kill()
                made.wait()


if __name__ == "__main__":
    from benchmarks.throughput import show

    show(measure(tuple(map(int, sys.argv[1:])) or (1, 5, 10, 20)), COLUMNS)
