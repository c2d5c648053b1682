"""The bridge of the storm: real datastore, adapters, images and links; it can be killed and begun again.

The saved state is all that one bridge has of the former. The disk answers at once: it has a time of its own,
of which the simulated clock knows nothing.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.adapters.apsystems import adapter as apsystems
from bridge.adapters.base import Adapter
from bridge.adapters.can import channel
from bridge.adapters.can.options import CanOptions
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.line import PortMissing
from bridge.adapters.modbus import endpoint
from bridge.adapters.reconnect import supervise
from bridge.adapters.remote import link as remote_link
from bridge.adapters.vebus_mk3 import adapter as vebus
from bridge.adapters.vedirect import adapter as vedirect
from bridge.control.links import Link, Links
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteRequest
from bridge.outlets import mqtt as outlet
from bridge.outlets.mqtt import Mqtt, MqttPlan
from bridge.register_maps.blocks.status import STATUS_ADDRESS
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.image import UnitImage
from bridge.register_maps.packing import decode, encode
from bridge.register_maps.rows import Row, primary, rows_of
from tests.storm.member import Member, Wire
from tests.storm.remote import MemoryBroker

Opens = Callable[..., Awaitable[object]]
_CATALOGUE = Catalogue()


class PromptState(StateStore):
    """Saved state on a disk that answers before anything else happens."""

    async def save(self, scope: str, key: str, value: object) -> None:
        """Set a value and wait for the disk, with everybody else."""
        if self.directory is None:
            self.put(scope, key, value)
            return
        done = threading.Event()
        self.put(scope, key, value, done.set)
        assert done.wait(20), "the disk does not answer"

    def lose(self) -> None:
        """Forget what has not reached the disk, as a power cut does, and stop."""
        while not self._jobs.empty():
            self._jobs.get()
        self.close()


class Served:
    """One unit as a Modbus client sees it: addresses, words and exceptions, and nothing else."""

    def __init__(self, member: Member, device: Device, clock: ManualClock) -> None:
        loaded = _CATALOGUE.load(member.unit_map).map
        assert loaded is not None, member.unit_map
        self.device = device
        self.unit = member.unit
        self.image = UnitImage(loaded, device, clock, member.unit)
        rows = rows_of(loaded)
        paths = {row.path for row in rows if row.path is not None}
        self.rows: dict[str, Row] = {p: row for p in sorted(paths) if (row := primary(rows, p)) is not None}
        self._model = next(
            row.address for row in rows if row.table == "holding" and row.address != STATUS_ADDRESS
        )

    def read(self, path: str) -> Value | None:
        """Read a path; None for an exception or the invalid pattern."""
        row = self.rows[path]
        assert row.register is not None
        data = self.image.read_registers(str(row.table), row.address, row.length)
        if isinstance(data, int):
            return None
        return decode(row.register.type, data, row.register.scale, row.register.invalid)

    def answers(self) -> bool:
        """True while the unit answers for what never changes, as its model."""
        return not isinstance(self.image.read_registers("holding", self._model, 1), int)

    def step(self, path: str) -> float:
        """The smallest difference that the path's register carries."""
        register = self.rows[path].register if path in self.rows else None
        return 1.0 if register is None else 1.0 / float(register.scale)

    async def write(self, path: str, value: Value, within_s: float | None) -> Outcome:
        """Write a path's register, or its coil; raises MapRefusal and WriteRefusal."""
        row = self.rows.get(path)
        if row is None or row.register is None:
            address = next(coil.address for coil in self.image.map.coils if coil.path == path)
            asked = self.image.decode_coils(address, [bool(value)])
        else:
            data = encode(row.register.type, value, row.register.scale, row.register.invalid)
            asked = self.image.decode_registers(row.address, data)
        origin = Origin("modbus", "192.0.2.7")
        request = WriteRequest(asked.changes, origin, self.unit, asked.addresses)
        outcomes = await asked.device.write(request, within_s)
        return outcomes[path]


class Bridge:
    """One run of the bridge over a state directory."""

    def __init__(
        self,
        clock: ManualClock,
        members: Sequence[Member],
        links: Sequence[Link],
        state: Path | None,
        told: MqttPlan | None = None,
    ) -> None:
        self._clock = clock
        self.state = PromptState(state)
        self.state.open()
        self.datastore = Datastore(clock, self.state)
        self.units: dict[str, Served] = {}
        #: Sessions that ended by an exception, which no line and no device may bring about.
        self.crashes: list[str] = []
        self._adapters: list[Adapter] = []
        runs: dict[str, Coroutine[Any, Any, None]] = {"freshness": self.datastore.run()}
        for member in members:
            options = member.options
            device = self.datastore.add(
                member.name, options.wear.limits(), options.leases(), options.resume_within
            )
            adapter = member.family.make(device, options, clock)
            self._adapters.append(adapter)
            self.units[member.name] = Served(member, device, clock)
            runs[member.name] = self._keep(device, adapter)
        if links:
            runs["links"] = supervise("links", clock, Links(self.datastore, links, clock).run)
        self._outlet = None
        if told is not None:
            maps = {member.name: member.unit_map for member in members}
            self._outlet = Mqtt(told, self.datastore, clock, maps.get)
            runs["all told"] = self._outlet.run()
        self._tasks = [asyncio.create_task(run, name=name) for name, run in runs.items()]

    async def leave(self) -> None:
        """Hand back what must not outlive the bridge, as an orderly stop does."""
        await asyncio.gather(*(adapter.leave() for adapter in self._adapters), return_exceptions=True)

    async def kill(self) -> None:
        """End at once: nothing is handed back, and what is not on the disk is lost."""
        for task in self._tasks:
            task.cancel()
        for _ in range(200):
            if all(task.done() for task in self._tasks):
                break
            await self._clock.advance(0.05)
        for task in self._tasks:
            if not task.cancelled():
                self.crashes.append(f"{task.get_name()} does not end: {_where(task)}")
        if self._outlet is not None:
            await self._outlet.close()
        for served in self.units.values():
            served.image.close()
        self.state.lose()

    async def _keep(self, device: Device, adapter: Adapter) -> None:
        async def live() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(device.run(adapter))
                    group.create_task(adapter.run())
            except BaseExceptionGroup as fault:
                self.crashes.append(f"{device.name}: {fault.exceptions!r}")
                raise

        await supervise(device.name, self._clock, live)


def _where(task: "asyncio.Task[Any]") -> str:
    """Say where all tasks are that belong to one which does not end, innermost last."""
    found = [str(task)]
    for one in asyncio.all_tasks():
        frames = one.get_stack()
        if one.cancelling() and frames:
            found.append(f"{one.get_name()} at {frames[-1].f_code.co_filename}:{frames[-1].f_lineno}")
    return "; ".join(found)


class Cables:
    """Which far end each port of the bridge leads to; two may be exchanged."""

    def __init__(self, clock: ManualClock) -> None:
        self.broker = MemoryBroker(clock)
        self.wires: dict[str, Wire] = {}
        self.buses: dict[str, SimulatedBus] = {}

    async def open_line(self, port: str, *_: object) -> object:
        """Open a port's line, as `open_line` does."""
        wire = self.wires.get(port)
        if wire is None:
            raise PortMissing(port, "no such port")
        return wire.open()

    async def connect(self, host: str, *_: object) -> object:
        """Connect to a Modbus TCP device."""
        return await self.open_line(host)

    async def open_bus(self, options: CanOptions, clock: ManualClock) -> object:
        """Open a CAN adapter."""
        return await self.buses[options.channel].open(options, clock)


@contextlib.contextmanager
def in_memory(cables: Cables, seed: int) -> Iterator[None]:
    """Let adapters open lines in memory, and leave nothing to chance that the seed does not tell."""

    async def at_once(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return function(*args, **named)

    places: Mapping[tuple[Any, str], Any] = {
        (vedirect, "open_line"): cables.open_line,
        (vebus, "open_line"): cables.open_line,
        (apsystems, "open_line"): cables.open_line,
        (endpoint, "open_line"): cables.open_line,
        (endpoint, "_connect"): cables.connect,
        (channel, "open_bus"): cables.open_bus,
        (remote_link, "connection"): cables.broker.connection,
        (outlet, "connection"): cables.broker.connection,
        (asyncio, "to_thread"): at_once,
    }
    former = {place: getattr(*place) for place in places}
    chance = random.getstate()
    random.seed(seed)
    for (module, name), stand_in in places.items():
        setattr(module, name, stand_in)
    try:
        yield
    finally:
        for (module, name), was in former.items():
            setattr(module, name, was)
        random.setstate(chance)
