"""Real adapters joined to a simulated bus in memory, on a clock that stands still until advanced.

Everything above the bus is the real thing: channel, seats, adapters, datastore. Several devices may share
the bus; `nodes` are what speaks on it beside the bridge.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import pytest

from bridge.adapters.base import Adapter, Family
from bridge.adapters.can import channel as channel_module
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteAttempt, WriteRequest

PERSON = Origin("modbus", "test")
BUS = {"interface": "virtual", "channel": "joined"}


class CanRig:
    """`devices` is family and options (beside the bus) by name; `state` may be handed from rig to rig."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        devices: Mapping[str, tuple[Family, Mapping[str, Any]]],
        nodes: Callable[["CanRig"], list[Awaitable[None]]] = lambda rig: [],
        *,
        clock: ManualClock | None = None,
        bus: SimulatedBus | None = None,
        state: StateStore | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.bus = bus or SimulatedBus(self.clock)
        self.datastore = Datastore(self.clock, state or StateStore(None))
        self.attempts: list[WriteAttempt] = []
        self.datastore.attempted.connect(self.attempts.append)
        self.adapters: dict[str, Adapter] = {}
        self._nodes = nodes
        self._made: list[tuple[Device, Adapter]] = []
        for name, (family, wishes) in devices.items():
            options = family.options(adapter=family.name, **{**BUS, **wishes})
            device = self.datastore.add(name, options.wear.limits(), options.leases())
            self.adapters[name] = family.make(device, options, self.clock)
            self._made.append((device, self.adapters[name]))
        self.device = self._made[0][0]
        self._tasks: list[asyncio.Task[Any]] = []
        monkeypatch.setattr(channel_module, "open_bus", self.bus.open)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self.datastore.run())]
        for device, adapter in self._made:
            self._tasks += [asyncio.create_task(device.run(adapter)), asyncio.create_task(adapter.run())]
        await self.clock.advance(0)
        assert self.bus.openings or not self.bus.plugged
        self._tasks += [asyncio.ensure_future(node) for node in self._nodes(self)]
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
        return self.datastore.devices[name]

    def value(self, path: str) -> Value | None:
        return self.device.value(path)

    def values(self, *paths: str) -> list[Value | None]:
        return [self.device.value(path) for path in paths]

    def begin(self, changes: Mapping[str, Value], device: str = "") -> "asyncio.Task[dict[str, Outcome]]":
        target = self.named(device) if device else self.device
        return asyncio.create_task(target.write(WriteRequest(changes, PERSON)))

    async def write(self, changes: Mapping[str, Value], device: str = "") -> dict[str, Outcome]:
        """Write and let time pass until the outcome is known."""
        task = self.begin(changes, device)
        for _ in range(600):
            await self.clock.advance(0.02)
            if task.done():
                return task.result()
        raise AssertionError(f"no outcome of {changes} after 12 s")

    async def until(self, true: Callable[[], bool], within_s: float = 30.0, step_s: float = 0.1) -> float:
        """Let time pass until something is true; returns how long it took."""
        began = self.clock.monotonic()
        while not true():
            assert self.clock.monotonic() - began < within_s, f"not so after {within_s} s"
            await self.clock.advance(step_s)
        return self.clock.monotonic() - began

    def sent(self, id: int | None = None) -> list[tuple[float, CanFrame]]:
        """What the bridge has put on the bus, with its times."""
        return [(at, frame) for at, frame in self.bus.from_bridge if id is None or frame.id == id]
