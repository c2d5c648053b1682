"""Energy counters of a VE.Bus system, integrated from its powers and kept over restarts.

The units count nothing that could be read, so the bridge counts while it listens: what flows while it
does not is not in the counters.
"""

from collections.abc import Mapping

from bridge.adapters.vebus_mk3.points import ENERGY_NAMES
from bridge.datastore.clock import Clock
from bridge.datastore.state import Memory
from bridge.datastore.values import Path

#: Powers further apart than this say nothing of what flowed between them.
_GAP_S = 10.0
#: How often the counters are saved: as far as a crash can let them step back.
SAVE_EVERY_S = 60.0
_KEY = "energy"
_J_PER_KWH = 3_600_000.0


def flows(mains_w: float, output_w: float, active_input: int) -> dict[str, float]:
    """Split the powers of one phase into flows in W: mains to loads, mains to battery, battery to loads...

    mains_w: drawn from the active input (0 or 1 for AC-in 1 or 2), negative for feeding in. output_w: taken
    by the loads, negative for a source at the output.
    """
    ac_in = f"AcIn{2 if active_input == 1 else 1}"
    drawn, fed = max(mains_w, 0.0), max(-mains_w, 0.0)
    used, given = max(output_w, 0.0), max(-output_w, 0.0)
    through, back = min(drawn, used), min(fed, given)
    return {
        f"{ac_in}ToAcOut": through,
        f"{ac_in}ToInverter": drawn - through,
        "InverterToAcOut": used - through,
        f"AcOutTo{ac_in}": back,
        f"InverterTo{ac_in}": fed - back,
        "OutToInverter": given - back,
    }


class EnergyCounters:
    """The counters of one system, in kWh."""

    def __init__(self, clock: Clock, memory: Memory) -> None:
        self._clock = clock
        self._memory = memory
        self._serial = ""
        self._joules = dict.fromkeys(ENERGY_NAMES, 0.0)
        self._sampled: dict[int, float] = {}
        self._saved_at = clock.monotonic()

    def belong_to(self, serial: str) -> None:
        """Take up what was saved for the system of this serial; another one begins at zero."""
        if serial == self._serial:
            return
        first, self._serial = not self._serial, serial
        saved = self._memory.get(_KEY)
        mine = isinstance(saved, dict) and saved.get("serial") == serial
        kwh = saved.get("kwh") if mine and isinstance(saved, dict) else None
        found = kwh if isinstance(kwh, dict) else {}
        for name in ENERGY_NAMES:
            value = found.get(name)
            start = self._joules[name] if first else 0.0
            self._joules[name] = start + (value * _J_PER_KWH if isinstance(value, int | float) else 0.0)

    def sample(self, phase: int, mains_w: float, output_w: float, active_input: int) -> None:
        """Take the powers of a phase as they are now, and count them for the time since the last ones."""
        now = self._clock.monotonic()
        before = self._sampled.get(phase)
        self._sampled[phase] = now
        if before is not None and now - before <= _GAP_S:
            for name, power in flows(mains_w, output_w, active_input).items():
                self._joules[name] += power * (now - before)
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
