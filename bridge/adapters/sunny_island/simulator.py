"""A Sunny Island in its house, on a simulated bus or behind an slcan adapter, for demonstrations and tests.

It tells of itself once a second and obeys start and stop as two public drivers expect it. It does not watch
over a BMS: the family `can_bms` has an inverter that does.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge.adapters.base import Fault
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import GX_IDENT, GX_KEEPALIVE, KEEPALIVE
from bridge.adapters.can.simulated_adapter import FAULTS as ADAPTER_FAULTS
from bridge.adapters.can.simulated_adapter import SimulatedAdapter
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can.simulated_island import TELEMETRY_PERIOD_S, telemetry
from bridge.adapters.sunny_island.command_frame import IslandCommand, asked_for
from bridge.adapters.sunny_island.simulated_house import SimulatedHouse
from bridge.datastore.clock import Clock, SystemClock

ISLAND_FAULTS = (
    Fault("silent", "the island says nothing"),
    Fault("skip", "leave out this many rounds (1)"),
    Fault("lacks", "leave out the frames of this id, hexadecimal (308)"),
    Fault("short", "send every frame with this many bytes (1)"),
    Fault("deaf", "the island obeys neither start nor stop"),
    Fault("gx", "a GX puts its own keep-alive on the bus as well"),
    Fault("grid", "voltage at AC2: off, on (off)"),
    Fault("glitch", "show AC2 without voltage in one frame, as a moving transfer relay does"),
    Fault("mode", "start or stop the island by hand: off, on (off)"),
    Fault("load", "loads in W, in place of the day's curve (800)"),
    Fault("warning", "show this event as a warning, 0 for none (206)"),
    Fault("failure", "show this event and stop, 0 for none (952)"),
)


class IslandNode:
    """The island as a node of a bus; `heard` is what it was asked to do, with times."""

    def __init__(self, clock: Clock, bus: SimulatedBus, house: SimulatedHouse) -> None:
        self.house = house
        self.heard: list[tuple[float, IslandCommand]] = []
        self._clock = clock
        self._bus = bus
        self._end_faults()

    def _end_faults(self) -> None:
        self._silent = self._deaf = self._gx = False
        self._skipped = 0
        self._lacking: set[int] = set()
        self._length = 8

    async def play(self) -> None:
        """Tell of itself every second until cancelled."""
        place = self._bus.join(self._hear)
        due = self._clock.monotonic()
        try:
            while True:
                frames = telemetry(self.house.state())
                if self._skipped:
                    self._skipped -= 1
                elif not self._silent:
                    for frame in frames:
                        if frame.id not in self._lacking:
                            place.send(CanFrame(frame.id, frame.data[: self._length]))
                if self._gx:
                    for frame in (KEEPALIVE, GX_KEEPALIVE, GX_IDENT):
                        place.send(frame)
                due += TELEMETRY_PERIOD_S
                await self._clock.sleep(due - self._clock.monotonic())
                self.house.pass_time(TELEMETRY_PERIOD_S)
        finally:
            place.leave()

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of ISLAND_FAULTS; `well` ends all but what hands have moved. Raises ValueError."""
        self._starts()[fault](argument)

    def _hear(self, frame: CanFrame) -> None:
        command = asked_for(frame)
        if command is None:
            return
        self.heard.append((self._clock.monotonic(), command))
        if not self._deaf:
            self.house.order(run=command is IslandCommand.START)

    def _starts(self) -> Mapping[str, Callable[[str], None]]:
        house = self.house
        return {
            "silent": lambda _: setattr(self, "_silent", True),
            "skip": lambda a: setattr(self, "_skipped", _whole("skip", a, 1, 3600)),
            "lacks": lambda a: self._lacking.add(_whole("lacks", a, 0x308, 0x7FF, base=16)),
            "short": lambda a: setattr(self, "_length", _whole("short", a, 1, 8)),
            "deaf": lambda _: setattr(self, "_deaf", True),
            "gx": lambda _: setattr(self, "_gx", True),
            "grid": lambda a: house.set_grid(present=_is_on("grid", a)),
            "glitch": lambda _: house.glitch(),
            "mode": lambda a: house.order(run=_is_on("mode", a)),
            "load": lambda a: setattr(house, "load_w", float(_whole("load", a, 800, 20_000))),
            "warning": lambda a: house.fail(_whole("warning", a, 206, 999), warning=True),
            "failure": lambda a: house.fail(_whole("failure", a, 952, 999)),
            "well": lambda _: self._end_faults(),
        }


class SunnyIslandSimulator:
    """A cluster behind an slcan adapter.

    phases: islands in the cluster, 1 to 3. soc: charge of the battery in %. hour: of the day it begins in.
    speed: day seconds in a second. grid: whether there is voltage at AC2. seed: of everything random.
    lawicel: an adapter that acknowledges, unlike CANable. Raises ValueError for an impossible value.
    """

    faults = (*ISLAND_FAULTS, *ADAPTER_FAULTS)

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        phases: int = 1,
        soc: float = 60.0,
        hour: float = 10.0,
        speed: float = 1.0,
        grid: bool = True,
        lawicel: bool = False,
        seed: int = 0,
    ) -> None:
        if phases not in (1, 2, 3) or not 0 <= soc <= 100 or not 0 <= hour < 24 or not 0 < speed <= 3600:
            raise ValueError(
                f"found {phases} phases, {soc} % charge, hour {hour}, speed {speed}; "
                "expected 1 to 3, 0 to 100, 0 to below 24, above 0 and at most 3600"
            )
        clock = SystemClock() if clock is None else clock
        self.bus = SimulatedBus(clock)
        self.house = SimulatedHouse(lines=phases, soc=soc, hour=hour, speed=speed, grid=grid)
        self.node = IslandNode(clock, self.bus, self.house)
        self.adapter = SimulatedAdapter(clock, self.bus, lawicel=lawicel, seed=seed)

    async def run(self, link: Path | None = None) -> None:
        """Open a PTY, make `link` point at it, and play until cancelled; raises OSError for a bad link."""
        playing = asyncio.create_task(self.node.play())
        try:
            await self.adapter.run(link)
        finally:
            playing.cancel()

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name; `well` ends all. Raises ValueError for an unknown one."""
        own = {known.name for known in ISLAND_FAULTS}
        if fault not in {known.name for known in self.faults}:
            names = " ".join(known.name for known in self.faults)
            raise ValueError(f"fault: found {fault!r}, expected one of {names}")
        if fault in own or fault == "well":
            self.node.misbehave(fault, argument.strip())
        if fault not in own:
            self.adapter.misbehave(fault, argument)


def _whole(fault: str, argument: str, default: int, highest: int, base: int = 10) -> int:
    """Read a fault's whole number; raises ValueError for anything else."""
    try:
        value = int(argument, base) if argument else default
    except ValueError:
        value = -1
    if not 0 <= value <= highest:
        raise ValueError(f"fault {fault}: found {argument!r}, expected a whole number of 0 to {highest}")
    return value


def _is_on(fault: str, argument: str) -> bool:
    if argument not in ("", "off", "on"):
        raise ValueError(f"fault {fault}: found {argument!r}, expected off or on")
    return argument == "on"
