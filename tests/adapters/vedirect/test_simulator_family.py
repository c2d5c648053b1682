"""How the family and the command line find a product's simulator."""

import click
import pytest

from bridge.adapters.vedirect.options import FAMILY
from bridge.adapters.vedirect.simulated_dcdc import DcDcSimulator
from bridge.adapters.vedirect.simulated_inverter import InverterSimulator
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.adapters.vedirect.simulated_solar import SolarChargerSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.cli.simulate import make_simulator
from bridge.datastore.clock import ManualClock

SIMULATORS = {
    None: ChargerSimulator,
    "ac_charger": ChargerSimulator,
    "inverter": InverterSimulator,
    "solar_charger": SolarChargerSimulator,
    "battery_monitor": BatteryMonitorSimulator,
    "dcdc": DcDcSimulator,
}


@pytest.mark.parametrize(("product", "kind"), SIMULATORS.items())
def test_a_simulator_for_each_product(product, kind):
    """By name, and the charger where nothing is said."""
    assert FAMILY.simulator_class(product) is kind
    assert isinstance(make_simulator("vedirect", product, {"serial": "SIM1", "seed": 1}), kind)


def test_every_product_with_a_map_has_one():
    assert set(FAMILY.simulators) == set(FAMILY.native_maps)
    assert next(iter(FAMILY.simulators)) == "ac_charger"


@pytest.mark.parametrize("product", FAMILY.simulators)
def test_every_fault_can_begin(product):
    simulator = FAMILY.simulator_class(product)(ManualClock())
    for fault in simulator.faults:
        assert fault.help
        simulator.misbehave(fault.name)
    with pytest.raises(ValueError, match=r"found 'explode', expected one of"):
        simulator.misbehave("explode")


def test_a_product_that_is_none():
    with pytest.raises(KeyError):
        FAMILY.simulator_class("teapot")


@pytest.mark.parametrize(
    ("product", "wanted", "said"),
    [
        ("invertr", {}, "did you mean 'inverter'"),
        ("inverter", {"relays": True}, "did you mean 'relay'"),
        ("dcdc", {"flood": True}, "there is no property 'flood'"),
        ("battery_monitor", {"auxiliary": "wind"}, "expected one of none, starter, midpoint, temperature"),
        ("solar_charger", {"product_id": 0xA334}, "product id: found 0xa334, expected one of"),
        ("ac_charger", {"outputs": 2}, "outputs: found 2, expected 1 or 3"),
    ],
)
def test_a_wish_that_cannot_be_met(product, wanted, said):
    with pytest.raises(click.UsageError, match=said):
        make_simulator("vedirect", product, wanted)
