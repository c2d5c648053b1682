"""What an inverter may still be told, judged by the age of what is known of its battery.

    fresh -> hold -> zero current -> stopped

An inverter that believes old limits ruins a battery, and one that loses its BMS shuts a house down. So the
last values stand for a short while with a warning, then no current is allowed, then nothing is sent and the
inverter's own supervision acts. There is no phase that lasts for ever but silence. Ages are those of the
sources, never of the last transmission. Pure: ages in, phase out; the same ages give the same phase, so a
source that is fresh again is the whole of recovery.
"""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass

#: Ages are differences of floating point times: what is this near to the end of a phase is still in it.
_ROUNDING_S = 1e-6


class Phase(enum.IntEnum):
    """What is sent, numbered as `/Bms/Phase` shows it."""

    OBSERVE = 0  # nothing: what would be sent is shown
    FRESH = 1  # live values
    HOLD = 2  # the last values, with a warning
    ZERO = 3  # no current in either direction
    STOPPED = 4  # nothing


@dataclass(frozen=True, slots=True)
class Source:
    """One needed quantity: its age in seconds (None: not known at all), and until when that is fresh."""

    age_s: float | None
    fresh_s: float

    @property
    def overdue_s(self) -> float:
        """Seconds since it stopped being fresh: negative while it is, infinite when never known."""
        return math.inf if self.age_s is None else self.age_s - self.fresh_s


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """How long the phases after `fresh` last, in seconds. Both zero: silence at once."""

    hold_s: float
    zero_s: float

    def phase(self, sources: Iterable[Source]) -> Phase:
        """Return the phase that the worst of the sources asks for; without any source it is STOPPED."""
        overdue_s = _worst(sources) - _ROUNDING_S
        if overdue_s <= 0:
            return Phase.FRESH
        if overdue_s <= self.hold_s:
            return Phase.HOLD
        return Phase.ZERO if overdue_s <= self.hold_s + self.zero_s else Phase.STOPPED

    def ends_in_s(self, sources: Iterable[Source]) -> float:
        """Return how long the phase lasts if nothing is heard any more; infinite for STOPPED."""
        overdue_s = _worst(sources)
        ends = (0.0, self.hold_s, self.hold_s + self.zero_s)
        return min((end - overdue_s for end in ends if end >= overdue_s - _ROUNDING_S), default=math.inf)


def oldest_s(sources: Iterable[Source]) -> float | None:
    """Return the age of the oldest source, None while one is not known."""
    ages = [source.age_s for source in sources]
    known = [age for age in ages if age is not None]
    return max(known) if known and len(known) == len(ages) else None


def _worst(sources: Iterable[Source]) -> float:
    return max((source.overdue_s for source in sources), default=math.inf)
