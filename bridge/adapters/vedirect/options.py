"""Options of a VE.Direct device and the family's entry. Light: imports nothing of its family."""

from typing import Literal

from pydantic import Field

from bridge.adapters.base import DeviceOptions, Family

#: Product classes of Victron's VE.Direct line; `auto` learns the class from the device and remembers it.
Product = Literal["auto", "ac_charger", "inverter", "solar_charger", "battery_monitor", "dcdc"]


class VeDirectOptions(DeviceOptions):
    """A device on a VE.Direct port."""

    adapter: Literal["vedirect"] = Field(description="equipment family")
    port: str = Field(
        min_length=1,
        description="a device path, a PTY or socket://host:port",
    )
    product: Product = Field(
        default="auto",
        description="product class; `auto` learns it and remembers it, another class later is a wrong device",
    )


FAMILY = Family(
    name="vedirect",
    title="Victron VE.Direct",
    options=VeDirectOptions,
    adapter="bridge.adapters.vedirect.adapter:VeDirectAdapter",
    simulator="bridge.adapters.vedirect.simulator:ChargerSimulator",
    probe="bridge.adapters.vedirect.probe:probe",
    points="bridge.adapters.vedirect.known:points_of",
    native_maps={
        "ac_charger": "bluesmart_charger",
        "inverter": "phoenix_inverter",
        "solar_charger": "bluesolar_mppt",
        "battery_monitor": "smartshunt",
        "dcdc": "orion_dcdc",
    },
    simulators={
        "ac_charger": "bridge.adapters.vedirect.simulator:ChargerSimulator",
        "inverter": "bridge.adapters.vedirect.simulated_inverter:InverterSimulator",
        "solar_charger": "bridge.adapters.vedirect.simulated_solar:SolarChargerSimulator",
        "battery_monitor": "bridge.adapters.vedirect.simulated_monitor:BatteryMonitorSimulator",
        "dcdc": "bridge.adapters.vedirect.simulated_dcdc:DcDcSimulator",
    },
)
