"""Victron DC-DC converters (Orion XS, BuckBoost): labels and registers, and the points they feed.

Source of the labels: VE.Direct Protocol 3.33 and captures of an Orion XS. No document tells its registers:
those here are the generic ones and the chargers'. What a unit does not know is dropped after its first
answer.
"""

from bridge.adapters.vedirect import every_product as every
from bridge.adapters.vedirect.alarms import error_alarms
from bridge.adapters.vedirect.every_product import FAST_S, LIVE_S, SLOW_S, measured
from bridge.adapters.vedirect.product import Product, TextField, hexadecimal, number
from bridge.adapters.vedirect.register import Register, celsius, device_mode
from bridge.adapters.vedirect.set_points import SetPoint, SetPointControl
from bridge.datastore.spec import PointSpec

MODE = "/Mode"
ON, OFF = 1, 4

_MODE = Register(0x0200, MODE, "u8", poll_s=FAST_S, convert=device_mode)

_TEXT = (
    TextField("V", number("/Dc/0/Voltage", 1000)),
    TextField("I", number("/Dc/0/Current", 1000)),
    TextField("P", number("/Dc/0/Power")),
    TextField("T", number("/Dc/0/Temperature")),
    TextField("DC_IN_V", number("/Dc/In/V", 100)),
    TextField("DC_IN_I", number("/Dc/In/I", 10)),
    TextField("DC_IN_P", number("/Dc/In/P")),
    TextField("CS", number("/State")),
    TextField("MODE", number(MODE), reports=_MODE),
    TextField("OR", hexadecimal("/DeviceOffReason")),
    TextField("ERR", number("/ErrorCode")),
)

_REGISTERS = (
    _MODE,
    *every.REGISTERS,
    Register(0x0201, "/State", "u8", poll_s=LIVE_S, stand_in=True),
    Register(0xED8D, "/Dc/0/Voltage", "s16", 100, poll_s=LIVE_S, stand_in=True),
    Register(0xED8F, "/Dc/0/Current", "s16", 10, poll_s=LIVE_S, stand_in=True, fallback_for=0xED8C),
    Register(0xED8C, "/Dc/0/Current", "s32", 1000, poll_s=LIVE_S, stand_in=True),
    Register(0xED8E, "/Dc/0/Power", "s16", poll_s=LIVE_S, stand_in=True),
    Register(0xEDDA, "/ErrorCode", "u8", poll_s=LIVE_S, stand_in=True),
    Register(0x0207, "/DeviceOffReason", "u32", poll_s=FAST_S, stand_in=True),
    Register(0xEDEC, "/Dc/0/Temperature", "u16", poll_s=FAST_S, stand_in=True, convert=celsius),
    Register(0xEDDB, "/Device/InternalTemperature", "s16", 100, poll_s=SLOW_S),
)

_POINTS = (
    PointSpec(
        MODE, writable=True, choices={ON: "on", OFF: "off"}, accept={0: OFF}, off=OFF, after_restart=True
    ),
    *measured(
        ("/Dc/0/Voltage", "V"),
        ("/Dc/0/Current", "A"),
        ("/Dc/0/Power", "W"),
        ("/Dc/0/Temperature", "°C"),
        ("/Dc/In/V", "V"),
        ("/Dc/In/I", "A"),
        ("/Dc/In/P", "W"),
        ("/State", ""),
        ("/ErrorCode", ""),
        ("/Alarms/HighVoltage", ""),
        ("/Alarms/HighTemperature", ""),
        ("/DeviceOffReason", ""),
        ("/Device/InternalTemperature", "°C"),
    ),
    *every.POINTS,
)

DCDC = Product(
    name="dcdc",
    text=_TEXT,
    registers=_REGISTERS,
    points=_POINTS,
    mode=_MODE,
    uptime=every.UPTIME,
    control=lambda device, _: SetPointControl(device, (SetPoint(MODE, _MODE),)),
    derive=error_alarms,
)
