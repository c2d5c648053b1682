"""How one poll of an inverter follows from the one before: how much energy it adds, over which time.

Counters and seconds begin at zero whenever the inverter powers up: at dawn, after an eclipse or a dip of
the grid. So a step between two polls is either more of the same run, or a new run with all that its counters
hold. What the inverter says and the time that has passed here tell which; where they leave a doubt the step
is judged the way that counts less.
"""

import enum
from dataclasses import dataclass

#: How far an inverter's seconds and ours may drift apart, and how late an answer may be.
_SLACK_S, _SLACK_PART, _SLACK_MOST_S = 30.0, 0.02, 600.0
#: An answer that was this long on its way is an old one, not that of an inverter which has restarted.
_LATE_S = 600
#: Panels exceed their rating in cold, clear air and at the edges of clouds.
_HEADROOM = 1.2


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an inverter: where its numbers wrap, and what its panels can give (W each)."""

    seconds_modulus: int
    counter_modulus: int
    wh_per_count: float
    panel_power_w: float

    def most_counts(self, span_s: float) -> float:
        """Return what one panel's counter can gain in a time, a second and two counts of doubt included."""
        return _HEADROOM * self.panel_power_w * (span_s + 1.0) / 3600.0 / self.wh_per_count + 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds since power-up and the counter of each panel, as one answer has them."""

    seconds: int
    counters: tuple[int, ...]


class Run(enum.Enum):
    """What a sample is to the one before."""

    SAME = "same"  # more of the same run
    NEW = "new"  # the inverter has powered up since
    REPEATED = "repeated"  # the same measurement once more
    LATE = "late"  # an older answer that was long on its way
    DOUBTED = "doubted"  # a new run that time does not allow
    IMPLAUSIBLE = "implausible"  # more than the panels can give, or less than there was


@dataclass(frozen=True, slots=True)
class Step:
    """A sample judged: counts gained by each panel in `span_s` of the inverter's time; `text` is a doubt."""

    run: Run
    counts: tuple[int, ...] = ()
    span_s: int = 0
    text: str = ""


def slack_s(elapsed_s: float) -> float:
    """Return by how much an inverter's time may differ from ours."""
    return min(_SLACK_MOST_S, _SLACK_S + _SLACK_PART * elapsed_s)


def begun(sample: Sample, facts: Facts) -> Step:
    """Judge a sample as that of a new run, all of whose counters count."""
    return _bounded(Run.NEW, sample.counters, sample.seconds, facts)


def step(before: Sample, now: Sample, elapsed_s: float | None, facts: Facts) -> Step:
    """Judge a sample by the one before; `elapsed_s` is our own time between them, None where it is unknown.

    Both have the same number of panels.
    """
    if elapsed_s is None:
        return _by_their_word(before, now, facts)
    if now == before:  # to the second and the count: also a day later no new run would come to that
        return Step(Run.REPEATED)
    slack = slack_s(elapsed_s)
    may_be_new = now.seconds <= elapsed_s + slack
    fell = _fell(before, now)
    plain, span = now.seconds - before.seconds, _span(before, now, elapsed_s, facts)
    if span > 0 and abs(span - elapsed_s) <= slack:
        if not fell:
            return _bounded(Run.SAME, _gained(before, now), span, facts)
        if not may_be_new:
            return _wrapped(before, now, span, facts)
    if plain == 0 and (elapsed_s <= slack or not may_be_new):
        return Step(Run.REPEATED)
    if may_be_new and (fell or plain < 0 or plain < elapsed_s - slack):
        return begun(now, facts)
    if plain < 0:
        return _backwards(before, now, fell=fell, facts=facts)
    if fell:
        return Step(Run.IMPLAUSIBLE, text=_fell_text(before, now))
    return _bounded(Run.SAME, _gained(before, now), plain, facts)


def _by_their_word(before: Sample, now: Sample, facts: Facts) -> Step:
    """Judge without a clock of our own."""
    span = now.seconds - before.seconds
    if span == 0:
        return Step(Run.REPEATED)
    if _fell(before, now):
        return begun(now, facts)
    if span > 0:
        return _bounded(Run.SAME, _gained(before, now), span, facts)
    if _wraps(facts):
        return _bounded(Run.SAME, _gained(before, now), span + facts.seconds_modulus, facts)
    return begun(now, facts)


def _backwards(before: Sample, now: Sample, *, fell: bool, facts: Facts) -> Step:
    """Judge seconds that fell although no inverter could have run so long since the sample before."""
    if before.seconds - now.seconds <= _LATE_S:
        return Step(Run.LATE)
    if not fell and _wraps(facts):
        span = now.seconds - before.seconds + facts.seconds_modulus
        return _bounded(Run.SAME, _gained(before, now), span, facts)
    return Step(
        Run.DOUBTED,
        text=f"found {now.seconds} s since power-up after {before.seconds} s, more than has passed since",
    )


def _span(before: Sample, now: Sample, elapsed_s: float, facts: Facts) -> int:
    """Return the inverter's time between two samples of one run: of all it could be, the nearest to ours."""
    span = now.seconds - before.seconds
    if not _wraps(facts):
        return span
    turns = round((elapsed_s - span) / facts.seconds_modulus)
    nearest = span + turns * facts.seconds_modulus
    return nearest if nearest >= 0 else span


def _wraps(facts: Facts) -> bool:
    """True for seconds that wrap within a day of light (18.2 h); others never do."""
    return facts.seconds_modulus <= 1 << 16


def _fell(before: Sample, now: Sample) -> bool:
    return any(new < old for old, new in zip(before.counters, now.counters, strict=True))


def _gained(before: Sample, now: Sample) -> tuple[int, ...]:
    return tuple(new - old for old, new in zip(before.counters, now.counters, strict=True))


def _wrapped(before: Sample, now: Sample, span_s: int, facts: Facts) -> Step:
    """Judge counters that fell within one run: they have wrapped, where what that means can be."""
    counts = tuple(gain % facts.counter_modulus for gain in _gained(before, now))
    judged = _bounded(Run.SAME, counts, span_s, facts)
    return judged if judged.run is Run.SAME else Step(Run.IMPLAUSIBLE, text=_fell_text(before, now))


def _fell_text(before: Sample, now: Sample) -> str:
    return f"found counters {list(now.counters)} after {list(before.counters)} in one run of the inverter"


def _bounded(run: Run, counts: tuple[int, ...], span_s: int, facts: Facts) -> Step:
    """Return the step, IMPLAUSIBLE where a panel would have given more than it can."""
    for panel, gain in enumerate(counts, 1):
        if gain > facts.most_counts(span_s):
            wh = gain * facts.wh_per_count
            power = f", that is {wh * 3600 / span_s:.0f} W" if span_s else ""
            return Step(
                Run.IMPLAUSIBLE,
                text=f"found {wh:.1f} Wh more of panel {panel} in {span_s} s{power}, expected at most "
                f"{_HEADROOM:g} x {facts.panel_power_w:g} W: if the panel is larger, set `panel_power`",
            )
    return Step(run, counts, span_s)
