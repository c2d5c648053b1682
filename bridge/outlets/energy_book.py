"""Energies as the bridge books them: which points tell of energy, and what a counter's reading adds.

A counter is believed as far as power allows: one that falls or leaps is doubted until it has stood for a
while. What flowed while nobody listened is in the counter's next reading, so it is neither lost nor doubled.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Path

#: How long a reading that does not follow from the last one must stand before it is taken, in seconds.
CONFIRM_S = 60.0
#: The coarsest counters step by 1 kWh, and may do so at any moment.
_STEP_KWH = 1.01
#: Rounding on the way; a counter lower by no more has not fallen.
_ROUNDING_KWH = 0.001
#: A counter that begins again stands at no more than this part of what it had reached.
_BEGUN_ANEW = 0.1

VOLTAGE, CURRENT, POWER = "/Dc/0/Voltage", "/Dc/0/Current", "/Dc/0/Power"
#: Numbers in W and kWh that tell of no flow: limits, records, and days that the device itself counts.
_NO_FLOW = re.compile(
    r"/History/|/Settings/|(Limit|Max|Min|Maximum|Minimum|Rated|Nominal|Peak|Target|Capacity|Remaining)$"
)

#: What stands for a whole device, the first that it has; several of one line are summed.
_TOTALS: Sequence[re.Pattern[str]] = tuple(
    re.compile(form + r"\Z")
    for form in (
        r"/Ac/Energy/Forward", r"/Ac/L[123]/Energy/Forward", r"/Yield/User", r"/Yield/System",
        r"/Energy/InverterToAcOut", r"/History/ChargedEnergy", r"/Ac/Power", r"/Ac/L[123]/Power",
        r"/Yield/Power", r"/Ac/Out/L[123]/P", r"/Ac/Grid/L[123]/Power", r"/Dc/0/Power", r"/Dc/Battery/Power",
    )
)  # fmt: skip


class Flow(Enum):
    """How a point tells of energy."""

    COUNTER = "counter"  # kWh that only grow
    POWER = "power"  # W, summed over time


def flow_of(spec: PointSpec) -> Flow | None:
    """Return how a point tells of energy, None where it does not."""
    if spec.text or spec.writable:
        return None
    if spec.unit_of_measure == "kWh":
        counts = not _NO_FLOW.search(spec.path) or spec.path in (
            "/History/ChargedEnergy",
            "/History/DischargedEnergy",
        )
        return Flow.COUNTER if counts else None
    return Flow.POWER if spec.unit_of_measure == "W" and not _NO_FLOW.search(spec.path) else None


def total_of(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the points whose sum is a device's energy: counters where it has them, else powers."""
    found = sorted(paths)
    for form in _TOTALS:
        named = tuple(path for path in found if form.match(path))
        if named:
            return named
    return ()


@dataclass(frozen=True, slots=True)
class Position:
    """Where a counter stood, in kWh, and the wall time at which that was last heard."""

    kwh: float
    heard: float


@dataclass(frozen=True, slots=True)
class Leap:
    """A counter that rose by more than power allows, from `before` to `after` kWh."""

    device: str
    path: Path
    before: float
    after: float


@dataclass(slots=True)
class _Doubt:
    """Readings that do not follow from the last one believed."""

    first: float
    newest: float
    since: float
    heard: float


class CounterReader:
    """Turns the readings of one counter into energy; `position` is what must be kept with it.

    power_w: the most that the device can have.
    """

    def __init__(self, position: Position | None, power_w: float) -> None:
        self.position = position
        self._kw = power_w / 1000.0
        self._doubt: _Doubt | None = None

    @property
    def doubted(self) -> tuple[float, float] | None:
        """What the counter leapt from and to, while that is doubted."""
        if self._doubt is None or self.position is None:
            return None
        return self.position.kwh, self._doubt.first

    def read(self, kwh: float, now: float) -> float:
        """Take a reading at wall time `now`; returns the kWh that it adds, 0 while it is doubted."""
        position = self.position
        if position is None:
            self.position = Position(kwh, now)
            return 0.0
        if self._follows(position.kwh, position.heard, kwh, now):
            self._doubt = None
            added = max(0.0, kwh - position.kwh)
            self.position = Position(max(kwh, position.kwh), now)
            return added
        doubt = self._doubt
        if doubt is None or not self._follows(doubt.newest, doubt.heard, kwh, now):
            self._doubt = _Doubt(kwh, kwh, now, now)
            return 0.0
        doubt.newest, doubt.heard = max(kwh, doubt.newest), now
        if now - doubt.since < CONFIRM_S:
            return 0.0
        added = doubt.newest - doubt.first
        if self._began_anew(position, doubt):
            added += doubt.first
        self._doubt = None
        self.position = Position(doubt.newest, now)
        return added

    def _follows(self, before: float, heard: float, kwh: float, now: float) -> bool:
        hours = max(0.0, now - heard) / 3600.0
        rounding = max(_ROUNDING_KWH, abs(before) * 1e-6)
        return before - rounding <= kwh <= before + self._kw * hours + _STEP_KWH

    def _began_anew(self, position: Position, doubt: _Doubt) -> bool:
        """True for a counter set back to 0, whose reading is all energy since."""
        hours = max(0.0, doubt.since - position.heard) / 3600.0
        return 0 <= doubt.first <= min(position.kwh * _BEGUN_ANEW, self._kw * hours)
