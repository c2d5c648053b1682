"""What a Sunny Island tells the bus about itself, from a small state: for the simulators of both families
that meet one. Only its voice; what it does stands with those who play it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.adapters.can.fields import FieldValue, FrameSpec, encode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.island_frames import (
    EXTERNAL,
    EXTERNAL_POWER,
    EXTERNAL_REACTIVE,
    INVERTER_POWER,
    INVERTER_REACTIVE,
    ISLAND_BATTERY,
    ISLAND_STATUS,
    LOAD,
    OUTPUT,
    RELAYS,
)

#: How often each frame is sent.
TELEMETRY_PERIOD_S = 1.0
#: Charge procedure of a battery with a BMS of its own.
EXTERNAL_BMS = 10
#: Operating states of 0x306.
IDLE, OPERATING, WARNING, FAILURE = 0, 1, 3, 4
_LINES_MAX = 3
#: Powers are told in steps of this.
_POWER_STEP_W = 100.0


@dataclass(slots=True)
class IslandState:
    """A cluster of `lines` islands at one moment, in the units of the points.

    external_w, inverter_w, external_var, inverter_var: by line, drawn from AC2 and given by the inverter.
    battery_a: positive while charging. error: the number without its letter, 952 of F952.
    """

    lines: int = 1
    external_w: Sequence[float] = (0.0,)
    inverter_w: Sequence[float] = (0.0,)
    external_var: Sequence[float] = (0.0,)
    inverter_var: Sequence[float] = (0.0,)
    output_v: float = 0.0
    output_hz: float = 0.0
    external_v: float = 0.0
    external_hz: float = 0.0
    battery_v: float = 52.0
    battery_a: float = 0.0
    battery_c: float = 21.0
    soc_pct: float = 50.0
    soh_pct: float = 100.0
    charge_v: float = 56.0
    operating: int = IDLE
    error: int = 0
    relay_word: int = 0
    ac2_closed: bool = False
    ac2_valid: bool = False

    @property
    def load_w(self) -> float:
        """What the loads take: all that AC2 and the inverters give."""
        return sum(self.external_w) + sum(self.inverter_w)


def telemetry(state: IslandState) -> tuple[CanFrame, ...]:
    """Return one round of frames, by id. Raises ValueError for what no field can carry."""
    return (
        _frame(EXTERNAL_POWER, _by_line("ext_power_l{}_w", _stepped(state.external_w))),
        _frame(INVERTER_POWER, _by_line("inv_power_l{}_w", _stepped(state.inverter_w))),
        _frame(EXTERNAL_REACTIVE, _by_line("ext_reactive_l{}_var", _stepped(state.external_var))),
        _frame(INVERTER_REACTIVE, _by_line("inv_reactive_l{}_var", _stepped(state.inverter_var))),
        _frame(
            OUTPUT,
            {
                **_by_line("out_voltage_l{}_v", (state.output_v,) * state.lines),
                "out_frequency_hz": state.output_hz,
            },
        ),
        _frame(
            ISLAND_BATTERY,
            {
                "batt_voltage_v": state.battery_v,
                "batt_current_raw_a": -state.battery_a,
                "batt_temperature_c": state.battery_c,
                "soc_pct": state.soc_pct,
            },
        ),
        _frame(
            ISLAND_STATUS,
            {
                "soh_pct": state.soh_pct,
                "charge_procedure": EXTERNAL_BMS,
                "operating_state": state.operating,
                "error_number": state.error,
                "charge_voltage_setpoint_v": state.charge_v,
            },
        ),
        _frame(
            RELAYS,
            {
                "relay_word": state.relay_word,
                "ac2_relay_closed": state.ac2_closed,
                "ac2_voltage_valid": state.ac2_valid,
            },
        ),
        _frame(LOAD, {"load_power_w": round(state.load_w / _POWER_STEP_W) * _POWER_STEP_W}),
        _frame(
            EXTERNAL,
            {
                **_by_line("ext_voltage_l{}_v", (state.external_v,) * state.lines),
                "ext_frequency_hz": state.external_hz,
            },
        ),
    )


def _frame(spec: FrameSpec, values: dict[str, FieldValue]) -> CanFrame:
    return CanFrame(spec.id, encode(spec, values))


def _by_line(name: str, values: Sequence[float]) -> dict[str, FieldValue]:
    """Name the values of the lines; those that are not there are told as 0."""
    padded = (*values, *(0.0,) * _LINES_MAX)
    return {name.format(line): padded[line - 1] for line in range(1, _LINES_MAX + 1)}


def _stepped(watts: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value / _POWER_STEP_W) * _POWER_STEP_W for value in watts)
