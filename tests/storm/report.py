"""What a run of storms has shown, for a person: counts by family, faults by kind, growth, findings."""

from collections import Counter
from collections.abc import Sequence

from tests.storm.growth import Counts
from tests.storm.observer import Verdicts
from tests.storm.storm import Report

#: Findings that are told in full; the others are counted.
_FINDINGS_MOST = 60
#: Memory of the whole process, this program and its simulators included, may rise so much after the third house.
_MEMORY_KIB = 65_536


class Total:
    """Storms of several seeds, added up."""

    def __init__(self, families: Sequence[str]) -> None:
        self._families = families
        self._verdicts: dict[str, Verdicts] = {}
        self._events: Counter[str] = Counter()
        self._found: list[str] = []
        self._seeds: list[int] = []
        self._seconds = self._wall_s = 0.0
        self._memory: list[int] = []
        self._last: tuple[Counts | None, Counts | None] = (None, None)

    @property
    def faults(self) -> list[str]:
        """All that must not be, each with its seed."""
        return [*self._found, *self._grown()]

    def add(self, report: Report, wall_s: float) -> None:
        """Take one house."""
        self._seeds.append(report.seed)
        self._seconds += report.seconds
        self._wall_s += wall_s
        self._events += report.events
        self._found += [f"seed {report.seed}: {line}" for line in report.faults]
        self._last = report.before, report.after
        if report.after is not None:
            self._memory.append(report.after.resident_kib)
        for kind, seen in report.verdicts.items():
            sums = self._verdicts.setdefault(kind, Verdicts())
            for name in ("judged", "missing", "passed", "excused", "cuts", "leases", "refused"):
                setattr(sums, name, getattr(sums, name) + getattr(seen, name))
            sums.wrong += seen.wrong
            sums.lies += seen.lies
            sums.outcomes += seen.outcomes
            sums.troubles += seen.troubles

    def text(self) -> str:
        """Return the report."""
        found = self.faults
        lines = [
            f"soak: {'nothing wrong' if not found else f'{len(found)} FINDINGS'}",
            f"houses {len(self._seeds)}, seeds {self._seeds[0]} to {self._seeds[-1]}, "
            f"{self._seconds / 3600:.2f} h of simulated storm in {self._wall_s / 60:.1f} min",
            "house events: " + _counted(self._events),
        ]
        for kind in sorted(self._verdicts):
            seen = self._verdicts[kind]
            words = Counter({outcome.word: count for outcome, count in seen.outcomes.items()})
            lines += [
                f"{kind}:",
                f"  values judged {seen.judged}, not served {seen.missing}, WRONG {len(seen.wrong)}, passed by the "
                f"family's doubt while bytes were damaged {seen.passed}, excused (wrong clock, see docs/proof.md) {seen.excused}",
                f"  looks at devices cut for too long {seen.cuts}, at ended leases {seen.leases}",
                f"  writes {seen.outcomes.total() + seen.refused}, LIES {len(seen.lies)}, refused at once "
                f"{seen.refused}, {_counted(words)}",
                f"  faults {seen.troubles.total()}: {_counted(seen.troubles)}",
            ]
        before, after = self._last
        lines += ["growth in the last house:", f"  before {before}", f"  after  {after}"]
        lines.append("memory at the end of each house, KiB: " + " ".join(str(one) for one in self._memory))
        lines += [f"! {line}" for line in found[:_FINDINGS_MOST]]
        if found:
            lines.append(
                "repeat one with: python -m tests.storm --seed SEED --minutes and --families as here"
            )
        return "\n".join(lines) + "\n"

    def _grown(self) -> list[str]:
        """Memory must be flat once all code is loaded: the least of the last houses against the third."""
        if len(self._memory) < 6:
            return []
        rise = min(self._memory[-3:]) - self._memory[2]
        return [f"memory rose by {rise} KiB since the third house"] if rise > _MEMORY_KIB else []


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
