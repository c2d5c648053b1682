"""The points behind the frames of a battery, the same for hearing one and for being one."""

from collections.abc import Mapping

from bridge.adapters.can.alarms import ALARMS
from bridge.datastore.values import Path

VOLTAGE, CURRENT, TEMPERATURE = "/Dc/0/Voltage", "/Dc/0/Current", "/Dc/0/Temperature"
SOC, SOH = "/Soc", "/Soh"
MAX_CHARGE_VOLTAGE, MAX_CHARGE_CURRENT = "/Info/MaxChargeVoltage", "/Info/MaxChargeCurrent"
MAX_DISCHARGE_CURRENT, LOW_VOLTAGE = "/Info/MaxDischargeCurrent", "/Info/BatteryLowVoltage"
CHARGE_REQUEST = "/Info/ChargeRequest"
ALLOW_CHARGE, ALLOW_DISCHARGE = "/Io/AllowToCharge", "/Io/AllowToDischarge"

#: Alarms of 0x35A (and of 0x359, by the same names) as Victron names them; ShortCircuit is our own name.
ALARM_PATHS: Mapping[str, Path] = dict(
    zip(
        ALARMS,
        (
            *("/Alarms/Alarm", "/Alarms/HighVoltage", "/Alarms/LowVoltage"),
            *("/Alarms/HighTemperature", "/Alarms/LowTemperature"),
            *("/Alarms/HighChargeTemperature", "/Alarms/LowChargeTemperature"),
            *("/Alarms/HighDischargeCurrent", "/Alarms/HighChargeCurrent"),
            *("/Alarms/Contactor", "/Alarms/ShortCircuit"),
            *("/Alarms/InternalFailure", "/Alarms/CellImbalance"),
        ),
        strict=True,
    )
)
