"""Which way energy flows through a VE.Bus system: its units tell powers, and no counts."""

from bridge.adapters.energy_counter import EnergyCounter
from bridge.adapters.vebus_mk3.points import ENERGY_NAMES
from bridge.datastore.clock import Clock
from bridge.datastore.state import Memory


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


class EnergyCounters(EnergyCounter):
    """The counters of one system, by phase."""

    def __init__(self, clock: Clock, memory: Memory) -> None:
        super().__init__(clock, memory, ENERGY_NAMES)

    def sample(self, phase: int, mains_w: float, output_w: float, active_input: int) -> None:
        """Take the powers of a phase as they are now, as `flows` splits them."""
        self.count(phase, flows(mains_w, output_w, active_input))
