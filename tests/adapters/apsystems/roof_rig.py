"""A real adapter joined to a simulated coordinator and its inverters in memory, on a clock that stands still.

The roof stands on the equator: the sun rises at about 6 and sets at about 18 UTC all year round.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import pytest

from bridge.adapters.apsystems import adapter as adapter_module
from bridge.adapters.apsystems import znp_commands  # noqa: F401 - loaded here: real time is not the tests'
from bridge.adapters.apsystems.adapter import ApsystemsAdapter
from bridge.adapters.apsystems.options import ApsystemsOptions
from bridge.adapters.apsystems.simulator import ApsystemsSimulator
from bridge.adapters.line import PortMissing
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteAttempt, WriteRequest
from tests.adapters.apsystems.radio_rig import JoinedLine, JoinedWire

YC600, QS1, DS3 = "408000158215", "802000018915", "703000017664"
INVERTERS: tuple[dict[str, Any], ...] = (
    {"serial": YC600, "model": "yc600", "address": 0x103A},
    {"serial": QS1, "model": "qs1", "address": 0x2A3D},
    {"serial": DS3, "model": "ds3", "address": 0x7C3A},
)
PANELS = {YC600: 2, QS1: 4, DS3: 2}
UNPAIRED = tuple({key: each[key] for key in ("serial", "model")} for each in INVERTERS)
EQUATOR = (0.0, 0.0)
PERSON = Origin("modbus", "test")


def utc(hour: float, day: int = 15) -> float:
    """Wall seconds of an hour of a day in June."""
    return datetime(2026, 6, day, tzinfo=UTC).timestamp() + hour * 3600


class Rig:
    """A roof, its bridge side, and the clock of both.

    `state`, `simulator` and `clock` may be handed from one rig to the next: the bridge has been restarted.
    watched: False leaves out the datastore's watch over freshness, which looks every second: for long days.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        hour: float = 12.0,
        state: StateStore | None = None,
        simulator: ApsystemsSimulator | None = None,
        clock: ManualClock | None = None,
        options: Mapping[str, Any] | None = None,
        watched: bool = True,
        **simulated: Any,
    ) -> None:
        self.clock = clock or ManualClock(now=utc(hour))
        self.state = state or StateStore(None)
        sky = {"hour": -1, "sunrise": 6.0, "sunset": 18.0, **simulated}
        self.simulator = simulator or ApsystemsSimulator(self.clock, **sky)
        self.wire = JoinedWire(self.clock, self.simulator)
        self.datastore = Datastore(self.clock, self.state)
        given = {
            "adapter": "apsystems",
            "port": "joined",
            "location": EQUATOR,
            "timezone": "UTC",
            "inverters": INVERTERS,
            **(options or {}),
        }
        self.options = ApsystemsOptions.model_validate(given)
        self.device: Device = self.datastore.add("roof", self.options.wear.limits(), self.options.leases())
        self.attempts: list[WriteAttempt] = []
        self.datastore.attempted.connect(self.attempts.append)
        self.adapter = ApsystemsAdapter(self.device, self.options, self.clock)
        self._watched = watched
        self._tasks: list[asyncio.Task[Any]] = []

        async def open_line(*_: object) -> JoinedLine:
            if not self.wire.plugged:
                raise PortMissing("joined", "no such port")
            return self.wire.open()

        monkeypatch.setattr(adapter_module, "open_line", open_line)

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self.simulator.play(self.wire)),
            asyncio.create_task(self.device.run(self.adapter)),
            asyncio.create_task(self.adapter.run()),
        ]
        if self._watched:
            self._tasks.append(asyncio.create_task(self.datastore.run()))
        await self.clock.advance(0.0)  # all have begun
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        for task, outcome in zip(self._tasks, outcomes, strict=True):
            assert isinstance(outcome, asyncio.CancelledError), f"{task} ended with {outcome!r}"

    def restarted(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> "Rig":
        """The bridge after a restart, over the same saved state and the same roof."""
        given = {**self.options.model_dump(exclude_unset=True), **options}
        return Rig(
            monkeypatch,
            state=self.state,
            simulator=self.simulator,
            clock=self.clock,
            options=given,
            watched=self._watched,
        )

    # -- time --------------------------------------------------------------------------------------

    async def until(self, true: Callable[[], bool], within_s: float = 120.0, step_s: float = 0.25) -> float:
        """Let time pass until something is true; returns how long it took."""
        began = self.clock.monotonic()
        while not true():
            assert self.clock.monotonic() - began < within_s, f"not so after {within_s} s"
            await self.clock.advance(step_s)
        return self.clock.monotonic() - began

    async def until_hour(self, hour: float, day: int = 15) -> None:
        """Let time pass until an hour of a day."""
        await self.clock.advance(utc(hour, day) - self.clock.now())

    async def polled(self) -> Self:
        """Wait until the power of the whole roof is known."""
        await self.until(lambda: self.value("/Ac/Power") is not None)
        return self

    # -- points ------------------------------------------------------------------------------------

    def value(self, path: str) -> Value | None:
        return self.device.value(path)

    def number(self, path: str) -> float:
        value = self.device.value(path)
        assert isinstance(value, int | float), f"{path} is {value!r}"
        return float(value)

    async def write(self, changes: Mapping[str, Value]) -> dict[str, Outcome]:
        """Write, and let time pass until the outcome is known."""
        task = asyncio.create_task(self.device.write(WriteRequest(changes, PERSON), None))
        await self.until(task.done)
        return task.result()

    async def asked(self, name: str, **arguments: object) -> list[Mapping[str, object]]:
        """Ask for an operation, and let time pass until it is done."""
        steps: AsyncIterator[Mapping[str, object]] = self.adapter.operations()[name](arguments)

        async def all_steps() -> list[Mapping[str, object]]:
            return [step async for step in steps]

        task = asyncio.create_task(all_steps())
        await self.until(task.done, 900.0)
        return task.result()

    @property
    def made_kwh(self) -> float:
        """All that the simulated inverters have ever made, up to now."""
        for inverter in self.simulator.inverters:
            inverter.advance()
        return sum(inverter.ever_wh for inverter in self.simulator.inverters) / 1000
