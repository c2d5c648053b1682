"""One inverter's part of the energy book: today, yesterday and in all, per panel. Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from bridge.adapters.apsystems.counting import Facts, Run, Sample, Step, begun, step

#: A clock that says less has not been set yet.
CLOCK_SET = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
#: Inverters tell whole seconds, so that a power over a few of them is wrong by as much: it is the mean of at
#: least this long, good to a ninth.
POWER_SPAN_S = 9


@dataclass(frozen=True, slots=True)
class Moment:
    """When an answer came: wall and monotonic seconds, the date at the site, and since when that day counts.

    day_began: sunrise, or midnight where there is no sunrise today, in wall seconds.
    """

    wall: float
    monotonic: float
    today: date
    day_began: float

    @property
    def clock_set(self) -> bool:
        """True unless the machine has not learnt the time yet."""
        return self.wall >= CLOCK_SET


@dataclass(slots=True)
class PanelBook:
    """Energies of one panel, in Wh."""

    today: float = 0.0
    yesterday: float = 0.0
    total: float = 0.0

    def add(self, wh: float) -> None:
        """Count energy for today."""
        self.today += wh
        self.total += wh


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an answer. `powers` (W a panel) is None where no time is known for the energy.

    span_s: what this answer added is of so long.
    """

    run: Run | None
    powers: tuple[float, ...] | None = None
    span_s: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A sample and when it came; `monotonic` is None for one of a former run of the bridge."""

    sample: Sample
    wall: float
    monotonic: float | None

    def elapsed_s(self, moment: Moment) -> float | None:
        """Return our own time since then; None where no clock tells."""
        if self.monotonic is not None:
            return moment.monotonic - self.monotonic
        if self.wall < CLOCK_SET or moment.wall < self.wall:
            return None
        return moment.wall - self.wall


class InverterBook:
    """One inverter's part of the book. `initial_wh` is what a former program had counted."""

    def __init__(self, panels: int, initial_wh: float = 0.0) -> None:
        self.panels = [PanelBook() for _ in range(panels)]
        self.initial_wh = initial_wh
        self._last: _Seen | None = None
        self._suspect: tuple[_Seen, Run] | None = None
        #: The newest steps of this run, as many as a power is made of: seconds, and Wh of each panel.
        self._steps: deque[tuple[int, tuple[float, ...]]] = deque()

    @property
    def today(self) -> float:
        """Wh counted today."""
        return sum(panel.today for panel in self.panels)

    @property
    def yesterday(self) -> float:
        """Wh counted yesterday."""
        return sum(panel.yesterday for panel in self.panels)

    @property
    def total(self) -> float:
        """Wh counted in all, with those of the former program."""
        return self.initial_wh + sum(panel.total for panel in self.panels)

    def roll(self, days: int) -> None:
        """Begin a new day, `days` after the former one."""
        for panel in self.panels:
            panel.yesterday = panel.today if days == 1 else 0.0
            panel.today = 0.0

    def take(self, sample: Sample, facts: Facts, moment: Moment) -> Taken:
        """Count what an answer adds."""
        seen = _Seen(sample, moment.wall, moment.monotonic)
        if self._last is None:
            return self._first(seen, facts, moment)
        judged = step(self._last.sample, sample, self._last.elapsed_s(moment), facts)
        if judged.run in (Run.SAME, Run.NEW):
            return self._count(seen, judged, facts)
        if judged.run in (Run.REPEATED, Run.LATE):
            return Taken(judged.run)
        return self._settle_doubt(seen, judged, facts, moment)

    def clock_moved(self, seconds: float) -> None:
        """Correct what was stamped with a wall clock that has been set meanwhile."""
        if self._last is not None and self._last.monotonic is not None:
            last = self._last
            self._last = _Seen(last.sample, last.wall + seconds, last.monotonic)

    def _first(self, seen: _Seen, facts: Facts, moment: Moment) -> Taken:
        """Take the first answer ever: its counters are today's where the inverter woke up today."""
        self._last = seen
        judged = begun(seen.sample, facts)
        if not moment.clock_set or seen.sample.seconds >= moment.wall - moment.day_began:
            return Taken(None, text="its counters may be of more than today: counted from now on")
        if judged.run is not Run.NEW:
            return Taken(None, text=judged.text)
        self._add(judged, facts)
        return Taken(Run.NEW)

    def _settle_doubt(self, seen: _Seen, judged: Step, facts: Facts, moment: Moment) -> Taken:
        """Believe an odd answer only when the next one goes on from it."""
        suspect, self._suspect = self._suspect, (seen, judged.run)
        if suspect is None:
            return Taken(judged.run, text=judged.text)
        former, kind = suspect
        follows = step(former.sample, seen.sample, former.elapsed_s(moment), facts)
        if follows.run in (Run.REPEATED, Run.LATE):
            self._suspect = suspect
            return Taken(judged.run)
        if follows.run is Run.NEW:
            return self._count(seen, follows, facts)
        if follows.run is not Run.SAME:
            return Taken(judged.run, text=judged.text)
        if kind is Run.DOUBTED:
            whole = begun(seen.sample, facts)
            if whole.run is not Run.NEW:
                return Taken(whole.run, text=whole.text)
            return self._count(seen, whole, facts)
        return self._count(seen, follows, facts)

    def _count(self, seen: _Seen, judged: Step, facts: Facts) -> Taken:
        self._last, self._suspect = seen, None
        wh = self._add(judged, facts)
        if judged.run is Run.NEW:
            self._steps.clear()
        self._steps.append((judged.span_s, tuple(wh)))
        return Taken(judged.run, self._powers(), judged.span_s)

    def _powers(self) -> tuple[float, ...] | None:
        """Return the mean power of each panel over the newest steps that last long enough, in W."""
        span_s = sum(seconds for seconds, _ in self._steps)
        while span_s - self._steps[0][0] >= POWER_SPAN_S:
            span_s -= self._steps.popleft()[0]
        if span_s < POWER_SPAN_S:
            return None
        return tuple(sum(each) * 3600.0 / span_s for each in zip(*(wh for _, wh in self._steps), strict=True))

    def _add(self, judged: Step, facts: Facts) -> list[float]:
        wh = [gain * facts.wh_per_count for gain in judged.counts]
        for panel, each in zip(self.panels, wh, strict=True):
            panel.add(each)
        return wh

    # -- saving ------------------------------------------------------------------------------------

    def record(self) -> dict[str, object]:
        """Return what is saved."""
        last = self._last
        return {
            "initial": self.initial_wh,
            "panels": [[panel.today, panel.yesterday, panel.total] for panel in self.panels],
            "last": None
            if last is None
            else {"seconds": last.sample.seconds, "counters": list(last.sample.counters), "at": last.wall},
        }

    @classmethod
    def from_record(cls, saved: object, panels: int | None = None) -> "InverterBook | None":
        """Return the book as saved; None for what cannot be read.

        panels: how many there are now, where that is known. Energies of panels that are gone stay with the
        last one; the counters of another number of panels say nothing.
        """
        if not isinstance(saved, dict) or not isinstance(saved.get("panels"), list):
            return None
        rows = [row for row in saved["panels"] if _is_row(row)]
        if not rows or len(rows) != len(saved["panels"]):
            return None
        book = cls(panels or len(rows), _number(saved.get("initial")))
        for number, row in enumerate(rows):
            panel = book.panels[min(number, len(book.panels) - 1)]
            panel.today += float(row[0])
            panel.yesterday += float(row[1])
            panel.total += float(row[2])
        if len(rows) == len(book.panels):
            book._last = _seen(saved.get("last"), len(rows))
        return book


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _is_row(row: object) -> bool:
    return isinstance(row, list) and len(row) == 3 and all(_is_number(value) for value in row)


def _integers(values: Iterable[object]) -> tuple[int, ...]:
    return tuple(value for value in values if isinstance(value, int) and not isinstance(value, bool))


def _seen(saved: object, panels: int) -> _Seen | None:
    if not isinstance(saved, dict) or not isinstance(saved.get("counters"), list):
        return None
    seconds, at, counters = saved.get("seconds"), saved.get("at"), _integers(saved["counters"])
    if not isinstance(seconds, int) or not isinstance(at, int | float) or len(counters) != panels:
        return None
    return _Seen(Sample(seconds, counters), float(at), None)
