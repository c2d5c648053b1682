"""What the inverter is told, and the frames that tell it in its dialect. Pure.

In the phase `hold` the last values go out with a warning, in `zero` no current is allowed while the charge
voltage stays at or above what it was: an inverter discharges down to a lower one whatever the discharge
limit says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bridge.adapters.can.alarms import pairs_data, status_of
from bridge.adapters.can.battery_frames import BATTERY_FRAMES
from bridge.adapters.can.dialects import Dialect
from bridge.adapters.can.fields import FieldValue, encode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can_bms.battery import Battery
from bridge.adapters.can_bms.charge import tenths_up
from bridge.adapters.can_bms.names import CCL, CVL, DCL, DVL
from bridge.adapters.can_bms.phases import Phase

#: The alarm of 0x35A, and through it of 0x359, that warns of old values.
INTERNAL = "bms_internal"
#: What inverters of Pylontech's dialects look for in 0x35E; others show it.
_NAMES: Mapping[str, str] = {"pylontech": "PYLON", "pylontech_new": "PYLON"}
_NAME = "BRIDGE"
#: 0x35F of a lithium battery: "LI", version 1.0.
_TYPE_LITHIUM, _TYPE_LEAD = 0x494C, 0x4250
_VERSION = (1, 0)
#: The largest that 0x35F and 0x379 carry in Ah; 0xFFFF means not available.
_CAPACITY_MAX = 0xFFFE


@dataclass(frozen=True, slots=True)
class Telling:
    """One whole set. Units as in the points; None is told as not available.

    alarms, warnings: names of 0x35A. The limits are within the battery's caps.
    """

    voltage: float
    soc: float
    charge_v: float
    charge_a: float
    discharge_a: float
    discharge_v: float
    soh: float | None = None
    current: float | None = None
    temperature: float | None = None
    min_cell: float | None = None
    max_cell: float | None = None
    may_charge: bool = True
    may_discharge: bool = True
    request: bool = False
    alarms: frozenset[str] = field(default=frozenset())
    warnings: frozenset[str] = field(default=frozenset())

    def limits(self) -> dict[str, float]:
        """Return the limits as the points show what is in force."""
        return {CVL: self.charge_v, CCL: self.charge_a, DCL: self.discharge_a, DVL: self.discharge_v}


def in_phase(given: Telling, phase: Phase, battery: Battery) -> Telling:
    """Return what is told in a phase of what was given last, its limits within the battery's caps."""
    charge_a = battery.capped(CCL, given.charge_a) if given.may_charge else 0.0
    discharge_a = battery.capped(DCL, given.discharge_a) if given.may_discharge else 0.0
    told = replace(
        given,
        charge_v=battery.capped(CVL, given.charge_v),
        discharge_v=battery.capped(DVL, given.discharge_v),
        charge_a=charge_a,
        discharge_a=discharge_a,
        may_charge=charge_a > 0,
        may_discharge=discharge_a > 0,
    )
    if phase in (Phase.HOLD, Phase.ZERO):
        told = replace(told, warnings=told.warnings | {INTERNAL})
    if phase is Phase.ZERO:
        charge_v = battery.capped(CVL, max(told.charge_v, tenths_up(told.voltage)))
        told = replace(
            told, charge_v=charge_v, charge_a=0.0, discharge_a=0.0,
            may_charge=False, may_discharge=False, request=False,
        )  # fmt: skip
    return told


def frames_of(told: Telling, dialect: Dialect, battery: Battery, name: str | None) -> tuple[CanFrame, ...]:
    """Return the set of frames in the dialect's order; no id but those of the dialect ever leaves."""
    return tuple(
        CanFrame(frame_id, data)
        for frame_id in dialect.sends
        if (data := _data(frame_id, told, dialect, battery, name)) is not None
    )


def _data(frame_id: int, told: Telling, dialect: Dialect, battery: Battery, name: str | None) -> bytes | None:
    """Return a frame's bytes, None for one that has nothing to tell."""
    if frame_id == 0x359:
        data = status_of(told.alarms, told.warnings, modules=1)
    elif frame_id == 0x35A:
        data = pairs_data(told.alarms, told.warnings)
    else:
        values = _VALUES[frame_id](told, dialect, battery, name)
        if values is None:
            return None
        return encode(BATTERY_FRAMES[frame_id], values, length=dialect.length(frame_id))
    return data.ljust(8, b"\0") if dialect.padded else data


_Values = dict[str, FieldValue]


def _limits(told: Telling, dialect: Dialect, *_: object) -> _Values:
    """Currents are never below what the dialect's inverters take for no current at all."""
    least_a = dialect.zero_current_a
    return {
        "charge_voltage_limit_v": told.charge_v,
        "charge_current_limit_a": max(least_a, told.charge_a),
        "discharge_current_limit_a": max(least_a, told.discharge_a),
        "discharge_voltage_limit_v": told.discharge_v,
    }


def _state_of_charge(told: Telling, dialect: Dialect, *_: object) -> _Values:
    """The fine state of charge is true or absent; 0 would mean an empty battery."""
    fine = told.soc if dialect.hires_soc else None
    return {"soc_pct": told.soc, "soh_pct": told.soh, "soc_hires_pct": fine}


def _measured(told: Telling, *_: object) -> _Values:
    return {"voltage_v": told.voltage, "current_a": told.current, "temperature_c": told.temperature}


def _flags(told: Telling, *_: object) -> _Values:
    return {
        "charge_enable": told.may_charge,
        "discharge_enable": told.may_discharge,
        "force_charge_1": told.request,
    }


def _text(_: Telling, dialect: Dialect, __: Battery, name: str | None) -> _Values:
    return {"text": _NAMES.get(dialect.name, _NAME) if name is None else name}


def _info(_: Telling, __: Dialect, battery: Battery, ___: str | None) -> _Values:
    return {
        "type_raw": _TYPE_LEAD if battery.options.chemistry == "lead" else _TYPE_LITHIUM,
        "version_hi": _VERSION[0],
        "version_lo": _VERSION[1],
        "capacity_ah": min(_CAPACITY_MAX, battery.options.capacity),
    }


def _modules(told: Telling, *_: object) -> _Values:
    return {
        "modules_ok": 1,
        "modules_blocking_charge": int(not told.may_charge),
        "modules_blocking_discharge": int(not told.may_discharge),
        "modules_offline": 0,
    }


def _cells(told: Telling, *_: object) -> _Values | None:
    if told.min_cell is None and told.max_cell is None:
        return None
    return {"min_cell_v": told.min_cell, "max_cell_v": told.max_cell}


def _capacity(_: Telling, __: Dialect, battery: Battery, ___: str | None) -> _Values:
    return {"installed_capacity_ah": min(_CAPACITY_MAX, battery.options.capacity)}


_VALUES: Mapping[int, Callable[[Telling, Dialect, Battery, str | None], _Values | None]] = {
    0x351: _limits,
    0x355: _state_of_charge,
    0x356: _measured,
    0x35C: _flags,
    0x35E: _text,
    0x35F: _info,
    0x370: _text,
    0x371: lambda *_: {"text": ""},
    0x372: _modules,
    0x373: _cells,
    0x379: _capacity,
}
