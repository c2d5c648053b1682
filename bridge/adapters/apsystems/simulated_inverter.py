"""One simulated inverter: panels, counters since its power-up, and what it says of them."""

from dataclasses import dataclass, field

from bridge.adapters.apsystems.ecu import parse_serial
from bridge.adapters.apsystems.models import Model
from bridge.adapters.apsystems.simulated_replies import (
    RawPanel,
    RawState,
    limit_reply,
    parameters_reply,
    poll_reply,
)
from bridge.adapters.apsystems.simulated_sun import DAY_S, SimulatedSun

#: Ws of one count of the energy counters.
COUNT_WS = {Model.YC600: 8.311, Model.QS1: 8.311, Model.DS3: 1.66e-5 * 3600}
#: Longest step of the sum where a limit cuts the curve, in s.
_STEP_S = 60.0
_PANEL_V = 33.0
_EFFICIENCY = 0.96
_UNLIMITED_W = 700.0


@dataclass(slots=True)
class SimulatedPanel:
    """A panel: its power at noon in W, and Ws since power-up and ever."""

    rating_w: float
    since_power_up_ws: float = 0.0
    ever_ws: float = 0.0


@dataclass(slots=True)
class Quirks:
    """How one inverter misbehaves."""

    #: AC voltage and frequency read 0 although it works.
    zero_ac: bool = False
    no_grid: bool = False
    #: It answers with what stands in its memory before it has measured.
    start_up: bool = False
    #: It tells its last answer once more, seconds and all.
    repeats: bool = False
    encrypted: bool = False
    refuses_limit: bool = False
    #: Rounds of pairing that it does not hear.
    deaf_rounds: int = 0


@dataclass
class SimulatedInverter:
    """An inverter under a sun. `advance` before looking at it.

    paired_to: reversed identity of its ECU, None as from the factory. relays: other inverters on the way.
    """

    sun: SimulatedSun
    serial: str
    model: Model
    short: int
    rating_w: float = 320.0
    paired_to: bytes | None = None
    relays: tuple[int, ...] = ()
    lqi: int = 80
    quirks: Quirks = field(default_factory=Quirks)
    limit_w: float = _UNLIMITED_W
    panels: list[SimulatedPanel] = field(init=False)
    power_ups: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.number = parse_serial(self.serial)
        # Panels that differ a little show which is which.
        self.panels = [SimulatedPanel(self.rating_w * (1 - 0.02 * n)) for n in range(self.model.panels)]
        now = self.sun.time()
        self._awake = self.sun.is_day(now)
        # It has been at work since dawn.
        self._time = self._powered_at = now // DAY_S * DAY_S + self.sun.wakes_s if self._awake else now
        self._dark = False
        self._last_reply = b""
        self.advance()

    @property
    def awake(self) -> bool:
        """True while it has light enough."""
        return self._awake and not self._dark

    @property
    def seconds(self) -> int:
        """Seconds since power-up as it tells them."""
        return int(self._time - self._powered_at) % self.model.seconds_modulus

    @property
    def ever_wh(self) -> float:
        """All energy it has ever delivered, over all panels: the truth that totals are judged by."""
        return sum(panel.ever_ws for panel in self.panels) / 3600

    def advance(self) -> None:
        """Let time pass up to the sun's now, with every dawn and dusk in between."""
        now = self.sun.time()
        while True:
            turn, awake = self.sun.next_turn(self._time)
            if turn > now:
                break
            self._deliver(turn)
            self._time, self._awake = turn, awake
            if awake:
                self.restart()
        self._deliver(now)
        self._time = now

    def restart(self) -> None:
        """Power up: counters and seconds begin again. What was counted and not polled is lost to all."""
        self._powered_at = self._time
        self.power_ups += 1
        for panel in self.panels:
            panel.since_power_up_ws = 0.0

    def darken(self, *, dark: bool) -> None:
        """Take all light away, or give it back: then it powers up anew."""
        self.advance()
        if self._dark and not dark:
            self.restart()
        self._dark = dark

    def run_since(self, seconds: float) -> None:
        """Have been powered up that long ago, as one just before its seconds wrap; energy stays."""
        self._powered_at = self._time - seconds

    def poll(self) -> bytes:
        """Return the data of its answer to a poll."""
        if self.quirks.repeats and self._last_reply:
            return self._last_reply
        data = poll_reply(self.model, self.serial, self._state())
        if self.quirks.encrypted:
            data = data[:6] + bytes(byte ^ 0xA5 for byte in data[6:])
        self._last_reply = data
        return data

    def parameters(self) -> bytes:
        """Return the data of its answer about parameters."""
        return parameters_reply(self.model, self.serial, self.limit_w)

    def take_limit(self, watts: float) -> bytes:
        """Set the limit in W a channel, and return the data of the answer."""
        accepted = not self.quirks.refuses_limit
        if accepted:
            self.limit_w = watts
        return limit_reply(self.serial, accepted=accepted)

    def _deliver(self, end: float) -> None:
        """Count energy up to a moment of the same day or night."""
        if not self.awake or end <= self._time:
            return
        for panel in self.panels:
            if panel.rating_w <= self.limit_w:
                energy = panel.rating_w * self.sun.light_seconds(self._time, end)
            else:
                energy = self._limited(panel.rating_w, end)
            panel.since_power_up_ws += energy
            panel.ever_ws += energy

    def _limited(self, rating_w: float, end: float) -> float:
        total, time = 0.0, self._time
        while time < end:
            step = min(_STEP_S, end - time)
            total += min(self.limit_w, rating_w * self.sun.light(time + step / 2)) * step
            time += step
        return total

    def _power_w(self, panel: SimulatedPanel) -> float:
        return min(self.limit_w, panel.rating_w * self.sun.light(self._time))

    def _state(self) -> RawState:
        """Describe itself in raw numbers of its model."""
        quirks, ds3 = self.quirks, self.model is Model.DS3
        if quirks.start_up:
            return RawState(0, 0, 0, 0, [RawPanel(0, 0, 0)] * self.model.panels)
        volts, hertz = (15.0, 0.67) if quirks.no_grid else (230.0, 50.0)
        frequency = round(hertz * 100) if ds3 else round(50_000_000 / hertz) % (1 << 24)
        ac_voltage = round(volts * (3.8 if ds3 else 4 * 1.3277))
        if quirks.zero_ac:
            frequency = ac_voltage = 0
        degrees = 10 + 30 * self.sun.light(self._time)
        temperature = (degrees + 23.84) / 0.0198 if ds3 else (degrees + 258.7) / 0.2752
        power_w = sum(self._power_w(panel) for panel in self.panels) * _EFFICIENCY
        return RawState(
            seconds=self.seconds,
            temperature=round(temperature),
            frequency=frequency,
            ac_voltage=ac_voltage,
            panels=[self._raw(panel) for panel in self.panels],
            ac_power=0 if quirks.no_grid else round(power_w),
        )

    def _raw(self, panel: SimulatedPanel) -> RawPanel:
        amperes = self._power_w(panel) / _PANEL_V
        ds3 = self.model is Model.DS3
        return RawPanel(
            voltage=round(_PANEL_V * (48 if ds3 else 4096 / 82.5)),
            current=round(amperes / 0.0125 if ds3 else amperes * 4096 / 27.5),
            energy=int(panel.since_power_up_ws / COUNT_WS[self.model]) % self.model.counter_modulus,
        )
