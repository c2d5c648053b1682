"""What others put under the ids of an island's telemetry: inverters, a GX, batteries of hobbyists."""

from bridge.adapters.can.fields import decode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import GX_KEEPALIVE, ident
from bridge.adapters.can.island_frames import ISLAND_BATTERY
from bridge.adapters.sunny_island.readings import number

#: No island lives on less: it works from 41 V on (external-BMS paper). A keep-alive tells 0 V here.
_LEAST_BATTERY_V = 20.0
#: What a GX calls itself in 0x307.
_GX = "VIC"


def is_foreign(frame: CanFrame) -> bool:
    """Tell whether a frame with an id of the telemetry is none."""
    if frame == GX_KEEPALIVE or ident(frame) == _GX:
        return True
    if frame.id != ISLAND_BATTERY.id:
        return False
    volts = number(decode(ISLAND_BATTERY, frame.data) or {}, "batt_voltage_v")
    return volts is not None and volts < _LEAST_BATTERY_V
