"""A line in memory between a real adapter and simulated devices, at the pace of the real one on a manual clock."""

import asyncio
from typing import Protocol

from bridge.adapters.line import LineLost, PortMissing
from bridge.adapters.pty import Pacer
from bridge.datastore.clock import Clock


class Hearing(Protocol):
    """What a simulator is to the line it plays on."""

    def hear(self, data: bytes) -> None: ...


class JoinedLine:
    """The bridge's end."""

    def __init__(self, wire: "JoinedWire") -> None:
        self.port = wire.port
        self._wire = wire
        self._unread = bytearray()
        self._arrived = asyncio.Event()
        self.lost = False
        self.heard = False

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
    """The devices' end, a `pty.Wire`: all simulators hear what is written, as on a pair of wires."""

    def __init__(self, clock: Clock, bytes_per_s: float, port: str = "joined") -> None:
        self.port = port
        self.simulators: list[Hearing] = []
        self.plugged = True
        #: What the bridge has sent, with its time.
        self.sent: list[tuple[float, bytes]] = []
        self._clock = clock
        self._pacer = Pacer(clock, bytes_per_s)
        self._line: JoinedLine | None = None

    @property
    def simulator(self) -> Hearing:
        """The only simulator of a line that has one."""
        (only,) = self.simulators
        return only

    @simulator.setter
    def simulator(self, simulator: Hearing) -> None:
        self.simulators = [simulator]

    def open(self) -> JoinedLine:
        if not self.plugged:
            raise PortMissing(self.port, "no such port")
        self._line = JoinedLine(self)
        return self._line

    def written(self, data: bytes) -> None:
        self.sent.append((self._clock.monotonic(), data))
        for simulator in self.simulators:
            simulator.hear(data)

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
