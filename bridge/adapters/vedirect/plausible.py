"""Doubt about damaged text blocks that pass their sum, as one of 256 does."""

from collections.abc import Mapping

from bridge.datastore.values import Path, Value

VOLTAGE = "/Dc/0/Voltage"
#: A voltage that leaps by more than this share of the former one must be told twice.
_LEAP = 0.5


class LeapFilter:
    """Holds back a block whose voltage leaps, until the next one agrees with it."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._suspect: float | None = None

    def passes(self, values: Mapping[Path, Value | None]) -> bool:
        """Judge one block; True when it may be published."""
        voltage = values.get(VOLTAGE)
        if not isinstance(voltage, (int, float)):
            return True
        if self._last is None or _near(voltage, self._last) or self._agrees(voltage):
            self._last, self._suspect = voltage, None
            return True
        self._suspect = voltage
        return False

    def _agrees(self, voltage: float) -> bool:
        return self._suspect is not None and _near(voltage, self._suspect)


def _near(voltage: float, other: float) -> bool:
    return abs(voltage - other) <= _LEAP * max(abs(other), 1.0)
