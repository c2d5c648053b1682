"""Victron AC chargers (Blue Smart IP22 and IP65): labels and registers, and the points they feed.

No Victron document covers the Blue Smart IP22: ids come from a serial capture of one and from the MPPT
document, whose charger registers it shares. Registers a unit does not know are dropped after its first
answer. The points stand in Modbus as `maps/bluesmart_charger.yaml` says.
"""

from bridge.adapters.vedirect import every_product as every
from bridge.adapters.vedirect.alarms import error_alarms
from bridge.adapters.vedirect.charging import LIMIT, LIMIT_MAX, LIMIT_MIN, MODE, OFF, ON, ChargerControl
from bridge.adapters.vedirect.every_product import FAST_S, LIVE_S, RARE_S, SLOW_S
from bridge.adapters.vedirect.link_control import (
    LINK_CURRENT_REGISTER,
    LINK_MODE_REGISTER,
    LinkControl,
    link_current_spec,
)
from bridge.adapters.vedirect.product import Product, TextField, number, switch
from bridge.adapters.vedirect.register import Register, celsius
from bridge.datastore.spec import PointSpec

_MODE = Register(0x0200, MODE, "u8", poll_s=FAST_S)
_LIMIT = Register(0xEDF0, LIMIT, "u16", 10, poll_s=FAST_S)
_LIMIT_MAX = Register(0xEDDF, LIMIT_MAX, "u16", 10, poll_s=RARE_S)

_TEXT = (
    TextField("V", number("/Dc/0/Voltage", 1000)),
    TextField("I", number("/Dc/0/Current", 1000)),
    TextField("T", number("/Dc/0/Temperature")),
    TextField("CS", number("/State")),
    TextField("ERR", number("/ErrorCode")),
    TextField("Relay", switch("/Relay/0/State")),
    TextField("V2", number("/Dc/1/Voltage", 1000)),
    TextField("I2", number("/Dc/1/Current", 1000)),
    TextField("V3", number("/Dc/2/Voltage", 1000)),
    TextField("I3", number("/Dc/2/Current", 1000)),
    TextField("MODE", number(MODE), reports=_MODE),
)

_REGISTERS = (
    _MODE,
    _LIMIT,
    _LIMIT_MAX,
    *every.REGISTERS,
    Register(0x0201, "/State", "u8", poll_s=LIVE_S, stand_in=True),
    Register(0x0207, "/DeviceOffReason", "u32", poll_s=SLOW_S),
    Register(0xED8D, "/Dc/0/Voltage", "s16", 100, poll_s=LIVE_S, stand_in=True),
    Register(0xEDD5, "/Dc/0/Voltage", "u16", 100, poll_s=LIVE_S, stand_in=True, fallback_for=0xED8D),
    Register(0xED8C, "/Dc/0/Current", "s32", 1000, poll_s=LIVE_S, stand_in=True),
    Register(0xED8F, "/Dc/0/Current", "s16", 10, poll_s=LIVE_S, stand_in=True, fallback_for=0xED8C),
    Register(0xEDDA, "/ErrorCode", "u8", poll_s=LIVE_S, stand_in=True),
    Register(0xEDEC, "/Dc/0/Temperature", "u16", poll_s=FAST_S, stand_in=True, convert=celsius),
    Register(0xEDDB, "/Device/InternalTemperature", "s16", 100, poll_s=SLOW_S),
    Register(0xEDF7, "/Settings/AbsorptionVoltage", "u16", 100, poll_s=RARE_S),
    Register(0xEDF6, "/Settings/FloatVoltage", "u16", 100, poll_s=RARE_S),
    Register(0xEDF5, "/Settings/StorageVoltage", "u16", 100, poll_s=RARE_S),
    Register(0xEDF1, "/Settings/BatteryType", "e8", poll_s=RARE_S),
    LINK_MODE_REGISTER,
    LINK_CURRENT_REGISTER,
    Register(0x2009, "/Device/RemoteError", "u8", poll_s=RARE_S),
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
            ("/Device/NetworkMode", ""),
            ("/Device/RemoteError", ""),
            ("/Dc/1/Voltage", "V"),
            ("/Dc/1/Current", "A"),
            ("/Dc/2/Voltage", "V"),
            ("/Dc/2/Current", "A"),
        )
    ),
    *every.POINTS,
)

AC_CHARGER = Product(
    name="ac_charger",
    text=_TEXT,
    registers=_REGISTERS,
    points=_POINTS,
    mode=_MODE,
    uptime=every.UPTIME,
    control=lambda device, clock: ChargerControl(
        device, _MODE, _LIMIT, _LIMIT_MAX, LinkControl(device, clock)
    ),
    derive=error_alarms,
)
