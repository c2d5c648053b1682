"""A Sunny Island as its battery's BMS meets it: it obeys, supervises, and switches off.

Source: SMA's technical information on external BMS. It keeps what it heard last, drops what is out of
range without a word, and falls back to its defaults, a state of charge of 0 among them, when its BMS is
silent for a minute: five minutes later the house is dark.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.adapters.can.alarms import ALARMS, read_pairs
from bridge.adapters.can.battery_frames import LIMITS, MEASURED, STATE_OF_CHARGE, best_soc
from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can.fields import FieldValue, decode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can.simulated_island import FAILURE, IDLE, OPERATING, WARNING, IslandState, telemetry
from bridge.datastore.clock import Clock

#: No 0x355, or no 0x351, for so long is a lost BMS: F952 and W952.
TIMEOUT_S = 60.0
ERROR_LOST = 952
#: Battery protection level 3: at a state of charge of 0 and without so much charge current, off after this.
PROTECTION_S, PROTECTION_A = 300.0, 3.0
#: Values until a BMS speaks, and again when it has fallen silent.
DEFAULTS: Mapping[str, float] = {
    "charge_voltage_limit_v": 54.0,
    "charge_current_limit_a": 0.0,
    "discharge_current_limit_a": 0.0,
    "discharge_voltage_limit_v": 42.0,
    "soc_pct": 0.0,
    "soh_pct": 100.0,
}
_LIMIT_NAMES = tuple(name for name in DEFAULTS if name.endswith(("_v", "_a")))
_SMA = DIALECTS["sma"]
#: What it draws from a battery above its charge voltage, in A, whatever the discharge limit says.
_DUMP_A = 20.0
_HOURS = 1 / 3600


class Condition(enum.Enum):
    """What the island is doing."""

    RUNNING = "running"
    STANDBY = "standby"  # F952 or an alarm of the battery
    OFF = "off"  # switched itself off: it takes a person to start it again


@dataclass(slots=True)
class Pack:
    """The battery on its terminals: 16 cells of LFP, roughly. Current in A, positive while charging."""

    capacity_ah: float = 200.0
    soc_pct: float = 60.0
    current_a: float = 0.0
    resistance: float = 0.01

    @property
    def open_voltage_v(self) -> float:
        """Voltage without any current."""
        return 50.0 + 0.06 * self.soc_pct

    @property
    def voltage_v(self) -> float:
        """Voltage at its terminals."""
        return self.open_voltage_v + self.current_a * self.resistance

    def pass_time(self, seconds: float) -> None:
        """Charge or discharge it."""
        moved = 100 * self.current_a * seconds * _HOURS / self.capacity_ah
        self.soc_pct = min(100.0, max(0.0, self.soc_pct + moved))


class SupervisedIsland:
    """One island on a bus. `play` lives until cancelled; `sun_w` and `load_w` are what the house does."""

    def __init__(
        self,
        clock: Clock,
        bus: SimulatedBus,
        *,
        pack: Pack | None = None,
        off_grid: bool = True,
        load_w: float = 500.0,
        sun_w: float = 0.0,
    ) -> None:
        self._clock = clock
        self._place = bus.join(self.hear)
        self.pack = pack or Pack()
        self.off_grid = off_grid
        self.load_w, self.sun_w = load_w, sun_w
        self.values: dict[str, float] = dict(DEFAULTS)
        self.raised: set[str] = set()
        self.warned: set[str] = set()
        self.condition = Condition.RUNNING
        #: The error it shows, 0 for none, and whether it warns of missing limits (W952).
        self.error = 0
        self.warning = False
        self.speaks = True
        #: Frames it dropped: out of range, and of ids that have no place on its bus.
        self.rejected: list[tuple[str, float]] = []
        self.strangers: list[CanFrame] = []
        #: Conditions and errors as they came, with their monotonic times.
        self.history: list[tuple[float, str]] = []
        self._soc_at = self._limits_at = self._charged_at = clock.monotonic()
        self._takes: Mapping[int, Callable[[bytes], None]] = {
            0x351: self._take_limits,
            0x355: self._take_soc,
            0x356: lambda data: self._take_all(decode(MEASURED, data)),
            0x35A: self._take_pairs,
        }

    async def play(self) -> None:
        """Live by the clock until cancelled."""
        try:
            while True:
                self.step(1.0)
                if self.condition is not Condition.OFF and self.speaks:
                    for frame in telemetry(self._state()):
                        self._place.send(frame)
                await self._clock.sleep(1.0)
        finally:
            self._place.leave()

    def switch_on(self) -> None:
        """Start it by hand, with nothing remembered."""
        self.values = dict(DEFAULTS)
        self.raised.clear()
        self._soc_at = self._limits_at = self._charged_at = self._clock.monotonic()
        self._become(Condition.RUNNING, 0)

    def hear(self, frame: CanFrame) -> None:
        """Take a frame of the BMS."""
        if self.condition is Condition.OFF:
            return
        if frame.id not in (*_SMA.hears, 0x00F):
            self.strangers.append(frame)
        take = self._takes.get(frame.id)
        if take is not None:
            take(frame.data)

    def step(self, seconds: float) -> None:
        """Let time pass: supervise the BMS, then charge or discharge."""
        now = self._clock.monotonic()
        if self.condition is Condition.OFF:
            self.pack.current_a = 0.0
            return
        self._supervise(now)
        self.pack.current_a = self._current_a() if self.condition is Condition.RUNNING else 0.0
        self.pack.pass_time(seconds)
        if self.values["soc_pct"] > 0 or self.pack.current_a >= PROTECTION_A:
            self._charged_at = now
        elif now - self._charged_at >= PROTECTION_S:
            self._become(Condition.OFF, self.error)

    # -- the BMS -------------------------------------------------------------------------------------

    def _take_limits(self, data: bytes) -> None:
        self._limits_at = self._clock.monotonic()
        self._take_all(decode(LIMITS, data))

    def _take_soc(self, data: bytes) -> None:
        self._soc_at = self._clock.monotonic()
        found = decode(STATE_OF_CHARGE, data)
        if found is not None:
            soc = best_soc(found["soc_pct"], found["soc_hires_pct"])
            self._take_all({"soc_pct": soc, "soh_pct": found["soh_pct"]})

    def _take_all(self, found: Mapping[str, FieldValue] | None) -> None:
        """Take each value that is in range; a marker sets its default again."""
        for name, value in (found or {}).items():
            if name not in DEFAULTS:
                continue
            low, high = _SMA.ranges[name]
            if value is None:
                self.values[name] = DEFAULTS[name]
            elif isinstance(value, int | float) and low <= value <= high:
                self.values[name] = float(value)
            elif isinstance(value, int | float):
                self.rejected.append((name, float(value)))

    def _take_pairs(self, data: bytes) -> None:
        told = read_pairs(data)
        if told is not None:
            for latched, edges in zip((self.raised, self.warned), told, strict=True):
                latched |= edges.raised
                latched -= edges.cleared

    def _supervise(self, now: float) -> None:
        lost = now - self._soc_at > TIMEOUT_S
        self.warning = now - self._limits_at > TIMEOUT_S
        if lost:
            self.values |= DEFAULTS
        elif self.warning:
            self.values |= {name: DEFAULTS[name] for name in _LIMIT_NAMES}
        error = ERROR_LOST if lost else ALARMS.index(min(self.raised)) + 1 if self.raised else 0
        self._become(Condition.STANDBY if lost or self.raised else Condition.RUNNING, error)

    def _become(self, condition: Condition, error: int) -> None:
        if (condition, error) != (self.condition, self.error):
            self.condition, self.error = condition, error
            self.history.append((self._clock.monotonic(), f"{condition.value} {error}".removesuffix(" 0")))

    # -- the house -----------------------------------------------------------------------------------

    def _current_a(self) -> float:
        """Return the current into the battery that the house and the limits make."""
        wanted = (self.sun_w - self.load_w) / self.pack.voltage_v
        if not self.off_grid:
            wanted = max(wanted, -self.values["discharge_current_limit_a"])
        at_rest = self.pack.open_voltage_v - self.values["charge_voltage_limit_v"]
        regulated = -at_rest / self.pack.resistance
        if regulated < 0:  # down to the charge voltage, whatever the discharge limit says
            return min(wanted, max(-_DUMP_A, regulated))
        return min(wanted, regulated, self.values["charge_current_limit_a"])

    def _state(self) -> IslandState:
        running = self.condition is Condition.RUNNING
        fault = FAILURE if self.error else WARNING if self.warning or self.warned else OPERATING
        return IslandState(
            inverter_w=(-self.pack.current_a * self.pack.voltage_v,),
            output_v=230.0 if running else 0.0,
            output_hz=50.0 if running else 0.0,
            battery_v=self.pack.voltage_v,
            battery_a=self.pack.current_a,
            soc_pct=self.values["soc_pct"],
            soh_pct=self.values["soh_pct"],
            charge_v=self.values["charge_voltage_limit_v"],
            operating=fault if running or self.error else IDLE,
            error=self.error,
        )
