"""The points of a VE.Bus system and the groups they come in. The register map is `maps/vebus.yaml`."""

from bridge.adapters.vebus_mk3.settings import SETTINGS
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec

PHASES = (1, 2, 3)
MODE, LIMIT = "/Mode", "/Ac/In/1/CurrentLimit"
LIMIT_MIN, LIMIT_MAX = "/Ac/In/1/CurrentLimitMin", "/Ac/In/1/CurrentLimitMax"
INVERTER, CHARGER, STANDBY = "/Remote/Inverter", "/Remote/Charger", "/Remote/Standby"
LIMIT_TO_MAXIMUM, HAND_BACK = "/Remote/LimitToMaximum", "/Remote/HandBack"

DC, LEDS, CONFIG, LINES, CHARGE = "dc", "leds", "config", "lines", "charge"
STATE, VARIABLES, IDENTITY, ENERGY, LINE = "state", "variables", "identity", "energy", "line"
SETTINGS_GROUP = "settings"
AC = {phase: f"ac {phase}" for phase in PHASES}
POWER = {phase: f"power {phase}" for phase in PHASES}

#: Fast groups are heard every cycle, which takes 0.4 s for one phase and 1 s for three.
FAST_STALE_S = 5.0
#: Slow ones every second or third cycle.
SLOW_STALE_S = 10.0

LED_NAMES = ("Mains", "Absorption", "Bulk", "Float", "Inverter", "Overload", "LowBattery", "Temperature")
ENERGY_NAMES = (
    *("AcIn1ToAcOut", "AcIn1ToInverter", "AcIn2ToAcOut", "AcIn2ToInverter"),
    *("AcOutToAcIn1", "AcOutToAcIn2", "InverterToAcIn1", "InverterToAcIn2"),
    *("InverterToAcOut", "OutToInverter"),
)
_SWITCH = {0: "off", 1: "on"}
_MODES = {1: "charger only", 2: "inverter only", 3: "on", 4: "off"}

GROUPS = (
    *(GroupSpec(name, FAST_STALE_S) for name in (DC, LEDS, STATE, *AC.values(), *POWER.values())),
    *(GroupSpec(name, SLOW_STALE_S) for name in (CONFIG, LINES, CHARGE, VARIABLES)),
    *(GroupSpec(name, None) for name in (IDENTITY, ENERGY, LINE, SETTINGS_GROUP)),
)
#: The DC frame proves the system alive: all other values may be missing.
ALIVE_WHEN = ((DC,),)

_WRITABLE = (
    PointSpec(MODE, writable=True, choices=_MODES, off=4, after_restart=True),
    PointSpec(LIMIT, "A", writable=True, minimum=0.0, maximum_from=LIMIT_MAX, step=0.1, after_restart=True),
    PointSpec(INVERTER, writable=True, choices=_SWITCH),
    PointSpec(CHARGER, writable=True, choices=_SWITCH),
    PointSpec(STANDBY, writable=True, choices=_SWITCH, after_restart=True),
    PointSpec(LIMIT_TO_MAXIMUM, writable=True, choices=_SWITCH, self_clearing=True),
    PointSpec(HAND_BACK, writable=True, choices=_SWITCH, self_clearing=True),
)
_READ = (
    *(PointSpec(path, text=True) for path in ("/Serial", "/ProductName", "/FirmwareVersion")),
    PointSpec("/Interface/Version", text=True),
    PointSpec("/Ac/NumberOfAcInputs"),
    PointSpec("/Ac/NumberOfPhases"),
    PointSpec("/Devices/NumberOfMultis"),
    *(
        PointSpec(f"/Dc/0/{name}", unit)
        for name, unit in (("Voltage", "V"), ("Current", "A"), ("Power", "W"), ("RippleVoltage", "V"))
    ),
    *(
        PointSpec(f"/Ac/{side}/L{phase}/{name}", unit)
        for side in ("ActiveIn", "Out")
        for phase in PHASES
        for name, unit in (("V", "V"), ("I", "A"), ("F", "Hz"), ("P", "W"))
    ),
    PointSpec("/Ac/ActiveIn/P", "W"),
    PointSpec("/Ac/Out/P", "W"),
    PointSpec("/Ac/ActiveIn/ActiveInput"),
    PointSpec("/Ac/ActiveIn/Connected"),
    PointSpec("/Ac/In/1/CurrentLimitIsAdjustable"),
    PointSpec(LIMIT_MIN, "A"),
    PointSpec(LIMIT_MAX, "A"),
    PointSpec("/Ac/State/IgnoreAcIn1"),
    PointSpec("/Soc", "%"),
    *(
        PointSpec(path)
        for path in (
            *("/State", "/VebusChargeState", "/VebusError", "/Relay/0/State"),
            *("/Switch/Front", "/Switch/RemoteTerminals", "/Switch/Effective", "/Switch/Generator"),
            *("/Switch/PanelDetected", "/Switch/DigitalMultiControl"),
            *("/Remote/PanelDetect", "/Interface/Blocked"),
        )
    ),
    *(PointSpec(f"/Leds/{name}") for name in LED_NAMES),
    *(
        PointSpec(f"/Alarms/{name}")
        for name in (
            *("HighTemperature", "LowBattery", "Overload", "Ripple"),
            *("TemperatureSensor", "VoltageSensor"),
        )
    ),
    *(PointSpec(f"/Energy/{name}", "kWh") for name in ENERGY_NAMES),
    *(PointSpec(path, unit) for path, unit in SETTINGS.values()),
    *(PointSpec(f"/Line/{name}") for name in ("Frames", "Errors", "Unanswered")),
)
POINTS = (*_WRITABLE, *_READ)
