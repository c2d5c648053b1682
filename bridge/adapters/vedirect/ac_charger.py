"""Victron AC chargers (Blue Smart IP22 and IP65): labels and registers, and the points they feed.

No Victron document covers the Blue Smart IP22: ids come from a serial capture of one and from the MPPT
document, whose charger registers it shares. Registers a unit does not know are dropped after its first
answer. The points stand in Modbus as `maps/bluesmart_charger.yaml` says.
"""

from collections.abc import Mapping

from bridge.adapters.vedirect.charging import LIMIT, LIMIT_MAX, LIMIT_MIN, MODE, OFF, ON, ChargerControl
from bridge.adapters.vedirect.link_control import (
    LINK_CURRENT_REGISTER,
    LINK_MODE_REGISTER,
    LinkControl,
    link_current_spec,
)
from bridge.adapters.vedirect.product import Product, TextField, number, switch
from bridge.adapters.vedirect.register import Register
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Path, Value

#: Error numbers that are an alarm of their own on a Victron charger.
_ERROR_HIGH_VOLTAGE = 2
_ERRORS_HOT = frozenset({17, 26})

_FAST_S, _SLOW_S, _RARE_S = 5.0, 10.0, 60.0


def _error(text: str) -> Mapping[Path, Value | None]:
    """ERR: the number itself and the alarms it stands for (0 none, 2 alarm)."""
    try:
        code = int(text)
    except ValueError:
        return {"/ErrorCode": None, "/Alarms/HighVoltage": None, "/Alarms/HighTemperature": None}
    return {
        "/ErrorCode": code,
        "/Alarms/HighVoltage": 2 if code == _ERROR_HIGH_VOLTAGE else 0,
        "/Alarms/HighTemperature": 2 if code in _ERRORS_HOT else 0,
    }


_TEXT = (
    TextField("V", number("/Dc/0/Voltage", 1000)),
    TextField("I", number("/Dc/0/Current", 1000)),
    TextField("T", number("/Dc/0/Temperature")),
    TextField("CS", number("/State")),
    TextField("ERR", _error),
    TextField("Relay", switch("/Relay/0/State")),
)

_MODE = Register(0x0200, MODE, "u8", poll_s=_FAST_S)
_LIMIT = Register(0xEDF0, LIMIT, "u16", 10, poll_s=_FAST_S)
_LIMIT_MAX = Register(0xEDDF, LIMIT_MAX, "u16", 10, poll_s=_RARE_S)
_UPTIME = Register(0x0120, "/Device/Uptime", "u32", poll_s=_SLOW_S)

_REGISTERS = (
    _MODE,
    _LIMIT,
    _LIMIT_MAX,
    _UPTIME,
    Register(0x0201, "/State", "u8"),
    Register(0x0207, "/DeviceOffReason", "u32", poll_s=_SLOW_S),
    Register(0xED8D, "/Dc/0/Voltage", "s16", 100),
    Register(0xED8C, "/Dc/0/Current", "s32", 1000),
    Register(0xEDDB, "/Device/InternalTemperature", "s16", 100, poll_s=_SLOW_S),
    Register(0xEDF7, "/Settings/AbsorptionVoltage", "u16", 100, poll_s=_RARE_S),
    Register(0xEDF6, "/Settings/FloatVoltage", "u16", 100, poll_s=_RARE_S),
    Register(0xEDF5, "/Settings/StorageVoltage", "u16", 100, poll_s=_RARE_S),
    Register(0xEDF1, "/Settings/BatteryType", "e8", poll_s=_RARE_S),
    LINK_MODE_REGISTER,
    LINK_CURRENT_REGISTER,
    Register(0x2009, "/Device/RemoteError", "u8", poll_s=_RARE_S),
    Register(0x010B, "/ProductName", "text", once=True),
)

_POINTS = (
    PointSpec(
        MODE,
        writable=True,
        choices={ON: "on", OFF: "off"},
        accept={0: OFF},
        off=OFF,
        after_restart=True,
    ),
    PointSpec(
        LIMIT,
        "A",
        writable=True,
        minimum=0.0,
        maximum_from=LIMIT_MAX,
        step=0.1,
        nonvolatile=True,
        off=0,
        after_restart=True,
    ),
    link_current_spec(LIMIT_MAX),
    *(
        PointSpec(path, unit)
        for path, unit in (
            ("/Dc/0/Voltage", "V"),
            ("/Dc/0/Current", "A"),
            ("/Dc/0/Temperature", "°C"),
            ("/State", ""),
            ("/ErrorCode", ""),
            ("/Alarms/HighVoltage", ""),
            ("/Alarms/HighTemperature", ""),
            ("/Relay/0/State", ""),
            (LIMIT_MIN, "A"),
            (LIMIT_MAX, "A"),
            ("/Settings/AbsorptionVoltage", "V"),
            ("/Settings/FloatVoltage", "V"),
            ("/Settings/StorageVoltage", "V"),
            ("/Settings/BatteryType", ""),
            ("/DeviceOffReason", ""),
            ("/Device/InternalTemperature", "°C"),
            ("/Device/Uptime", "s"),
            ("/Device/NetworkMode", ""),
            ("/Device/RemoteError", ""),
            ("/ProductId", ""),
            ("/Line/TextBlocks", ""),
            ("/Line/HexFrames", ""),
            ("/Line/TextErrors", ""),
            ("/Line/HexErrors", ""),
            ("/Line/FramingReplies", ""),
        )
    ),
    *(PointSpec(path, text=True) for path in ("/Serial", "/ProductName", "/FirmwareVersion")),
)

AC_CHARGER = Product(
    name="ac_charger",
    text=_TEXT,
    registers=_REGISTERS,
    points=_POINTS,
    mode=_MODE,
    uptime=_UPTIME,
    control=lambda device, clock: ChargerControl(
        device, _MODE, _LIMIT, _LIMIT_MAX, LinkControl(device, clock)
    ),
)
