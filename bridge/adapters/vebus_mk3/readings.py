"""What the frames of a VE.Bus system mean, in the units of the points.

Signs: DC current and power are positive while charging; power and current of the AC input are positive
while drawing from it; those of the output while loads take them.
"""

from collections.abc import Callable, Mapping

from bridge.adapters.vebus_mk3 import variables as var
from bridge.adapters.vebus_mk3.messages import Ac, Config, Dc, DeviceState, Led, Leds, Line, Lines, Switch
from bridge.adapters.vebus_mk3.points import (
    CHARGER,
    INVERTER,
    LED_NAMES,
    LIMIT,
    LIMIT_MAX,
    LIMIT_MIN,
    MODE,
    STANDBY,
)
from bridge.adapters.vebus_mk3.variables import VariableInfo
from bridge.datastore.values import Path, Value

Batch = dict[Path, Value | None]
#: Gives how a variable of the system's master is scaled, None for one it does not have.
InfoOf = Callable[[int], VariableInfo | None]

CHARGER_ONLY, INVERTER_ONLY, ON, OFF = 1, 2, 3, 4
#: Below this voltage an AC input counts as dead, and a Multi goes on telling its last frequency.
MAINS_ABSENT_V = 50.0
NO_INPUT = 240
_MODE_OF = {0: OFF, 1: CHARGER_ONLY, 2: INVERTER_ONLY, 3: ON}
_ALARMS = ("HighTemperature", "LowBattery", "Overload", "Ripple")
_BLOCKED, _ERROR = 0x80, 0x1F
_NO_LED_DATA = 0x1F
_CHARGE_LEDS = Led.BULK | Led.ABSORPTION | Led.FLOAT
_SENSOR_FAULTS = {
    "TemperatureSensor": Led.ABSORPTION | Led.FLOAT,
    "VoltageSensor": Led.BULK | Led.ABSORPTION,
}
#: /State: 0 off, 1 low power, 2 fault, 3 bulk, 4 absorption, 5 float, 6 storage, 7 equalise, 8 passing
#: through, 9 inverting, 10 assisting. By state of the AC frame, and by substate of the charger.
_STATES = {
    DeviceState.DOWN: 0, DeviceState.OFF: 0, DeviceState.INVERTING: 9, DeviceState.HALF_WAVE: 9,
    DeviceState.SEARCHING: 1, DeviceState.POWER_ASSIST: 10, DeviceState.BYPASS: 8,
}  # fmt: skip
_CHARGE_STATES = {1: 3, 2: 4, 3: 5, 4: 6, 5: 4, 6: 4, 7: 7, 8: 3}
_FAULT, _PASSING = 2, 8


def scaled(info: VariableInfo | None, raw: bytes) -> float | None:
    """Return a value, None where the unit does not tell its scale."""
    return None if info is None else info.value(raw)


def dc_values(frame: Dc, info_of: InfoOf, phases: int) -> Batch:
    """Return what a DC frame says; its period is that of all output phases."""
    current = info_of(var.BATTERY_A)
    period = info_of(var.INVERTER_PERIOD)
    charge, drain = scaled(current, frame.from_charger), scaled(current, frame.to_inverter)
    frequency = 0.0 if period is None else period.frequency(frame.period) or 0.0
    return {
        "/Dc/0/Voltage": scaled(info_of(var.BATTERY_V), frame.voltage),
        "/Dc/0/Current": None if charge is None or drain is None else charge - drain,
        **{f"/Ac/Out/L{phase}/F": None if period is None else frequency for phase in range(1, phases + 1)},
    }


def ac_values(frame: Ac, info_of: InfoOf) -> Batch:
    """Return what an AC frame says of its phase."""
    voltage = scaled(info_of(var.MAINS_V), frame.mains_voltage)
    current = scaled(info_of(var.MAINS_A), frame.mains_current)
    output = scaled(info_of(var.INVERTER_A), frame.inverter_current)
    period = info_of(var.MAINS_PERIOD)
    alive = voltage is not None and voltage >= MAINS_ABSENT_V
    frequency = period.frequency(frame.period) if alive and period is not None else None
    active, out = f"/Ac/ActiveIn/L{frame.phase}", f"/Ac/Out/L{frame.phase}"
    return {
        f"{active}/V": voltage if alive or voltage is None else 0.0,
        f"{active}/I": None if current is None else current * frame.mains_factor,
        f"{active}/F": None if period is None else frequency or 0.0,
        f"{out}/V": scaled(info_of(var.INVERTER_V), frame.inverter_voltage),
        f"{out}/I": None if output is None else output * frame.inverter_factor,
    }


def led_values(reply: Leds) -> Batch:
    """Return LEDs (0 off, 1 on, 2 blinking, 3 blinking in anti-phase), alarms and error.

    Alarms: 0 none, 1 pre-alarm, 2 alarm. Two charge LEDs blinking together tell a broken sensor, all three
    a forced charge.
    """
    known = not reply.on == reply.blink == _NO_LED_DATA
    batch: Batch = {
        f"/Leds/{name}": (reply.on >> bit & 1) + 2 * (reply.blink >> bit & 1) if known else None
        for bit, name in enumerate(LED_NAMES)
    }
    for bit, name in enumerate(_ALARMS):
        batch[f"/Alarms/{name}"] = 2 if reply.alarms >> bit + 4 & 1 else reply.alarms >> bit & 1
    for name, pattern in _SENSOR_FAULTS.items():
        broken = known and reply.blink & _CHARGE_LEDS == pattern and reply.on & _CHARGE_LEDS in (0, pattern)
        batch[f"/Alarms/{name}"] = 2 if broken else 0
    batch["/VebusError"] = reply.error & _ERROR
    batch["/Interface/Blocked"] = int(bool(reply.error & _BLOCKED))
    return batch


def remote_mode(config: Config) -> int:
    """Return the mode that the remote panel asks for, as the unit has it."""
    return _MODE_OF[config.switches & 0x03]


def effective_mode(config: Config) -> int:
    """Return what all switches together allow."""
    return _MODE_OF[config.switches >> 4 & 0x03]


def allowed_mode(config: Config) -> int:
    """Return what front switch, terminals and remote mode would allow together."""
    switches = config.switches
    front = 3 if switches & Switch.FRONT_UP else 1 if switches & Switch.FRONT_DOWN else 0
    return _MODE_OF[switches & 0x03 & front if switches & Switch.ONBOARD_REMOTE else 0]


def config_values(config: Config) -> Batch:
    """Return limits and switches. Switches are numbered as /Mode; /Mode is what the remote panel asks for."""
    switches, mode = config.switches, remote_mode(config)
    front = switches & (Switch.FRONT_UP | Switch.FRONT_DOWN)
    return {
        LIMIT: config.actual_da / 10,
        LIMIT_MIN: config.minimum_da / 10,
        LIMIT_MAX: config.maximum_da / 10,
        "/Ac/In/1/CurrentLimitIsAdjustable": int(config.limit_settable and not config.multi_control),
        "/Ac/NumberOfAcInputs": config.inputs or None,
        MODE: mode,
        INVERTER: int(mode in (INVERTER_ONLY, ON)),
        CHARGER: int(mode in (CHARGER_ONLY, ON)),
        "/Switch/Front": ON if front & Switch.FRONT_UP else CHARGER_ONLY if front else OFF,
        "/Switch/RemoteTerminals": int(bool(switches & Switch.ONBOARD_REMOTE)),
        "/Switch/Effective": effective_mode(config),
        "/Switch/Generator": int(bool(switches & Switch.GENERATOR)),
        "/Switch/PanelDetected": int(config.panel_detected),
        "/Switch/DigitalMultiControl": int(config.multi_control),
    }


def line_values(reply: Lines) -> Batch:
    """Return the lines that the interface pulls."""
    return {
        STANDBY: int(bool(reply.flags & Line.STANDBY)),
        "/Remote/PanelDetect": int(bool(reply.flags & Line.PANEL_DETECT)),
    }


def state_value(
    state: int, leds: Leds | None, charge_state: int | None, before: Value | None
) -> Value | None:
    """Return /State of the AC frame's state, LEDs and the charger's substate; None for not known.

    Starting up and being a slave say nothing of their own. States beyond 9 are junk of old firmware: then
    the LEDs tell.
    """
    if leds is not None and (leds.error & _ERROR or leds.on & leds.blink & Led.INVERTER):
        return _FAULT
    if state in (DeviceState.STARTUP, DeviceState.SLAVE):
        return before
    if state in _STATES:
        return _STATES[DeviceState(state)]
    if state == DeviceState.CHARGE and charge_state in _CHARGE_STATES:
        return _CHARGE_STATES[charge_state]
    return _by_leds(leds, charging=state == DeviceState.CHARGE)


def _by_leds(leds: Leds | None, *, charging: bool) -> Value | None:
    if leds is None:
        return None
    lit: Mapping[Led, int] = {Led.BULK: 3, Led.ABSORPTION: 4, Led.FLOAT: 5}
    shown = leds.on | leds.blink
    for led, value in lit.items():
        if shown & led:
            return value
    if not charging and shown & Led.INVERTER:
        return 9
    return _PASSING if shown & Led.MAINS or charging else 0
