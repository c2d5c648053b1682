"""A real adapter joined to a simulated MultiPlus in memory, on a clock that stands still until advanced.

The line between them carries bytes at 2400 Bd of that clock; everything above it is the real thing.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import pytest

from bridge.adapters.vebus_mk3 import adapter as adapter_module
from bridge.adapters.vebus_mk3.adapter import VeBusAdapter
from bridge.adapters.vebus_mk3.options import VeBusOptions
from bridge.adapters.vebus_mk3.simulator import BYTES_PER_S, VeBusSimulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteAttempt, WriteRequest
from tests.adapters import joined
from tests.adapters.joined import JoinedLine

MODE, LIMIT = "/Mode", "/Ac/In/1/CurrentLimit"
INVERTER, CHARGER, STANDBY = "/Remote/Inverter", "/Remote/Charger", "/Remote/Standby"
LIMIT_TO_MAXIMUM, HAND_BACK = "/Remote/LimitToMaximum", "/Remote/HandBack"
CHARGER_ONLY, INVERTER_ONLY, ON, OFF = 1, 2, 3, 4
PERSON = Origin("modbus", "test")


class JoinedWire(joined.JoinedWire):
    """The unit's end, at 2400 Bd."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, BYTES_PER_S)


class Rig:
    """A system, its bridge side, and the clock of both.

    `state` and `simulator` may be handed from one rig to the next: the bridge has then been restarted.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        state: StateStore | None = None,
        simulator: VeBusSimulator | None = None,
        clock: ManualClock | None = None,
        options: Mapping[str, Any] | None = None,
        **system: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self.state = state or StateStore(None)
        self.wire = JoinedWire(self.clock)
        self.simulator = simulator or VeBusSimulator(self.clock, **system)
        self.unit = self.simulator.unit
        self.wire.simulator = self.simulator
        self.datastore = Datastore(self.clock, self.state)
        self._options = VeBusOptions(adapter="vebus_mk3", port="joined", **(options or {}))
        self.device: Device = self.datastore.add("multi", self._options.wear.limits(), self._options.leases())
        self.attempts: list[WriteAttempt] = []
        self.datastore.attempted.connect(self.attempts.append)
        self._tasks: list[asyncio.Task[Any]] = []

        async def open_line(*_: object) -> JoinedLine:
            return self.wire.open()

        monkeypatch.setattr(adapter_module, "open_line", open_line)

    async def __aenter__(self) -> Self:
        self.began = self.clock.monotonic()
        adapter = self.adapter = VeBusAdapter(self.device, self._options, self.clock)
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
        """Wait until everything has been heard."""
        await self.clock.advance(8)
        assert self.device.value("/Dc/0/Voltage") is not None
        assert self.device.value(MODE) is not None
        return self

    async def until(self, true: Callable[[], bool], within_s: float = 30.0) -> float:
        """Let time pass until something is true; returns how long it took."""
        began = self.clock.monotonic()
        while not true():
            assert self.clock.monotonic() - began < within_s, f"not so after {within_s} s"
            await self.clock.advance(0.02)
        return self.clock.monotonic() - began

    def begin(
        self, changes: Mapping[str, Value], within_s: float | None = None
    ) -> "asyncio.Task[dict[str, Outcome]]":
        return asyncio.create_task(self.device.write(WriteRequest(changes, PERSON), within_s))

    async def write(self, changes: Mapping[str, Value]) -> dict[str, Outcome]:
        """Write and let time pass until the outcome is known."""
        task = self.begin(changes)
        for _ in range(600):
            await self.clock.advance(0.02)
            if task.done():
                return task.result()
        raise AssertionError(f"no outcome of {changes} after 12 s")

    @property
    def commands(self) -> list[tuple[int, int]]:
        """Mode and limit of every S frame that moves a switch."""
        return [(state.mode, state.limit) for state in self.simulator.commands]

    @property
    def lines_set(self) -> list[int]:
        return [flags for _, flags in self.simulator.lines_set]
