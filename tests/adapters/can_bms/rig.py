"""A real BMS adapter on a simulated bus, on a clock that stands still until advanced.

Above the bus's opening everything is the real thing: channel, seat, adapter, device, leases.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self

import pytest

from bridge.adapters.can import channel
from bridge.adapters.can.battery_frames import BATTERY_FRAMES
from bridge.adapters.can.fields import decode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can_bms.adapter import LISTEN_FIRST_S, CanBmsAdapter
from bridge.adapters.can_bms.options import CanBmsOptions
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Origin, Outcome, Value, WriteAttempt, WriteRequest

V, SOC = "/Dc/0/Voltage", "/Soc"
CVL, CCL, DCL = "/Info/MaxChargeVoltage", "/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"
PHASE, SOURCE_PHASE, ENABLE, HEARTBEAT = "/Bms/Phase", "/Bms/SourcePhase", "/Bms/Enable", "/Bms/Heartbeat"
OBSERVE, FRESH, HOLD, ZERO, STOPPED = range(5)
PERSON, LINK = Origin("modbus", "test"), Origin("link", "shunt")
BATTERY = {"cells": 16, "chemistry": "lfp", "capacity": 200.0}
#: One whole set, as a BMS writes it.
BLOCK: dict[str, Value] = {V: 53.2, SOC: 64.0, CVL: 56.0, CCL: 100.0, DCL: 120.0}


def options_of(**keys: Any) -> CanBmsOptions:
    wanted = {
        "interface": "virtual",
        "channel": "joined",
        "dialect": "sma",
        "observe": False,
        "battery": BATTERY,
    }
    return CanBmsOptions(adapter="can_bms", **{**wanted, **keys})


class Rig:
    """A BMS, its bus, and the clock of both.

    `state`, `bus` and `clock` may be handed from one rig to the next: the bridge has then been restarted.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        state: StateStore | None = None,
        bus: SimulatedBus | None = None,
        clock: ManualClock | None = None,
        plugged: bool = True,
        **options: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self.state = state or StateStore(None)
        self.bus = bus or SimulatedBus(self.clock)
        self.bus.plugged = plugged
        self.datastore = Datastore(self.clock, self.state)
        self.options = options_of(**options)
        self.device: Device = self.datastore.add("si_bms", None, self.options.leases())
        self.attempts: list[WriteAttempt] = []
        self.datastore.attempted.connect(self.attempts.append)
        self.tasks: list[asyncio.Task[Any]] = []
        monkeypatch.setattr(channel, "open_bus", self.bus.open)

    async def __aenter__(self) -> Self:
        self.began = self.clock.monotonic()
        self.openings = self.bus.openings
        self.adapter = CanBmsAdapter(self.device, self.options, self.clock)
        for job in (self.datastore.run(), self.device.run(self.adapter), self.adapter.run()):
            self.begin_job(job)
        # the seat is found in a thread of its own, to which this clock means nothing
        await really(lambda: self.bus.openings > self.openings or self.device.link is LinkState.PORT_MISSING)
        await self.clock.advance(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self.tasks:
            task.cancel()
        for task, outcome in zip(
            self.tasks, await asyncio.gather(*self.tasks, return_exceptions=True), strict=True
        ):
            if not isinstance(outcome, asyncio.CancelledError):
                raise AssertionError(f"{task} ended with {outcome!r}") from (  # noqa: TRY004
                    outcome if isinstance(outcome, BaseException) else None
                )

    def begin_job(self, job: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something until the rig ends."""
        self.tasks.append(asyncio.create_task(job))
        return self.tasks[-1]

    # -- the bridge's side -----------------------------------------------------------------------------

    def value(self, path: str) -> Value | None:
        return self.device.value(path)

    @property
    def phase(self) -> Value | None:
        return self.value(PHASE)

    def begin(
        self, changes: Mapping[str, Value], origin: Origin = PERSON
    ) -> "asyncio.Task[dict[str, Outcome]]":
        now = self.clock.monotonic()
        as_of = dict.fromkeys(changes, now) if origin.kind == "link" else {}
        return asyncio.create_task(self.device.write(WriteRequest(changes, origin, as_of=as_of)))

    async def write(self, changes: Mapping[str, Value], origin: Origin = PERSON) -> tuple[set[str], float]:
        """Write and let time pass until the outcome is known; returns the outcomes' words and the time."""
        began = self.clock.monotonic()
        task = self.begin(changes, origin)
        await self.until(task.done, 12, 0.01)
        return {outcome.word for outcome in task.result().values()}, self.clock.monotonic() - began

    async def until(self, true: Callable[[], bool], within_s: float = 120.0, step_s: float = 0.05) -> float:
        """Let time pass until something is true; returns how long it took."""
        began = self.clock.monotonic()
        await self.clock.advance(0)
        while not true():
            assert self.clock.monotonic() - began < within_s, f"not so after {within_s} s"
            await self.clock.advance(step_s)
        return self.clock.monotonic() - began

    async def sending(self, block: Mapping[str, Value] = BLOCK) -> Self:
        """Give a whole set and wait until it is on the bus."""
        await self.clock.advance(LISTEN_FIRST_S + 1.5)
        await self.write(block)
        await self.until(lambda: self.phase == FRESH, 3)
        await self.clock.advance(0.95)
        return self

    # -- the bus's side --------------------------------------------------------------------------------

    def sent(self, *ids: int, since: float = 0.0) -> list[tuple[float, CanFrame]]:
        """The frames from the bridge, with their times."""
        return [(t, f) for t, f in self.bus.from_bridge if (not ids or f.id in ids) and t >= since]

    def told(self, frame_id: int) -> dict[str, Any]:
        """The fields of the newest frame of an id."""
        found = decode(BATTERY_FRAMES[frame_id], self.sent(frame_id)[-1][1].data)
        assert found is not None
        return found


async def really(true: Callable[[], bool]) -> None:
    """Wait, in real time, for something that a thread does."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)
