"""Doubt on a noisy line: the sums of VE.Direct are weak, so what changes must be told twice.

Both sums are modulo 256. Two bits turned in opposite directions at the same place of their bytes pass, and
on a line where one byte in a hundred is damaged one text block in some hundred is wrong and looks right. So
for a while after every damaged message a value is believed only where it agrees with the message before it
from the same source, or with what was believed last. On a clean line nothing is held back.
"""

import math
from collections.abc import Callable, Hashable, Mapping

from bridge.datastore.values import Path, Value

#: How long a damaged message casts doubt on those after it. Noise that damages a block in three seconds keeps
#: the doubt up; one damaged block alone must not keep a battery whose current changes from being believed for
#: so long that the inverter behind it is told to stop.
DOUBT_S = 10.0
#: Measurements agree when they differ by no more than this share, or by this many units.
_SHARE = 0.005
_LEAST = 0.03

Values = Mapping[Path, Value | None]


class Agreement:
    """Judges what each source says against what it said before. A source is a kind of block or a register.

    measured: tells the path of a measurement, where nearly the same is the same, from that of a code.
    """

    def __init__(self, measured: Callable[[Path], bool]) -> None:
        self._measured = measured
        self._doubt_until = -math.inf
        self._last: dict[Hashable, Values] = {}
        self._believed: dict[Hashable, Values] = {}

    def damaged(self, now: float) -> None:
        """Take note of a message that was thrown away at monotonic `now`."""
        self._doubt_until = now + DOUBT_S

    def believes(self, source: Hashable, values: Values, now: float) -> bool:
        """Judge one message; True when it may be published."""
        last, self._last[source] = self._last.get(source), values
        if now < self._doubt_until:
            believed = self._believed.get(source)
            if not self._agree(values, last) and not self._agree(values, believed):
                return False
        self._believed[source] = values
        return True

    def _agree(self, values: Values, others: Values | None) -> bool:
        return (
            others is not None
            and values.keys() == others.keys()
            and all(self._near(path, value, others[path]) for path, value in values.items())
        )

    def _near(self, path: Path, value: Value | None, other: Value | None) -> bool:
        if isinstance(value, str) or isinstance(other, str) or value is None or other is None:
            return value == other
        if not self._measured(path):
            return value == other
        return abs(value - other) <= max(_LEAST, _SHARE * abs(other))
