"""A house with a Sunny Island: loads, sun on the battery, mains or a generator at AC2. Lives by `pass_time`.

What it tells is in `telemetry`; how the island behaves between is plain arithmetic, with the times that a
bridge must bear: a transfer relay that shows a lost grid for one frame, a start and a stop that take seconds.
"""

import math

from bridge.adapters.can.simulated_island import FAILURE, IDLE, OPERATING, WARNING, IslandState

#: Nominal voltages by lines: a single unit and three phases in Europe, a split phase in North America.
_OUTPUT_V = {1: 230.0, 2: 120.0, 3: 230.0}
_HERTZ = {1: 50.0, 2: 60.0, 3: 50.0}
#: How long voltage must stand at AC2 until the transfer relay closes.
CONNECTS_AFTER_S = 5.0
#: How long the island takes to start and to stop once told.
STARTS_IN_S, STOPS_IN_S = 6.0, 2.0
#: Power drawn from AC2 for charging, and the state of charge at which that ends.
_CHARGE_W, _FULL_PCT = 1500.0, 95.0
_SUN_W = 2500.0
_BASE_W, _EVENING_W = 300.0, 1200.0
_DAY_H, _HOUR_S = 24.0, 3600.0
_EMPTY_V, _SPAN_V, _OHM = 48.0, 6.0, 0.006


class SimulatedHouse:
    """One cluster of `lines` islands. hour: of the day it begins in. speed: day seconds in a second."""

    def __init__(
        self, *, lines: int = 1, soc: float = 60.0, capacity_ah: float = 400.0, hour: float = 10.0,
        speed: float = 1.0, grid: bool = True,
    ) -> None:  # fmt: skip
        self.lines = lines
        self.soc_pct = soc
        self.capacity_ah = capacity_ah
        self.hour = hour
        self.speed = speed
        self.grid = grid
        self.running = True
        #: Set, it takes the place of the day's curve, W.
        self.load_w: float | None = None
        self.error = 0
        self.warning = False
        self.ac2_closed = grid
        self._grid_since = 0.0 if not grid else CONNECTS_AFTER_S
        self._change_in: float | None = None
        self._wanted = True
        self._glitches = 0

    # -- what its owner and the bridge do ----------------------------------------------------------------

    def order(self, *, run: bool) -> None:
        """Tell the island to start or to stop; said again it changes nothing."""
        if run == self._wanted:
            return
        self._wanted = run
        self._change_in = STARTS_IN_S if run else STOPS_IN_S

    def set_grid(self, *, present: bool) -> None:
        """Take the voltage at AC2 away, or bring it back."""
        self.grid = present
        if not present:
            self._grid_since = 0.0
            self._transfer(closed=False)

    def glitch(self) -> None:
        """Show AC2 as without voltage in one frame."""
        self._glitches += 1

    def fail(self, number: int, *, warning: bool = False) -> None:
        """Show an event; a failure stops the island. 0 ends it."""
        self.error, self.warning = number, warning
        if number and not warning:
            self.running = self._wanted = False
            self._change_in = None
            self._transfer(closed=False)

    # -- time --------------------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.hour = (self.hour + seconds * self.speed / _HOUR_S) % _DAY_H
        if self._change_in is not None:
            self._change_in -= seconds
            if self._change_in <= 0:
                self._change_in = None
                self.running = self._wanted
                if not self.running:
                    self._transfer(closed=False)
        if self.grid:
            self._grid_since += seconds
        if self.running and self.grid and self._grid_since >= CONNECTS_AFTER_S:
            self._transfer(closed=True)
        charge_ah = self.battery_a * seconds * self.speed / _HOUR_S
        self.soc_pct = min(100.0, max(0.0, self.soc_pct + 100 * charge_ah / self.capacity_ah))

    # -- what it is like now -----------------------------------------------------------------------------

    @property
    def output_w(self) -> float:
        """What the loads take."""
        if not self.running:
            return 0.0
        if self.load_w is not None:
            return self.load_w
        evening = math.exp(-(((self.hour - 19.0) / 2.0) ** 2))
        return _BASE_W + _EVENING_W * evening

    @property
    def sun_w(self) -> float:
        """What the sun gives to the battery directly."""
        height = math.sin(math.pi * (self.hour - 6.0) / 12.0)
        return _SUN_W * max(0.0, height) if self.soc_pct < 100.0 else 0.0

    @property
    def inverter_w(self) -> float:
        """What the inverters give, negative while they charge."""
        if not self.ac2_closed:
            return self.output_w
        return -_CHARGE_W if self.soc_pct < _FULL_PCT else 0.0

    @property
    def battery_v(self) -> float:
        """Voltage at rest by state of charge, and what the current adds."""
        return self._rest_v + self.battery_a * _OHM

    @property
    def battery_a(self) -> float:
        """Current into the battery."""
        return (self.sun_w - self.inverter_w) / self._rest_v

    def state(self) -> IslandState:
        """Return what the island tells in its next round; a glitch lasts for one of them."""
        glitch, self._glitches = self._glitches > 0, max(0, self._glitches - 1)
        shares = self._shares()
        external_w = self.output_w - self.inverter_w if self.ac2_closed else 0.0
        volts, hertz = _OUTPUT_V[self.lines], _HERTZ[self.lines]
        return IslandState(
            lines=self.lines,
            external_w=tuple(external_w * share for share in shares),
            inverter_w=tuple(self.inverter_w * share for share in shares),
            output_v=volts if self.running else 0.0,
            output_hz=hertz if self.running else 0.0,
            external_v=volts if self.grid else 0.0,
            external_hz=hertz if self.grid else 0.0,
            battery_v=self.battery_v,
            battery_a=self.battery_a,
            soc_pct=self.soc_pct,
            operating=self._operating(),
            error=self.error,
            relay_word=int(self.running),
            ac2_closed=self.ac2_closed,
            ac2_valid=self.grid and not glitch,
        )

    @property
    def _rest_v(self) -> float:
        return _EMPTY_V + _SPAN_V * self.soc_pct / 100

    def _shares(self) -> tuple[float, ...]:
        """Loads are never spread evenly: each line has a little less than the one before."""
        weights = [1.2**-line for line in range(self.lines)]
        return tuple(weight / sum(weights) for weight in weights)

    def _operating(self) -> int:
        if self.error:
            return WARNING if self.warning else FAILURE
        return OPERATING if self.running else IDLE

    def _transfer(self, *, closed: bool) -> None:
        if closed != self.ac2_closed:
            self.ac2_closed = closed
            self.glitch()
