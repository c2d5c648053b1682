"""A machine's serial ports by name, and what is plugged into each; adapters open them by these names.

Wires are in memory and at the pace of the real ones, on a clock that stands still until advanced. A plug is
pulled out of one port and put into another as a hand or a restarted USB hub does it.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import pytest

from bridge.adapters.apsystems import adapter as apsystems_module
from bridge.adapters.base import Adapter
from bridge.adapters.line import PortMissing
from bridge.adapters.modbus import endpoint as modbus_module
from bridge.adapters.vebus_mk3 import adapter as vebus_module
from bridge.adapters.vedirect import adapter as vedirect_module
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteRequest
from tests.adapters import joined
from tests.adapters.joined import JoinedLine
from tests.faults.equipment.kinds import FarEnd, Kind

PERSON = Origin("modbus", "test")
#: Longest that a test waits in real time for what a thread does; none asserts how soon it is done.
PATIENCE_S = 20.0
#: Noon UTC of a day in November: silent inverters are not taken for sleeping ones.
NOON = 1_700_049_600.0
STEP_S = 0.05


class Plug(joined.JoinedWire):
    """A device's end of its cable. `echo`: the bridge hears what it sends, as on a line of two wires."""

    def __init__(self, clock: ManualClock, kind: Kind, far: FarEnd) -> None:
        super().__init__(clock, kind.bytes_per_s, "nowhere")
        self.kind = kind
        self.far = far
        self.echo = False
        self.simulator = far

    def written(self, data: bytes) -> None:
        if self.echo and self._line is not None:
            self._line.arrive(data)
        super().written(data)

    def say(self, data: bytes) -> None:
        """Let bytes arrive at once that no device has sent."""
        if self._line is not None:
            self._line.arrive(data)

    @property
    def is_open(self) -> bool:
        """True while the bridge has it open."""
        return self._line is not None and not self._line.lost

    @property
    def moves(self) -> list[bytes]:
        """What the device behind it has heard that would have changed something."""
        return self.kind.moves(self.far)


class Board:
    """The ports. `devices` of the house come and go over them with `Bridge`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock(now=NOON)
        self.ports: dict[str, Plug] = {}
        self.plugs: list[Plug] = []
        self._tasks: list[asyncio.Task[None]] = []

        async def open_line(port: str, *_: object) -> JoinedLine:
            plug = self.ports.get(port)
            if plug is None:
                raise PortMissing(port, "no such port")
            plug.port = port
            return plug.open()

        for module in (vedirect_module, vebus_module, modbus_module, apsystems_module):
            monkeypatch.setattr(module, "open_line", open_line)

    def made(self, kind: Kind, serial: str, **about: Any) -> Plug:
        """Make a device with its cable, plugged in nowhere yet."""
        plug = Plug(self.clock, kind, kind.far_end(self.clock, serial, **about))
        self.plugs.append(plug)
        return plug

    async def pull(self, *ports: str) -> list[Plug]:
        """Pull plugs out, all in the same moment."""
        pulled = [self.ports.pop(port) for port in ports]
        for plug in pulled:
            await plug.unplug()
        return pulled

    async def put(self, port: str, plug: Plug) -> None:
        """Put a plug into a port."""
        await plug.replug()
        self.ports[port] = plug

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(plug.far.play(plug)) for plug in self.plugs]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await ended(self._tasks)


class Bridge:
    """The house on a board: one adapter a port, each with its device. `state` outlives a restart."""

    def __init__(
        self,
        board: Board,
        wanted: Mapping[str, tuple[Kind, Mapping[str, Any]]],
        state: StateStore | None = None,
    ) -> None:
        self.board = board
        self.clock = board.clock
        self.state = state or StateStore(None)
        self.datastore = Datastore(self.clock, self.state)
        #: Every value that was ever shown, by device and path.
        self.seen: dict[str, dict[str, set[Value]]] = {}
        self._kinds = {port: kind for port, (kind, _) in wanted.items()}
        self._made: list[tuple[Device, Adapter]] = []
        for port, (kind, options) in wanted.items():
            given = kind.options(port, **options)
            device = self.datastore.add(port, given.wear.limits(), given.leases())
            self._made.append((device, kind.adapter(device, given, self.clock)))
            seen = self.seen[port] = {}
            device.changed.connect(lambda paths, device=device, seen=seen: _note(device, paths, seen))
        self._tasks: list[asyncio.Task[Any]] = []

    def __getitem__(self, port: str) -> Device:
        return self.datastore.devices[port]

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self.datastore.run())]
        for device, adapter in self._made:
            self._tasks += [asyncio.create_task(device.run(adapter)), asyncio.create_task(adapter.run())]
        # Modbus loads its map and finds its bus in threads, to which this clock means nothing.
        threaded = [device for device, _ in self._made if self._kinds[device.name].threads]
        await really(lambda: all(device.paths for device in threaded))
        ports = self.board.ports
        await really(lambda: all(ports[device.name].is_open for device in threaded if device.name in ports))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await ended(self._tasks)

    async def until(
        self, true: Callable[[], bool], within_s: float = 60.0, *, patient: bool = False
    ) -> float:
        """Let time pass until something is true; returns how long it took. `patient`: or until it is over."""
        began = self.clock.monotonic()
        while not true():
            if patient and self.clock.monotonic() - began >= within_s:
                break
            assert self.clock.monotonic() - began < within_s, f"not so after {within_s} s"
            await self.clock.advance(STEP_S)
        return self.clock.monotonic() - began

    async def known(self, within_s: float = 30.0) -> Self:
        """Wait until every device shows its live value and what can be written."""
        for device, _ in self._made:
            kind = self._kinds[device.name]
            await self.until(lambda device=device, kind=kind: kind.is_known(device), within_s)
        return self

    async def write(self, port: str, changes: Mapping[str, Value]) -> dict[str, Outcome]:
        """Write and let time pass until the outcome is known."""
        task = asyncio.create_task(self[port].write(WriteRequest(changes, PERSON)))
        await self.until(task.done, 30.0)
        return task.result()


def _note(device: Device, paths: Any, seen: dict[str, set[Value]]) -> None:
    for path in paths:
        value = device.value(path)
        if value is not None:
            seen.setdefault(path, set()).add(value)


async def ended(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel tasks; raises what one of them failed of."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(outcome, asyncio.CancelledError):
            raise AssertionError(f"a task ended with {outcome!r}")  # noqa: TRY004


async def really(true: Callable[[], bool]) -> None:
    """Wait, in real time, for something that a thread does."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.002)
