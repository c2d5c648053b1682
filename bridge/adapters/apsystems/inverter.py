"""One inverter of a roof: what the site says of it, and how it has answered."""

from dataclasses import dataclass

from bridge.adapters.apsystems.counting import Facts
from bridge.adapters.apsystems.options import InverterOptions
from bridge.adapters.apsystems.points import model_of
from bridge.adapters.apsystems.readings import Shown


@dataclass(slots=True)
class Inverter:
    """One inverter of the roof: what the site says of it, and how it has answered."""

    number: int
    options: InverterOptions
    facts: Facts
    shown: Shown | None = None
    #: Monotonic times of the newest answer, and of the newest one with a new measurement.
    heard_at: float | None = None
    measured_at: float | None = None
    missed: int = 0
    #: What was wrong with its answers, told once while it lasts.
    fault: str = ""

    @property
    def serial(self) -> str:
        """The digits of its label."""
        return self.options.serial


def facts_of(inverter: InverterOptions) -> Facts:
    """Return what the energy book must know of an inverter."""
    model = model_of(inverter)
    return Facts(
        model.seconds_modulus,
        model.counter_modulus,
        inverter.energy_scale or model.wh_per_count,
        inverter.panel_power,
    )
