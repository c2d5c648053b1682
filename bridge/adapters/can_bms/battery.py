"""The limits of the configured battery: what may be written, what is believed, what is ever sent.

A writer that asks for more than a limit is refused. A linked limit is capped instead, for a battery that
allows more than the site does is no fault; a linked reading outside what a battery can have is no reading.
"""

from collections.abc import Mapping

from bridge.adapters.can.dialects import Dialect
from bridge.adapters.can_bms.names import (
    CCL,
    CURRENT,
    CVL,
    DCL,
    DVL,
    MAX_CELL,
    MIN_CELL,
    SOC,
    SOH,
    TEMPERATURE,
    VOLTAGE,
)
from bridge.adapters.can_bms.options import BatteryOptions
from bridge.datastore.values import Path, Value

#: What the 16 bits of a current in tenths carry, in A.
_CURRENT_MAX = 3276.7
#: Temperatures that a battery in use can have, in degrees Celsius; sensors that fail read far beyond.
_TEMPERATURES = (-40.0, 100.0)
#: What the 16 bits of a voltage in tenths carry, in V.
_VOLTAGE_MAX = 6553.4
_FIELDS: Mapping[Path, str] = {
    CVL: "charge_voltage_limit_v",
    CCL: "charge_current_limit_a",
    DCL: "discharge_current_limit_a",
    DVL: "discharge_voltage_limit_v",
}


class Battery:
    """The configured battery, as far as the dialect's inverters can be told of it."""

    def __init__(self, options: BatteryOptions, dialect: Dialect) -> None:
        self.options = options
        high, low = options.highest_v, options.lowest_v
        cell = options.cell
        #: Hard caps of the limits: nothing outside is written or sent.
        self.caps: Mapping[Path, tuple[float, float]] = {
            path: _within(bounds, dialect.ranges.get(_FIELDS[path]))
            for path, bounds in {
                CVL: (low, high),
                DVL: (low, high),
                CCL: (0.0, options.charge_a),
                DCL: (0.0, options.discharge_a),
            }.items()
        }
        #: What a reading must lie within to be one of this battery, whoever brings it.
        self.plausible: Mapping[Path, tuple[float, float]] = {
            VOLTAGE: (
                round(cell.plausible[0] * options.cells, 2),
                round(cell.plausible[1] * options.cells, 2),
            ),
            MIN_CELL: cell.plausible,
            MAX_CELL: cell.plausible,
            SOC: (0.0, 100.0),
            SOH: (0.0, 100.0),
            CURRENT: (-_CURRENT_MAX, _CURRENT_MAX),
            TEMPERATURE: _TEMPERATURES,
        }

    def range(self, path: Path) -> tuple[float, float] | None:
        """Return what everybody may write to a point, links included; None where nothing is said.

        A linked limit is capped from above. A charge voltage below the lowest is none that could be raised:
        batteries that mean "stop" by it would be charged, and an inverter that hears it discharges them.
        """
        linked = {
            CVL: (self.caps[CVL][0], _VOLTAGE_MAX),
            DVL: (0.0, _VOLTAGE_MAX),
            CCL: (0.0, _CURRENT_MAX),
            DCL: (0.0, _CURRENT_MAX),
        }
        return self.plausible.get(path) or linked.get(path)

    def fault(self, path: Path, value: Value) -> str | None:
        """Say why a writer may not ask for a limit, or None. Links are capped instead."""
        cap = self.caps.get(path)
        if cap is None or isinstance(value, str) or cap[0] <= value <= cap[1]:
            return None
        why = ": charging is stopped by a current limit of 0 A, never by a voltage" if path == CVL else ""
        return (
            f"{path}: found {value:g}, expected {cap[0]:g} to {cap[1]:g}, the limits of the configured "
            f"battery{why}"
        )

    def capped(self, path: Path, value: float) -> float:
        """Return a limit as it may be sent."""
        low, high = self.caps[path]
        return min(high, max(low, value))


def _within(bounds: tuple[float, float], wider: tuple[float, float] | None) -> tuple[float, float]:
    """Cut the battery's own bounds down to what the inverter takes."""
    if wider is None:
        return bounds
    low = min(max(bounds[0], wider[0]), wider[1])
    return low, max(low, min(bounds[1], wider[1]))
