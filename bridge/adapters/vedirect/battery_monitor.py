"""Victron BMV and SmartShunt battery monitors: labels and registers, and the points they feed.

Sources: VE.Direct Protocol 3.33; BMV700 Series Hex Protocol, revision 7. They send two text blocks, the
second without product id; old firmware stops both while HEX is spoken, so every label has a register that
stands in for it. All settings, and the relay's state, are kept in flash. Synchronising and zeroing act each
time they are heard, so they are sent once and never again.
"""

from bridge.adapters.vedirect import every_product as every
from bridge.adapters.vedirect.alarms import ALARM, MONITOR_BITS, REASON, alarms_of
from bridge.adapters.vedirect.every_product import FAST_S, LIVE_S, RARE_S, SETTING_S, SLOW_S, measured
from bridge.adapters.vedirect.product import Product, TextField, minutes, number, switch
from bridge.adapters.vedirect.register import Register, celsius, seconds
from bridge.adapters.vedirect.set_points import Action, Condition, SetPoint, SetPointControl
from bridge.datastore.spec import PointSpec

RELAY = "/Relay/0/State"
_ALARM = "/Alarms/Alarm"
SYNCHRONISE, ZERO_CURRENT = "/Actions/SynchroniseSoc", "/Actions/ZeroCurrent"
#: Label TTG: nothing is drawn, so there is no end.
_INFINITE = -1

_RELAY = Register(0x034E, RELAY, "u8", poll_s=FAST_S)
_RELAY_MODE = Register(0x034F, "/Settings/RelayMode", "u8", poll_s=RARE_S)

_TEXT = (
    TextField("V", number("/Dc/0/Voltage", 1000)),
    TextField("VS", number("/Dc/1/Voltage", 1000)),
    TextField("VM", number("/Dc/0/MidVoltage", 1000)),
    TextField("DM", number("/Dc/0/MidVoltageDeviation", 10)),
    TextField("I", number("/Dc/0/Current", 1000)),
    TextField("T", number("/Dc/0/Temperature")),
    TextField("P", number("/Dc/0/Power")),
    TextField("CE", number("/ConsumedAmphours", 1000)),
    TextField("SOC", number("/Soc", 10)),
    TextField("TTG", minutes("/TimeToGo", absent=_INFINITE)),
    TextField("Alarm", switch(_ALARM, ALARM)),
    TextField("Relay", switch(RELAY)),
    TextField("AR", number(REASON)),
    TextField("MON", number("/Settings/MonitorMode")),
    TextField("H1", number("/History/DeepestDischarge", 1000)),
    TextField("H2", number("/History/LastDischarge", 1000)),
    TextField("H3", number("/History/AverageDischarge", 1000)),
    TextField("H4", number("/History/ChargeCycles")),
    TextField("H5", number("/History/FullDischarges")),
    TextField("H6", number("/History/TotalAhDrawn", 1000)),
    TextField("H7", number("/History/MinimumVoltage", 1000)),
    TextField("H8", number("/History/MaximumVoltage", 1000)),
    TextField("H9", number("/History/TimeSinceLastFullCharge")),
    TextField("H10", number("/History/AutomaticSyncs")),
    TextField("H11", number("/History/LowVoltageAlarms")),
    TextField("H12", number("/History/HighVoltageAlarms")),
    TextField("H13", number("/History/LowStarterVoltageAlarms")),
    TextField("H14", number("/History/HighStarterVoltageAlarms")),
    TextField("H15", number("/History/MinimumStarterVoltage", 1000)),
    TextField("H16", number("/History/MaximumStarterVoltage", 1000)),
    TextField("H17", number("/History/DischargedEnergy", 100)),
    TextField("H18", number("/History/ChargedEnergy", 100)),
)


def _live(register: int, path: str, kind: str, scale: int = 1, poll_s: float = LIVE_S) -> Register:
    """A measurement that text brings, where there is text."""
    return Register(register, path, kind, scale, poll_s=poll_s, stand_in=True)


def _history(register: int, path: str, kind: str = "u32", scale: int = 1) -> Register:
    return Register(register, path, kind, scale, poll_s=SLOW_S, stand_in=True)


def _setting(register: int, path: str, kind: str = "u16", scale: int = 1) -> Register:
    return Register(register, path, kind, scale, poll_s=SETTING_S)


_REGISTERS = (
    *every.REGISTERS,
    _live(0xED8D, "/Dc/0/Voltage", "s16", 100),
    Register(0xED8F, "/Dc/0/Current", "s16", 10, poll_s=LIVE_S, stand_in=True, fallback_for=0xED8C),
    _live(0xED8C, "/Dc/0/Current", "s32", 1000),
    _live(0xED8E, "/Dc/0/Power", "s16"),
    _live(0x0FFF, "/Soc", "u16", 100),
    Register(0x0FFE, "/TimeToGo", "u16", poll_s=FAST_S, stand_in=True, convert=seconds),
    _live(0xEEFF, "/ConsumedAmphours", "s32", 10, FAST_S),
    _live(0xED7D, "/Dc/1/Voltage", "s16", 100, FAST_S),
    _live(0x0382, "/Dc/0/MidVoltage", "u16", 100, FAST_S),
    _live(0x0383, "/Dc/0/MidVoltageDeviation", "s16", 10, FAST_S),
    Register(0xEDEC, "/Dc/0/Temperature", "u16", poll_s=FAST_S, stand_in=True, convert=celsius),
    _live(0x031E, REASON, "u16"),
    _RELAY,
    _RELAY_MODE,
    _setting(0x034D, "/Settings/RelayInverted", "u8"),
    Register(0xEEB6, "/SynchronisationState", "u8", poll_s=SLOW_S),
    Register(0xEEB8, "/Settings/MonitorMode", "s16", poll_s=SETTING_S, stand_in=True),
    _history(0x0300, "/History/DeepestDischarge", "s32", 10),
    _history(0x0301, "/History/LastDischarge", "s32", 10),
    _history(0x0302, "/History/AverageDischarge", "s32", 10),
    _history(0x0303, "/History/ChargeCycles"),
    _history(0x0304, "/History/FullDischarges"),
    _history(0x0305, "/History/TotalAhDrawn", "s32", 10),
    _history(0x0306, "/History/MinimumVoltage", "s32", 100),
    _history(0x0307, "/History/MaximumVoltage", "s32", 100),
    _history(0x0308, "/History/TimeSinceLastFullCharge"),
    _history(0x0309, "/History/AutomaticSyncs"),
    _history(0x030A, "/History/LowVoltageAlarms"),
    _history(0x030B, "/History/HighVoltageAlarms"),
    _history(0x030C, "/History/LowStarterVoltageAlarms"),
    _history(0x030D, "/History/HighStarterVoltageAlarms"),
    _history(0x030E, "/History/MinimumStarterVoltage", "s32", 100),
    _history(0x030F, "/History/MaximumStarterVoltage", "s32", 100),
    _history(0x0310, "/History/DischargedEnergy", "u32", 100),
    _history(0x0311, "/History/ChargedEnergy", "u32", 100),
    _setting(0x1000, "/Settings/Capacity"),
    _setting(0x1001, "/Settings/ChargedVoltage", "u16", 10),
    _setting(0x1002, "/Settings/TailCurrent", "u16", 10),
    Register(0x1003, "/Settings/ChargedDetectionTime", "u16", poll_s=SETTING_S, convert=seconds),
    _setting(0x1004, "/Settings/ChargeEfficiency"),
    _setting(0x1005, "/Settings/PeukertExponent", "u16", 100),
    _setting(0x1006, "/Settings/CurrentThreshold", "u16", 100),
    _setting(0x1008, "/Settings/DischargeFloor", "u16", 10),
)

_POINTS = (
    PointSpec(RELAY, writable=True, choices={0: "open", 1: "closed"}, off=0, nonvolatile=True),
    PointSpec(SYNCHRONISE, writable=True, choices={1: "synchronise"}, self_clearing=True),
    PointSpec(ZERO_CURRENT, writable=True, choices={1: "zero"}, self_clearing=True),
    *measured(
        ("/Dc/0/Voltage", "V"),
        ("/Dc/1/Voltage", "V"),
        ("/Dc/0/MidVoltage", "V"),
        ("/Dc/0/MidVoltageDeviation", "%"),
        ("/Dc/0/Current", "A"),
        ("/Dc/0/Power", "W"),
        ("/Dc/0/Temperature", "°C"),
        ("/Soc", "%"),
        ("/TimeToGo", "s"),
        ("/ConsumedAmphours", "Ah"),
        ("/SynchronisationState", ""),
        (REASON, ""),
        (_ALARM, ""),
        *((path, "") for path in MONITOR_BITS.values()),
        ("/History/DeepestDischarge", "Ah"),
        ("/History/LastDischarge", "Ah"),
        ("/History/AverageDischarge", "Ah"),
        ("/History/ChargeCycles", ""),
        ("/History/FullDischarges", ""),
        ("/History/TotalAhDrawn", "Ah"),
        ("/History/MinimumVoltage", "V"),
        ("/History/MaximumVoltage", "V"),
        ("/History/TimeSinceLastFullCharge", "s"),
        ("/History/AutomaticSyncs", ""),
        ("/History/LowVoltageAlarms", ""),
        ("/History/HighVoltageAlarms", ""),
        ("/History/LowStarterVoltageAlarms", ""),
        ("/History/HighStarterVoltageAlarms", ""),
        ("/History/MinimumStarterVoltage", "V"),
        ("/History/MaximumStarterVoltage", "V"),
        ("/History/DischargedEnergy", "kWh"),
        ("/History/ChargedEnergy", "kWh"),
        ("/Settings/MonitorMode", ""),
        ("/Settings/RelayMode", ""),
        ("/Settings/RelayInverted", ""),
        ("/Settings/Capacity", "Ah"),
        ("/Settings/ChargedVoltage", "V"),
        ("/Settings/TailCurrent", "%"),
        ("/Settings/ChargedDetectionTime", "s"),
        ("/Settings/ChargeEfficiency", "%"),
        ("/Settings/PeukertExponent", ""),
        ("/Settings/CurrentThreshold", "A"),
        ("/Settings/DischargeFloor", "%"),
    ),
    *every.POINTS,
)

_SET_POINTS = (
    SetPoint(
        RELAY,
        _RELAY,
        stored=True,
        condition=Condition(_RELAY_MODE, 2, "set the relay's function to remote in VictronConnect"),
    ),
)
_ACTIONS = (
    Action(SYNCHRONISE, Register(0x102C, SYNCHRONISE, "u8")),
    Action(ZERO_CURRENT, Register(0x1029, ZERO_CURRENT, "u8")),
)

BATTERY_MONITOR = Product(
    name="battery_monitor",
    text=_TEXT,
    registers=_REGISTERS,
    points=_POINTS,
    mode=None,
    uptime=every.UPTIME,
    control=lambda device, _: SetPointControl(device, _SET_POINTS, _ACTIONS),
    written=tuple(action.register for action in _ACTIONS),
    derive=alarms_of(MONITOR_BITS, _ALARM),
)
