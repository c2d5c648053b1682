"""What a bridge costs that has little to do, and how soon it is there.

Six devices at their own pace, each simulated in a process of its own; three clients that poll each of them
once a second. The processor time of the bridge stands against that of a program that reads the same bytes and
does nothing with them: a relay notes what every device said and when, and says it again to the reader.
"""

import asyncio
import contextlib
import json
import os
import pty
import selectors
import socket
import struct
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.throughput import Row

COLUMNS = (
    ("what", "idle and start", "<66"),
    ("measured", "measured", ">9"),
    ("wanted", "at most", ">8"),
    ("unit", "", "<4"),
)
WANTED_RATIO, WANTED_START_S, WANTED_FIRST_S, WANTED_ALL_MIB = 3.0, 2.0, 5.0, 110.0
_SETTLE_S, _RUN_S, _CLIENTS = 12.0, 30.0, 3
_START_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, slots=True)
class Player:
    """A simulated device: how it is played, its line of the site file, and a register that tells it lives."""

    name: str
    unit: int
    family: str
    options: str
    product: str = ""
    key: str = "port"
    register: int = 0x3000

    def command(self, link: Path) -> list[str]:
        """Return what plays it."""
        said = [sys.executable, "-m", "bridge", "simulate", self.family, "--link", str(link)]
        return [*said, *(("--product", self.product) if self.product else ())]

    def site_line(self, port: Path) -> str:
        """Return its line of a site file."""
        further = f", {self.options}" if self.options else ""
        return f'  {self.name}: {{adapter: {self.family}, {self.key}: "{port}", unit: {self.unit}{further}}}'


SIX = (
    Player("charger", 20, "vedirect", "product: ac_charger", "ac_charger"),
    Player("shunt", 21, "vedirect", "product: battery_monitor", "battery_monitor"),
    Player("solar", 22, "vedirect", "product: solar_charger", "solar_charger"),
    Player("inverter", 23, "vedirect", "product: inverter", "inverter"),
    Player("multi", 10, "vebus_mk3", ""),
    Player(
        "wagon",
        42,
        "modbus",
        "map: series607, baudrate: 38400, remote_unit: 42, serial: W1",
        register=0x3001,
    ),
)
FURTHER = (
    Player("pack", 30, "can_battery", "interface: slcan, dialect: pylontech", "pylontech", "channel"),
    Player("island", 32, "sunny_island", "interface: slcan", "", "channel"),
    Player(
        "roof",
        50,
        "apsystems",
        "ecu_id: D8A3011B9781, always_day: true, poll: 5 s, "
        'inverters: [{serial: "408000158215", model: yc600, address: 0x103A}]',
    ),
)


@dataclass
class Relay:
    """Passes bytes both ways between simulators and the bridge, and notes when devices spoke."""

    folder: Path
    said: dict[str, list[tuple[float, bytes]]] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def lead(self, name: str) -> Path:
        """Join a terminal of its own to the device's; return where the bridge finds it."""
        device = os.open(self.folder / f"{name}.device", os.O_RDWR | os.O_NOCTTY)
        tty.setraw(device)
        near, far = pty.openpty()
        tty.setraw(far)
        self.said[name] = []
        link = self.folder / name
        link.symlink_to(os.ttyname(far))
        threading.Thread(target=self._pass_on, args=(name, device, near), daemon=True).start()
        return link

    def end(self) -> None:
        """Stop passing on."""
        self._ended.set()

    def _pass_on(self, name: str, device: int, near: int) -> None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(device, selectors.EVENT_READ, near)
            waiting.register(near, selectors.EVENT_READ, device)
            while not self._ended.is_set():
                for key, _ in waiting.select(0.5):
                    try:
                        data = os.read(key.fd, 4096)
                        if key.fd == device:
                            self.said[name].append((time.monotonic(), data))
                        os.write(key.data, data)
                    except OSError:
                        return


def _processor_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


@contextlib.contextmanager
def _playing(players: tuple[Player, ...], folder: Path) -> Iterator[None]:
    started = [
        subprocess.Popen(
            player.command(folder / f"{player.name}.device"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for player in players
    ]
    try:
        deadline = time.monotonic() + _START_S
        while not all((folder / f"{player.name}.device").exists() for player in players):
            if time.monotonic() > deadline:
                raise RuntimeError("the simulators did not start")
            time.sleep(0.1)
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(20)


@contextlib.contextmanager
def _bridge(folder: Path, lines: list[str]) -> Iterator[tuple[int, int, float]]:
    """Run a bridge; gives process id, port, and how long it took until it answered."""
    site = folder / "site.yaml"
    text = [
        f'state: "{folder / "state"}"',
        'listeners: [{tcp: "127.0.0.1:15027"}]',
        "mdns: false",
        "devices:",
    ]
    site.write_text("\n".join([*text, *lines]) + "\n")
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "bridge", "run", str(site)], stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", 15027), 1).close()
                break
            if process.poll() is not None or time.monotonic() - began > _START_S:
                raise RuntimeError("the bridge did not start")
            time.sleep(0.01)
        yield process.pid, 15027, time.monotonic() - began
    finally:
        process.terminate()
        process.wait(20)


async def _read(port: int, unit: int, register: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(struct.pack(">HHHBBHH", 1, 0, 6, unit, 3, register, 2))
        head = await reader.readexactly(7)
        return await reader.readexactly(struct.unpack(">H", head[4:6])[0] - 1)
    finally:
        writer.close()


async def _poll(port: int, players: tuple[Player, ...], seconds: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for player in players:
            writer.write(struct.pack(">HHHBBHH", 1, 0, 6, player.unit, 3, player.register, 2))
            head = await reader.readexactly(7)
            await reader.readexactly(struct.unpack(">H", head[4:6])[0] - 1)
        await asyncio.sleep(1)
    writer.close()


async def _polls(port: int, seconds: float) -> None:
    await asyncio.gather(*(_poll(port, SIX, seconds) for _ in range(_CLIENTS)))


async def _first_values(port: int, players: tuple[Player, ...]) -> dict[str, float]:
    """Return when each device's first value could be read, in seconds from now."""
    began = time.monotonic()
    found: dict[str, float] = {}
    while len(found) < len(players) and time.monotonic() - began < _START_S:
        for player in players:
            if player.name not in found:
                pdu = await _read(port, player.unit, player.register)
                if not pdu[0] & 0x80 and pdu[2:4] != b"\xff\xff":
                    found[player.name] = time.monotonic() - began
        await asyncio.sleep(0.02)
    return found


def _nothing_s(said: dict[str, list[tuple[float, bytes]]], began: float, ended: float) -> float:
    """Return the processor time of the program that reads the same bytes and does nothing."""
    ends = {name: pty.openpty() for name in said}
    for near, far in ends.values():
        tty.setraw(near)
        tty.setraw(far)
    ports = [os.ttyname(far) for _, far in ends.values()]
    reader = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.idle", "--read", json.dumps(ports)], stdout=-1
    )
    assert reader.stdout is not None
    reader.stdout.readline()
    before, start = _processor_s(reader.pid), time.monotonic()
    words = sorted((at, name, data) for name, all_said in said.items() for at, data in all_said)
    for at, name, data in words:
        if began <= at <= ended:
            time.sleep(max(0.0, at - began - (time.monotonic() - start)))
            os.write(ends[name][0], data)
    used = _processor_s(reader.pid) - before
    reader.terminate()
    reader.wait(20)
    reader.stdout.close()
    for pair in ends.values():
        for end in pair:
            os.close(end)
    return used


async def _read_and_forget(ports: list[str]) -> None:
    """Read every port as any asyncio program would: a stream each, and a task that waits for bytes."""
    loop = asyncio.get_running_loop()
    streams = []
    for port in ports:
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        stream = asyncio.StreamReader()
        protocol = partial(asyncio.StreamReaderProtocol, stream)
        protocol = partial(asyncio.StreamReaderProtocol, stream)
        await loop.connect_read_pipe(protocol, os.fdopen(descriptor, "rb", 0))
        streams.append(stream)
    print("reading", flush=True)
    await asyncio.gather(*(_forget(stream) for stream in streams))


async def _forget(stream: asyncio.StreamReader) -> None:
    while await stream.read(4096):
        pass


def measure() -> list[Row]:
    """Return a row for each figure."""
    rows: list[Row] = []
    with TemporaryDirectory() as directory:
        folder = Path(directory)
        with _playing(SIX, folder):
            relay = Relay(folder)
            lines = [player.site_line(relay.lead(player.name)) for player in SIX]
            with _bridge(folder, lines) as (pid, port, start_s):
                rows.append(_row("a listener answers after the start", start_s, WANTED_START_S, "s"))
                for name, seconds in asyncio.run(_first_values(port, SIX)).items():
                    rows.append(_row(f"first value of {name} after that", seconds, WANTED_FIRST_S, "s"))
                time.sleep(_SETTLE_S)
                before, began = _processor_s(pid), time.monotonic()
                asyncio.run(_polls(port, _RUN_S))
                used, ended = _processor_s(pid) - before, time.monotonic()
            relay.end()
        nothing = _nothing_s(relay.said, began, ended)
        took = ended - began
        rows.append(_row("processor, 6 devices and 3 clients", 100 * used / took, float("nan"), "%"))
        rows.append(_row("processor of a reader that does nothing", 100 * nothing / took, float("nan"), "%"))
        ratio = used / nothing if nothing else float("inf")
        rows.append(_row("the one against the other", ratio, WANTED_RATIO, "x"))
    with TemporaryDirectory() as directory:
        folder = Path(directory)
        players = (*SIX, *FURTHER)
        with _playing(players, folder):
            lines = [player.site_line(folder / f"{player.name}.device") for player in players]
            with _bridge(folder, lines) as (pid, port, _):
                found = asyncio.run(_first_values(port, players))
                for player in FURTHER:
                    seconds = found.get(player.name, float("inf"))
                    rows.append(_row(f"first value of {player.name}", seconds, WANTED_FIRST_S, "s"))
                time.sleep(_SETTLE_S)
                weight = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB
                rows.append(_row("a site of all families, outlets off", weight, WANTED_ALL_MIB, "MiB"))
    return rows


def _row(what: str, measured: float, wanted: float, unit: str) -> Row:
    return {"what": what, "measured": round(measured, 2), "wanted": wanted, "unit": unit}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        asyncio.run(_read_and_forget(json.loads(sys.argv[2])))
    else:
        from benchmarks.throughput import show

        show(measure(), COLUMNS)
