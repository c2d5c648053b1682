"""Doubt about damaged frames whose sum fits by chance: what leaps must be told twice.

Two bytes damaged in one frame cancel out in its sum about once in sixteen times where both turn the same
bit, and otherwise once in 256. Such a frame shows values that leap, so that asking once more tells.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.datastore.values import Path, Value


@dataclass(frozen=True, slots=True)
class _Step:
    """How far a value may go at once: a share of the former one, but at least `least`."""

    share: float
    least: float


#: By the last part of the path; values of other paths are states, of which every change is told twice.
_STEPS: Mapping[str, _Step] = {
    "V": _Step(0.02, 2.0),
    "Voltage": _Step(0.02, 0.3),
    "I": _Step(0.1, 0.5),
    "Current": _Step(0.1, 1.0),
    "F": _Step(0.0, 0.3),
    "P": _Step(0.1, 60.0),
    "Power": _Step(0.1, 60.0),
    "Soc": _Step(0.0, 1.0),
    "RippleVoltage": _Step(0.2, 0.2),
}


#: Batches in a row that may be held back: values that differ every time are so, and not damaged.
_HELD_BACK = 2


class LeapFilter:
    """Holds back a batch in which something leaps until another one agrees with it."""

    def __init__(self) -> None:
        self._held_back: dict[str, int] = {}
        self._last: dict[str, Mapping[Path, Value | None]] = {}
        self._suspect: dict[str, Mapping[Path, Value | None]] = {}

    def passes(self, group: str, values: Mapping[Path, Value | None]) -> bool:
        """Judge one batch of a group; False asks for another reading of it."""
        told = self._suspect.pop(group, None), self._last.get(group)
        leaps = self._held_back.get(group, 0)
        if leaps >= _HELD_BACK or any(before is not None and _near(before, values) for before in told):
            self._last[group] = dict(values)
            self._held_back[group] = 0
            return True
        self._held_back[group] = leaps + 1
        self._suspect[group] = dict(values)
        return False

    def expect(self, group: str, values: Mapping[Path, Value | None]) -> None:
        """Take a batch for told: a command has brought it about."""
        self._last[group] = dict(values)


def _near(before: Mapping[Path, Value | None], values: Mapping[Path, Value | None]) -> bool:
    return before.keys() == values.keys() and all(
        _is_step(path, before[path], value) for path, value in values.items()
    )


def _is_step(path: Path, before: Value | None, value: Value | None) -> bool:
    step = _STEPS.get(path.rsplit("/", 1)[-1])
    if step is None or not isinstance(before, int | float) or not isinstance(value, int | float):
        return before == value
    return math.fabs(value - before) <= max(step.share * math.fabs(before), step.least)
