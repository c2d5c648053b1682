"""What points mean, in words, for the documents of maps.

Paths and meanings are those of Victron's D-Bus API where it has them
(github.com/victronenergy/venus/wiki/dbus-api); those of the bridge's own say what adapters publish there.
"""

import re

from bridge.register_maps.document_words_can import RULES

#: The first rule that matches a whole path wins; `{1}` is its first group.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        # who it is
        (r"/Serial", "serial number; only letters, digits and _ are shown"),
        (r"/ProductName", "model name"),
        (r"/CustomName", "name given by the owner"),
        (r"/ProductId", "Victron product id"),
        (r"/FirmwareVersion", "firmware version"),
        (r"/HardwareVersion", "hardware version"),
        (r"/DeviceInstance", "device instance on a Victron system"),
        # how it is
        (r"/State", "what it is doing"),
        (r"/Mode", "what it is asked to do"),
        (r"/ErrorCode", "error that stops it, 0 without one"),
        (r"/FaultCode", "fault that stops it, 0 without one"),
        (r"/DeviceOffReason", "bits that say why it is off, 0 while it is on"),
        (r"/MppOperationMode", "what the tracker is doing"),
        (r"/Alarms/LowVoltage", "alarm: battery voltage low"),
        (r"/Alarms/HighVoltage", "alarm: battery voltage high"),
        (r"/Alarms/LowSoc", "alarm: state of charge low"),
        (r"/Alarms/LowTemperature", "alarm: temperature low"),
        (r"/Alarms/HighTemperature", "alarm: temperature high"),
        (r"/Alarms/LowStarterVoltage", "alarm: starter battery voltage low"),
        (r"/Alarms/HighStarterVoltage", "alarm: starter battery voltage high"),
        (r"/Alarms/MidVoltage", "alarm: midpoint voltage out of balance"),
        (r"/Alarms/Overload", "alarm: overload"),
        (r"/Alarms/Ripple", "alarm: ripple on the battery's voltage"),
        (r"/Alarms/LowVoltageAcOut", "alarm: AC output voltage low"),
        (r"/Alarms/HighVoltageAcOut", "alarm: AC output voltage high"),
        (r"/Alarms/(\w+)", "alarm: {1}"),
        (r"/Relay/(\d+)/State", "relay {1}"),
        (r"/Relay/(\d+)/Mode", "who switches relay {1}"),
        # DC side
        (r"/Dc/0/Voltage", "battery voltage"),
        (r"/Dc/0/Current", "battery current, positive into the battery"),
        (r"/Dc/0/Power", "battery power, positive into the battery"),
        (r"/Dc/0/Temperature", "battery temperature"),
        (r"/Dc/0/MidVoltage", "voltage at the midpoint of the battery bank"),
        (r"/Dc/0/MidVoltageDeviation", "deviation of the midpoint from half of the voltage"),
        (r"/Dc/0/RippleVoltage", "ripple on the battery voltage"),
        (r"/Dc/(Battery|Charger|Pv|System|Vebus)/(\w+)", "{2} of {1}"),
        (r"/Dc/In/V(?:oltage)?", "DC input voltage"),
        (r"/Dc/In/(?:I|Current)", "DC input current"),
        (r"/Dc/In/(?:P|Power)", "DC input power"),
        (r"/Dc/(\d+)/Voltage", "voltage of DC connection {1}"),
        (r"/Dc/(\d+)/Current", "current of DC connection {1}"),
        (r"/Dc/(\d+)/Power", "power of DC connection {1}"),
        (r"/Dc/(\d+)/Temperature", "temperature at DC connection {1}"),
        (r"/Soc", "state of charge"),
        (r"/Soh", "state of health"),
        (r"/TimeToGo", "time until the battery is empty"),
        (r"/ConsumedAmphours", "charge taken since the battery was full, negative"),
        (r"/Load/State", "load output"),
        (r"/Load/(?:I|Current)", "current of the load output"),
        (r"/Load/(?:V|Voltage)", "voltage of the load output"),
        (r"/Load/(?:P|Power)", "power of the load output"),
        # AC side
        (r"/Ac/Power", "AC power"),
        (r"/Ac/Current", "AC current"),
        (r"/Ac/Voltage", "AC voltage"),
        (r"/Ac/MaxPower", "rated AC power"),
        (r"/Ac/Frequency", "AC frequency"),
        (r"/Ac/Energy/Forward", "AC energy counted"),
        (r"/Ac/Energy/Reverse", "AC energy counted the other way"),
        (r"/Ac/(L\d)/Power", "AC power of {1}"),
        (r"/Ac/(L\d)/Voltage", "AC voltage of {1}"),
        (r"/Ac/(L\d)/Current", "AC current of {1}"),
        (r"/Ac/(L\d)/Energy/Forward", "AC energy counted on {1}"),
        (r"/Ac/Out/(L\d)/V", "AC output voltage of {1}"),
        (r"/Ac/Out/(L\d)/I", "AC output current of {1}"),
        (r"/Ac/Out/(L\d)/P", "AC output power of {1}"),
        (r"/Ac/Out/(L\d)/S", "AC output apparent power of {1}"),
        (r"/Ac/Out/(L\d)/F", "AC output frequency of {1}"),
        (r"/Ac/ActiveIn/(L\d)/V", "AC input voltage of {1}"),
        (r"/Ac/ActiveIn/(L\d)/I", "AC input current of {1}"),
        (r"/Ac/ActiveIn/(L\d)/P", "AC input power of {1}"),
        (r"/Ac/ActiveIn/(L\d)/F", "AC input frequency of {1}"),
        (r"/Ac/(L\d)/Energy/Reverse", "AC energy counted the other way on {1}"),
        (r"/Ac/(?:(L\d)/)?PowerFactor", "power factor {1}"),
        (r"/Ac/(?:(L\d)/)?S", "AC apparent power {1}"),
        (r"/Ac/Out/P", "AC output power"),
        (r"/Ac/ActiveIn/P", "AC input power"),
        (r"/Ac/ActiveIn/ActiveInput", "AC input in use, 240 for none"),
        (r"/Ac/ActiveIn/Connected", "whether an AC input is in use"),
        (r"/Ac/ActiveIn/CurrentLimit", "limit of the current taken from the AC input in use"),
        (r"/Ac/In/(\d)/CurrentLimit", "limit of the current taken from AC input {1}"),
        (r"/Ac/In/(\d)/CurrentLimitMin", "lowest limit of AC input {1} that the device takes"),
        (r"/Ac/In/(\d)/CurrentLimitMax", "highest limit of AC input {1} that the device takes"),
        (r"/Ac/In/(\d)/CurrentLimitIsAdjustable", "whether the limit of AC input {1} can be set"),
        (r"/Ac/In/(\d)/(L\d)/V", "voltage of {2} of AC input {1}"),
        (r"/Ac/In/(\d)/(L\d)/I", "current of {2} of AC input {1}"),
        (r"/Ac/In/(\d)/(L\d)/P", "power of {2} of AC input {1}"),
        (r"/Ac/In/(\d)/(L\d)/F", "frequency of {2} of AC input {1}"),
        (r"/Ac/State/IgnoreAcIn(\d)", "whether AC input {1} is ignored"),
        (r"/Ac/NumberOfPhases", "AC phases"),
        (r"/Ac/NumberOfAcInputs", "AC inputs"),
        (r"/Ac/Grid/(L\d)/Power", "power from the grid on {1}"),
        (r"/Ac/Genset/(L\d)/Power", "power from the generator on {1}"),
        (r"/Ac/Consumption/(L\d)/Power", "power consumed on {1}"),
        (r"/Ac/PvOn(\w+)/(L\d)/Power", "solar power on {2} of {1}"),
        (r"/Energy/(\w+)To(\w+)", "energy from {1} to {2}"),
        (r"/VebusChargeState", "stage of charging"),
        (r"/VebusError", "VE.Bus error, 0 without one"),
        (r"/Leds/(\w+)", "lamp {1}"),
        (r"/Ac/State/RemoteGeneratorSelected", "whether the remote panel has chosen the generator"),
        (r"/Devices/NumberOfMultis", "units of the VE.Bus system"),
        (r"/Switch/Front", "the switch on the front, numbered as the mode"),
        (r"/Switch/RemoteTerminals", "the terminals for remote on and off"),
        (r"/Switch/Effective", "what all switches and the mode together allow"),
        (r"/Switch/Generator", "whether the remote panel has chosen the generator"),
        (r"/Switch/PanelDetected", "whether the unit sees a remote panel, the bridge included"),
        (r"/Switch/DigitalMultiControl", "whether a Digital Multi Control owns the system and bars commands"),
        (r"/Switch/(\w+)", "switch {1}"),
        (r"/Remote/Inverter", "the half of the mode that inverts"),
        (r"/Remote/Charger", "the half of the mode that charges"),
        (r"/Remote/Standby", "keeps the unit awake while it is off; costs battery energy"),
        (r"/Remote/LimitToMaximum", "command: as much current from the AC input as the unit allows"),
        (r"/Remote/HandBack", "command: give the unit back to its own switches"),
        (r"/Remote/PanelDetect", "whether the interface shows itself to the unit as a remote panel"),
        (r"/Interface/Blocked", "whether the interface is blocked"),
        (r"/Interface/Version", "version of the interface"),
        (r"/Interface/(\w+)", "{1} of the interface"),
        # solar
        (r"/Pv/V", "solar voltage"),
        (r"/Pv/I", "solar current"),
        (r"/Pv/P", "solar power"),
        (r"/Pv/(\d+)/V", "voltage of solar input {1}"),
        (r"/Pv/(\d+)/I", "current of solar input {1}"),
        (r"/Pv/(\d+)/P", "power of solar input {1}"),
        (r"/Yield/Power", "solar power"),
        (r"/Yield/User", "solar energy since the user's reset"),
        (r"/Yield/System", "solar energy since the device was made"),
        (r"/History/Daily/0/Yield", "solar energy of today"),
        (r"/History/Daily/1/Yield", "solar energy of yesterday"),
        (r"/History/Daily/(\d+)/Yield", "solar energy {1} days ago"),
        (r"/History/Daily/0/(\w+)", "{1} of today"),
        (r"/History/Daily/1/(\w+)", "{1} of yesterday"),
        (r"/History/Daily/(\d+)/(\w+)", "{2} of {1} days ago"),
        (r"/History/(\w+)", "{1}, counted by the device"),
        # set-points
        (
            r"/Settings/ChargeCurrentLimit",
            "charge current limit, kept in the device's memory",
        ),
        (r"/Settings/ChargeCurrentLimitMin", "lowest limit that the device takes"),
        (r"/Settings/ChargeCurrentLimitMax", "highest limit that the device takes"),
        (r"/Settings/AbsorptionVoltage", "absorption voltage set in the device"),
        (r"/Settings/FloatVoltage", "float voltage set in the device"),
        (r"/Settings/AcIn(\d)CurrentLimit", "limit of AC input {1} set in the device"),
        (r"/Settings/InverterOutputVoltage", "AC voltage set in the device"),
        (r"/Settings/DcShutdownVoltage", "battery voltage at which the inverter stops, set in the device"),
        (r"/Settings/DcRestartOffset", "rise above that at which it starts again, set in the device"),
        (r"/Settings/DcLowAlarmOffset", "height above that of the alarm, set in the device"),
        (r"/Settings/SocAfterBulk", "state of charge assumed when bulk has ended, set in the device"),
        (r"/Settings/StorageVoltage", "storage voltage set in the device"),
        (r"/Settings/BatteryType", "battery type set in the device"),
        (
            r"/Link/ChargeCurrent",
            "charge current asked for, volatile: write it again and again",
        ),
        (r"/Settings/(?:\w+/)*(\w+)", "{1}, set in the device"),
        (r"/Actions/SynchroniseSoc", "command: take the battery as full"),
        (r"/Actions/ZeroCurrent", "command: take the current of now as zero"),
        (r"/Actions/(\w+)", "command: {1}"),
        (r"/SynchronisationState", "whether the state of charge is known"),
        (r"/Ac/Out/NominalVoltage", "nominal AC output voltage"),
        (r"/Ac/Out/RatedPower", "rated AC output power"),
        (r"/Device/InternalTemperature", "temperature inside the device"),
        (r"/Device/Uptime", "time since the device started"),
        (r"/Device/NetworkMode", "remote control of the device by its network, as bits"),
        (r"/Device/RemoteError", "error that the device reports of its remote control"),
        (r"/Device/(\w+)", "{1} of the device"),
        # the line and the bridge
        (r"/Line/TextBlocks", "text blocks received"),
        (r"/Line/HexFrames", "HEX frames received"),
        (r"/Line/TextErrors", "text blocks with a wrong checksum"),
        (r"/Line/HexErrors", "HEX frames with a wrong checksum"),
        (r"/Line/FramingReplies", "frames that the device could not read"),
        (r"/Line/Frames", "frames received"),
        (r"/Line/Errors", "stretches of bytes that were no frame"),
        (r"/Line/Unanswered", "requests that were not answered"),
        (r"/Line/(\w+)", "{1} on the line"),
        (r"/Server/Broadcasts", "broadcasts counted, and not executed"),
        (r"/Server/Connections", "connections accepted"),
        (r"/Server/ConnectionsRefused", "connections refused"),
        (r"/Server/Requests", "requests answered"),
        (r"/Server/Exceptions", "requests answered by an exception"),
        (r"/Server/WritesRefused", "writes refused before they reached a device"),
        (r"/Uptime", "time since the bridge started"),
        (r"/Link/State", "state of the link to the device"),
        (r"/Link/Age", "age of what was last heard; 65535: never"),
        (r"/Link/CommandCount", "attempts to write, whoever made them, modulo 65536"),
        (r"/Link/LastOutcome", "what became of the newest attempt"),
        (r"/Link/LastAddress", "its address; 65535 when it was not made through this unit"),
        (r"/Link/LastException", "its Modbus exception code, 0 without one"),
        (r"/Link/Errors", "faults of the line since the bridge started"),
        (r"/Link/Uptime", "time since the link came up"),
        (r"/Link/WearLeft", "writes to the device's memory left today"),
        (r"/Link/SetPoints", "set-points that are held or leased now"),
    )
)
_FURTHER: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), words) for pattern, words in RULES
)
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z0-9])")
#: Parts of a device that are numbered, each with points of its own.
_NUMBERED = re.compile(r"/(Inverter|Panel|Charger)s/(\d+)(/.+)")


def words_of(path: str) -> str:
    """Return what a point means, empty where nothing is known."""
    if numbered := _NUMBERED.fullmatch(path):
        what, number, rest = numbered.groups()
        return f"{what.lower()} {number}: {words_of(rest)}"
    for pattern, words in (*_RULES, *_FURTHER):
        if found := pattern.fullmatch(path):
            return words.format("", *(_part(part) for part in found.groups(default=""))).rstrip()
    return ""


def _part(name: str) -> str:
    """Return a part of a path as words, such as maximum voltage; numbers and phases as they are."""
    return name if name.isdigit() or name[1:].isdigit() else _WORDS.sub(" ", name).lower()
