"""What the server tells of itself to outlets, which know no server. Light: imports no library."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ListenerFigures:
    """One listener now: its connections by peer, and the units it serves as (unit, device, map)."""

    name: str
    serving: bool
    peers: Mapping[str, int] = field(default_factory=dict)
    units: tuple[tuple[int, str, str], ...] = ()
