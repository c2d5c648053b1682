"""One VE.Bus system as the bridge knows it: what its frames say becomes points here.

It outlives the line: scales, doubts and counters stay while the cable is out. The `take_..` methods say
whether a message was believed; False asks for another one.
"""

from collections.abc import Mapping, Sequence

from bridge.adapters.vebus_mk3 import points
from bridge.adapters.vebus_mk3 import variables as var
from bridge.adapters.vebus_mk3.commands import Controls
from bridge.adapters.vebus_mk3.energy import EnergyCounters
from bridge.adapters.vebus_mk3.messages import Ac, Config, Dc, DeviceState, Leds, Line, Lines
from bridge.adapters.vebus_mk3.nameplate import Nameplate
from bridge.adapters.vebus_mk3.options import VeBusOptions
from bridge.adapters.vebus_mk3.panel import Panel
from bridge.adapters.vebus_mk3.plausible import LeapFilter
from bridge.adapters.vebus_mk3.points import AC, PHASES, POWER
from bridge.adapters.vebus_mk3.readings import (
    MAINS_ABSENT_V,
    NO_INPUT,
    OFF,
    Batch,
    ac_values,
    config_values,
    dc_values,
    effective_mode,
    led_values,
    line_values,
    state_value,
)
from bridge.adapters.vebus_mk3.scales import POWERS, Scales
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Path, Quality, Value

#: The points of variables that are shown as they are; the state of charge comes as a share of 1.
_SHOWN: Mapping[int, Path] = {
    var.SOC: "/Soc",
    var.RIPPLE_V: "/Dc/0/RippleVoltage",
    var.IGNORE_AC: "/Ac/State/IgnoreAcIn1",
    var.RELAY: "/Relay/0/State",
}


class System:
    """A device's points, panel, controls and counters."""

    def __init__(self, device: Device, options: VeBusOptions, clock: Clock) -> None:
        device.declare(points.POINTS, points.GROUPS, points.ALIVE_WHEN)
        self.scales = Scales()
        self.panel = Panel(device, options)
        self.nameplate = Nameplate(device, options.serial)
        self.energy = EnergyCounters(clock, device.memory)
        self.controls = Controls(device, clock, self.panel, self)
        self.phases: int = 1 if options.phases == "auto" else options.phases
        self._phases_known = False
        self._device = device
        self._clock = clock
        self._powered_at = clock.monotonic()
        self._options = options
        self._leaps = LeapFilter()
        self._leds: Leds | None = None
        self._ac: dict[int, Ac] = {}
        self._mains_v = 0.0
        self._powers: dict[int, tuple[float, ...]] = {}
        #: The unit has started anew: what it has forgotten is to be sent again once it can be commanded.
        self.restarted = False

    def powered(self) -> None:
        """Begin anew with an interface or a system that may be another one."""
        self._powered_at = self._clock.monotonic()
        self.scales = Scales()
        self._leaps = LeapFilter()
        self.panel.powered()
        self._leds = None
        self._ac.clear()
        self._powers.clear()

    def identified(self, number: bytes | None, addresses: int = 0) -> bool:
        """Take a unit's own number (None: it tells none) and the bit map of addresses in use.

        False where the number is not the one expected.
        """
        serial = self.nameplate.admitted(number)
        if serial is not None:
            self.energy.belong_to(serial)
            count = addresses.bit_count() or None
            self._device.publish(points.IDENTITY, {"/Devices/NumberOfMultis": count})
        return serial is not None

    # -- what it says ------------------------------------------------------------------------------------

    def take_dc(self, frame: Dc) -> bool:
        """Take battery voltage and current, and the output's frequency."""
        values = dc_values(frame, self._info, self.phases)
        if not self._leaps.passes(points.DC, values):
            return False
        if not all(self.tells_powers(phase) for phase in range(1, self.phases + 1)):
            values["/Dc/0/Power"] = _product(values["/Dc/0/Voltage"], values["/Dc/0/Current"])
        self._device.publish(points.DC, values)
        return True

    def take_ac(self, frame: Ac) -> bool:
        """Take a phase; the first one tells the state and how many there are."""
        if frame.phase not in AC:
            return True
        values = ac_values(frame, self._info)
        factors = (frame.phases, frame.mains_factor, frame.inverter_factor)
        if not self._leaps.passes(AC[frame.phase], {**values, "state": frame.state, "factors": str(factors)}):
            return False
        self._ac[frame.phase] = frame
        active, out = f"/Ac/ActiveIn/L{frame.phase}", f"/Ac/Out/L{frame.phase}"
        if frame.phase == 1:
            self._take_first_phase(frame, values)
        if not self.tells_powers(frame.phase):
            values[f"{active}/P"] = _product(values[f"{active}/V"], values[f"{active}/I"])
            values[f"{out}/P"] = _product(values[f"{out}/V"], values[f"{out}/I"])
            drawn, given = values[f"{active}/P"], values[f"{out}/P"]
            if isinstance(drawn, float) and isinstance(given, float):
                values |= self._total(frame.phase, (drawn, given))
        self._device.publish(AC[frame.phase], values)
        self._show_state(heard=frame.phase == 1)
        return True

    def take_leds(self, reply: Leds) -> bool:
        """Take LEDs, alarms and error."""
        values = led_values(reply)
        if not self._leaps.passes(points.LEDS, values):
            return False
        self._leds = reply
        self._device.publish(points.LEDS, values)
        self._show_state()
        return True

    def take_config(self, config: Config) -> bool:
        """Take limits and switches."""
        if not self._leaps.passes(points.CONFIG, config_values(config)):
            return False
        self.show_config(config)
        return True

    def show_config(self, config: Config) -> None:
        """Publish limits and switches that are believed."""
        started = self.panel.config_seen(config)
        if started or self.restarted:
            self.restarted = False
            self._device.restarted()
        values = config_values(config)
        self._leaps.expect(points.CONFIG, values)
        self._device.publish(points.CONFIG, values)
        self._show_state()
        self.nameplate.learn(inputs=config.inputs)

    def take_lines(self, reply: Lines) -> bool:
        """Take the lines that the interface pulls."""
        values = line_values(reply)
        if not self._leaps.passes(points.LINES, values):
            return False
        self.show_lines(reply)
        return True

    def show_lines(self, reply: Lines) -> None:
        """Publish lines that are believed."""
        self.panel.lines_seen(reply)
        values = line_values(reply)
        self._leaps.expect(points.LINES, values)
        self._device.publish(points.LINES, values)

    def take_charge_state(self, substate: int | None) -> bool:
        """Take the charger's substate; None where the unit tells none."""
        values: Batch = {"/VebusChargeState": substate}
        if not self._leaps.passes(points.CHARGE, values):
            return False
        self._device.publish(points.CHARGE, values)
        self._show_state()
        return True

    def take_powers(self, phase: int, raw: Mapping[int, bytes]) -> bool:
        """Take a phase's powers in the raw words of its master; other units on the phase do alike."""
        address, frame = phase - 1, self._ac.get(phase)
        read = {v: info.value(raw[v]) for v in POWERS if (info := self.scales.info(v, address)) is not None}
        if len(read) < len(POWERS) or frame is None:
            return True
        drawn = -read[var.MAINS_W] * frame.mains_factor
        given = read[var.OUTPUT_W] * frame.inverter_factor
        battery = read[var.DC_W] * frame.inverter_factor
        own = {f"/Ac/ActiveIn/L{phase}/P": drawn, f"/Ac/Out/L{phase}/P": given}
        if not self._leaps.passes(POWER[phase], {**own, "/Power": battery}):
            return False
        self._device.publish(POWER[phase], {**own, **self._total(phase, (drawn, given, battery))})
        return True

    def take_variables(self, raw: Mapping[int, bytes]) -> bool:
        """Take the variables that are shown besides."""
        values: Batch = dict.fromkeys(_SHOWN.values(), None)
        for variable, path in _SHOWN.items():
            info = self.scales.info(variable)
            if info is not None and variable in raw:
                value = info.value(raw[variable])
                values[path] = int(value) if info.bit is not None else value
        share = values["/Soc"]
        values["/Soc"] = share * 100 if isinstance(share, float) else None
        if not self._leaps.passes(points.VARIABLES, values):
            return False
        self._device.publish(points.VARIABLES, values)
        return True

    def take_setting(self, path: Path, value: Value | None) -> None:
        """Take a setting that has been told twice; None for one the unit does not have."""
        self._device.publish(points.SETTINGS_GROUP, {path: value})

    def count_line(self, frames: int, errors: int, unanswered: int) -> None:
        """Show the counters of the line."""
        counts = {"/Line/Frames": frames, "/Line/Errors": errors, "/Line/Unanswered": unanswered}
        self._device.publish(points.LINE, counts)

    # -- what follows from it ----------------------------------------------------------------------------

    @property
    def mains_present(self) -> bool:
        """True while the AC input has voltage."""
        return self._mains_v >= MAINS_ABSENT_V

    def tells_powers(self, phase: int) -> bool:
        """True where the master of a phase tells powers, or has not been asked; else they are V times I."""
        address = phase - 1
        known = not self.scales.missing(POWERS, address)
        return not known or len(self.scales.supported(POWERS, address)) == len(POWERS)

    @property
    def may_sleep(self) -> bool:
        """True where silence means that the unit has fallen asleep, as far as it was heard last."""
        config, first = self.panel.config, self._ac.get(1)
        standby = (self.panel.flags or 0) & Line.STANDBY
        off = first is not None and first.state in (DeviceState.DOWN, DeviceState.OFF)
        off = off or (config is not None and effective_mode(config) == OFF)
        return off and not standby and not self.mains_present

    def _info(self, variable: int) -> var.VariableInfo | None:
        return self.scales.info(variable)

    def _take_first_phase(self, frame: Ac, values: Batch) -> None:
        voltage = values["/Ac/ActiveIn/L1/V"]
        self._mains_v = voltage if isinstance(voltage, float) else 0.0
        if self._options.phases == "auto" and frame.phases:
            self.phases = min(frame.phases, PHASES[-1])
        if not self._phases_known:
            self._phases_known = True
            self._show_absent([phase for phase in PHASES if phase > self.phases])
        values["/Ac/NumberOfPhases"] = self.phases
        values["/Ac/ActiveIn/Connected"] = int(self.mains_present)

    def _show_state(self, *, heard: bool = False) -> None:
        """Publish what follows from several frames: when the first phase is heard, and when others change it.

        So it grows old with the first phase. Without lamps it is unknown, for they alone tell a fault; an
        interface that never tells them is believed without.
        """
        first, config = self._ac.get(1), self.panel.config
        if first is None or self._device.reading("/Ac/ActiveIn/L1/V").quality is Quality.STALE:
            return
        before = self._device.value("/State")
        # what has not been heard for long tells no more: the unit may have gone on to another stage
        if self._leds is None:
            lost = self._clock.monotonic() - self._powered_at < points.SLOW_STALE_S
        else:
            lost = self._device.reading("/VebusError").quality is Quality.STALE
        stage = self._device.value("/VebusChargeState")
        charge_state = stage if isinstance(stage, int) else None
        active = None if config is None else config.active_input if self.mains_present else NO_INPUT
        values: Batch = {
            "/State": None if lost else state_value(first.state, self._leds, charge_state, before),
            "/Ac/ActiveIn/ActiveInput": active,
        }
        if heard or any(self._device.value(path) != value for path, value in values.items()):
            self._device.publish(points.STATE, values)

    def _show_absent(self, phases: Sequence[int]) -> None:
        """Tell that there are no such phases, which is another thing than not having heard of them."""
        absent = [
            f"/Ac/{side}/L{phase}/{name}"
            for side in ("ActiveIn", "Out")
            for phase in phases
            for name in ("V", "I", "F", "P")
        ]
        self._device.publish(points.IDENTITY, dict.fromkeys(absent))

    def _total(self, phase: int, powers: tuple[float, ...]) -> Batch:
        """Count a phase's powers (drawn, given, and to the battery where it is told); return the totals."""
        config = self.panel.config
        self.energy.sample(phase, powers[0], powers[1], 0 if config is None else config.active_input)
        self._device.publish(points.ENERGY, self.energy.points())
        self._powers[phase] = powers
        if phase != self.phases or len(self._powers) < self.phases:
            return {}
        totals = [sum(parts) for parts in zip(*self._powers.values(), strict=False)]
        return dict(zip(("/Ac/ActiveIn/P", "/Ac/Out/P", "/Dc/0/Power"), totals, strict=False))


def _product(a: Value | None, b: Value | None) -> float | None:
    return a * b if isinstance(a, int | float) and isinstance(b, int | float) else None
