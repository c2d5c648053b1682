"""The points of a battery on CAN and the groups they come in. The register map is `maps/can_battery.yaml`."""

from bridge.adapters.can.counters import CAN_GROUP, CAN_SPECS
from bridge.adapters.can.paths import (
    ALARM_PATHS,
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
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec

#: A battery sends its whole set every second; frames without which nobody should charge age quickly.
FAST_STALE_S, SLOW_STALE_S = 5.0, 30.0

LIMITS, CHARGE, MEASURED = "limits", "charge", "measured"
ALARMS, FLAGS, REQUEST, EVENTS = "alarms", "flags", "request", "events"
NAME, INFO, MODULES, CELLS = "name", "info", "modules", "cells"
HISTORY, CAPACITY, IDENTITY = "history", "capacity", "identity"
CELL_NAMES = ("min voltage cell", "max voltage cell", "min temperature cell", "max temperature cell")
STATUS, FAMILY_NAME = "status", "family name"

GROUPS = (
    *(GroupSpec(name, FAST_STALE_S) for name in (LIMITS, CHARGE, MEASURED)),
    *(
        GroupSpec(name, SLOW_STALE_S)
        for name in (
            *(ALARMS, STATUS, FLAGS, REQUEST, EVENTS, NAME, INFO, FAMILY_NAME),
            *(MODULES, CELLS, *CELL_NAMES, HISTORY, CAPACITY),
        )
    ),
    GroupSpec(IDENTITY, None),
    CAN_GROUP,
)
#: The limits, and one of the state of charge and what is measured: with less nobody can use a battery.
ALIVE_WHEN = ((LIMITS,), (CHARGE, MEASURED))

#: Who plays the inverter for the battery: 0 nobody, 1 the bridge, 2 another one, which is heard.
KEEPALIVE = "/Inverter/Keepalive"
CELL_NAME_PATHS = (
    "/System/MinVoltageCellId",
    "/System/MaxVoltageCellId",
    "/System/MinTemperatureCellId",
    "/System/MaxTemperatureCellId",
)
POINTS = (
    *(
        PointSpec(path, text=True)
        for path in ("/Serial", "/ProductName", "/FirmwareVersion", "/Manufacturer")
    ),
    *(PointSpec(path, text=True) for path in ("/Device/Chemistry", "/Device/Family")),
    PointSpec("/Device/HardwareId"),
    PointSpec(VOLTAGE, "V"),
    PointSpec(CURRENT, "A"),
    PointSpec("/Dc/0/Power", "W"),
    PointSpec(TEMPERATURE, "°C"),
    PointSpec(SOC, "%"),
    PointSpec(SOH, "%"),
    PointSpec(MAX_CHARGE_VOLTAGE, "V"),
    PointSpec(MAX_CHARGE_CURRENT, "A"),
    PointSpec(MAX_DISCHARGE_CURRENT, "A"),
    PointSpec(LOW_VOLTAGE, "V"),
    *(PointSpec(path) for path in (CHARGE_REQUEST, "/Info/FullChargeRequest", ALLOW_CHARGE, ALLOW_DISCHARGE)),
    PointSpec("/Capacity", "Ah"),
    PointSpec("/InstalledCapacity", "Ah"),
    *(PointSpec(path) for path in ALARM_PATHS.values()),
    *(
        PointSpec(f"/System/NrOfModules{name}")
        for name in ("Online", "Offline", "BlockingCharge", "BlockingDischarge")
    ),
    PointSpec("/System/MinCellVoltage", "V"),
    PointSpec("/System/MaxCellVoltage", "V"),
    PointSpec("/System/MinCellTemperature", "°C"),
    PointSpec("/System/MaxCellTemperature", "°C"),
    *(PointSpec(path, text=True) for path in CELL_NAME_PATHS),
    PointSpec("/History/ChargeCycles"),
    PointSpec("/History/ChargedEnergy", "kWh"),
    PointSpec("/History/DischargedEnergy", "kWh"),
    *(PointSpec(f"/Events/{name}") for name in ("SocRecalibration", "PowerLimit", "PreventiveShutdown")),
    PointSpec(KEEPALIVE),
    *CAN_SPECS,
)
