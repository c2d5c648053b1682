"""Options of a BMS on CAN and the family's entry. Light: the session behind them is imported when used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bridge.adapters.base import Family
from bridge.adapters.can.dialects import DIALECTS, DialectName
from bridge.adapters.can.options import CanOptions
from bridge.adapters.durations import Duration

_MODEL = ConfigDict(extra="forbid", frozen=True)
#: The longest that anything is sent after its last true value, in seconds, whatever is configured.
LONGEST_S = 300.0
#: Low-voltage batteries only: nothing of the protocols of high-voltage ones is spoken here.
_LOW_VOLTAGE_MAX = 64.0


@dataclass(frozen=True, slots=True)
class Chemistry:
    """What one cell bears, in V; currents as a multiple of the capacity (1 C empties it in an hour).

    highest, lowest: what it may be charged and discharged to at all. absorption, float_, storage, rebulk: a
    usual charge. plausible: what a reading must lie within. derating: how far below `highest` charging, and
    above `lowest` discharging, begins to be cut back.
    """

    highest: float
    lowest: float
    absorption: float
    float_: float
    storage: float
    rebulk: float
    plausible: tuple[float, float]
    derating: float
    charge_c: float
    discharge_c: float


#: Data sheets of common cells; lead at 25 degrees Celsius.
CHEMISTRIES: Mapping[str, Chemistry] = {
    "lfp": Chemistry(3.65, 2.5, 3.5, 3.375, 3.35, 3.3, (1.5, 4.2), 0.1, 1.0, 1.0),
    "nmc": Chemistry(4.2, 3.0, 4.1, 4.0, 3.9, 3.85, (2.0, 4.5), 0.1, 1.0, 1.0),
    "lto": Chemistry(2.8, 1.8, 2.6, 2.45, 2.4, 2.35, (1.2, 3.2), 0.1, 2.0, 2.0),
    "lead": Chemistry(2.5, 1.75, 2.4, 2.25, 2.2, 2.1, (1.2, 2.8), 0.05, 0.3, 1.0),
}


class BatteryOptions(BaseModel):
    """The battery behind the BMS. What is sent never leaves these limits, whoever asks for it."""

    model_config = _MODEL

    chemistry: Literal["lfp", "nmc", "lto", "lead"] = Field(
        description="the chemistry: lfp, nmc, lto or lead. It decides the highest voltage that is ever sent, "
        "and a wrong one ruins a battery: so there is no default"
    )
    cells: int = Field(ge=1, le=40, description="cells in series; a 12 V block of lead has six")
    capacity: float = Field(gt=0, le=6000, allow_inf_nan=False, description="installed capacity, Ah")
    max_voltage: float | None = Field(
        default=None, gt=0, description="highest charge voltage, V; left out: the chemistry's for its cells"
    )
    min_voltage: float | None = Field(
        default=None, gt=0, description="lowest discharge voltage, V; left out: the chemistry's"
    )
    max_charge_current: float | None = Field(
        default=None, gt=0, le=1200, description="highest charge current, A; left out: from the capacity"
    )
    max_discharge_current: float | None = Field(
        default=None, gt=0, le=1200, description="highest discharge current, A; left out: from the capacity"
    )

    @model_validator(mode="after")
    def _bearable(self) -> Self:
        high, low = round(self.cell.highest * self.cells, 2), round(self.cell.lowest * self.cells, 2)
        for name, volts in (("max_voltage", self.max_voltage), ("min_voltage", self.min_voltage)):
            if volts is not None and not low <= volts <= high:
                raise ValueError(
                    f"expected {name} of {low:g} to {high:g} V, which {self.cells} cells of "
                    f"{self.chemistry} bear"
                )
        if self.lowest_v >= self.highest_v:
            raise ValueError(f"expected a max_voltage above {self.lowest_v:g} V, the lowest voltage")
        if self.highest_v > _LOW_VOLTAGE_MAX:
            raise ValueError(
                f"expected a battery of at most {_LOW_VOLTAGE_MAX:g} V, as the low-voltage protocols know; "
                f"this one is charged to {self.highest_v:g} V"
            )
        return self

    @property
    def cell(self) -> Chemistry:
        """What one of its cells bears."""
        return CHEMISTRIES[self.chemistry]

    @property
    def highest_v(self) -> float:
        """Highest voltage it is charged to."""
        own = self.cell.highest * self.cells
        return round(own if self.max_voltage is None else self.max_voltage, 2)

    @property
    def lowest_v(self) -> float:
        """Lowest voltage it is discharged to."""
        own = self.cell.lowest * self.cells
        return round(own if self.min_voltage is None else self.min_voltage, 2)

    @property
    def charge_a(self) -> float:
        """Highest current it is charged with."""
        own = min(1200.0, self.cell.charge_c * self.capacity)
        return own if self.max_charge_current is None else self.max_charge_current

    @property
    def discharge_a(self) -> float:
        """Highest current that is drawn from it."""
        own = min(1200.0, self.cell.discharge_c * self.capacity)
        return own if self.max_discharge_current is None else self.max_discharge_current


class PhaseOptions(BaseModel):
    """How long old values are still sent, and as what."""

    model_config = _MODEL

    fresh: Duration = Field(default=5.0, ge=1, le=60, description="age up to which a linked source is fresh")
    hold: Duration = Field(default=10.0, le=LONGEST_S, description="then the last values, with a warning")
    zero: Duration = Field(default=30.0, le=LONGEST_S, description="then no current; after that silence")


class ChargeOptions(BaseModel):
    """The bridge's own charge controller. Settings left out are the chemistry's; all can be written."""

    model_config = _MODEL

    absorption_voltage: float | None = Field(default=None, gt=0, description="V")
    float_voltage: float | None = Field(default=None, gt=0, description="V")
    storage_voltage: float | None = Field(default=None, gt=0, description="V")
    rebulk_voltage: float | None = Field(default=None, gt=0, description="V below which bulk begins again")
    bulk_current: float | None = Field(
        default=None, gt=0, description="charge current, A; left out: the highest"
    )
    tail_current: float | None = Field(
        default=None, ge=0, description="A at which absorption ends early; left out: 2 % of the capacity"
    )
    absorption_time: Duration = Field(default=7200.0, ge=60, le=86400, description="longest absorption")
    float_time: Duration = Field(default=28800.0, ge=60, le=30 * 86400, description="float before storage")
    lowest_temperature: float = Field(
        default=0.0, ge=-40, le=60, description="no charging at or below, degrees Celsius"
    )
    highest_temperature: float = Field(
        default=45.0, ge=0, le=80, description="no charging at or above, degrees Celsius"
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.highest_temperature - self.lowest_temperature < 10:
            raise ValueError("expected highest_temperature at least 10 degrees above lowest_temperature")
        return self


class CanBmsOptions(CanOptions):
    """The bridge as the BMS of a battery, towards an inverter."""

    adapter: Literal["can_bms"] = Field(description="equipment family")
    dialect: DialectName = Field(description="what the inverter understands; sma for a Sunny Island")
    battery: BatteryOptions = Field(
        description="the battery as {cells: 16, chemistry: lfp, capacity: 200}; its limits win over all"
    )
    observe: bool = Field(
        default=True,
        description="show every frame that would be sent and send nothing; say false once they are right",
    )
    watchdog: Duration = Field(
        default=30.0, ge=5, le=LONGEST_S, description="how long a written value is fresh, 5 s to 300 s"
    )
    phases: PhaseOptions = Field(
        default=PhaseOptions(), description="how long old values are still sent, at most 300 s together"
    )
    on_stale: Literal["zero_then_stop", "stop"] = Field(
        default="zero_then_stop",
        description="`stop`: silence as soon as the values are old, without holding and without zero current",
    )
    charge_control: ChargeOptions | None = Field(
        default=None, description="charge by bulk, absorption, float and storage; {} for the usual settings"
    )
    name: str | None = Field(
        default=None, min_length=1, max_length=8, pattern=r"^[ -~]+$",
        description="name that the inverter is told, up to 8 ASCII characters",
    )  # fmt: skip

    @property
    def after_fresh(self) -> tuple[float, float]:
        """Seconds of the phases hold and zero current."""
        return (0.0, 0.0) if self.on_stale == "stop" else (self.phases.hold, self.phases.zero)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        after = sum(self.after_fresh)
        fresh = {"phases.fresh": self.phases.fresh, "watchdog": self.watchdog}
        for path, lease in self.lease.items():
            fresh[f"lease of {path}"] = lease.time
            if lease.time < 5:
                raise ValueError(f"expected a lease of {path} of 5 s to {LONGEST_S:g} s")
            safe = self.safe if lease.safe is None else lease.safe
            if safe not in (None, "release", "hold"):
                raise ValueError(
                    f"expected the lease of {path} without a value for its end: what is sent then stands in "
                    "`phases`; say safe: release"
                )
        name, longest = max(fresh.items(), key=lambda item: item[1])
        if longest + after > LONGEST_S:
            raise ValueError(
                f"expected at most {LONGEST_S:g} s from the last true value to silence: {name} and the "
                f"phases after it are {longest + after:g} s"
            )
        return self

    @model_validator(mode="after")
    def _chargeable(self) -> Self:
        """Voltages given for the charge controller lie within the battery's, and in their order."""
        charge, battery = self.charge_control, self.battery
        if charge is None:
            return self
        names = ("rebulk_voltage", "storage_voltage", "float_voltage", "absorption_voltage")
        low, high = battery.lowest_v, battery.highest_v
        for name in names:
            volts = getattr(charge, name)
            if volts is not None and not low <= volts <= high:
                raise ValueError(
                    f"expected charge_control.{name} of {low:g} to {high:g} V, the limits of the battery"
                )
        usual = charge_voltages(charge, battery)
        if not usual[0] < usual[1] <= usual[2] <= usual[3]:
            written = " <= ".join(f"{name} {volts:g}" for name, volts in zip(names, usual, strict=True))
            raise ValueError(f"expected rebulk below storage, float and absorption in this order: {written}")
        if charge.bulk_current is not None and charge.bulk_current > battery.charge_a:
            raise ValueError(f"expected charge_control.bulk_current of at most {battery.charge_a:g} A")
        return self

    @model_validator(mode="after")
    def _spoken(self) -> Self:
        low, high = DIALECTS[self.dialect].ranges.get("charge_voltage_limit_v", (0.0, _LOW_VOLTAGE_MAX))
        if not low <= self.battery.highest_v <= high:
            raise ValueError(
                f"expected with `dialect: {self.dialect}` a battery charged to {low:g} to {high:g} V, which "
                f"is all that its inverters take; this one is charged to {self.battery.highest_v:g} V"
            )
        return self


def charge_voltages(charge: ChargeOptions, battery: BatteryOptions) -> tuple[float, float, float, float]:
    """Return re-bulk, storage, float and absorption voltage in V: as given, else usual ones."""
    cell, cells = battery.cell, battery.cells
    usual = (
        (charge.rebulk_voltage, cell.rebulk),
        (charge.storage_voltage, cell.storage),
        (charge.float_voltage, cell.float_),
        (charge.absorption_voltage, cell.absorption),
    )
    low, high = battery.lowest_v, battery.highest_v
    found = [round(min(high, max(low, own * cells)), 2) if given is None else given for given, own in usual]
    return found[0], found[1], found[2], found[3]


FAMILY = Family(
    name="can_bms",
    title="BMS towards an inverter, on CAN",
    options=CanBmsOptions,
    adapter="bridge.adapters.can_bms.adapter:CanBmsAdapter",
    simulator="bridge.adapters.can_bms.simulator:InverterSimulator",
    probe="bridge.adapters.can.probe:probe",
    native_maps={"": "can_bms"},
)
