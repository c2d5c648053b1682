"""The part of the soak in real time: a bridge of its own process, lines of the kernel, sockets, and bad luck.

Every family's simulator plays in a process of its own on a pseudo-terminal, as for the demonstration. They are
killed and begun again, their plugs exchanged, the bridge itself killed with nothing handed back; Modbus TCP
clients read and write all the time. Judged coarsely: a unit shows its own device or answers 0B, a current that
was set at the simulator is shown within the time it may be old, an acknowledged write is what is read back, and
the process takes no more memory and no more descriptors than after it had begun.
"""

import asyncio
import contextlib
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bridge import demo
from bridge.demo import DEVICES, SimulatedDevice
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.packing import decode, encode
from bridge.register_maps.rows import Row, primary, rows_of
from bridge.register_maps.types import Value
from tests.house.wire import Master
from tests.storm.growth import resident_kib

#: The longest that anything may take to come back: ports are looked for every 5 s, identities are told thrice.
BACK_S = 60.0
#: A roof's coordinator is begun anew, and then each inverter asked in turn.
ROOF_BACK_S = 150.0
#: A value may be so old, the time on a machine with much to do included.
OLD_S = 12.0
_LOOK_S, _WARM_S = 0.5, 25.0
#: A round of looks takes half a second. One that takes so much longer shows a machine that has no time for us,
#: nor for the simulators: how long things take is not judged for a minute then, and counted.
_STARVED_S, _STARVED_FOR_S = 3.0, 60.0
_MEMORY_KIB, _DESCRIPTORS = 24_576, 8
_SERIALS = {one.name: one.serial for one in DEVICES if one.serial and one.family != "vebus_mk3"}
_EXCHANGED = ("solar", "dcdc")
_CURRENTS = (-80.0, -12.5, 0.0, 7.5, 44.0)


@dataclass(slots=True)
class WireReport:
    """What was seen on the wire."""

    seed: int
    seconds: float = 0.0
    replies: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    memory: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the report."""
        return "\n".join(
            [
                f"wire: {'nothing wrong' if not self.faults else f'{len(self.faults)} FINDINGS'}",
                f"seed {self.seed}, {self.seconds:.0f} s in real time",
                "replies: " + ", ".join(f"{name} {count}" for name, count in sorted(self.replies.items())),
                "events: " + ", ".join(f"{name} {count}" for name, count in sorted(self.events.items())),
                *self.memory,
                *(f"! {line}" for line in self.faults),
            ]
        )


class Process:
    """A program that is begun, told things on its standard input, and killed."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self._process: asyncio.subprocess.Process | None = None

    async def begin(self) -> None:
        """Begin it."""
        nothing = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process is not None
        return self._process.pid

    @property
    def lives(self) -> bool:
        """True while it runs."""
        return self._process is not None and self._process.returncode is None

    async def say(self, line: str) -> None:
        """Write a line to it, if it hears."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError):
                self._process.stdin.write(f"{line}\n".encode())
                await self._process.stdin.drain()

    async def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


class Wire:
    """The processes, and what is known of the simulators."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.report = WireReport(seed)
        self.folder = folder
        self.dice = random.Random(seed)
        self.port = _free_port()
        site = demo.site_text(folder).replace(demo.LISTENER, f"127.0.0.1:{self.port}")
        (folder / "site.yaml").write_text(site, encoding="utf-8")
        self.bridge = Process([sys.executable, "-m", "bridge", "run", str(folder / "site.yaml")])
        self.players = {one.name: Process(one.simulate(folder / one.name)) for one in DEVICES}
        self.rows = {one.name: _rows(one) for one in DEVICES}
        #: Since when each device is whole again, and until when it may be seen although it is gone.
        self.whole_at = dict.fromkeys(self.players, 0.0)
        self.gone_at: dict[str, float] = {}
        self.currents: list[tuple[float, float]] = [(0.0, -12.3)]
        self.asked: dict[str, float] = {}
        self.starved_until = 0.0
        self._told: set[str] = set()

    async def begin(self) -> None:
        """Begin all, and let it warm up."""
        for player in self.players.values():
            await player.begin()
        await self.bridge.begin()
        now = time.monotonic()
        self.whole_at = dict.fromkeys(self.players, now)

    async def end(self) -> None:
        """End all."""
        await self.bridge.kill()
        for player in self.players.values():
            await player.kill()

    # -- bad luck ------------------------------------------------------------------------------------

    async def lose(self, name: str, seconds: float) -> None:
        """Kill a simulator, its port with it, and begin it again later."""
        self.report.events["simulators killed"] += 1
        self.gone_at[name] = time.monotonic()
        await self.players[name].kill()
        await asyncio.sleep(seconds)
        await self._again(name)

    async def exchange(self, seconds: float) -> None:
        """Let each of two devices come up at the other one's port, and both at their own again later."""
        self.report.events["ports exchanged"] += 1
        one, other = ({d.name: d for d in DEVICES}[name] for name in _EXCHANGED)
        for name in _EXCHANGED:
            self.gone_at[name] = time.monotonic()
            await self.players[name].kill()
        impostors = [
            Process(one.simulate(self.folder / other.name)), Process(other.simulate(self.folder / one.name))
        ]  # fmt: skip
        for impostor in impostors:
            await impostor.begin()
        try:
            await asyncio.sleep(seconds)
        finally:
            for impostor in impostors:
                await impostor.kill()
        for name in _EXCHANGED:
            await self._again(name)

    async def kill_bridge(self) -> None:
        """Kill the bridge and begin it again on its state."""
        self.report.events["bridge killed"] += 1
        self.note_size("before it was killed")
        await self.bridge.kill()
        await asyncio.sleep(self.dice.uniform(0.1, 2))
        await self.bridge.begin()
        now = time.monotonic()
        self.whole_at = {name: max(at, now) for name, at in self.whole_at.items()}

    async def draw(self) -> None:
        """Let another current flow in the battery."""
        amperes = self.dice.choice(_CURRENTS)
        self.currents.append((time.monotonic(), amperes))
        await self.players["pack"].say(f"current {amperes}")

    def note_size(self, when: str, first: tuple[int, int] | None = None) -> tuple[int, int]:
        """Note memory and descriptors of the bridge; judge them by the first ones."""
        size = resident_kib(self.bridge.pid), len(os.listdir(f"/proc/{self.bridge.pid}/fd"))
        self.report.memory.append(f"bridge {when}: {size[0]} KiB, {size[1]} descriptors")
        if first is not None and (size[0] > first[0] + _MEMORY_KIB or size[1] > first[1] + _DESCRIPTORS):
            self.fault(f"the bridge grew from {first} to {size} (KiB, descriptors)")
        return size

    async def _again(self, name: str) -> None:
        if name == "pack":
            self.currents.append((time.monotonic(), -12.3))
        await self.players[name].begin()
        self.gone_at.pop(name, None)
        self.whole_at[name] = time.monotonic()

    # -- looking -------------------------------------------------------------------------------------

    def fault(self, words: str, key: str = "") -> None:
        """Take a finding, once while it lasts."""
        if (key or words) not in self._told:
            self._told.add(key or words)
            self.report.faults.append(words)

    async def look(self, master: Master, device: SimulatedDevice) -> None:
        """Read a device and judge it."""
        now, name = time.monotonic(), device.name
        values = {path: await self._read(master, device, path) for path in self._watched(device)}
        alive = any(value is not None for value in values.values())
        self.report.replies["read" if alive else "0B"] += 1
        gone = self.gone_at.get(name)
        back_s = ROOF_BACK_S if name == "roof" else BACK_S
        if now < self.starved_until:
            self.report.replies["not judged for their time, the machine being starved"] += 1
        elif gone is not None and alive and now - gone > OLD_S and time.monotonic() - gone > OLD_S:
            shown = {path: value for path, value in values.items() if value is not None}
            self.fault(f"{name} still shows {shown} {now - gone:.1f} s after its port went", f"gone {name}")
        elif gone is None and not alive and now - self.whole_at[name] > back_s and self.bridge.lives:
            self.fault(f"{name} is not back {now - self.whole_at[name]:.0f} s after its port", f"back {name}")
        elif alive:
            self._told -= {f"gone {name}", f"back {name}"}
        serial = values.get("/Serial")
        if name in _SERIALS and serial is not None and serial != _SERIALS[name]:
            self.fault(f"{name} shows the serial {serial}, expected {_SERIALS[name]}")
        current = values.get("/Dc/0/Current")
        if name == "pack" and isinstance(current, int | float) and now >= self.starved_until:
            self._judge_current(current, now)

    def _judge_current(self, shown: float, now: float) -> None:
        self.report.replies["currents judged"] += 1
        ends = [at for at, _ in self.currents[1:]] + [now]
        allowed = {
            amperes for (_, amperes), end in zip(self.currents, ends, strict=True) if end >= now - OLD_S
        }
        if not any(abs(shown - one) < 0.06 for one in allowed):
            self.fault(f"pack shows {shown} A, held {sorted(allowed)} in the last {OLD_S:g} s")

    async def write(self, master: Master) -> None:
        """Write the charger's limit; what is acknowledged must be what is read."""
        amperes, row = self.dice.choice((4.0, 6.0, 8.0)), self.rows["charger"]["/Settings/ChargeCurrentLimit"]
        register = row.register
        assert register is not None
        word = int.from_bytes(encode(register.type, amperes, register.scale, register.invalid), "big")
        reply = await master.ask(bytes((6, *row.address.to_bytes(2, "big"), *word.to_bytes(2, "big"))), 20)
        self.report.replies[f"write {reply.exception:02X}"] += 1
        if reply.exception:
            return
        shown = await master.read(row.address, 1, 20)
        if not shown.exception and shown.words[0] != word and "charger" not in self.gone_at:
            self.fault(f"charger acknowledged {amperes} A and shows {shown.words[0]} ({word} was written)")

    def _watched(self, device: SimulatedDevice) -> list[str]:
        return [
            path
            for path in ("/Serial", "/Dc/0/Voltage", "/Dc/0/Current", "/Ac/Power")
            if path in self.rows[device.name]
        ]

    async def _read(self, master: Master, device: SimulatedDevice, path: str) -> Value | None:
        row = self.rows[device.name][path]
        assert row.register is not None
        reply = await master.read(row.address, row.length, device.unit)
        if reply.exception:
            if reply.exception != 0x0B:
                self.fault(f"{device.name} {path} answers {reply.exception:02X}")
            return None
        return decode(row.register.type, reply.data[1:], row.register.scale, row.register.invalid)


async def wire(seconds: float, seed: int) -> WireReport:
    """Let it go on for so many real seconds."""
    with tempfile.TemporaryDirectory(prefix="storm-wire-") as name:
        made = Wire(Path(name), seed)
        await made.begin()
        began = time.monotonic()
        clients = [asyncio.create_task(_client(made, place)) for place in range(3)]
        try:
            await asyncio.sleep(_WARM_S)
            first = made.note_size("warm")
            luck: set[asyncio.Task[None]] = set()
            while time.monotonic() - began < seconds:
                await _bad_luck(made, luck)
                await asyncio.sleep(1.0)
            await asyncio.gather(*luck)
            await asyncio.sleep(_WARM_S)
            made.note_size("at the end", first)
            made.report.seconds = time.monotonic() - began
        finally:
            for client in clients:
                client.cancel()
            for outcome in await asyncio.gather(*clients, return_exceptions=True):
                if not isinstance(outcome, asyncio.CancelledError):
                    made.fault(f"a client ended with {outcome!r}")
            await made.end()
        return made.report


async def _bad_luck(made: Wire, luck: set["asyncio.Task[None]"]) -> None:
    dice = made.dice
    if dice.random() < 0.2:
        await made.draw()
    well = [name for name in made.players if name not in made.gone_at and name not in _EXCHANGED]
    begun = None
    if dice.random() < 0.1 and well:
        victim = dice.choice(well)
        made.gone_at[victim] = time.monotonic()
        begun = made.lose(victim, dice.uniform(0.2, 20))
    elif dice.random() < 0.02 and not any(name in made.gone_at for name in _EXCHANGED):
        begun = made.exchange(dice.uniform(10, 40))
    elif dice.random() < 0.01:
        await made.kill_bridge()
    if begun is not None:
        task = asyncio.create_task(begun)
        luck.add(task)
        task.add_done_callback(luck.discard)


async def _client(made: Wire, place: int) -> None:
    """Read and write for ever over one connection at a time."""
    while True:
        try:
            async with Master(made.port) as master:
                made.report.replies["connections"] += 1
                while True:
                    began = time.monotonic()
                    for device in DEVICES:
                        await made.look(master, device)
                    if time.monotonic() - began > _STARVED_S:
                        made.starved_until = time.monotonic() + _STARVED_FOR_S
                    if place == 0:
                        await made.write(master)
                    await asyncio.sleep(_LOOK_S)
        except (OSError, asyncio.IncompleteReadError):  # the bridge was killed
            await asyncio.sleep(0.3)


def _rows(device: SimulatedDevice) -> dict[str, Row]:
    loaded = Catalogue().load(device.map).map
    assert loaded is not None
    rows = rows_of(loaded)
    found = {row.path: primary(rows, row.path) for row in rows if row.path is not None}
    return {path: row for path, row in found.items() if row is not None}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
