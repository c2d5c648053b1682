"""Options of a battery on CAN and the family's entry. Light: imports nothing of its family."""

from fractions import Fraction
from typing import Literal

from pydantic import Field, model_validator

from bridge.adapters.base import DeviceOptions, Family
from bridge.adapters.can.options import CanOptions

#: BYD on a GX was captured counting tenths of a kWh; MG's guide says hundredths.
_HISTORY_SCALES = frozenset({0.1, 0.01})


class CanBatteryOptions(CanOptions):
    """A battery that speaks the Pylontech protocol or one of its dialects."""

    adapter: Literal["can_battery"] = Field(description="equipment family")
    dialect: Literal["pylontech", "pylontech_new", "sma", "victron"] = Field(
        description="what the battery speaks: pylontech (pylontech_new is read alike), sma, or victron"
    )
    keepalive: bool | None = Field(
        default=None,
        description="whether the bridge plays the inverter that the battery waits for (0x305 each second): "
        "`false` where there is a real inverter, `true` always; left out: while no other one is heard, and "
        "never in dialect sma",
    )
    history_scale: float = Field(
        default=0.1, description="kWh that one count of the energies in 0x378 stands for, 0.1 or 0.01"
    )

    @model_validator(mode="after")
    def _speakable(self) -> "CanBatteryOptions":
        if self.history_scale not in _HISTORY_SCALES:
            raise ValueError(f"expected as `history_scale` 0.1 or 0.01, found {self.history_scale:g}")
        if self.keepalive and self.dialect == "sma":
            raise ValueError(
                "expected no `keepalive: true` with `dialect: sma`: there 0x305 is telemetry of the inverter"
            )
        return self

    @property
    def history_scale_kwh(self) -> Fraction:
        """The count of 0x378 in kWh, exactly."""
        return Fraction(str(self.history_scale))


class CanFamily(Family):
    """A family whose bus is shared by any number of devices."""

    def ports(self, options: DeviceOptions) -> tuple[str, ...]:  # noqa: ARG002 - as overridden
        """Return nothing: no device has a CAN bus for itself."""
        return ()


_SIMULATOR = "bridge.adapters.can_battery.simulator:{}BatterySimulator"

FAMILY = CanFamily(
    name="can_battery",
    title="Battery on CAN (Pylontech, SMA, Victron)",
    options=CanBatteryOptions,
    adapter="bridge.adapters.can_battery.adapter:CanBatteryAdapter",
    simulator=_SIMULATOR.format("Pylontech"),
    probe="bridge.adapters.can.probe:probe",
    native_maps={"": "can_battery"},
    simulators={
        "pylontech": _SIMULATOR.format("Pylontech"),
        "pylontech_new": _SIMULATOR.format("NewPylontech"),
        "sma": _SIMULATOR.format("Sma"),
        "victron": _SIMULATOR.format("Victron"),
    },
)
