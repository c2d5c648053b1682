"""The points of a roof and the groups they come in. The register maps are `maps/apsystems_*.yaml`.

Quantities of the roof stand at the top, those of inverter n under /Inverters/{n}, its panels below that. What
an inverter measures belongs to its own group and turns stale with it; energies never do.
"""

import enum
from collections.abc import Iterable, Iterator

from bridge.adapters.apsystems.models import Model
from bridge.adapters.apsystems.options import ApsystemsOptions, InverterOptions
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.values import Path

POWER, ENERGY, VOLTAGE, FREQUENCY = "/Ac/Power", "/Ac/Energy/Forward", "/Ac/L1/Voltage", "/Ac/Frequency"
PHASE_POWER = "/Ac/L1/Power"
TODAY, YESTERDAY = "/History/Daily/0/Yield", "/History/Daily/1/Yield"
POLL = "/Actions/Poll"
HEARD = "/InvertersHeard"
NEXT_SUNRISE, NEXT_SUNSET = "/Sun/NextRise", "/Sun/NextSet"
ANSWERED, UNANSWERED, REJECTED = "/Polls/Answered", "/Polls/Unanswered", "/Polls/Rejected"
RADIO_RESTARTS = "/Radio/Restarts"

#: Groups. Energies, what is said of the device, and counters are as good as they were.
IDENTITY, ENERGIES, COUNTS, LIMITS, STATES = "identity", "energies", "counts", "limits", "states"
ROOF, NIGHT = "roof", "night"
#: The night is told anew this often, and is over when it has not been told for so long.
NIGHT_EVERY_S, NIGHT_STALE_S = 60.0, 150.0
#: A group is stale after this many polls, and not before this many seconds.
_PERIODS, _STALE_MIN_S = 3.0, 30.0
#: What an inverter that does not answer costs, so that short periods of many inverters stretch.
_SILENT_POLL_S = 4.0
#: Any inverter's answer proves the roof alive, and so does the night.
ALIVE_WHEN = ((ROOF, NIGHT),)

#: W a channel; what the inverters take.
LIMIT_MIN_W, LIMIT_MAX_W = 20.0, 700.0
#: A writer that is gone must not leave a roof throttled for ever.
_LIMIT_LEASE = Lease(900.0, Safe.RELEASE)
#: The step in which the coarser model keeps a limit.
_LIMIT_STEP_W = 4.0


class InverterState(enum.IntEnum):
    """How an inverter fares, as its `/State` shows it."""

    NOT_PAIRED = 0
    ASLEEP = 1
    RUNNING = 2
    SILENT = 3
    NO_GRID = 4


def model_of(inverter: InverterOptions) -> Model:
    """Return the model that the site names."""
    return Model(inverter.model)


def at(number: int, path: Path) -> Path:
    """Return a path of the inverter of a number, 1 for the first."""
    return f"/Inverters/{number}{path}"


def panel_at(number: int, panel: int, path: Path) -> Path:
    """Return a path of a panel, numbered from 1 as the inverter is."""
    return f"/Inverters/{number}/Panels/{panel}{path}"


def limit_path(number: int) -> Path:
    """Return the path of an inverter's power limit."""
    return at(number, "/PowerLimit")


def inverter_group(number: int) -> str:
    """Return the group of what an inverter measures."""
    return f"inverter {number}"


def stale_after_s(options: ApsystemsOptions) -> float:
    """Return how long an answer may be believed, in seconds."""
    period_s = max(options.poll, _SILENT_POLL_S * len(options.inverters))
    return max(_STALE_MIN_S, _PERIODS * period_s)


def groups_of(options: ApsystemsOptions) -> Iterator[GroupSpec]:
    """Yield the groups of a roof."""
    stale_s = stale_after_s(options)
    for name in (IDENTITY, ENERGIES, COUNTS, LIMITS, STATES):
        yield GroupSpec(name, None)
    yield GroupSpec(ROOF, stale_s)
    yield GroupSpec(NIGHT, NIGHT_STALE_S)
    for number in range(1, len(options.inverters) + 1):
        yield GroupSpec(inverter_group(number), stale_s)


def specs_of(options: ApsystemsOptions) -> Iterator[PointSpec]:
    """Yield every point of a roof."""
    yield from _texts(("/Serial", "/ProductName", "/FirmwareVersion"))
    for path, unit in _ROOF:
        yield PointSpec(path, unit)
    yield PointSpec(POLL, writable=True, choices={1: "poll"}, self_clearing=True)
    for number, inverter in enumerate(options.inverters, 1):
        yield from _inverter(number, model_of(inverter).panels)


def _inverter(number: int, panels: int) -> Iterator[PointSpec]:
    yield from _texts((at(number, "/Serial"), at(number, "/ProductName")))
    for path, unit in _INVERTER:
        yield PointSpec(at(number, path), unit)
    # Writable for all, so that one which cannot be limited says so (03) instead of having no such register.
    yield PointSpec(
        limit_path(number),
        "W",
        writable=True,
        minimum=LIMIT_MIN_W,
        maximum=LIMIT_MAX_W,
        step=_LIMIT_STEP_W,
        lease=_LIMIT_LEASE,
    )
    for panel in range(1, panels + 1):
        for path, unit in _PANEL:
            yield PointSpec(panel_at(number, panel, path), unit)


def _texts(paths: Iterable[Path]) -> Iterator[PointSpec]:
    return (PointSpec(path, text=True) for path in paths)


_ENERGIES = ((TODAY, "kWh"), (YESTERDAY, "kWh"))
_ROOF = (
    (POWER, "W"),
    (PHASE_POWER, "W"),
    (VOLTAGE, "V"),
    (FREQUENCY, "Hz"),
    (ENERGY, "kWh"),
    *_ENERGIES,
    *((path, "") for path in ("/NumberOfInverters", HEARD)),
    *((path, "s") for path in (NEXT_SUNRISE, NEXT_SUNSET)),
    *((path, "") for path in (ANSWERED, UNANSWERED, REJECTED, RADIO_RESTARTS)),
)
_INVERTER = (
    (POWER, "W"),
    (ENERGY, "kWh"),
    *_ENERGIES,
    (VOLTAGE, "V"),
    (FREQUENCY, "Hz"),
    ("/Temperature", "°C"),
    ("/Signal", "%"),
    ("/Uptime", "s"),
    *((path, "") for path in ("/Address", "/Relays", "/State")),
)
_PANEL = (("/V", "V"), ("/I", "A"), ("/Power", "W"), ("/Energy", "kWh"), *_ENERGIES)
