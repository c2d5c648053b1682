"""A real radio joined to a simulated coordinator in memory, on a clock that stands still until advanced."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from bridge.adapters.apsystems import znp_commands  # noqa: F401 - loaded here: real time is not the tests'
from bridge.adapters.apsystems.ecu import Ecu
from bridge.adapters.apsystems.radio import Radio, RadioState
from bridge.adapters.apsystems.reset import Reset
from bridge.adapters.apsystems.simulator import BYTES_PER_S, ApsystemsSimulator
from bridge.adapters.line import Line, LineLost
from bridge.adapters.pty import Pacer
from bridge.datastore.clock import Clock, ManualClock

T = TypeVar("T")

YC600, QS1, DS3 = "408000158215", "802000018915", "703000017664"
YC600_AT, QS1_AT, DS3_AT = 0x103A, 0x2A3D, 0x7C3A
STEP_S = 0.05


class JoinedLine:
    """The bridge's end of a line in memory."""

    def __init__(self, wire: "JoinedWire") -> None:
        self.port = "joined"
        self.heard = False
        self.lost = False
        self._wire = wire
        self._unread = bytearray()
        self._arrived = asyncio.Event()

    def arrive(self, data: bytes) -> None:
        self.heard = True
        self._unread += data
        self._arrived.set()

    def lose(self) -> None:
        self.lost = True
        self._arrived.set()

    async def read(self) -> bytes:
        while not self._unread:
            if self.lost:
                raise LineLost(self.port, "unplugged")
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._unread)
        self._unread.clear()
        return data

    def write(self, data: bytes) -> None:
        if self.lost:
            raise LineLost(self.port, "unplugged")
        self._wire.written(data)

    async def drain(self) -> None:
        return

    def close(self) -> None:
        self.lose()


class JoinedWire:
    """The module's end: what a simulator plays on."""

    def __init__(self, clock: Clock, simulator: ApsystemsSimulator) -> None:
        self._pacer = Pacer(clock, BYTES_PER_S)
        self._simulator = simulator
        self._line: JoinedLine | None = None
        self.plugged = True
        #: Everything the host wrote, in one piece.
        self.sent = bytearray()

    def open(self) -> JoinedLine:
        assert self.plugged
        self._line = JoinedLine(self)
        return self._line

    def written(self, data: bytes) -> None:
        self.sent += data
        self._simulator.hear(data)

    async def send(self, data: bytes) -> None:
        await self._pacer.send(data, self._hand_over)

    async def unplug(self) -> None:
        self.plugged = False
        if self._line is not None:
            self._line.lose()
            self._line = None

    async def replug(self) -> None:
        self.plugged = True

    def _hand_over(self, data: bytes) -> None:
        if self._line is not None:
            self._line.arrive(data)


class SimulatedReset:
    """A wire to the simulated module's RST pin."""

    def __init__(self, simulator: ApsystemsSimulator) -> None:
        self._simulator = simulator

    async def pulse(self, line: Line, clock: Clock) -> None:
        self._simulator.hard_reset()
        await clock.sleep(2.5)


class Rig:
    """A radio on its line, a module and inverters, and the clock of all."""

    def __init__(self, ecu: str = "D8A3011B9780", *, wired: bool = True, **simulated: Any) -> None:
        self.clock = ManualClock()
        self.simulator = ApsystemsSimulator(self.clock, **simulated)
        self.wire = JoinedWire(self.clock, self.simulator)
        self.states: list[RadioState] = []
        reset: Reset | None = SimulatedReset(self.simulator) if wired else None
        self.radio = Radio("roof", Ecu.parse(ecu), self.clock, reset, self._changed)
        self.ends: list[BaseException] = []
        self._tasks: list[asyncio.Task[Any]] = []

    def _changed(self) -> None:
        self.states.append(self.radio.state)

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self.simulator.play(self.wire)),
            asyncio.create_task(self._keep_line()),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        for task, outcome in zip(self._tasks, outcomes, strict=True):
            assert isinstance(outcome, asyncio.CancelledError), f"{task} ended with {outcome!r}"

    async def _keep_line(self) -> None:
        """What `Reconnect` does, for a radio alone."""
        while True:
            if self.wire.plugged:
                line = self.wire.open()
                try:
                    await self.radio.session(line)  # type: ignore[arg-type]
                except LineLost as lost:
                    self.ends.append(lost)
                finally:
                    line.close()
            await self.clock.sleep(0.2)

    async def until(self, true: Callable[[], bool], within_s: float = 60.0) -> float:
        """Let time pass until something is true; returns how long it took."""
        began = self.clock.monotonic()
        while not true():
            assert self.clock.monotonic() - began < within_s, f"not so after {within_s} s"
            await self.clock.advance(STEP_S)
        return self.clock.monotonic() - began

    async def is_ready(self, within_s: float = 60.0) -> float:
        return await self.until(lambda: self.radio.state is RadioState.READY, within_s)

    async def result(self, work: Awaitable[T], within_s: float = 120.0) -> T:
        """Let time pass until something has a result."""
        task = asyncio.ensure_future(work)
        try:
            await self.until(task.done, within_s)
        finally:
            task.cancel()
        return task.result()
