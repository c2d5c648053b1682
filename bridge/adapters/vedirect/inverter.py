"""Victron Phoenix inverters: labels and registers, and the points they feed.

Sources: VE.Direct Protocol 3.33; VE.Direct Protocol Phoenix Inverters, revision 5. A Phoenix keeps nothing
that is written until its register 0xEB99 is told to save, which the bridge never does: switching costs no
flash cycle, and what the owner has set is sent again after a restart of the inverter. Mode 253 (hibernate)
is refused, since the inverter would not hear the next command. There is no power in W: AC_OUT_S is in VA.
"""

from bridge.adapters.vedirect import every_product as every
from bridge.adapters.vedirect.alarms import INVERTER_BITS, REASON, WARNING, alarms_of
from bridge.adapters.vedirect.every_product import FAST_S, LIVE_S, RARE_S, SETTING_S, SLOW_S, measured
from bridge.adapters.vedirect.product import Product, TextField, hexadecimal, number, switch
from bridge.adapters.vedirect.register import Register, device_mode
from bridge.adapters.vedirect.set_points import Condition, SetPoint, SetPointControl
from bridge.datastore.spec import PointSpec

MODE, RELAY = "/Mode", "/Relay/0/State"
ON, OFF, ECO = 2, 4, 5
#: Set only: it reads back as ON.
DEVICE_ON = 3


def _hertz(raw: int) -> int | None:
    """Register 0xEB03: 1 is 50 Hz, 0 is 60 Hz."""
    return {0: 60, 1: 50}.get(raw)


def _quarter_seconds(raw: int) -> float:
    return raw / 4


_MODE = Register(0x0200, MODE, "u8", poll_s=FAST_S, convert=device_mode)
_RELAY = Register(0x034E, RELAY, "u8", poll_s=FAST_S)
_RELAY_MODE = Register(0x034F, "/Settings/RelayMode", "u8", poll_s=RARE_S)

_TEXT = (
    TextField("MODE", number(MODE), reports=_MODE),
    TextField("CS", number("/State")),
    TextField("AC_OUT_V", number("/Ac/Out/L1/V", 100)),
    TextField("AC_OUT_I", number("/Ac/Out/L1/I", 10)),
    TextField("AC_OUT_S", number("/Ac/Out/L1/S")),
    TextField("V", number("/Dc/0/Voltage", 1000)),
    TextField("AR", number(REASON)),
    TextField("WARN", number(WARNING)),
    TextField("OR", hexadecimal("/DeviceOffReason")),
    TextField("Relay", switch(RELAY)),
    TextField("CAP_BLE", hexadecimal("/Device/BleCapabilities")),
)

_REGISTERS = (
    _MODE,
    *every.REGISTERS,
    Register(0x0201, "/State", "u8", poll_s=LIVE_S, stand_in=True),
    Register(0xED8D, "/Dc/0/Voltage", "s16", 100, poll_s=LIVE_S, stand_in=True),
    Register(0x2200, "/Ac/Out/L1/V", "s16", 100, poll_s=LIVE_S, stand_in=True),
    Register(0x2201, "/Ac/Out/L1/I", "s16", 10, poll_s=LIVE_S, stand_in=True),
    Register(0x2205, "/Ac/Out/L1/S", "s32", poll_s=LIVE_S, stand_in=True),
    Register(0x031E, REASON, "u16", poll_s=LIVE_S, stand_in=True),
    Register(0x031C, WARNING, "u16", poll_s=LIVE_S, stand_in=True),
    Register(0x0207, "/DeviceOffReason", "u32", poll_s=FAST_S, stand_in=True),
    _RELAY,
    _RELAY_MODE,
    Register(0x1040, "/History/OperatingTime", "u32", poll_s=RARE_S),
    Register(0x1041, "/History/ApparentEnergyOut", "u32", 100, poll_s=RARE_S),
    Register(0x2202, "/Ac/Out/NominalVoltage", "u8", poll_s=SETTING_S),
    Register(0x2203, "/Ac/Out/RatedPower", "s16", poll_s=SETTING_S),
    Register(0x0230, "/Settings/AcOutVoltage", "u16", 100, poll_s=SETTING_S),
    Register(0x0231, "/Settings/AcOutVoltageMin", "u16", 100, poll_s=SETTING_S),
    Register(0x0232, "/Settings/AcOutVoltageMax", "u16", 100, poll_s=SETTING_S),
    Register(0xEB03, "/Settings/AcOutFrequency", "u8", poll_s=SETTING_S, convert=_hertz),
    Register(0x2210, "/Settings/ShutdownVoltage", "u16", 100, poll_s=SETTING_S),
    Register(0x0320, "/Settings/LowVoltageWarning", "u16", 100, poll_s=SETTING_S),
    Register(0x0321, "/Settings/RestartVoltage", "u16", 100, poll_s=SETTING_S),
    Register(0x2211, "/Settings/DcVoltageMin", "u16", 100, poll_s=SETTING_S),
    Register(0x2212, "/Settings/DcVoltageMax", "u16", 100, poll_s=SETTING_S),
    Register(0x2206, "/Settings/EcoSleepBelow", "u16", poll_s=SETTING_S),
    Register(0x2207, "/Settings/EcoWakeAbove", "u16", poll_s=SETTING_S),
    Register(0xEB04, "/Settings/EcoWakeCurrent", "s16", 1000, poll_s=SETTING_S),
    Register(0xEB06, "/Settings/EcoRetryTime", "u8", poll_s=SETTING_S, convert=_quarter_seconds),
    Register(0xEB10, "/Settings/EcoBurstPeriods", "u8", poll_s=SETTING_S),
    Register(0xEBBA, "/Settings/DynamicCutOff", "u8", poll_s=SETTING_S),
    Register(0x0150, "/Device/BleCapabilities", "u32", poll_s=SLOW_S, stand_in=True),
)

_POINTS = (
    PointSpec(
        MODE,
        writable=True,
        choices={ON: "on", OFF: "off", ECO: "eco"},
        accept={DEVICE_ON: ON},
        off=OFF,
        after_restart=True,
    ),
    PointSpec(RELAY, writable=True, choices={0: "open", 1: "closed"}, off=0, after_restart=True),
    *measured(
        ("/Dc/0/Voltage", "V"),
        ("/Ac/Out/L1/V", "V"),
        ("/Ac/Out/L1/I", "A"),
        ("/Ac/Out/L1/S", "VA"),
        ("/Ac/Out/NominalVoltage", "V"),
        ("/Ac/Out/RatedPower", "VA"),
        ("/State", ""),
        (REASON, ""),
        (WARNING, ""),
        *((path, "") for path in INVERTER_BITS.values()),
        ("/DeviceOffReason", ""),
        ("/Device/BleCapabilities", ""),
        ("/History/OperatingTime", "s"),
        ("/History/ApparentEnergyOut", "kVAh"),
        ("/Settings/RelayMode", ""),
        ("/Settings/AcOutVoltage", "V"),
        ("/Settings/AcOutVoltageMin", "V"),
        ("/Settings/AcOutVoltageMax", "V"),
        ("/Settings/AcOutFrequency", "Hz"),
        ("/Settings/ShutdownVoltage", "V"),
        ("/Settings/LowVoltageWarning", "V"),
        ("/Settings/RestartVoltage", "V"),
        ("/Settings/DcVoltageMin", "V"),
        ("/Settings/DcVoltageMax", "V"),
        ("/Settings/EcoSleepBelow", "VA"),
        ("/Settings/EcoWakeAbove", "VA"),
        ("/Settings/EcoWakeCurrent", "A"),
        ("/Settings/EcoRetryTime", "s"),
        ("/Settings/EcoBurstPeriods", ""),
        ("/Settings/DynamicCutOff", ""),
    ),
    *every.POINTS,
)

_SET_POINTS = (
    SetPoint(MODE, _MODE),
    SetPoint(
        RELAY,
        _RELAY,
        condition=Condition(_RELAY_MODE, 2, "set the relay to remote control in VictronConnect"),
    ),
)

INVERTER = Product(
    name="inverter",
    text=_TEXT,
    registers=_REGISTERS,
    points=_POINTS,
    mode=_MODE,
    uptime=every.UPTIME,
    control=lambda device, _: SetPointControl(device, _SET_POINTS),
    derive=alarms_of(INVERTER_BITS),
)
