"""Victron MPPT solar chargers: labels and registers, and the points they feed.

Sources: VE.Direct Protocol 3.33; VE.Direct Protocol BlueSolar and SmartSolar MPPT, revision 18. Firmware up
to 1.52 stops its text while HEX is spoken, so every label has a register that stands in for it.
"""

from bridge.adapters.vedirect import every_product as every
from bridge.adapters.vedirect.alarms import error_alarms
from bridge.adapters.vedirect.charging import LIMIT, LIMIT_MAX, LIMIT_MIN, MODE, OFF, ON
from bridge.adapters.vedirect.every_product import FAST_S, LIVE_S, RARE_S, SETTING_S, SLOW_S, measured
from bridge.adapters.vedirect.link_control import (
    LINK_CURRENT_REGISTER,
    LINK_MODE_REGISTER,
    link_current_spec,
)
from bridge.adapters.vedirect.product import Product, TextField, hexadecimal, number, switch
from bridge.adapters.vedirect.register import Register, celsius, low_nibble, seconds, seconds_of_hours
from bridge.adapters.vedirect.set_points import SetPoint
from bridge.adapters.vedirect.solar_control import REMOTE_CONTROL, SolarControl
from bridge.datastore.spec import PointSpec

LOAD = "/Load/State"
#: Load control 0xEDAB, lower nibble: always off, always on. Others follow the battery or the day.
_LOAD_OFF, _LOAD_ON, _LOAD_MASK = 0, 4, 0x0F

_MODE = Register(0x0200, MODE, "u8", poll_s=FAST_S)
_LIMIT = Register(0xEDF0, LIMIT, "u16", 10, poll_s=FAST_S)
_LIMIT_MAX = Register(0xEDDF, LIMIT_MAX, "u16", 10, poll_s=RARE_S)
_LOAD_CONTROL = Register(0xEDAB, "/Settings/LoadControl", "u8", poll_s=SLOW_S, convert=low_nibble)
_LOAD_STATE = Register(0xEDA8, LOAD, "u8", poll_s=LIVE_S, stand_in=True)

_TEXT = (
    TextField("V", number("/Dc/0/Voltage", 1000)),
    TextField("I", number("/Dc/0/Current", 1000)),
    TextField("VPV", number("/Pv/V", 1000)),
    TextField("PPV", number("/Yield/Power")),
    TextField("CS", number("/State")),
    TextField("MPPT", number("/MppOperationMode")),
    TextField("OR", hexadecimal("/DeviceOffReason")),
    TextField("ERR", number("/ErrorCode")),
    TextField("LOAD", switch(LOAD)),
    TextField("IL", number("/Load/I", 1000)),
    TextField("Relay", switch("/Relay/0/State")),
    TextField("H19", number("/Yield/User", 100)),
    TextField("H20", number("/History/Daily/0/Yield", 100)),
    TextField("H21", number("/History/Daily/0/MaxPower")),
    TextField("H22", number("/History/Daily/1/Yield", 100)),
    TextField("H23", number("/History/Daily/1/MaxPower")),
    TextField("HSDS", number("/History/DaySequence")),
)


def _live(register: int, path: str, kind: str, scale: int = 1, poll_s: float = LIVE_S) -> Register:
    """A measurement that text brings, where there is text."""
    return Register(register, path, kind, scale, poll_s=poll_s, stand_in=True)


def _setting(register: int, path: str, kind: str = "u16", scale: int = 1) -> Register:
    return Register(register, path, kind, scale, poll_s=SETTING_S)


_REGISTERS = (
    _MODE,
    _LIMIT,
    _LIMIT_MAX,
    *every.REGISTERS,
    _live(0x0201, "/State", "u8"),
    _live(0xEDD5, "/Dc/0/Voltage", "u16", 100),
    Register(0xED8D, "/Dc/0/Voltage", "s16", 100, poll_s=LIVE_S, stand_in=True, fallback_for=0xEDD5),
    _live(0xED8C, "/Dc/0/Current", "s32", 1000),
    Register(0xED8F, "/Dc/0/Current", "s16", 10, poll_s=LIVE_S, stand_in=True, fallback_for=0xED8C),
    _live(0xEDBB, "/Pv/V", "u16", 100),
    _live(0xEDBC, "/Yield/Power", "u32", 100),
    _live(0xEDB3, "/MppOperationMode", "u8"),
    _live(0xEDDA, "/ErrorCode", "u8"),
    _LOAD_STATE,
    _live(0xEDAD, "/Load/I", "u16", 10),
    _live(0x0207, "/DeviceOffReason", "u32", 1, FAST_S),
    Register(0x0205, "/DeviceOffReason", "u8", poll_s=FAST_S, stand_in=True, fallback_for=0x0207),
    _live(0xEDDC, "/Yield/User", "u32", 100, SLOW_S),
    _live(0xEDD3, "/History/Daily/0/Yield", "u16", 100, SLOW_S),
    _live(0xEDD2, "/History/Daily/0/MaxPower", "u16", 1, SLOW_S),
    _live(0xEDD1, "/History/Daily/1/Yield", "u16", 100, RARE_S),
    _live(0xEDD0, "/History/Daily/1/MaxPower", "u16", 1, RARE_S),
    Register(0xEDBD, "/Pv/I", "u16", 10, poll_s=FAST_S),
    Register(0xEDD7, "/Device/OutputCurrent", "u16", 10, poll_s=FAST_S),
    Register(0xEDEC, "/Dc/0/Temperature", "u16", poll_s=SLOW_S, convert=celsius),
    Register(0xEDDB, "/Device/InternalTemperature", "s16", 100, poll_s=SLOW_S),
    Register(0xEDDD, "/Yield/System", "u32", 100, poll_s=RARE_S),
    Register(0xEDA9, "/Load/V", "u16", 100, poll_s=FAST_S),
    _LOAD_CONTROL,
    LINK_MODE_REGISTER,
    LINK_CURRENT_REGISTER,
    Register(0x200D, "/Device/NetworkInfo", "e8", poll_s=RARE_S),
    Register(0x200F, "/Device/NetworkStatus", "u8", poll_s=RARE_S),
    Register(0x2009, "/Device/RemoteError", "u8", poll_s=RARE_S),
    _setting(0xEDF7, "/Settings/AbsorptionVoltage", "u16", 100),
    _setting(0xEDF6, "/Settings/FloatVoltage", "u16", 100),
    _setting(0xEDF5, "/Settings/StorageVoltage", "u16", 100),
    _setting(0xEDF4, "/Settings/EqualisationVoltage", "u16", 100),
    _setting(0xEDF2, "/Settings/TemperatureCompensation", "s16", 100),
    _setting(0xEDF1, "/Settings/BatteryType", "e8"),
    _setting(0xEDEF, "/Settings/SystemVoltage", "u8"),
    _setting(0xEDEA, "/Settings/SystemVoltageSetting", "u8"),
    Register(0xEDFB, "/Settings/AbsorptionTime", "u16", poll_s=SETTING_S, convert=seconds_of_hours),
    Register(0xEDFC, "/Settings/BulkTime", "u16", poll_s=SETTING_S, convert=seconds_of_hours),
    _setting(0xEDFD, "/Settings/EqualisationDays", "u8"),
    _setting(0xEDFE, "/Settings/AdaptiveMode", "u8"),
    _setting(0xEDE8, "/Settings/BmsPresent", "u8"),
    _setting(0xEDE7, "/Settings/TailCurrent", "u16", 10),
    _setting(0xEDE6, "/Settings/LowTemperatureChargeCurrent", "u16", 10),
    _setting(0xEDE0, "/Settings/LowTemperatureLevel", "s16", 100),
    _setting(0xED9D, "/Settings/LoadSwitchHigh", "u16", 100),
    _setting(0xED9C, "/Settings/LoadSwitchLow", "u16", 100),
    _setting(0xEDD9, "/Settings/RelayMode", "u8"),
    _setting(0x0350, "/Settings/RelayLowVoltage", "u16", 100),
    _setting(0x0351, "/Settings/RelayLowVoltageClear", "u16", 100),
    _setting(0x0352, "/Settings/RelayHighVoltage", "u16", 100),
    _setting(0x0353, "/Settings/RelayHighVoltageClear", "u16", 100),
    _setting(0xEDBA, "/Settings/RelayPanelHighVoltage", "u16", 100),
    _setting(0xEDB9, "/Settings/RelayPanelHighVoltageClear", "u16", 100),
    Register(0x100A, "/Settings/RelayMinimumTime", "u16", poll_s=SETTING_S, convert=seconds),
)

_POINTS = (
    PointSpec(
        MODE, writable=True, choices={ON: "on", OFF: "off"}, accept={0: OFF}, off=OFF, after_restart=True
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
    PointSpec(LOAD, writable=True, choices={0: "off", 1: "on"}, off=0, nonvolatile=True),
    *measured(
        ("/Dc/0/Voltage", "V"),
        ("/Dc/0/Current", "A"),
        ("/Dc/0/Temperature", "°C"),
        ("/Pv/V", "V"),
        ("/Pv/I", "A"),
        ("/Yield/Power", "W"),
        ("/Yield/User", "kWh"),
        ("/Yield/System", "kWh"),
        ("/History/Daily/0/Yield", "kWh"),
        ("/History/Daily/0/MaxPower", "W"),
        ("/History/Daily/1/Yield", "kWh"),
        ("/History/Daily/1/MaxPower", "W"),
        ("/History/DaySequence", ""),
        ("/State", ""),
        ("/ErrorCode", ""),
        ("/Alarms/HighVoltage", ""),
        ("/Alarms/HighTemperature", ""),
        ("/MppOperationMode", ""),
        ("/DeviceOffReason", ""),
        ("/Load/I", "A"),
        ("/Load/V", "V"),
        ("/Relay/0/State", ""),
        (LIMIT_MIN, "A"),
        (LIMIT_MAX, "A"),
        ("/Device/OutputCurrent", "A"),
        ("/Device/InternalTemperature", "°C"),
        ("/Device/NetworkMode", ""),
        ("/Device/NetworkInfo", ""),
        ("/Device/NetworkStatus", ""),
        ("/Device/RemoteError", ""),
        ("/Settings/LoadControl", ""),
        ("/Settings/LoadSwitchHigh", "V"),
        ("/Settings/LoadSwitchLow", "V"),
        ("/Settings/AbsorptionVoltage", "V"),
        ("/Settings/FloatVoltage", "V"),
        ("/Settings/StorageVoltage", "V"),
        ("/Settings/EqualisationVoltage", "V"),
        ("/Settings/TemperatureCompensation", "mV/K"),
        ("/Settings/BatteryType", ""),
        ("/Settings/SystemVoltage", "V"),
        ("/Settings/SystemVoltageSetting", "V"),
        ("/Settings/AbsorptionTime", "s"),
        ("/Settings/BulkTime", "s"),
        ("/Settings/EqualisationDays", "d"),
        ("/Settings/AdaptiveMode", ""),
        ("/Settings/BmsPresent", ""),
        ("/Settings/TailCurrent", "A"),
        ("/Settings/LowTemperatureChargeCurrent", "A"),
        ("/Settings/LowTemperatureLevel", "°C"),
        ("/Settings/RelayMode", ""),
        ("/Settings/RelayLowVoltage", "V"),
        ("/Settings/RelayLowVoltageClear", "V"),
        ("/Settings/RelayHighVoltage", "V"),
        ("/Settings/RelayHighVoltageClear", "V"),
        ("/Settings/RelayPanelHighVoltage", "V"),
        ("/Settings/RelayPanelHighVoltageClear", "V"),
        ("/Settings/RelayMinimumTime", "s"),
    ),
    *every.POINTS,
)

_LOAD_POINT = SetPoint(
    LOAD, _LOAD_CONTROL, {0: _LOAD_OFF, 1: _LOAD_ON}, stored=True, shown=_LOAD_STATE, mask=_LOAD_MASK
)

SOLAR_CHARGER = Product(
    name="solar_charger",
    text=_TEXT,
    registers=_REGISTERS,
    points=_POINTS,
    mode=_MODE,
    uptime=every.UPTIME,
    control=lambda device, clock: SolarControl(device, clock, _MODE, _LIMIT, _LIMIT_MAX, _LOAD_POINT),
    written=(REMOTE_CONTROL,),
    derive=error_alarms,
)
