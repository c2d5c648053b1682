"""What a battery (its BMS) sends: every frame and field, the same for sending and for hearing.

Source: Pylontech's low-voltage CAN protocol 1.2 and 1.3, SMA's technical information on external BMS, and
captures of Pylontech and BYD batteries. Which of them a dialect uses stands in `dialects`.
"""

from dataclasses import replace
from fractions import Fraction

from bridge.adapters.can.fields import AnyField, Bit, Field, FieldValue, FrameSpec, Text

TENTH, HUNDREDTH, THOUSANDTH = Fraction(1, 10), Fraction(1, 100), Fraction(1, 1000)
#: Kelvin of 0 degrees Celsius as batteries count it (captured: 287 K shown as 14 degrees).
_KELVIN = -273

LIMITS = FrameSpec(
    0x351,
    "limits",
    (
        Field("charge_voltage_limit_v", 0, "H", TENTH, "V"),
        Field("charge_current_limit_a", 2, "h", TENTH, "A"),
        # sent positive; an early diyBMS sent it negative
        Field("discharge_current_limit_a", 4, "h", TENTH, "A", magnitude=True),
        Field("discharge_voltage_limit_v", 6, "H", TENTH, "V"),
    ),
)
STATE_OF_CHARGE = FrameSpec(
    0x355,
    "state_of_charge",
    (
        Field("soc_pct", 0, "H", unit="%"),
        Field("soh_pct", 2, "H", unit="%"),
        Field("soc_hires_pct", 4, "H", HUNDREDTH, "%"),
    ),
    length=6,
)
MEASURED = FrameSpec(
    0x356,
    "measured",
    (
        Field("voltage_v", 0, "h", HUNDREDTH, "V"),
        Field("current_a", 2, "h", TENTH, "A"),
        Field("temperature_c", 4, "h", TENTH, "°C"),
        Field("cycles", 6, "H"),
    ),
)
#: Bits of 0x359: protections have acted, alarms are warnings. `alarms` gives their sets.
STATUS = FrameSpec(
    0x359,
    "status",
    (
        Bit("protection_over_voltage", 0, 1),
        Bit("protection_under_voltage", 0, 2),
        Bit("protection_over_temperature", 0, 3),
        Bit("protection_under_temperature", 0, 4),
        Bit("protection_discharge_over_current", 0, 7),
        Bit("protection_charge_over_current", 1, 0),
        # bit 3 in Pylontech's document, bit 7 in two projects that imitate it
        Bit("protection_system_error", 1, 3, also=7),
        Bit("alarm_high_voltage", 2, 1),
        Bit("alarm_low_voltage", 2, 2),
        Bit("alarm_high_temperature", 2, 3),
        Bit("alarm_low_temperature", 2, 4),
        Bit("alarm_discharge_high_current", 2, 7),
        Bit("alarm_charge_high_current", 3, 0),
        Bit("alarm_internal_communication_fail", 3, 3),
        Field("modules", 4, "B"),
        Text("token", 5, 2),
    ),
    length=7,
)
#: Two bits an alarm, edge-coded: `alarms` has their meaning, so the table holds nothing but the words.
PAIRS = FrameSpec(
    0x35A,
    "pairs",
    (Field("alarm_pairs", 0, "I", marker=False), Field("warning_pairs", 4, "I", marker=False)),
)
EVENTS = FrameSpec(
    0x35B,
    "events",
    (
        Bit("soc_recalibration_started", 0, 0),
        Bit("soc_recalibration_stopped", 0, 1),
        Bit("power_limit_started", 0, 2),
        Bit("power_limit_stopped", 0, 3),
        Bit("preventive_shutdown", 0, 4),
    ),
    least=1,
)
FLAGS = FrameSpec(
    0x35C,
    "flags",
    (
        Bit("charge_enable", 0, 7),
        Bit("discharge_enable", 0, 6),
        Bit("force_charge_1", 0, 5),
        Bit("force_charge_2", 0, 4),
        Bit("full_charge_request", 0, 3),
    ),
    length=2,
    least=1,
)
NAME = FrameSpec(0x35E, "name", (Text("text", 0, 8),), least=1)
INFO = FrameSpec(
    0x35F,
    "info",
    (
        Field("type_raw", 0, "H"),
        Field("version_hi", 2, "B"),
        Field("version_lo", 3, "B"),
        Field("capacity_ah", 4, "H", unit="Ah"),
        Field("id_raw", 6, "H"),
    ),
)
#: Force charge of some DIY batteries, 0xFF in the first byte: seen in one project's source only.
REQUEST = FrameSpec(0x360, "request", (Field("force_charge_byte", 0, "B"),), least=1)
PRODUCT_1 = FrameSpec(0x370, "product_1", (Text("text", 0, 8),), least=1)
PRODUCT_2 = FrameSpec(0x371, "product_2", (Text("text", 0, 8),), least=1)
MODULES = FrameSpec(
    0x372,
    "modules",
    (
        Field("modules_ok", 0),
        Field("modules_blocking_charge", 2),
        Field("modules_blocking_discharge", 4),
        Field("modules_offline", 6),
    ),
)
CELLS = FrameSpec(
    0x373,
    "cells",
    (
        Field("min_cell_v", 0, "H", THOUSANDTH, "V"),
        Field("max_cell_v", 2, "H", THOUSANDTH, "V"),
        Field("min_cell_temp_c", 4, "H", unit="°C", base=_KELVIN),
        Field("max_cell_temp_c", 6, "H", unit="°C", base=_KELVIN),
    ),
)
MIN_VOLTAGE_CELL = FrameSpec(0x374, "min_voltage_cell", (Text("text", 0, 8),), least=1)
MAX_VOLTAGE_CELL = FrameSpec(0x375, "max_voltage_cell", (Text("text", 0, 8),), least=1)
MIN_TEMPERATURE_CELL = FrameSpec(0x376, "min_temperature_cell", (Text("text", 0, 8),), least=1)
MAX_TEMPERATURE_CELL = FrameSpec(0x377, "max_temperature_cell", (Text("text", 0, 8),), least=1)
HISTORY = FrameSpec(
    0x378,
    "history",
    (Field("charged_kwh", 0, "I", TENTH, "kWh"), Field("discharged_kwh", 4, "I", TENTH, "kWh")),
    least=4,
)
CAPACITY = FrameSpec(0x379, "capacity", (Field("installed_capacity_ah", 0, unit="Ah"),))
SERIAL_1 = FrameSpec(0x380, "serial_1", (Text("text", 0, 8),), least=1)
SERIAL_2 = FrameSpec(0x381, "serial_2", (Text("text", 0, 8),), least=1)
FAMILY_NAME = FrameSpec(0x382, "family_name", (Text("text", 0, 8),), least=1)

#: All of them by id, in the order in which a battery sends them.
BATTERY_FRAMES = {
    spec.id: spec
    for spec in (
        *(LIMITS, STATE_OF_CHARGE, MEASURED, STATUS, PAIRS, EVENTS, FLAGS, NAME, INFO, REQUEST),
        *(PRODUCT_1, PRODUCT_2, MODULES, CELLS, MIN_VOLTAGE_CELL, MAX_VOLTAGE_CELL),
        *(MIN_TEMPERATURE_CELL, MAX_TEMPERATURE_CELL, HISTORY, CAPACITY, SERIAL_1, SERIAL_2, FAMILY_NAME),
    )
}

#: How far the high-resolution state of charge may be from the whole one and still be believed, in percent.
_HIRES_WITHIN_PCT = 2.0


def history(scale_kwh: Fraction) -> FrameSpec:
    """Return 0x378 with another size of its counts: 0.1 kWh was captured, MG's guide says 0.01 kWh."""
    fields: tuple[AnyField, ...] = tuple(
        replace(field, scale=scale_kwh) if isinstance(field, Field) else field for field in HISTORY.fields
    )
    return replace(HISTORY, fields=fields)


def best_soc(soc_pct: FieldValue, soc_hires_pct: FieldValue) -> float | None:
    """Return the state of charge to believe, in percent: the fine one only where it agrees with the other.

    Pylontech's US5000 and BYD were captured sending a fine one of 0 beside a valid whole one.
    """
    if not isinstance(soc_pct, int | float):
        return None
    if isinstance(soc_hires_pct, int | float) and abs(soc_hires_pct - soc_pct) <= _HIRES_WITHIN_PCT:
        return soc_hires_pct
    return soc_pct
