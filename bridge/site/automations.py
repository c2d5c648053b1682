"""The section `automations:` of a site file: what the bridge does by itself. Each entry is one automation."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.adapters.durations import Duration
from bridge.site.points import Points

#: The register map that shows a surplus charging automation, which is also its name where it has none.
SURPLUS_CHARGING = "surplus_charging"
#: As many as its map has registers for.
CHARGERS_MAX = 4
_NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,39}$"
_Amps = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0.3, le=1.0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ChargerUse(_Part):
    """A charger that is steered. Its name alone stands for `{device: NAME}`."""

    device: str = Field(description="name of a device of this site")
    minimum_current: _Amps | None = Field(
        default=None, description="A, below which it is switched off, 0 to 1000"
    )
    maximum_current: _Amps | None = Field(default=None, description="A, the most it may draw, 0 to 1000")
    efficiency: _Share | None = Field(default=None, description="DC power for AC power, 0.3 to 1")
    current: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_.-]+)+$")] | None = Field(
        default=None, description="the point that limits it, such as /Settings/ChargeCurrentLimit"
    )

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, written: object) -> object:
        return {"device": written} if isinstance(written, str) else written


def chargers(written: object) -> object:
    """Take one charger for a list of one."""
    found = (written,) if isinstance(written, str | dict) else written
    if not isinstance(found, tuple) or not 1 <= len(found) <= CHARGERS_MAX:
        raise ValueError(f"expected the name of a charger, or a list of 1 to {CHARGERS_MAX} of them")
    return found


def safe_current(written: object) -> object:
    """Return a safe current in A, 0 for `off`."""
    if written == "off":
        return 0.0
    if isinstance(written, bool) or not isinstance(written, int | float) or not 0 <= written <= 1000:
        raise ValueError("expected off, or a current of 0 to 1000 A")
    return float(written)


def _some(amps: float) -> float:
    if amps <= 0:
        raise ValueError("expected a current above 0 A")
    return amps


class SurplusCharging(_Part):
    """Charging with what would be fed into the grid."""

    name: str = Field(
        default=SURPLUS_CHARGING, pattern=_NAME, description="a word of letters, digits, _ and -"
    )
    unit: int | None = Field(default=None, ge=1, le=246, description="Modbus unit id that shows it")
    grid_power: Points = Field(description="the point of the grid's power in W, or one for each phase")
    charger: Annotated[tuple[ChargerUse, ...], BeforeValidator(chargers)] = Field(
        description="a charger, or several, the most important first"
    )
    minimum_current: _Amps | None = Field(
        default=None, description="A, below which a charger is switched off, 0 to 1000"
    )
    maximum_current: _Amps | None = Field(
        default=None, description="A, the most a charger may draw, 0 to 1000"
    )
    efficiency: _Share = Field(default=0.9, description="DC power for AC power, 0.3 to 1")
    interval: Duration = Field(default=30.0, ge=5, le=3600, description="how often currents are set")
    reserve: float = Field(default=0.0, ge=-100_000, le=100_000, description="W left to the grid")
    hysteresis: float = Field(
        default=30.0, ge=0, le=10_000, description="W, differences below it are not acted on"
    )
    ramp: Annotated[float, AfterValidator(_some)] | None = Field(
        default=None, allow_inf_nan=False, description="A, the most that a current is raised at once"
    )
    minimum_on: Duration = Field(default=300.0, le=86400, description="how long a charger stays on at least")
    minimum_off: Duration = Field(
        default=300.0, le=86400, description="how long a charger stays off at least"
    )
    hold: Duration = Field(default=120.0, le=3600, description="how long a silent meter changes nothing")
    safe: Annotated[float, BeforeValidator(safe_current)] = Field(
        default=0.0, description="what comes after that: off, or a current in A that is not exceeded"
    )
    leave_alone: Duration = Field(
        default=3600.0,
        le=7 * 86400,
        alias="yield",
        description="how long a charger is left alone after somebody else has written to it",
    )


class Automation(_Part):
    """One entry of the list, by the key that says what it does."""

    surplus_charging: SurplusCharging = Field(description="'surplus_charging' with its keys")
