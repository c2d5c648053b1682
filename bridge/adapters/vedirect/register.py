"""One HEX register of a product's table."""

from collections.abc import Callable
from dataclasses import dataclass

from bridge.datastore.values import Path, Value

#: Shortest and default life of a value that comes by itself.
_STALE_S = 5.0
#: A polled register is stale when not heard for this many of its polls.
_STALE_POLLS = 3


@dataclass(frozen=True, slots=True)
class Register:
    """VE.Direct register `id` of type `type`, feeding the point `path` with raw / scale.

    poll_s: how often it is read, None where it only comes by itself. once: read until it is known.
    stand_in: read only while text is silent, which otherwise brings the same value.
    fallback_for: read only where the device does not know this other register, which tells the same better.
    convert: makes the value of a raw number where a scale does not do.
    """

    id: int
    path: Path
    type: str
    scale: int = 1
    poll_s: float | None = None
    once: bool = False
    stand_in: bool = False
    fallback_for: int | None = None
    convert: Callable[[int], Value | None] | None = None

    @property
    def group(self) -> str:
        """The register's own group: it ages alone."""
        return f"{self.id:04X}"

    @property
    def stale_after_s(self) -> float | None:
        """When its value may no longer be believed; None for what never changes."""
        return None if self.once else max(_STALE_S, _STALE_POLLS * (self.poll_s or 0.0))

    def value(self, raw: int | str | None) -> Value | None:
        """Return the point's value of a raw one."""
        if not isinstance(raw, int):
            return raw
        if self.convert is not None:
            return self.convert(raw)
        return raw / self.scale if self.scale != 1 else raw


def celsius(raw: int) -> float:
    """Turn hundredths of a kelvin into degrees Celsius."""
    return round(raw / 100 - 273.15, 2)


def seconds(raw: int) -> int:
    """Turn minutes into seconds."""
    return raw * 60


def seconds_of_hours(raw: int) -> int:
    """Turn hundredths of an hour into seconds."""
    return raw * 36


def low_nibble(raw: int) -> int:
    """Return the lower four bits: the upper ones of a load control say what its timer does."""
    return raw & 0x0F


def device_mode(raw: int) -> int:
    """Return the mode a raw value of register 0x0200 stands for: old firmware reports off (4) as 0."""
    return raw or 4
