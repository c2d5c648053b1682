"""Who else is on the bus: the inverter, and a BMS that should not be there."""

from collections.abc import Callable

from bridge.adapters.can.dialects import Dialect
from bridge.adapters.can.frames import CanFrame

#: What a BMS alone sends: another one on the bus is heard by these.
_OF_A_BMS = frozenset({0x351, 0x355})
#: How long another BMS must be gone before this one may be enabled again.
FOREIGN_GONE_S = 60.0


class Neighbours:
    """What was heard of others, and when. The bridge's own frames never come here."""

    def __init__(self, dialect: Dialect, monotonic: Callable[[], float]) -> None:
        self._speaks = dialect.inverter_speaks
        self._monotonic = monotonic
        self._inverter_at: float | None = None
        self._foreign_at: float | None = None

    def hear(self, frame: CanFrame) -> bool:
        """Take a frame; True for one of another BMS."""
        if frame.id in self._speaks:
            self._inverter_at = self._monotonic()
        if frame.id not in _OF_A_BMS:
            return False
        self._foreign_at = self._monotonic()
        return True

    @property
    def foreign(self) -> bool:
        """True while another BMS was heard within the last minute."""
        at = self._foreign_at
        return at is not None and self._monotonic() - at < FOREIGN_GONE_S

    @property
    def inverter_age_s(self) -> float | None:
        """Seconds since the inverter was heard, None for never."""
        at = self._inverter_at
        return None if at is None else round(self._monotonic() - at, 1)
