"""What a device really held, and when: taken at its simulator, never at the bridge."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: Truth older than this can be no excuse any more, unless a device is asked more seldom.
KEEP_S = 300.0
#: What lies between a value's end in the device and its publication: the line, a reply's delay, one look.
WAY_S = 1.5

Held = str | int | float | None


@dataclass(frozen=True, slots=True)
class Rule:
    """How a served value is judged: true within `window_s`, to `within` beside half a register's step.

    share: further tolerance as a part of what was held. leap: what a damaged frame that passes the family's
    doubt may be off by (part, least), counted apart; None where damage cannot pass. between: anything from the
    lowest to the highest held is true, as for powers made of two counts.
    """

    window_s: float
    within: float = 0.0
    share: float = 0.0
    leap: tuple[float, float] | None = None
    between: bool = False


class Truth:
    """Every change of what a device held, by path."""

    def __init__(self) -> None:
        self.keep_s = KEEP_S
        self._held: dict[str, list[tuple[float, Held]]] = defaultdict(list)

    def note(self, now: float, held: Mapping[str, Held]) -> None:
        """Take what the device holds now."""
        for path, value in held.items():
            known = self._held[path]
            if not known or known[-1][1] != value:
                known.append((now, value))
                while len(known) > 1 and known[1][0] < now - self.keep_s:
                    del known[0]

    def since(self, path: str, since: float) -> Iterator[Held]:
        """Yield every value that was held at any time from `since` on."""
        known = self._held.get(path, [])
        for place, (_, value) in enumerate(known):
            ends = known[place + 1][0] if place + 1 < len(known) else math.inf
            if ends >= since:
                yield value


@dataclass(slots=True)
class Made:
    """An energy as the equipment made it, in kWh; `unsure` is what sampling it now and then may add."""

    kwh: float = 0.0
    unsure: float = 0.0
    _power_w: float = 0.0
    _at: float | None = None

    #: Longest time over which the bridge takes one power for all of it, in seconds.
    GAP_S = 10.0

    def power(self, now: float, watts: float) -> None:
        """Take the power from now on."""
        if self._at is not None:
            self.kwh += self._power_w * (now - self._at) / 3.6e6
        if watts != self._power_w:
            self.unsure += abs(watts - self._power_w) * self.GAP_S / 3.6e6
        self._power_w, self._at = watts, now
