"""The points of a Sunny Island and the groups they come in. The register map is `maps/sunny_island.yaml`.

"External" is what is wired to AC2, mains or a generator: Victron's `ActiveIn`.
"""

from collections.abc import Iterable

from bridge.adapters.can.counters import CAN_GROUP, CAN_SPECS
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec

LINES = (1, 2, 3)
MODE = "/Mode"
ON, OFF = 3, 4

DC, STATUS, STATE, RELAYS = "dc", "status", "state", "relays"
EXTERNAL_POWER, EXTERNAL_VOLTAGE, EXTERNAL_CURRENT = "external power", "external voltage", "external current"
INVERTER_POWER, REACTIVE_EXTERNAL, REACTIVE_INVERTER = (
    "inverter power",
    "external reactive",
    "inverter reactive",
)
OUTPUT_POWER, OUTPUT_VOLTAGE, OUTPUT_CURRENT, LOAD = (
    "output power",
    "output voltage",
    "output current",
    "load",
)
IDENTITY, ENERGY, CAN = "identity", "energy", CAN_GROUP.name

#: Every frame comes once a second, and an island may leave one round out (external-BMS paper, SMA 2013).
STALE_S = 5.0

GROUPS = (
    *(
        GroupSpec(name, STALE_S)
        for name in (
            *(DC, STATUS, STATE, RELAYS, EXTERNAL_POWER, EXTERNAL_VOLTAGE, EXTERNAL_CURRENT, INVERTER_POWER),
            *(REACTIVE_EXTERNAL, REACTIVE_INVERTER, OUTPUT_POWER, OUTPUT_VOLTAGE, OUTPUT_CURRENT, LOAD),
        )
    ),
    *(GroupSpec(name, None) for name in (IDENTITY, ENERGY)),
    CAN_GROUP,
)
#: The battery frame 0x305 proves an island alive: the others may be missing.
ALIVE_WHEN = ((DC,),)

#: The drivers' names, and under each the one that Victron's own inverters have for the same flow.
ENERGIES = {
    "GridToAcOut": "AcIn1ToAcOut",
    "GridToDc": "AcIn1ToInverter",
    "DcToAcOut": "InverterToAcOut",
}

_MODES = {ON: "on", OFF: "off"}
#: How long a start or a stop may take until the output voltage shows it, with a wait for the first frame.
COMMAND_S = 60.0


def _by_line(side: str, *names: tuple[str, str]) -> Iterable[PointSpec]:
    return (PointSpec(f"/Ac/{side}/L{line}/{name}", unit) for line in LINES for name, unit in names)


_READ = (
    *(PointSpec(path, text=True) for path in ("/Serial", "/ProductName", "/FirmwareVersion", "/Error")),
    PointSpec("/Dc/0/Voltage", "V"),
    PointSpec("/Dc/0/Current", "A"),
    PointSpec("/Dc/0/Power", "W"),
    PointSpec("/Dc/0/Temperature", "°C"),
    PointSpec("/Dc/0/ChargeVoltage", "V"),
    PointSpec("/Soc", "%"),
    PointSpec("/Soh", "%"),
    *(
        PointSpec(path)
        for path in (
            *("/State", "/VebusChargeState", "/OperatingState", "/ChargeProcedure", "/ErrorCode"),
            *("/Alarms/Fault", "/Alarms/GridLost", "/Ac/NumberOfPhases", "/Ac/In/1/Type"),
            *("/Ac/ActiveIn/Connected", "/Ac/ActiveIn/ActiveInput", "/Ac/State/AcIn1Available"),
            *("/Relay/0/State", "/Relay/1/State", "/Relay/Word"),
        )
    ),
    *_by_line("ActiveIn", ("V", "V"), ("I", "A"), ("F", "Hz"), ("P", "W"), ("Q", "var")),
    *_by_line("Inverter", ("P", "W"), ("Q", "var")),
    *_by_line("Out", ("V", "V"), ("I", "A"), ("F", "Hz"), ("P", "W")),
    PointSpec("/Ac/ActiveIn/P", "W"),
    PointSpec("/Ac/Out/P", "W"),
    *(PointSpec(f"/Energy/{name}", "kWh") for pair in ENERGIES.items() for name in pair),
    *CAN_SPECS,
)


def specs(*, allow_commands: bool) -> tuple[PointSpec, ...]:
    """Return the points; without `allow_commands` none of them takes writes."""
    return (PointSpec(MODE, writable=allow_commands, choices=_MODES, off=OFF), *_READ)
