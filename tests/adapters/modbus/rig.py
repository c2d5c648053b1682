"""A real adapter joined to a simulated inverter in memory, on a clock that stands still until advanced.

The line between them carries bytes at 38400 Bd of that clock; everything above it is the real thing.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import pytest

from bridge.adapters.modbus import endpoint as endpoint_module
from bridge.adapters.modbus.adapter import ModbusAdapter
from bridge.adapters.modbus.options import ModbusOptions
from bridge.adapters.modbus.simulator import BYTES_PER_S, Series607Simulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteAttempt, WriteRequest
from tests.adapters import joined
from tests.adapters.joined import JoinedLine

PERSON = Origin("modbus", "test")
#: A port that is only a name: the line is made in memory.
PORT = "/dev/joined"


class JoinedWire(joined.JoinedWire):
    """The devices' end, at 38400 Bd."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, BYTES_PER_S, PORT)


class Rig:
    """One Series607, its bridge side, and the clock of both; more devices may share the bus."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        options: Mapping[str, Any] | None = None,
        neighbours: Mapping[str, Mapping[str, Any]] | None = None,
        state: StateStore | None = None,
        **simulated: Any,
    ) -> None:
        self.clock = ManualClock()
        self.wire = JoinedWire(self.clock)
        self.simulator = Series607Simulator(self.clock, **simulated)
        self.wire.simulators.append(self.simulator)
        self.datastore = Datastore(self.clock, state or StateStore(None))
        own = {
            "map": "series607",
            "remote_unit": 42,
            "serial": "WAGON1",
            "baudrate": 38400,
            **(options or {}),
        }
        self._devices: dict[str, tuple[Device, ModbusOptions]] = {}
        for name, wanted in {"wagon": own, **(neighbours or {})}.items():
            made = ModbusOptions(adapter="modbus", port=PORT, **wanted)
            device = self.datastore.add(name, made.wear.limits(), made.leases())
            self._devices[name] = device, made
        self.device = self._devices["wagon"][0]
        self.attempts: list[WriteAttempt] = []
        self.datastore.attempted.connect(self.attempts.append)
        self._tasks: list[asyncio.Task[Any]] = []

        async def open_line(*_: object) -> JoinedLine:
            return self.wire.open()

        monkeypatch.setattr(endpoint_module, "open_line", open_line)

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self.simulator.play(self.wire)),
            asyncio.create_task(self.datastore.run()),
        ]
        self.adapters: dict[str, ModbusAdapter] = {}
        for name, (device, options) in self._devices.items():
            adapter = self.adapters[name] = ModbusAdapter(device, options, self.clock)
            self._tasks += [asyncio.create_task(device.run(adapter)), asyncio.create_task(adapter.run())]
        async with asyncio.timeout(20):  # the maps are loaded by threads, in real time
            while not all(device.paths for device, _ in self._devices.values()):
                await asyncio.sleep(0.005)
            while self.wire._line is None and self.wire.plugged:
                await asyncio.sleep(0.005)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                raise AssertionError(f"a task ended with {outcome!r}") from (  # noqa: TRY004
                    outcome if isinstance(outcome, BaseException) else None
                )

    def named(self, name: str) -> Device:
        return self._devices[name][0]

    async def known(self) -> Self:
        """Wait until the inverter has been found and read."""
        await self.clock.advance(4)
        assert self.device.value("/State") is not None
        assert self.device.value("/FaultCode") is not None
        return self

    def begin(self, changes: Mapping[str, Value]) -> "asyncio.Task[dict[str, Outcome]]":
        return asyncio.create_task(self.device.write(WriteRequest(changes, PERSON)))

    async def write(self, changes: Mapping[str, Value], within_s: float = 10.0) -> dict[str, Outcome]:
        """Write and let time pass until the outcome is known."""
        task = self.begin(changes)
        for _ in range(int(within_s / 0.05)):
            await self.clock.advance(0.05)
            if task.done():
                return task.result()
        raise AssertionError(f"no outcome of {changes} after {within_s} s")

    @property
    def requests(self) -> list[str]:
        """What the inverter has heard, as hex without CRC."""
        return [heard.frame.hex() for heard in self.simulator.received]
