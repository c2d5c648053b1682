"""Frames to points: LEDs, switches, states; and energies from powers."""

import pytest

from bridge.adapters.vebus_mk3.energy import EnergyCounters, flows
from bridge.adapters.vebus_mk3.messages import Config, Led, Leds
from bridge.adapters.vebus_mk3.readings import config_values, led_values, state_value
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from tests.adapters.vebus_mk3.rig import MODE, OFF, Rig

NO_LEDS = Leds(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("on", "blink", "expected"),
    [
        (0x01, 0x00, {"/Leds/Mains": 1, "/Leds/Bulk": 0}),
        (0x00, 0x04, {"/Leds/Bulk": 2}),
        (0x10, 0x10, {"/Leds/Inverter": 3}),
        (0x80, 0x00, {"/Leds/Temperature": 1, "/Leds/LowBattery": 0}),
        (0x1F, 0x1F, {"/Leds/Mains": None, "/Leds/Temperature": None}),  # no data
        (0x0A, 0x0A, {"/Alarms/TemperatureSensor": 2, "/Alarms/VoltageSensor": 0}),
        (0x00, 0x06, {"/Alarms/TemperatureSensor": 0, "/Alarms/VoltageSensor": 2}),
        (0x00, 0x0E, {"/Alarms/TemperatureSensor": 0, "/Alarms/VoltageSensor": 0}),  # a forced charge
    ],
)
def test_leds(on: int, blink: int, expected: dict[str, int | None]) -> None:
    values = led_values(Leds(on, blink, 0, 0))
    assert {path: values[path] for path in expected} == expected


@pytest.mark.parametrize(
    ("alarms", "expected"),
    [
        (0x00, (0, 0, 0, 0)),
        (0x01, (1, 0, 0, 0)),
        (0x0F, (1, 1, 1, 1)),
        (0x10, (2, 0, 0, 0)),
        (0xF0, (2, 2, 2, 2)),
        (0xFF, (2, 2, 2, 2)),
        (0x28, (0, 2, 0, 1)),
    ],
)
def test_alarms(alarms: int, expected: tuple[int, ...]) -> None:
    values = led_values(Leds(0, 0, alarms, 0))
    names = ("HighTemperature", "LowBattery", "Overload", "Ripple")
    assert tuple(values[f"/Alarms/{name}"] for name in names) == expected


@pytest.mark.parametrize(("error", "number", "blocked"), [(0, 0, 0), (3, 3, 0), (0x83, 3, 1), (0x80, 0, 1)])
def test_error(error: int, number: int, blocked: int) -> None:
    values = led_values(Leds(0, 0, 0, error))
    assert (values["/VebusError"], values["/Interface/Blocked"]) == (number, blocked)


@pytest.mark.parametrize(
    ("register", "mode", "front", "effective"),
    [
        (0x77, 3, 3, 3),  # of a real unit
        (0x40, 4, 4, 4),
        (0x44, 4, 3, 4),
        (0x55, 1, 3, 1),
        (0x66, 2, 3, 2),
        (0x5B, 3, 1, 1),  # front switch in charger only
        (0x43, 3, 4, 4),  # front switch off
    ],
)
def test_switches(register: int, mode: int, front: int, effective: int) -> None:
    values = config_values(Config(0, True, False, 1, True, 94, 500, 99, register))
    assert (values[MODE], values["/Switch/Front"], values["/Switch/Effective"]) == (mode, front, effective)
    assert values["/Remote/Charger"] == int(mode in (1, 3))
    assert values["/Remote/Inverter"] == int(mode in (2, 3))


@pytest.mark.parametrize(
    ("state", "leds", "charge_state", "before", "expected"),
    [
        (0, NO_LEDS, None, 3, 0),
        (2, NO_LEDS, None, 3, 0),
        (4, NO_LEDS, None, 3, 9),
        (5, NO_LEDS, None, 3, 9),
        (6, NO_LEDS, None, 3, 1),
        (7, NO_LEDS, None, 3, 10),
        (8, NO_LEDS, None, 3, 8),
        (1, NO_LEDS, None, 3, 3),  # starting up: the last one stands
        (3, NO_LEDS, None, 9, 9),
        *(
            (9, NO_LEDS, sub, None, state)
            for sub, state in zip(range(1, 9), (3, 4, 5, 6, 4, 4, 7, 3), strict=True)
        ),
        (9, Leds(Led.FLOAT | Led.MAINS, 0, 0, 0), None, None, 5),
        (9, Leds(Led.MAINS, 0, 0, 0), 0, None, 8),
        (0xB7, Leds(Led.BULK | Led.MAINS, 0, 0, 0), None, None, 3),  # junk of old firmware
        (0xB7, Leds(Led.INVERTER, 0, 0, 0), None, None, 9),
        (0xB7, NO_LEDS, None, None, 0),
        (0xB7, None, None, None, None),
        (4, Leds(0, 0, 0, 3), None, None, 2),
        (4, Leds(Led.INVERTER, Led.INVERTER, 0, 0), None, None, 2),
    ],
)
def test_state(
    state: int, leds: Leds | None, charge_state: int | None, before: int | None, expected: int | None
) -> None:
    assert state_value(state, leds, charge_state, before) == expected


@pytest.mark.parametrize(
    ("mains", "output", "active", "expected"),
    [
        (1000, 400, 0, {"AcIn1ToAcOut": 400, "AcIn1ToInverter": 600}),
        (400, 1000, 0, {"AcIn1ToAcOut": 400, "InverterToAcOut": 600}),
        (0, 1000, 0, {"InverterToAcOut": 1000}),
        (1000, 400, 1, {"AcIn2ToAcOut": 400, "AcIn2ToInverter": 600}),
        (-500, 300, 0, {"InverterToAcIn1": 500, "InverterToAcOut": 300}),
        (-500, -800, 0, {"AcOutToAcIn1": 500, "OutToInverter": 300}),
        (200, -800, 0, {"AcIn1ToInverter": 200, "OutToInverter": 800}),
    ],
)
def test_flows(mains: float, output: float, active: int, expected: dict[str, float]) -> None:
    assert {name: power for name, power in flows(mains, output, active).items() if power} == expected


async def test_energies_are_kept_by_serial() -> None:
    clock, state = ManualClock(), StateStore(None)
    counters = EnergyCounters(clock, state.memory("multi"))
    counters.belong_to("A")
    counters.sample(1, 3600, 0, 0)
    await clock.advance(10)
    counters.sample(1, 3600, 0, 0)
    assert counters.points()["/Energy/AcIn1ToInverter"] == pytest.approx(0.01)
    await clock.advance(11)  # nobody listened: not counted
    counters.sample(1, 3600, 0, 0)
    assert counters.points()["/Energy/AcIn1ToInverter"] == pytest.approx(0.01)
    counters.save()
    for serial, kept in (("A", 0.01), ("B", 0.0)):
        later = EnergyCounters(clock, state.memory("multi"))
        later.belong_to(serial)
        assert later.points()["/Energy/AcIn1ToInverter"] == pytest.approx(kept)


async def test_energies_over_an_hour_and_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, latency=0.1) as rig:
        await rig.known()
        start = rig.device.value("/Energy/AcIn1ToAcOut")
        await rig.clock.advance(180)
        gained = rig.device.value("/Energy/AcIn1ToAcOut") - start
        assert gained == pytest.approx(0.4 * 180 / 3600, rel=0.01)
        total = rig.device.value("/Energy/AcIn1ToAcOut")
    async with Rig(monkeypatch, state=rig.state, simulator=rig.simulator, clock=rig.clock) as later:
        await later.known()
        again = later.device.value("/Energy/AcIn1ToAcOut")
        assert total <= again < total + 0.4 * 10 / 3600
        rig.simulator.misbehave("mains", "off")
        before = later.device.value("/Energy/InverterToAcOut")
        await later.clock.advance(60)
        gained = later.device.value("/Energy/InverterToAcOut") - before
        assert gained == pytest.approx(0.4 * 60 / 3600, rel=0.05)
        assert later.device.value(MODE) != OFF
