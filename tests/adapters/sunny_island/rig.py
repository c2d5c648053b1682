"""A real adapter on a simulated bus with a simulated house, on a clock that stands still until advanced.

Above the bus's opening everything is the real thing: channel, seat, adapter, device.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self

import pytest

from bridge.adapters.can import channel
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.sunny_island.adapter import SunnyIslandAdapter
from bridge.adapters.sunny_island.options import SunnyIslandOptions
from bridge.adapters.sunny_island.simulated_house import SimulatedHouse
from bridge.adapters.sunny_island.simulator import IslandNode
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteAttempt, WriteRequest

MODE = "/Mode"
ON, OFF = 3, 4
PERSON = Origin("modbus", "test")


class Rig:
    """An island, its bridge side, and the clock of both.

    `state`, `house` and `clock` may be handed from one rig to the next: the bridge has then been restarted.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        state: StateStore | None = None,
        house: SimulatedHouse | None = None,
        clock: ManualClock | None = None,
        options: Mapping[str, Any] | None = None,
        **about_house: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self.state = state or StateStore(None)
        self.bus = SimulatedBus(self.clock)
        self.house = house or SimulatedHouse(**about_house)
        self.node = IslandNode(self.clock, self.bus, self.house)
        self.datastore = Datastore(self.clock, self.state)
        wanted = {"interface": "virtual", "channel": "joined", **(options or {})}
        self.options = SunnyIslandOptions(adapter="sunny_island", **wanted)
        self.device: Device = self.datastore.add("island", None, self.options.leases())
        self.attempts: list[WriteAttempt] = []
        self.datastore.attempted.connect(self.attempts.append)
        self._tasks: list[asyncio.Task[Any]] = []
        monkeypatch.setattr(channel, "open_bus", self.bus.open)

    async def __aenter__(self) -> Self:
        self.adapter = SunnyIslandAdapter(self.device, self.options, self.clock)
        for job in (
            self.node.play(),
            self.datastore.run(),
            self.device.run(self.adapter),
            self.adapter.run(),
        ):
            self.begin_job(job)
        await really(lambda: self.bus.openings > 0)  # the seat is found in a thread of its own
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

    def begin_job(self, job: Coroutine[Any, Any, None]) -> None:
        """Run something until the rig ends."""
        self._tasks.append(asyncio.create_task(job))

    def value(self, path: str) -> Value | None:
        return self.device.value(path)

    async def known(self) -> Self:
        """Let rounds pass until everything has been heard."""
        await self.clock.advance(4.5)
        assert self.value("/Dc/0/Voltage") is not None
        assert self.value(MODE) is not None
        assert self.value("/Ac/Out/P") is not None
        return self

    async def until(self, true: Callable[[], bool], within_s: float = 60.0) -> float:
        """Let time pass until something is true; returns how long it took."""
        began = self.clock.monotonic()
        while not true():
            assert self.clock.monotonic() - began < within_s, f"not so after {within_s} s"
            await self.clock.advance(0.1)
        return self.clock.monotonic() - began

    def begin(self, mode: int, within_s: float | None = None) -> "asyncio.Task[dict[str, Outcome]]":
        return asyncio.create_task(self.device.write(WriteRequest({MODE: mode}, PERSON), within_s))

    async def write(self, mode: int) -> tuple[Outcome, float]:
        """Write and let time pass until the outcome is known; returns it and how long it took."""
        began = self.clock.monotonic()
        task = self.begin(mode)
        await self.until(task.done, 70)
        return task.result()[MODE], self.clock.monotonic() - began

    @property
    def commands(self) -> list[CanFrame]:
        """The frames that the bridge has put on the bus."""
        return [frame for _, frame in self.bus.from_bridge]


async def really(true: Callable[[], bool]) -> None:
    """Wait, in real time, for something that a thread does."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)
