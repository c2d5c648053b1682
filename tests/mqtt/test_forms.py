"""Roofs told as RPI-ECU did, for what still reads those: fields and kinds of value as those programs have them."""

import json
from typing import Any

import pytest

from bridge.datastore.clock import SystemClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec

from .broker import Broker, person, until
from .rig import Field, told

NUMBERS = {
    "/Ac/Power": 201.44, "/Ac/Energy/Forward": 12.3456, "/Ac/Frequency": 50.02, "/Ac/L1/Voltage": 231.2,
    "/Temperature": 21.5, "/Signal": 80,
}  # fmt: skip
PANELS = {"/V": (32.1, 33.2), "/I": (3.05, 3.1), "/Power": (98.0, 103.4), "/Energy": (6.1, 6.2456)}


def roof() -> tuple[Field, dict[str, Any]]:
    field = Field(SystemClock(), "roof")
    values: dict[str, Any] = {f"/Inverters/2{path}": value for path, value in NUMBERS.items()}
    values["/Inverters/2/Serial"] = "408000158215"
    for path, pair in PANELS.items():
        values |= {f"/Inverters/2/Panels/{panel}{path}": value for panel, value in enumerate(pair, 1)}
    specs = [PointSpec(path, text=isinstance(value, str)) for path, value in values.items()]
    field.device.declare(specs, [GroupSpec("i", 600)], [["i"]])
    return field, values


HEAD = {"inv_serial": "408000158215", "freq": 50.02, "temp": 21.5, "acv": 231.2}


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        (1, {"idx": 102, "nvalue": 0, "svalue": "201.4;12345.6"}),
        (2, {"inv": "1", "temp": "21.5", "p0": "98.0", "p1": "103.4", "p2": "0.0", "p3": "0.0", "energy": "12345.6"}),
        (
            3,
            {
                **HEAD, "signal": 80, "polled": 1, "dcv": [32.1, 33.2], "dcc": [3.05, 3.1], "pwr": [98.0, 103.4],
                "pwr_total": 201.4, "en": [6100.0, 6245.6], "energy_total": 12345.6,
            },
        ),
        (
            4,
            {
                **HEAD, "ch0": [32.1, 3.05, 98.0, 6100.0], "ch1": [33.2, 3.1, 103.4, 6245.6],
                "totals": [201.4, 12345.6],
            },
        ),
    ],
)  # fmt: skip
async def test_forms(broker: Broker, form: int, wanted: dict[str, Any]) -> None:
    field, values = roof()
    rpi_ecu = {"device": "roof", "form": form, "topic": "rooftop", "idx": [101, 102]}
    async with (
        person(broker.port, "rooftop/#", "rooftop", "t/#") as some,
        told(field, broker.port, points=False, rpi_ecu=[rpi_ecu]),
    ):
        await until(lambda: some.heard.get("t/boat/bridge/availability") == b"online")

        def heard() -> object:
            field.device.publish("i", values)
            return some.heard.get("rooftop")

        assert json.loads(await until(heard)) == wanted
    async with person(broker.port, "rooftop", "t/boat/bridge/availability") as late:
        await until(lambda: late.heard.get("t/boat/bridge/availability"))
        assert ("rooftop" in late.heard) is (form in (3, 4))  # those two are kept


async def test_each_inverter_may_have_a_topic_of_its_own(broker: Broker) -> None:
    field, values = roof()
    rpi_ecu = {"device": "roof", "form": 3, "topic": "rooftop/", "each": True}
    async with person(broker.port, "rooftop/+") as some, told(field, broker.port, rpi_ecu=[rpi_ecu]):

        def heard() -> object:
            field.device.publish("i", values)
            return some.heard

        await until(heard)
        assert some.heard.keys() == {"rooftop/1"}
