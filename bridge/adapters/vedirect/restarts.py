"""Noticing that a device has restarted, by its uptime register (0x0120, s)."""

from bridge.datastore.clock import Clock
from bridge.datastore.state import Memory

#: Slack of a device's second counter and of the line's delays.
_SLACK_S = 5.0
#: Slack over a restart of the bridge, where only wall clocks can be compared.
_WALL_SLACK_S = 60.0


class RestartWatch:
    """Compares each reported uptime with the one before; the boot moment is kept over bridge restarts."""

    _KEY = "booted_at"

    def __init__(self, clock: Clock, memory: Memory) -> None:
        self._clock = clock
        self._memory = memory
        self._booted: float | None = None  # monotonic
        saved = memory.get(self._KEY)
        self._saved: float | None = float(saved) if isinstance(saved, (int, float)) else None

    def reported(self, uptime_s: int) -> bool:
        """Take an uptime; True when the device has restarted since it was last seen."""
        booted = self._clock.monotonic() - uptime_s
        wall = self._clock.now() - uptime_s
        if self._booted is not None:
            restarted = booted > self._booted + _SLACK_S
        else:
            restarted = self._saved is not None and wall > self._saved + _WALL_SLACK_S
        if self._booted is None or restarted:
            self._booted = booted
        if self._saved is None or abs(wall - self._saved) > _WALL_SLACK_S / 2:
            self._saved = wall
            self._memory.put(self._KEY, round(wall))
        return restarted
