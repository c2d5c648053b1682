"""What history hands from the loop to its writer, once a minute; batches that wait are merged into one."""

from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.outlets.energy_book import Position

#: Samples that may wait for the disk: some 20 MB. Energies are few, and never dropped.
SAMPLES_MAX = 100_000


class Series(NamedTuple):
    """One point of one device, over time."""

    device: str
    path: str
    unit_of_measure: str


class Sample(NamedTuple):
    """What a point was during one period, or the part of it in which it was believed.

    start: wall time in whole seconds. seconds: how long it was believed; `average` is over these.
    """

    series: Series
    start: int
    seconds: float
    average: float
    low: float
    high: float
    last: float


@dataclass(slots=True)
class Energy:
    """What flowed on one day: kWh either way, for how long power was heard (s), highest powers (W)."""

    forward: float = 0.0
    reverse: float = 0.0
    seconds: float = 0.0
    peak: float = 0.0
    peak_reverse: float = 0.0

    def add(self, other: "Energy") -> None:
        """Add what flowed besides."""
        self.forward += other.forward
        self.reverse += other.reverse
        self.seconds += other.seconds
        self.peak = max(self.peak, other.peak)
        self.peak_reverse = max(self.peak_reverse, other.peak_reverse)


@dataclass(slots=True)
class Batch:
    """Samples, and energies with the counters' positions that belong to them: written together or not."""

    samples: list[Sample] = field(default_factory=list)
    energies: dict[tuple[Series, int], Energy] = field(default_factory=dict)
    positions: dict[Series, Position] = field(default_factory=dict)
    #: Samples that were dropped because too many waited.
    dropped: int = 0

    def __bool__(self) -> bool:
        return bool(self.samples or self.energies or self.positions)

    def energy(self, series: Series, day: int) -> Energy:
        """Return the entry of a day, to add to."""
        return self.energies.setdefault((series, day), Energy())

    def merge(self, newer: "Batch") -> None:
        """Add a newer batch; of too many samples the oldest are dropped."""
        self.samples += newer.samples
        over = len(self.samples) - SAMPLES_MAX
        if over > 0:
            del self.samples[:over]
            self.dropped += over
        for (series, day), energy in newer.energies.items():
            self.energy(series, day).add(energy)
        self.positions.update(newer.positions)
        self.dropped += newer.dropped
