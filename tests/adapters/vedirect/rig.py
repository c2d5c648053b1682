"""A real adapter joined to a simulated charger in memory, on a clock that stands still until advanced.

The line between them carries bytes at 19200 Bd of that clock; everything above it is the real thing.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from bridge.adapters.pty import BYTES_PER_S_19200
from bridge.adapters.vedirect import adapter as adapter_module
from bridge.adapters.vedirect.adapter import VeDirectAdapter
from bridge.adapters.vedirect.options import VeDirectOptions
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteAttempt, WriteRequest
from tests.adapters import joined
from tests.adapters.joined import JoinedLine

MODE, LIMIT = "/Mode", "/Settings/ChargeCurrentLimit"
ON, OFF = 1, 4
PERSON = Origin("modbus", "test")


class JoinedWire(joined.JoinedWire):
    """The device's end, at 19200 Bd."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, BYTES_PER_S_19200)


class Rig:
    """A charger, its bridge side, and the clock of both. `state` may be handed from one rig to the next."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        state: StateStore | None = None,
        simulator: ChargerSimulator | None = None,
        clock: ManualClock | None = None,
        options: Mapping[str, Any] | None = None,
        **device: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self.state = state or StateStore(None)
        self.wire = JoinedWire(self.clock)
        device.setdefault("flood", False)
        self.simulator = simulator or ChargerSimulator(self.clock, **device)
        self.wire.simulator = self.simulator
        self.datastore = Datastore(self.clock, self.state)
        self._options = VeDirectOptions(adapter="vedirect", port="joined", **(options or {}))
        self.device: Device = self.datastore.add(
            "charger", self._options.wear.limits(), self._options.leases()
        )
        self.attempts: list[WriteAttempt] = []
        self.datastore.attempted.connect(self.attempts.append)
        self._tasks: list[asyncio.Task[Any]] = []

        async def open_line(*_: object) -> JoinedLine:
            return self.wire.open()

        monkeypatch.setattr(adapter_module, "open_line", open_line)

    async def __aenter__(self) -> Self:
        adapter = self._adapter = VeDirectAdapter(self.device, self._options, self.clock)
        self._tasks = [
            asyncio.create_task(self.simulator.play(self.wire)),
            asyncio.create_task(self.datastore.run()),
            asyncio.create_task(self.device.run(adapter)),
            asyncio.create_task(adapter.run()),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for task, outcome in zip(
            self._tasks, await asyncio.gather(*self._tasks, return_exceptions=True), strict=True
        ):
            if not isinstance(outcome, asyncio.CancelledError):
                raise AssertionError(f"{task} ended with {outcome!r}") from (  # noqa: TRY004
                    outcome if isinstance(outcome, BaseException) else None
                )

    async def known(self) -> Self:
        """Wait until the device is proven and its registers have been read."""
        await self.clock.advance(6)
        assert self.device.value(LIMIT) is not None
        assert self.device.value(MODE) is not None
        return self

    def begin(
        self, changes: Mapping[str, Value], within_s: float | None = None
    ) -> "asyncio.Task[dict[str, Outcome]]":
        return asyncio.create_task(self.device.write(WriteRequest(changes, PERSON), within_s))

    async def write(self, changes: Mapping[str, Value]) -> dict[str, Outcome]:
        """Write and let time pass until the outcome is known."""
        task = self.begin(changes)
        for _ in range(200):
            await self.clock.advance(0.05)
            if task.done():
                return task.result()
        raise AssertionError(f"no outcome of {changes} after 10 s")

    def leave(self) -> "asyncio.Task[None]":
        """Begin what the bridge does before an orderly stop."""
        return asyncio.create_task(self._adapter.leave())

    @property
    def frames(self) -> list[str]:
        """The SET frames the device has received, as characters."""
        return [
            heard.raw.decode().strip() for heard in self.simulator.received if heard.raw.startswith(b":8")
        ]


__all__ = ["LIMIT", "MODE", "OFF", "ON", "JoinedWire", "Path", "Rig"]
