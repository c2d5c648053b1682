"""Inverters that take a battery on CAN, behind an slcan adapter on a pseudo-terminal."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge.adapters.base import Fault
from bridge.adapters.can.battery_frames import BATTERY_FRAMES
from bridge.adapters.can.dialects import DIALECTS, DialectName
from bridge.adapters.can.fields import FieldValue, decode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import KEEPALIVE_PERIOD_S
from bridge.adapters.can.simulated_adapter import FAULTS as ADAPTER_FAULTS
from bridge.adapters.can.simulated_adapter import SimulatedAdapter
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can_bms.simulated_island import Pack, SupervisedIsland
from bridge.datastore.clock import Clock, SystemClock

FAULTS = (
    Fault("mute", "the inverter says nothing any more"),
    Fault("second_bms", "another BMS begins to send its limits"),
    Fault("load", "the house draws this many watts (500)"),
    Fault("sun", "the sun gives this many watts (0)"),
    *ADAPTER_FAULTS,
)
_FOREIGN = CanFrame(0x351, bytes.fromhex("1402c012c012c201"))


class KeepaliveInverter:
    """An inverter of Pylontech's or Victron's kind: says that it is there, and notes what it is told."""

    #: Without limits for so long it neither charges nor discharges.
    LOST_AFTER_S = 10.0

    def __init__(self, clock: Clock, bus: SimulatedBus, dialect: DialectName = "pylontech") -> None:
        self._clock = clock
        self._dialect = DIALECTS[dialect]
        self._place = bus.join(self.hear)
        self.speaks = True
        #: Newest fields of each frame, by id.
        self.told: dict[int, dict[str, FieldValue]] = {}
        self._limits_at: float | None = None

    @property
    def has_battery(self) -> bool:
        """True while it hears limits."""
        return self._limits_at is not None and self._clock.monotonic() - self._limits_at <= self.LOST_AFTER_S

    async def play(self) -> None:
        """Live by the clock until cancelled."""
        try:
            while True:
                for frame in self._dialect.keepalive if self.speaks else ():
                    self._place.send(frame)
                await self._clock.sleep(KEEPALIVE_PERIOD_S)
        finally:
            self._place.leave()

    def hear(self, frame: CanFrame) -> None:
        """Take a frame of the BMS."""
        spec = BATTERY_FRAMES.get(frame.id) if frame.id in self._dialect.sends else None
        found = None if spec is None else decode(spec, frame.data)
        if found is not None:
            self.told[frame.id] = found
        if frame.id == 0x351:
            self._limits_at = self._clock.monotonic()


class InverterSimulator:
    """A simulated inverter.

    dialect: sma for a Sunny Island, else pylontech, pylontech_new or victron. lawicel: the adapter
    acknowledges. soc: true state of charge of its battery, %. load, sun: W. off_grid: whether the island has
    no grid. seed: of everything random. Raises ValueError for an impossible value.
    """

    faults = FAULTS

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        dialect: str = "sma",
        lawicel: bool = False,
        soc: float = 60.0,
        load: float = 500.0,
        sun: float = 0.0,
        off_grid: bool = True,
        seed: int = 0,
    ) -> None:
        known = next((name for name in DIALECTS if name == dialect), None)
        if known is None:
            raise ValueError(f"dialect: found {dialect!r}, expected one of {', '.join(DIALECTS)}")
        if not 0 <= soc <= 100:
            raise ValueError(f"soc: found {soc:g}, expected 0 to 100")
        self._clock = SystemClock() if clock is None else clock
        self.bus = SimulatedBus(self._clock)
        self.adapter = SimulatedAdapter(self._clock, self.bus, lawicel=lawicel, seed=seed)
        self.inverter: SupervisedIsland | KeepaliveInverter
        if known == "sma":
            self.inverter = SupervisedIsland(
                self._clock, self.bus, pack=Pack(soc_pct=soc), off_grid=off_grid, load_w=load, sun_w=sun
            )
        else:
            self.inverter = KeepaliveInverter(self._clock, self.bus, known)
        self._second_bms = False

    async def run(self, link: Path | None = None) -> None:
        """Open a PTY, make `link` point at it, and play until cancelled; raises OSError for a bad link."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.adapter.run(link))
            group.create_task(self.inverter.play())
            group.create_task(self._play_second_bms())

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name; `well` ends all. Raises ValueError for an unknown one."""
        own = self._starts().get(fault)
        if own is not None:
            own(argument.strip())
            if fault != "well":
                return
        elif fault not in {known.name for known in ADAPTER_FAULTS}:
            raise ValueError(f"fault: found {fault!r}, expected one of {' '.join(f.name for f in FAULTS)}")
        self.adapter.misbehave(fault, argument)

    def _starts(self) -> Mapping[str, Callable[[str], None]]:
        return {
            "mute": lambda _: self._say(on=False),
            "second_bms": lambda _: setattr(self, "_second_bms", True),
            "load": lambda a: self._draw("load_w", a, 500.0),
            "sun": lambda a: self._draw("sun_w", a, 0.0),
            "well": lambda _: self._well(),
        }

    def _say(self, *, on: bool) -> None:
        self.inverter.speaks = on

    def _draw(self, name: str, argument: str, usual: float) -> None:
        try:
            watts = float(argument) if argument else usual
        except ValueError:
            watts = -1.0
        if not isinstance(self.inverter, SupervisedIsland) or not 0 <= watts <= 100_000:
            raise ValueError(f"found {argument!r}, expected watts from 0 to 100000, of a Sunny Island")
        setattr(self.inverter, name, watts)

    def _well(self) -> None:
        self._second_bms = False
        self._say(on=True)

    async def _play_second_bms(self) -> None:
        place = self.bus.join(lambda _: None)
        try:
            while True:
                if self._second_bms:
                    place.send(_FOREIGN)
                await self._clock.sleep(1.0)
        finally:
            place.leave()
