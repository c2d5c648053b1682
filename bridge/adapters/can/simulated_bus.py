"""A CAN bus in memory, for simulators and tests: nodes that hear each other, and the bridge's adapter on it.

A node is a callable that takes the frames of all others: `place = bus.join(self.hear)`, then
`place.send(frame)` and, at its end, `place.leave()`. A node that lives by the clock runs a task of its own.
`bus.open` stands in for `open_bus` (put it in the place of `bridge.adapters.can.channel.open_bus`): it makes
the bridge's own adapter a node, without threads and without time. `unplug`, `replug`, `deafen`, `go_off`,
`garble`, `ignore` and `stick` are what can go wrong with that adapter.
"""

import asyncio
import collections
from collections.abc import Callable, Sequence

from bridge.adapters.can.bus import UNSENT_SETS_MAX, BusEars
from bridge.adapters.can.faults import bus_name
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions
from bridge.adapters.line_faults import LineFault, LineLost, PortMissing
from bridge.datastore.clock import Clock

Hears = Callable[[CanFrame], None]


class Place:
    """A node's place on a simulated bus."""

    def __init__(self, bus: "SimulatedBus", hears: Hears) -> None:
        self._bus = bus
        self.hears = hears

    def send(self, frame: CanFrame) -> None:
        """Let all others hear a frame, before this returns or right after the frame under way."""
        self._bus.carry(self, frame)

    def leave(self) -> None:
        """Take the node off the bus."""
        self._bus.part(self)


class SimulatedBus:
    """Nodes on one bus; `log` notes every frame with its monotonic time, newest last."""

    #: Frames kept in the log.
    _LOGGED = 20_000

    def __init__(self, clock: Clock, bitrate: int = 500_000) -> None:
        self.bitrate = bitrate
        self.log: collections.deque[tuple[float, CanFrame]] = collections.deque(maxlen=self._LOGGED)
        #: Frames that came from the bridge through `open`, with their times.
        self.from_bridge: collections.deque[tuple[float, CanFrame]] = collections.deque(maxlen=self._LOGGED)
        #: How often the bridge has opened its adapter.
        self.openings = 0
        self._clock = clock
        self._places: list[Place] = []
        self._under_way: collections.deque[tuple[Place, CanFrame]] = collections.deque()
        self._carrying = False
        self._lines: list[JoinedLine] = []
        self.plugged = True
        #: The adapter's channel is closed or set to another bit rate: it neither hears nor sends.
        self.deaf = False
        self.off = False
        self.stuck = False

    # -- nodes ---------------------------------------------------------------------------------------

    def join(self, hears: Hears) -> Place:
        """Put a node on the bus."""
        place = Place(self, hears)
        self._places.append(place)
        return place

    def part(self, place: Place) -> None:
        """Take a node off the bus; no effect when it is off already."""
        if place in self._places:
            self._places.remove(place)

    def carry(self, sender: Place, frame: CanFrame) -> None:
        """Hand a frame to all nodes but its sender, one frame after the other."""
        self._under_way.append((sender, frame))
        if self._carrying:
            return
        self._carrying = True
        try:
            while self._under_way:
                source, passing = self._under_way.popleft()
                self.log.append((self._clock.monotonic(), passing))
                for place in tuple(self._places):
                    if place is not source:
                        place.hears(passing)
        finally:
            self._carrying = False

    # -- the bridge's adapter ------------------------------------------------------------------------

    async def open(self, options: CanOptions, clock: Clock) -> "JoinedLine":  # noqa: ARG002 - as open_bus
        """Open the bridge's adapter; raises PortMissing while it is unplugged."""
        if not self.plugged:
            raise PortMissing(bus_name(options), "unplugged")
        self.openings += 1
        line = JoinedLine(self, options, deaf=self.deaf or options.bitrate != self.bitrate)
        self._lines.append(line)
        return line

    def unplug(self) -> None:
        """Take the adapter away under the bridge, until `replug`."""
        self.plugged = False
        for line in tuple(self._lines):
            line.lose(LineLost(line.name, "unplugged"))

    def replug(self) -> None:
        """Bring the adapter back."""
        self.plugged = True

    def deafen(self) -> None:
        """Close the adapter's channel: it is there, and nothing passes until it is opened anew."""
        for line in self._lines:
            line.deaf = True

    def garble(self, count: int = 1) -> None:
        """Let damaged lines arrive."""
        for _ in range(count):
            for line in tuple(self._lines):
                line.tell(lambda ears: ears.garbled())

    def ignore(self) -> None:
        """Let a frame arrive that no family speaks, as one of 29 bits."""
        for line in tuple(self._lines):
            line.tell(lambda ears: ears.ignored())

    def go_off(self, *, off: bool) -> None:
        """Take the adapter off the bus after too many errors, or bring it back."""
        self.off = off
        for line in tuple(self._lines):
            line.tell(lambda ears: ears.error(off))

    def stick(self, *, stuck: bool) -> None:
        """Let the adapter take no frames: they wait, and the oldest are dropped; or let them go again."""
        self.stuck = stuck
        if not stuck:
            for line in self._lines:
                line.flow()

    def note(self, frame: CanFrame) -> None:
        """Note a frame that comes from the bridge."""
        self.from_bridge.append((self._clock.monotonic(), frame))

    def passes(self, line: "JoinedLine") -> bool:
        """True where frames pass between the bus and the bridge."""
        return self.plugged and not self.off and not line.deaf

    def closed(self, line: "JoinedLine") -> None:
        """Forget a line that the bridge has closed."""
        if line in self._lines:
            self._lines.remove(line)


class JoinedLine:
    """The bridge's end of a simulated bus: a `BusLine`."""

    def __init__(self, bus: SimulatedBus, options: CanOptions, *, deaf: bool) -> None:
        self.name = bus_name(options)
        self.deaf = deaf
        self._bus = bus
        self._ears: BusEars | None = None
        self._place = bus.join(self._hear)
        self._unsent: collections.deque[tuple[tuple[CanFrame, ...], asyncio.Future[int]]] = (
            collections.deque()
        )

    def listen(self, ears: BusEars) -> None:
        """Begin to hand over."""
        self._ears = ears

    def send(self, frames: Sequence[CanFrame]) -> "asyncio.Future[int]":
        """Put a set of frames on the bus; an adapter whose channel is closed takes it all the same."""
        taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if len(self._unsent) >= UNSENT_SETS_MAX:
            _tell(self._unsent.popleft()[1], 0)
        self._unsent.append((tuple(frames), taken))
        self.flow()
        return taken

    async def close(self) -> None:
        """Leave the bus."""
        self._ears = None
        self._place.leave()
        self._bus.closed(self)
        while self._unsent:
            _tell(self._unsent.popleft()[1], 0)

    def flow(self) -> None:
        """Put on the bus what waits, unless the adapter is stuck."""
        while self._unsent and not self._bus.stuck:
            frames, taken = self._unsent.popleft()
            for frame in frames:
                if self._bus.passes(self):
                    self._bus.note(frame)
                    self._place.send(frame)
            _tell(taken, len(frames))

    def lose(self, fault: LineFault) -> None:
        """Tell the bridge that the adapter is gone."""
        self.tell(lambda ears: ears.lost(fault))

    def tell(self, what: Callable[[BusEars], None]) -> None:
        """Tell the bridge something, if it listens."""
        if self._ears is not None:
            what(self._ears)

    def _hear(self, frame: CanFrame) -> None:
        if self._bus.passes(self):
            self.tell(lambda ears: ears.frame(frame))


def _tell(taken: "asyncio.Future[int]", count: int) -> None:
    """Say how many frames the adapter has taken, unless nobody waits for that any more."""
    if not taken.done():
        taken.set_result(count)
