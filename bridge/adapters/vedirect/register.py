"""One HEX register of a product's table."""

from dataclasses import dataclass

from bridge.datastore.values import Path, Value

#: Shortest and default life of a value that comes by itself.
_STALE_S = 5.0
#: A polled register is stale when not heard for this many of its polls.
_STALE_POLLS = 3


@dataclass(frozen=True, slots=True)
class Register:
    """VE.Direct register `id` of integer type `type`, feeding the point `path` with raw / scale.

    poll_s: how often it is read, None where it only comes by itself. once: read until it is known.
    """

    id: int
    path: Path
    type: str
    scale: int = 1
    poll_s: float | None = None
    once: bool = False

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
        return raw / self.scale if isinstance(raw, int) and self.scale != 1 else raw
