"""The names of the points of a BMS towards an inverter."""

from collections.abc import Mapping

from bridge.adapters.can import paths
from bridge.datastore.values import Path

VOLTAGE, CURRENT, TEMPERATURE = paths.VOLTAGE, paths.CURRENT, paths.TEMPERATURE
SOC, SOH = paths.SOC, paths.SOH
#: Charge voltage, charge current, discharge current and discharge voltage limit.
CVL, CCL, DCL = paths.MAX_CHARGE_VOLTAGE, paths.MAX_CHARGE_CURRENT, paths.MAX_DISCHARGE_CURRENT
DVL = paths.LOW_VOLTAGE
REQUEST = paths.CHARGE_REQUEST
ALLOW_CHARGE, ALLOW_DISCHARGE = paths.ALLOW_CHARGE, paths.ALLOW_DISCHARGE
#: The path of each alarm, by its name in 0x35A.
ALARM_PATHS = paths.ALARM_PATHS
MIN_CELL, MAX_CELL = "/System/MinCellVoltage", "/System/MaxCellVoltage"

PHASE, SOURCE_PHASE, SOURCE_AGE = "/Bms/Phase", "/Bms/SourcePhase", "/Bms/SourceAge"
ENABLE, HEARTBEAT, FOREIGN = "/Bms/Enable", "/Bms/Heartbeat", "/Bms/Foreign"
INVERTER_AGE = "/Inverter/Age"

STATE, FORCE, RESTART = "/State", "/Charge/Force", "/Charge/Restart"
ABSORPTION_V, FLOAT_V = "/Settings/AbsorptionVoltage", "/Settings/FloatVoltage"
STORAGE_V, REBULK_V = "/Settings/StorageVoltage", "/Settings/RebulkVoltage"
BULK_A, TAIL_A = "/Settings/ChargeCurrentLimit", "/Settings/TailCurrent"
ABSORPTION_S, FLOAT_S = "/Settings/AbsorptionTime", "/Settings/FloatTime"

#: What an inverter must be told, and whose oldest age decides what is still sent.
NEEDED = (VOLTAGE, SOC, CVL, CCL, DCL)
#: What is told where it is known.
OPTIONAL = (SOH, CURRENT, TEMPERATURE, DVL, MIN_CELL, MAX_CELL, REQUEST)

#: The charge controller's settings and what they are called there.
SETTINGS: Mapping[Path, str] = {
    REBULK_V: "rebulk_v",
    STORAGE_V: "storage_v",
    FLOAT_V: "float_v",
    ABSORPTION_V: "absorption_v",
    BULK_A: "bulk_a",
    TAIL_A: "tail_a",
    ABSORPTION_S: "absorption_s",
    FLOAT_S: "float_s",
}
