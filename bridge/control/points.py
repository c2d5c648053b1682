"""The points by which a surplus charging automation shows what it does, and is paused."""

from typing import NamedTuple

from bridge.control.surplus import Reason, State
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Path

TITLE = "Surplus charging"
#: The most chargers that one automation steers; the register map shows as many.
CHARGERS_MAX = 4

PAUSE: Path = "/Pause"
RESUME: Path = "/Resume"

#: Groups: who it is, what is seen each second, what was decided, and its switches.
IDENTITY, RUN, LAW, SWITCHES = "identity", "run", "law", "switches"
_RUN_STALE_S = 10.0
_LAW_STALE_INTERVALS = 3.0

_POINTS = (
    PointSpec("/Serial", text=True),
    PointSpec("/ProductName", text=True),
    PointSpec("/State", choices={state.value: state.name.lower() for state in State}),
    PointSpec("/Reason", choices={reason.value: reason.name.lower() for reason in Reason}),
    PointSpec("/GridPower", "W"),
    PointSpec("/SurplusPower", "W"),
    PointSpec("/ChargePower", "W"),
    PointSpec("/TargetCurrent", "A"),
    PointSpec("/Switches"),
    PointSpec("/Writes"),
    PointSpec(PAUSE, writable=True, choices={0: "run", 1: "pause"}),
    PointSpec(RESUME, writable=True, choices={0: "no", 1: "resume"}, self_clearing=True),
)


class ChargerPaths(NamedTuple):
    """The points of one charger."""

    target: Path
    current: Path
    on: Path
    reason: Path
    wear_left: Path


def charger_paths(number: int) -> ChargerPaths:
    """Return the points of the charger of a number, from 1 in order of priority."""
    names = ("TargetCurrent", "Current", "On", "Reason", "WearLeft")
    return ChargerPaths(*(f"/Chargers/{number}/{name}" for name in names))


def specs() -> tuple[PointSpec, ...]:
    """Return all points of an automation, those of chargers that it has not included."""
    found = list(_POINTS)
    for number in range(1, CHARGERS_MAX + 1):
        paths = charger_paths(number)
        found += [PointSpec(paths.target, "A"), PointSpec(paths.current, "A")]
        found += [PointSpec(path) for path in (paths.on, paths.reason, paths.wear_left)]
    return tuple(found)


def groups(interval_s: float) -> tuple[GroupSpec, ...]:
    """Return the groups of an automation that decides so often."""
    return (
        GroupSpec(IDENTITY, None),
        GroupSpec(RUN, _RUN_STALE_S),
        GroupSpec(LAW, max(_RUN_STALE_S, _LAW_STALE_INTERVALS * interval_s)),
        GroupSpec(SWITCHES, None),
    )
