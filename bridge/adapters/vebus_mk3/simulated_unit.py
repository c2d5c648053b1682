"""A simulated MultiPlus or Quattro system: switches, power, sleep. It knows no frames.

What decides whether it runs, as installers and the authors of MK3 programs describe it: front switch, then
remote terminals, then (while a panel is detected) the remote mode. A unit that starts with a panel
detected waits for a mode. Off without AC it falls asleep, unless the standby line is pulled.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.adapters.vebus_mk3.codec import LIMIT_MAXIMUM
from bridge.adapters.vebus_mk3.messages import DeviceState, Led, Switch
from bridge.datastore.clock import Clock

CHARGER_ONLY, INVERTER_ONLY, ON, OFF = 1, 2, 3, 4
FRONT_POSITIONS = ("on", "off", "charger")
#: From off to asleep.
SLEEP_AFTER_S = 2.0
#: How long a unit that waits for a mode stays awake without AC.
WAITS_S = 30.0
_REMOTE = {0: 0, CHARGER_ONLY: 1, INVERTER_ONLY: 2, ON: 3, OFF: 0}
_FRONT = {"on": Switch.FRONT_UP, "off": 0, "charger": Switch.FRONT_DOWN}
_EFFICIENCY = 0.93
_IDLE_W = 20.0
_CHARGE_MAX_W = 1200.0
_CAPACITY_J = 24.0 * 400 * 3600


@dataclass(slots=True)
class SimulatedUnit:
    """One system. `slept` and `woke` are called when the bus, and the interface with it, loses or gets power.

    load_w: what hangs on each phase. limit_da: AC input limit now, in 0.1 A. speed: seconds that pass for
    the battery in one of the clock.
    """

    clock: Clock
    phases: int = 1
    inputs: int = 1
    load_w: list[float] = field(default_factory=lambda: [400.0, 300.0, 200.0])
    soc: float = 0.8
    minimum_da: int = 94
    maximum_da: int = 500
    limit_da: int = 500
    limit_settable: bool = True
    multi_control: bool = False
    mains: bool = True
    battery: bool = True
    front: str = "on"
    terminals: bool = True
    remote_mode: int = ON
    panel: bool = False
    standby: bool = False
    waiting: bool = False
    awake: bool = True
    alarms: int = 0
    error: int = 0
    ignores_state: bool = False
    speed: float = 1.0
    slept: Callable[[], None] = lambda: None
    woke: Callable[[], None] = lambda: None
    _idle_since: float | None = None

    # -- what it does ----------------------------------------------------------------------------------

    @property
    def allowed(self) -> tuple[bool, bool]:
        """Whether it may charge, and whether it may invert, all switches considered."""
        if not (self.awake and self.battery and self.terminals) or self.front == "off":
            return False, False
        charge, invert = True, self.front == "on"
        if self.panel:
            bits = 0 if self.waiting else _REMOTE[self.remote_mode]
            charge, invert = charge and bool(bits & 1), invert and bool(bits & 2)
        return charge, invert

    @property
    def state(self) -> DeviceState:
        """What it does now."""
        charge, invert = self.allowed
        if self.mains and charge:
            return DeviceState.POWER_ASSIST if invert and self._deficit_w() > 0 else DeviceState.CHARGE
        return DeviceState.INVERTING if invert else DeviceState.OFF

    @property
    def running(self) -> bool:
        """True while its output is fed."""
        return self.state is not DeviceState.OFF

    @property
    def switches(self) -> int:
        """The switch register."""
        charge, invert = self.allowed
        register = _REMOTE[self.remote_mode] | _FRONT[self.front]
        register |= Switch.ONBOARD_REMOTE if self.terminals else 0
        return register | (Switch.CHARGE if charge else 0) | (Switch.INVERT if invert else 0)

    @property
    def leds(self) -> tuple[int, int]:
        """LEDs lit and blinking."""
        state, on, blink = self.state, 0, 0
        if self.mains and self.battery and self.awake:
            on |= Led.MAINS
        if state is DeviceState.CHARGE:
            on |= Led.BULK if self.soc < 0.9 else Led.ABSORPTION if self.soc < 0.99 else Led.FLOAT
        if state in (DeviceState.INVERTING, DeviceState.POWER_ASSIST):
            on |= Led.INVERTER
        if self.alarms & 0x02:
            blink |= Led.LOW_BATTERY
        if self.alarms & 0x20:
            on |= Led.LOW_BATTERY
        return int(on), int(blink)

    @property
    def charge_state(self) -> int:
        """Substate of the charger: 1 bulk, 2 absorption, 3 float."""
        return 1 if self.soc < 0.9 else 2 if self.soc < 0.99 else 3

    def mains_w(self, phase: int) -> float:
        """Power drawn from the mains on a phase (from 0)."""
        if self.state not in (DeviceState.CHARGE, DeviceState.POWER_ASSIST):
            return 0.0
        return self.load_w[phase] + self._charge_w() / self.phases - self._deficit_w() / self.phases

    def output_w(self, phase: int) -> float:
        """Power given to the loads on a phase (from 0)."""
        return self.load_w[phase] if self.running else 0.0

    def dc_w(self, phase: int) -> float:
        """Battery power of the unit on a phase, positive while charging."""
        state = self.state
        if state is DeviceState.CHARGE:
            return self._charge_w() / self.phases * _EFFICIENCY
        if state is DeviceState.POWER_ASSIST:
            return -self._deficit_w() / self.phases / _EFFICIENCY
        return -(self.load_w[phase] + _IDLE_W) / _EFFICIENCY if self.running else 0.0

    @property
    def battery_w(self) -> float:
        """Battery power of all units."""
        return sum(self.dc_w(phase) for phase in range(self.phases))

    @property
    def battery_v(self) -> float:
        """Battery voltage, rounded as it is sent."""
        if not self.battery:
            return 0.0
        lift = 1.2 if self.battery_w > 0 else 0.0
        return round(25.0 + 1.6 * self.soc + lift, 2)

    @property
    def battery_a(self) -> float:
        """Battery current, positive while charging."""
        return self.battery_w / self.battery_v if self.battery else 0.0

    def mains_v(self, phase: int) -> float:
        """Voltage at the AC input of a phase (from 0)."""
        return 230.4 - 0.3 * phase if self.mains else 0.55

    def output_v(self, phase: int) -> float:
        """Voltage at the output of a phase (from 0)."""
        if not self.running:
            return 0.0
        return self.mains_v(phase) if self.state is not DeviceState.INVERTING else 230.0

    def _load_w(self) -> float:
        return sum(self.load_w[: self.phases])

    def _mains_most_w(self) -> float:
        return self.limit_da / 10 * 230.0 * self.phases

    def _deficit_w(self) -> float:
        return max(0.0, self._load_w() - self._mains_most_w())

    def _charge_w(self) -> float:
        return max(
            0.0, min(_CHARGE_MAX_W * (1.0 if self.soc < 0.9 else 0.3), self._mains_most_w() - self._load_w())
        )

    # -- what is done to it ----------------------------------------------------------------------------

    def command(self, mode: int, limit: int) -> None:
        """Take mode (0: none) and limit of a panel; without one detected they have no effect."""
        if not self.panel or not self.awake or self.ignores_state:
            return
        if mode in _REMOTE and mode:
            self.remote_mode = mode
            self.waiting = False
        if self.limit_settable:
            wanted = self.maximum_da if limit == LIMIT_MAXIMUM else limit
            self.limit_da = max(self.minimum_da, min(self.maximum_da, wanted))
        self.look()

    def pull(self, *, panel: bool, standby: bool) -> None:
        """Take the lines as the interface pulls them."""
        self.panel, self.standby = panel, standby
        if not panel:
            self.waiting = False
        self.look()

    def set_front(self, position: str) -> None:
        """Move the front switch. Raises ValueError for an unknown position."""
        if position not in FRONT_POSITIONS:
            raise ValueError(f"front: found {position!r}, expected one of {', '.join(FRONT_POSITIONS)}")
        starts = self.front == "off" != position
        self.front = position
        self._start(starts)

    def set_terminals(self, *, closed: bool) -> None:
        """Open or close the remote on/off terminals."""
        starts = closed and not self.terminals
        self.terminals = closed
        self._start(starts)

    def set_mains(self, *, present: bool) -> None:
        """Take away or bring back the mains, which wake it."""
        self.mains = present
        self.look(touched=present)

    def set_battery(self, *, present: bool) -> None:
        """Take away or bring back the battery: without it all is dark."""
        self.battery = present
        self.look(touched=present and self.front != "off")

    def look(self, *, touched: bool = False) -> None:
        """Fall asleep or wake as things stand; `touched` says that something just tried to wake it."""
        now = self.clock.monotonic()
        if not self.battery:
            self._sleep()
        elif not self.awake:
            if touched:
                self.awake = True
                self._idle_since = None
                self.waiting = True
                self.woke()
                self.waiting = self.waiting and self.panel
        elif self.running or self.mains or self.standby:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since >= (WAITS_S if self.waiting and self.front != "off" else SLEEP_AFTER_S):
            self._sleep()

    def _start(self, starts: bool) -> None:
        """Take note that a switch has moved; one that starts the unit under a panel waits for its mode."""
        if starts and self.awake and self.panel:
            self.waiting = True
        self.look(touched=starts)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the battery and for falling asleep."""
        self.soc = min(1.0, max(0.0, self.soc + self.battery_w * seconds * self.speed / _CAPACITY_J))
        self.look()

    def _sleep(self) -> None:
        if self.awake:
            self.awake = False
            self._idle_since = None
            self.panel = self.standby = False  # without power the lines float
            self.slept()
