"""From a battery's frames to points: each frame is one group, and what it does not tell is absent."""

from collections.abc import Callable, Mapping

from bridge.adapters.can.battery_frames import best_soc
from bridge.adapters.can.fields import FieldValue
from bridge.adapters.can.paths import (
    ALLOW_CHARGE,
    ALLOW_DISCHARGE,
    CHARGE_REQUEST,
    CURRENT,
    LOW_VOLTAGE,
    MAX_CHARGE_CURRENT,
    MAX_CHARGE_VOLTAGE,
    MAX_DISCHARGE_CURRENT,
    SOC,
    SOH,
    TEMPERATURE,
    VOLTAGE,
)
from bridge.adapters.can_battery import points
from bridge.datastore.values import Path, Value

Fields = Mapping[str, FieldValue]
Values = dict[Path, Value | None]

_FORCE_CHARGE = 0xFF
#: Simple firmware writes the number of a cell as one character: behind '9' it goes on with ':' to '?'.
_BEYOND_NINE = {chr(ord("0") + number): str(number) for number in range(10, 16)}


def _limits(f: Fields) -> Values:
    return {
        MAX_CHARGE_VOLTAGE: _number(f["charge_voltage_limit_v"]),
        MAX_CHARGE_CURRENT: _number(f["charge_current_limit_a"]),
        MAX_DISCHARGE_CURRENT: _number(f["discharge_current_limit_a"]),
        # Pylontech's 1.2 leaves these bytes undefined and sends 0
        LOW_VOLTAGE: _nonzero(f["discharge_voltage_limit_v"]),
    }


def _charge(f: Fields) -> Values:
    return {SOC: best_soc(f["soc_pct"], f["soc_hires_pct"]), SOH: _number(f["soh_pct"])}


def _measured(f: Fields) -> Values:
    voltage, current = _number(f["voltage_v"]), _number(f["current_a"])
    power = None if voltage is None or current is None else round(voltage * current, 1)
    return {
        VOLTAGE: voltage,
        CURRENT: current,
        "/Dc/0/Power": power,
        TEMPERATURE: _number(f["temperature_c"]),
        "/History/ChargeCycles": _nonzero(f["cycles"]),
    }


def _flags(f: Fields) -> Values:
    return {
        ALLOW_CHARGE: _number(f["charge_enable"]),
        ALLOW_DISCHARGE: _number(f["discharge_enable"]),
        CHARGE_REQUEST: int(bool(f["force_charge_1"] or f["force_charge_2"])),
        "/Info/FullChargeRequest": _number(f["full_charge_request"]),
    }


def _info(f: Fields) -> Values:
    major, minor = f["version_hi"], f["version_lo"]
    return {
        "/Device/Chemistry": _letters(f["type_raw"]),
        "/FirmwareVersion": None if major is None or minor is None else f"{major}.{minor}",
        "/Capacity": _nonzero(f["capacity_ah"]),
        "/Device/HardwareId": _number(f["id_raw"]),
    }


def _modules(f: Fields) -> Values:
    return {
        "/System/NrOfModulesOnline": _number(f["modules_ok"]),
        "/System/NrOfModulesBlockingCharge": _number(f["modules_blocking_charge"]),
        "/System/NrOfModulesBlockingDischarge": _number(f["modules_blocking_discharge"]),
        "/System/NrOfModulesOffline": _number(f["modules_offline"]),
    }


def _cells(f: Fields) -> Values:
    return {
        "/System/MinCellVoltage": _number(f["min_cell_v"]),
        "/System/MaxCellVoltage": _number(f["max_cell_v"]),
        "/System/MinCellTemperature": _number(f["min_cell_temp_c"]),
        "/System/MaxCellTemperature": _number(f["max_cell_temp_c"]),
    }


def _events(f: Fields) -> Values:
    return {
        "/Events/SocRecalibration": _begun(f["soc_recalibration_started"], f["soc_recalibration_stopped"]),
        "/Events/PowerLimit": _begun(f["power_limit_started"], f["power_limit_stopped"]),
        "/Events/PreventiveShutdown": _number(f["preventive_shutdown"]),
    }


def _cell_name(path: Path) -> Callable[[Fields], Values]:
    def read(f: Fields) -> Values:
        text = str(f["text"])
        return {path: _BEYOND_NINE.get(text, text) or None}

    return read


#: What each frame is for: its group, and how it becomes points. Alarms, names and serials are elsewhere.
READINGS: Mapping[int, tuple[str, Callable[[Fields], Values]]] = {
    0x351: (points.LIMITS, _limits),
    0x355: (points.CHARGE, _charge),
    0x356: (points.MEASURED, _measured),
    0x35B: (points.EVENTS, _events),
    0x35C: (points.FLAGS, _flags),
    0x35E: (points.NAME, lambda f: {"/Manufacturer": str(f["text"]) or None}),
    0x35F: (points.INFO, _info),
    0x360: (points.REQUEST, lambda f: {CHARGE_REQUEST: int(f["force_charge_byte"] == _FORCE_CHARGE)}),
    0x372: (points.MODULES, _modules),
    0x373: (points.CELLS, _cells),
    **{
        0x374 + number: (points.CELL_NAMES[number], _cell_name(path))
        for number, path in enumerate(points.CELL_NAME_PATHS)
    },
    0x378: (
        points.HISTORY,
        lambda f: {
            "/History/ChargedEnergy": _number(f["charged_kwh"]),
            "/History/DischargedEnergy": _number(f["discharged_kwh"]),
        },
    ),
    0x379: (points.CAPACITY, lambda f: {"/InstalledCapacity": _nonzero(f["installed_capacity_ah"])}),
    0x382: (points.FAMILY_NAME, lambda f: {"/Device/Family": str(f["text"]) or None}),
}


def _number(value: FieldValue) -> int | float | None:
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int | float) else None


def _nonzero(value: FieldValue) -> int | float | None:
    return _number(value) or None


def _begun(started: FieldValue, stopped: FieldValue) -> int | None:
    """Return whether something has begun; None while neither is told."""
    if started:
        return 1
    return 0 if stopped else None


def _letters(value: FieldValue) -> str | None:
    """Return the two letters that a chemistry is told by, or its number in hexadecimal."""
    if not isinstance(value, int):
        return None
    text = value.to_bytes(2, "little").decode("ascii", errors="replace")
    return text if text.isalnum() and text.isascii() else f"0x{value:04X}"
