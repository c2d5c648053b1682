"""Energy counters integrated from powers, for equipment that counts nothing which could be read.

The bridge counts while it listens, and keeps the counters over restarts: what flows while it does not
listen is not in them.
"""

from collections.abc import Collection, Hashable, Mapping

from bridge.datastore.clock import Clock
from bridge.datastore.state import Memory
from bridge.datastore.values import Path

#: Powers further apart than this say nothing of what flowed between them.
GAP_S = 10.0
#: How often the counters are saved: as far as a crash can let them step back.
SAVE_EVERY_S = 60.0
_KEY = "energy"
_J_PER_KWH = 3_600_000.0


class EnergyCounter:
    """The counters of one device, in kWh, named without their `/Energy/`."""

    def __init__(self, clock: Clock, memory: Memory, names: Collection[str]) -> None:
        self._clock = clock
        self._memory = memory
        self._serial = ""
        self._joules = dict.fromkeys(names, 0.0)
        self._counted: dict[Hashable, float] = {}
        self._saved_at = clock.monotonic()

    def belong_to(self, serial: str) -> None:
        """Take up what was saved for the device of this serial; another one begins at zero."""
        if serial == self._serial:
            return
        first, self._serial = not self._serial, serial
        saved = self._memory.get(_KEY)
        mine = isinstance(saved, dict) and saved.get("serial") == serial
        kwh = saved.get("kwh") if mine and isinstance(saved, dict) else None
        found = kwh if isinstance(kwh, dict) else {}
        for name in self._joules:
            value = found.get(name)
            start = self._joules[name] if first else 0.0
            self._joules[name] = start + (value * _J_PER_KWH if isinstance(value, int | float) else 0.0)

    def count(self, part: Hashable, flows_w: Mapping[str, float]) -> None:
        """Take the powers of one part of the device, and count them for the time since its last ones.

        A flow below zero counts nothing: a counter never falls.
        """
        now = self._clock.monotonic()
        before = self._counted.get(part)
        self._counted[part] = now
        if before is not None and now - before <= GAP_S:
            for name, power_w in flows_w.items():
                self._joules[name] += max(power_w, 0.0) * (now - before)
        if now - self._saved_at >= SAVE_EVERY_S:
            self.save()

    def points(self) -> Mapping[Path, float]:
        """Return the counters as points."""
        return {f"/Energy/{name}": joules / _J_PER_KWH for name, joules in self._joules.items()}

    def save(self) -> None:
        """Put the counters into the saved state."""
        self._saved_at = self._clock.monotonic()
        if self._serial:
            kwh = {name: joules / _J_PER_KWH for name, joules in self._joules.items()}
            self._memory.put(_KEY, {"serial": self._serial, "kwh": kwh})
