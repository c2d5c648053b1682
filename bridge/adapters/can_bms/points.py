"""The points of a BMS towards an inverter as they are declared. The register map is `maps/can_bms.yaml`."""

from collections.abc import Mapping

from bridge.adapters.can.counters import CAN_GROUP, CAN_SPECS
from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can_bms.battery import Battery
from bridge.adapters.can_bms.names import (
    ABSORPTION_S,
    ABSORPTION_V,
    ALARM_PATHS,
    ALLOW_CHARGE,
    ALLOW_DISCHARGE,
    BULK_A,
    CCL,
    CURRENT,
    CVL,
    DCL,
    DVL,
    ENABLE,
    FLOAT_S,
    FLOAT_V,
    FORCE,
    FOREIGN,
    HEARTBEAT,
    INVERTER_AGE,
    MAX_CELL,
    MIN_CELL,
    NEEDED,
    OPTIONAL,
    PHASE,
    REBULK_V,
    REQUEST,
    RESTART,
    SOC,
    SOH,
    SOURCE_AGE,
    SOURCE_PHASE,
    STATE,
    STORAGE_V,
    TAIL_A,
    TEMPERATURE,
    VOLTAGE,
)
from bridge.adapters.can_bms.options import BatteryOptions, CanBmsOptions
from bridge.adapters.can_bms.phases import Phase
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import Lease, PointSpec, Safe

BMS, SET, FRAMES, CHARGE, IDENTITY = "bms", "set", "frames", "charge", "identity"
#: Published every period while the channel is open; after so long without it nothing is believed.
_STALE_S = 5.0
GROUPS = (
    *(GroupSpec(name, _STALE_S) for name in (BMS, SET, FRAMES, CHARGE)),
    GroupSpec(IDENTITY, None),
    CAN_GROUP,
)
#: The unit answers and takes writes as long as there is a channel, whether or not an inverter is heard.
ALIVE_WHEN = ((BMS,),)
_SWITCH = {0: "off", 1: "on"}
_LEVELS = {0: "ok", 1: "warning", 2: "alarm"}
_UNITS: Mapping[str, str] = {
    **dict.fromkeys((VOLTAGE, CVL, DVL, MIN_CELL, MAX_CELL), "V"),
    **dict.fromkeys((CURRENT, CCL, DCL), "A"),
    **dict.fromkeys((SOC, SOH), "%"),
    TEMPERATURE: "°C",
}
_VOLTAGES = (REBULK_V, STORAGE_V, FLOAT_V, ABSORPTION_V)
_STATES = {3: "bulk", 4: "absorption", 5: "float", 6: "storage"}
_DAYS_30 = 30 * 86400.0


def frame_path(frame_id: int) -> str:
    """Return the point that shows a frame as hexadecimal text."""
    return f"/Bms/Frames/{frame_id:03X}"


def specs_of(options: CanBmsOptions, battery: Battery) -> tuple[PointSpec, ...]:
    """Return the points that a BMS of these options has."""
    release, hold = Lease(options.watchdog, Safe.RELEASE), Lease(options.watchdog, Safe.HOLD)
    set_points = []
    for path in (*NEEDED, *OPTIONAL):
        low, high = battery.range(path) or (None, None)
        choices = _SWITCH if path == REQUEST else None
        lease = hold if path == DVL else release
        set_points.append(
            PointSpec(
                path,
                _UNITS.get(path, ""),
                writable=True,
                minimum=low,
                maximum=high,
                choices=choices,
                lease=lease,
            )
        )
    return (
        *set_points,
        *(
            PointSpec(path, writable=True, choices=_SWITCH, lease=hold)
            for path in (ALLOW_CHARGE, ALLOW_DISCHARGE)
        ),
        *(PointSpec(path, writable=True, choices=_LEVELS, lease=hold) for path in ALARM_PATHS.values()),
        PointSpec(ENABLE, writable=True, choices=_SWITCH, off=0),
        PointSpec(HEARTBEAT, writable=True, minimum=0, maximum=0xFFFE, heartbeat=True),
        PointSpec(PHASE, choices={phase.value: phase.name.lower() for phase in Phase}),
        PointSpec(SOURCE_PHASE, choices={phase.value: phase.name.lower() for phase in Phase}),
        PointSpec(SOURCE_AGE, "s"),
        PointSpec(FOREIGN, choices={0: "no", 1: "yes"}),
        PointSpec(INVERTER_AGE, "s"),
        *(PointSpec(frame_path(frame_id), text=True) for frame_id in DIALECTS[options.dialect].sends),
        *(_charge_specs(options.battery) if options.charge_control is not None else ()),
        *(PointSpec(path, text=True) for path in ("/Serial", "/ProductName", "/FirmwareVersion")),
        *CAN_SPECS,
    )


def _charge_specs(battery: BatteryOptions) -> tuple[PointSpec, ...]:
    low, high = battery.lowest_v, battery.highest_v
    return (
        PointSpec(STATE, choices=_STATES),
        PointSpec(FORCE, writable=True, choices=_SWITCH),
        PointSpec(RESTART, writable=True, choices=_SWITCH, self_clearing=True),
        *(PointSpec(path, "V", writable=True, minimum=low, maximum=high) for path in _VOLTAGES),
        PointSpec(BULK_A, "A", writable=True, minimum=0, maximum=battery.charge_a),
        PointSpec(TAIL_A, "A", writable=True, minimum=0, maximum=battery.charge_a),
        PointSpec(ABSORPTION_S, "s", writable=True, minimum=60, maximum=86400),
        PointSpec(FLOAT_S, "s", writable=True, minimum=60, maximum=_DAYS_30),
    )
