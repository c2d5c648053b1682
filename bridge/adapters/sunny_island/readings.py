"""What the frames of a Sunny Island mean, in the units of the points. Pure: no device, no clock.

Signs: DC current and power are positive while charging, power and current of AC2 while drawing from it,
those of the output while loads take them, inverter power while inverting. Formulae are those of the public
Venus drivers for the island, so that their users find the numbers they know; where this page differs, it
says so. A field that a frame does not carry is None, and so is every point that needs it.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

from bridge.adapters.sunny_island.points import LINES, MODE, OFF, ON
from bridge.datastore.values import Path, Value

Fields = Mapping[str, float | int | str | bool | None]
Batch = dict[Path, Value | None]
Lines = Sequence[float | None]

#: An output below this is off (drivers); what an open relay lets through stays below it.
OUTPUT_ABSENT_V = 5.0
#: A line that is really there has at least this, so that noise never adds a phase to a house.
LINE_PRESENT_V = 50.0
_LINE_HIGHEST_V = 400.0
#: The total load and each line come rounded to 100 W.
POWER_STEP_W = 100.0
NO_INPUT = 240
#: /State: 0 off, 2 fault, 3 bulk, 4 absorption, 9 inverting. /VebusChargeState: 0 none, 1 bulk, 2 absorption.
STATE_OFF, STATE_FAULT, STATE_BULK, STATE_ABSORPTION, STATE_INVERTING = 0, 2, 3, 4, 9
_CHARGE_STATES = {STATE_BULK: 1, STATE_ABSORPTION: 2}
#: Operating states of frame 0x306 (external-BMS paper): 0 none, 1 operating, 3 warning, 4 failure.
WARNING, FAILURE = 3, 4
_LETTERS = {WARNING: "W", FAILURE: "F"}
#: A state of charge beyond this, or below none, is no measurement.
_FULLEST_PCT = 100.0
#: Nearer than this to its set-point the battery is held there, no more filled (the set-point's own step).
_AT_SET_POINT_V = 0.1


def number(fields: Fields, name: str) -> float | None:
    """Return a field as a number, None where the frame does not carry it."""
    value = fields.get(name)
    return float(value) if isinstance(value, int | float) else None


def of_lines(fields: Fields, name: str) -> tuple[float | None, ...]:
    """Return a quantity's three lines; `name` has `{}` where the line's number stands."""
    return tuple(number(fields, name.format(line)) for line in LINES)


def by_line(side: str, quantity: str, values: Lines, phases: int) -> Batch:
    """Put a quantity's lines under their paths; lines the island does not have are absent."""
    padded = chain(values, (None,) * len(LINES))
    return {
        f"/Ac/{side}/L{line}/{quantity}": value if line <= phases else None
        for line, value in zip(LINES, padded, strict=False)
    }


def total(values: Lines, phases: int) -> float | None:
    """Add up the lines there are; None while one of them is not told."""
    told = [value for value in values[:phases] if value is not None]
    return sum(told) if len(told) == phases else None


def phases_seen(*voltages: Lines) -> int:
    """Return the highest line on which any of these voltages is really there, 0 for none."""
    return max(
        (
            line
            for lines in voltages
            for line, volts in zip(LINES, lines, strict=False)
            if volts is not None and LINE_PRESENT_V <= volts <= _LINE_HIGHEST_V
        ),
        default=0,
    )


# -- frames ----------------------------------------------------------------------------------------------


def battery_values(fields: Fields) -> Batch:
    """Return what frame 0x305 says. An island counts its current negative while charging."""
    volts, amps = number(fields, "batt_voltage_v"), number(fields, "batt_current_raw_a")
    amps = None if amps is None else 0.0 - amps  # never -0.0
    share = number(fields, "soc_pct")
    return {
        "/Dc/0/Voltage": volts,
        "/Dc/0/Current": amps,
        "/Dc/0/Power": None if volts is None or amps is None else volts * amps,
        "/Dc/0/Temperature": number(fields, "batt_temperature_c"),
        "/Soc": None if share is None or not 0 <= share <= _FULLEST_PCT else share,
    }


def status_values(fields: Fields) -> Batch:
    """Return what frame 0x306 says: the only one that tells of faults."""
    state, error = _whole(fields, "operating_state"), _whole(fields, "error_number")
    return {
        "/Soh": number(fields, "soh_pct"),
        "/ChargeProcedure": _whole(fields, "charge_procedure"),
        "/OperatingState": state,
        "/ErrorCode": error,
        "/Error": error_text(state, error),
        "/Alarms/Fault": None if state is None else {WARNING: 1, FAILURE: 2}.get(state, 0),
        "/Dc/0/ChargeVoltage": number(fields, "charge_voltage_setpoint_v"),
    }


def error_text(state: int | None, error: int | None) -> str | None:
    """Return an event as the island's own display writes it: F952, W952; empty without one."""
    if error is None:
        return None
    return f"{_LETTERS.get(state or 0, '')}{error:03d}" if error else ""


def relay_values(fields: Fields) -> Batch:
    """Return what frame 0x307 says, but for the alarm, which takes two frames (`GridWatch`).

    Which bit is which relay is not tried: the whole words are shown too.
    """
    word, closed = _whole(fields, "relay_word"), fields.get("ac2_relay_closed")
    valid = fields.get("ac2_voltage_valid")
    return {
        "/Relay/Word": word,
        **{f"/Relay/{bit}/State": None if word is None else word >> bit & 1 for bit in (0, 1)},
        "/Ac/ActiveIn/Connected": None if closed is None else int(bool(closed)),
        "/Ac/ActiveIn/ActiveInput": None if closed is None else 0 if closed else NO_INPUT,
        "/Ac/State/AcIn1Available": None if valid is None else int(bool(valid)),
    }


def output_values(voltages: Lines, hertz: float | None, phases: int) -> Batch:
    """Return voltages and frequency of the output, and whether the island runs: it tells no mode."""
    return {
        **by_line("Out", "V", voltages, phases),
        **by_line("Out", "F", (hertz,) * len(LINES), phases),
        MODE: None if voltages[0] is None else ON if output_present(voltages) else OFF,
    }


def external_values(voltages: Lines, hertz: float | None, phases: int) -> Batch:
    """Return voltages and frequency of AC2; the frequency of L1 is that of all."""
    return {
        **by_line("ActiveIn", "V", voltages, phases),
        **by_line("ActiveIn", "F", (hertz,) * len(LINES), phases),
    }


# -- what follows from several frames --------------------------------------------------------------------


def output_present(voltages: Lines) -> bool:
    """True while any line of the output has voltage."""
    return any(volts is not None and volts > OUTPUT_ABSENT_V for volts in voltages)


def output_powers(
    external: Lines, inverter: Lines, load_w: float | None, phases: int
) -> tuple[float | None, ...]:
    """Return the output power of each line, W: external plus inverter.

    Each of these comes rounded to 100 W, and so does the total load. Where the total is exactly one step
    off the sum of the lines the difference is shared among them (50 W each of two).
    """
    powers = [
        None if drawn is None or given is None else drawn + given
        for drawn, given in zip(external[:phases], inverter[:phases], strict=True)
    ]
    summed = total(powers, phases)
    if summed is not None and load_w is not None and abs(load_w - summed) == POWER_STEP_W:
        share = (load_w - summed) / phases
        powers = [None if power is None else power + share for power in powers]
    return (*powers, *((None,) * (len(LINES) - phases)))


def currents(powers: Lines, voltages: Lines, least_v: float) -> tuple[float | None, ...]:
    """Return currents in whole A, cut towards zero, of lines with more than `least_v`; 0 A on others."""
    return tuple(
        None if watts is None or volts is None else float(int(watts / volts)) if volts > least_v else 0.0
        for watts, volts in zip(powers, voltages, strict=True)
    )


def state_values(
    voltages: Lines,
    *,
    battery_v: float | None,
    battery_a: float | None,
    set_point_v: float | None,
    failed: bool,
) -> Batch:
    """Return /State and /VebusChargeState.

    The drivers show the stage of their own charger while the battery is charged. Here the island charges:
    it is bulk until the battery stands at the island's set-point, then absorption.
    """
    if failed:
        state = STATE_FAULT
    elif not output_present(voltages):
        state = STATE_OFF
    elif battery_a is None or battery_a <= 0:
        state = STATE_INVERTING
    else:
        there = battery_v is not None and set_point_v is not None
        held = there and battery_v > set_point_v - _AT_SET_POINT_V - 1e-6  # type: ignore[operator]
        state = STATE_ABSORPTION if held else STATE_BULK
    return {"/State": state, "/VebusChargeState": _CHARGE_STATES.get(state, 0)}


def energy_flows(output_w: float | None, battery_w: float | None) -> dict[str, float]:
    """Split output and battery power into the flows that are counted, W.

    As in the drivers: all that the loads take comes from AC2 while the battery is charged, else from the
    battery.
    """
    output_w = output_w or 0.0
    if battery_w is not None and battery_w > 0:
        return {"GridToAcOut": output_w, "GridToDc": battery_w}
    return {"DcToAcOut": output_w}


class GridWatch:
    """Whether the voltage on AC2 is lost: 0 no, 2 yes.

    One frame without it comes whenever the transfer relay moves, so it takes two in a row.
    """

    _FRAMES = 2

    def __init__(self) -> None:
        self._without = 0

    def alarm(self, *, valid: bool) -> int:
        """Take one frame's word for it; returns the alarm."""
        self._without = 0 if valid else self._without + 1
        return 2 if self._without >= self._FRAMES else 0


def _whole(fields: Fields, name: str) -> int | None:
    value = number(fields, name)
    return None if value is None else int(value)
