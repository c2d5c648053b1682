"""Values of frames at their edges: no mains, no scale told, each switch alone, each LED alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bridge.adapters.vebus_mk3 import variables as var
from bridge.adapters.vebus_mk3.messages import Ac, Config, Dc, Led, Leds, Lines, Switch
from bridge.adapters.vebus_mk3.readings import (
    MAINS_ABSENT_V,
    NO_INPUT,
    ac_values,
    allowed_mode,
    config_values,
    dc_values,
    effective_mode,
    led_values,
    line_values,
    remote_mode,
    state_value,
)
from bridge.adapters.vebus_mk3.variables import VariableInfo

INFOS = {
    var.MAINS_V: VariableInfo(False, divisor=100),
    var.MAINS_A: VariableInfo(True, divisor=100),
    var.INVERTER_V: VariableInfo(False, divisor=50),
    var.INVERTER_A: VariableInfo(True, divisor=10),
    var.BATTERY_V: VariableInfo(False, divisor=100),
    var.BATTERY_A: VariableInfo(True, divisor=10),
    var.INVERTER_PERIOD: VariableInfo(False, divisor=1961, offset=256),
    var.MAINS_PERIOD: VariableInfo(False, divisor=977),
}
NO_LEDS = Leds(0, 0, 0, 0)
CONFIG = Config(0, True, False, 1, True, 94, 500, 99, 0x77)
DC = Dc(voltage=b"\xf6\x0a", to_inverter=b"\x1e\x00\x00", from_charger=b"\x64\x00\x00", period=0x88)


def word(number: int) -> bytes:
    return (number & 0xFFFF).to_bytes(2, "little")


def ac(phase: int = 1, mains_v: int = 23000, period: int = 0xC3) -> Ac:
    return Ac(phase, 1, 9, 2, 3, word(mains_v), word(-350), word(11500), word(45), period)


def but(*missing: int) -> Callable[[int], VariableInfo | None]:
    return {number: info for number, info in INFOS.items() if number not in missing}.get


# -- DC and AC ---------------------------------------------------------------------------------------


def test_a_dc_frame() -> None:
    hertz = pytest.approx(10 / ((0x88 + 256) / 1961))
    assert dc_values(DC, INFOS.get, 3) == {
        "/Dc/0/Voltage": 28.06,
        "/Dc/0/Current": pytest.approx(7.0),  # 10 A charging, 3 A drawn
        "/Ac/Out/L1/F": hertz,
        "/Ac/Out/L2/F": hertz,
        "/Ac/Out/L3/F": hertz,
    }
    assert [path for path in dc_values(DC, INFOS.get, 1) if path.endswith("/F")] == ["/Ac/Out/L1/F"]


@pytest.mark.parametrize(
    ("missing", "absent"),
    [
        (var.BATTERY_V, {"/Dc/0/Voltage"}),
        (var.BATTERY_A, {"/Dc/0/Current"}),
        (var.INVERTER_PERIOD, {"/Ac/Out/L1/F"}),
    ],
)
def test_what_has_no_scale_is_absent_and_nothing_else(missing: int, absent: set[str]) -> None:
    values = dc_values(DC, but(missing), 1)
    assert {path for path, value in values.items() if value is None} == absent


@pytest.mark.parametrize("period", [0x00, 0xFF])
def test_an_output_that_is_off_has_0_hz(period: int) -> None:
    assert dc_values(replace(DC, period=period), INFOS.get, 1)["/Ac/Out/L1/F"] == 0.0


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_an_ac_frame(phase: int) -> None:
    assert ac_values(ac(phase), INFOS.get) == {
        f"/Ac/ActiveIn/L{phase}/V": 230.0,
        f"/Ac/ActiveIn/L{phase}/I": -7.0,  # two units share the phase
        f"/Ac/ActiveIn/L{phase}/F": pytest.approx(10 / (0xC3 / 977)),
        f"/Ac/Out/L{phase}/V": 230.0,
        f"/Ac/Out/L{phase}/I": pytest.approx(13.5),  # three do
    }


@pytest.mark.parametrize(
    ("mains_v", "voltage", "alive"),
    [(0, 0.0, False), (4999, 0.0, False), (5000, 50.0, True), (23000, 230.0, True)],
)
def test_a_dead_input_keeps_no_frequency(mains_v: int, voltage: float, alive: bool) -> None:
    assert MAINS_ABSENT_V == 50.0
    values = ac_values(ac(mains_v=mains_v), INFOS.get)
    assert values["/Ac/ActiveIn/L1/V"] == voltage
    assert (values["/Ac/ActiveIn/L1/F"] == pytest.approx(50.1, abs=0.1)) is alive
    assert alive or values["/Ac/ActiveIn/L1/F"] == 0.0


@pytest.mark.parametrize(
    ("missing", "absent", "others"),
    [
        (var.MAINS_V, {"/Ac/ActiveIn/L1/V"}, {"/Ac/ActiveIn/L1/F": 0.0}),
        (var.MAINS_A, {"/Ac/ActiveIn/L1/I"}, {"/Ac/Out/L1/I": pytest.approx(13.5)}),
        (var.INVERTER_V, {"/Ac/Out/L1/V"}, {"/Ac/ActiveIn/L1/V": 230.0}),
        (var.INVERTER_A, {"/Ac/Out/L1/I"}, {"/Ac/ActiveIn/L1/I": -7.0}),
        (var.MAINS_PERIOD, {"/Ac/ActiveIn/L1/F"}, {"/Ac/ActiveIn/L1/V": 230.0}),
    ],
)
def test_what_an_ac_frame_does_not_scale_is_absent(
    missing: int, absent: set[str], others: dict[str, object]
) -> None:
    values = ac_values(ac(), but(missing))
    assert {path for path, value in values.items() if value is None} == absent
    assert {path: values[path] for path in others} == others


# -- LEDs, alarms, state -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        *enumerate(
            ("Mains", "Absorption", "Bulk", "Float", "Inverter", "Overload", "LowBattery", "Temperature")
        )
    ],
)
@pytest.mark.parametrize(("on", "blink", "told"), [(0, 0, 0), (1, 0, 1), (0, 1, 2), (1, 1, 3)])
def test_each_led_alone(bit: int, name: str, on: int, blink: int, told: int) -> None:
    values = led_values(Leds(on << bit, blink << bit, 0, 0))
    leds = {path.removeprefix("/Leds/"): value for path, value in values.items() if path.startswith("/Leds")}
    assert leds.pop(name) == told
    assert set(leds.values()) == {0}


@pytest.mark.parametrize(("on", "blink", "known"), [(0x1F, 0x1F, False), (0x1F, 0, True), (0, 0x1F, True)])
def test_no_data_for_the_leds_is_both_bytes(on: int, blink: int, known: bool) -> None:
    values = led_values(Leds(on, blink, 0x10, 0x80))
    assert (values["/Leds/Temperature"] is not None) is known
    assert (values["/Alarms/HighTemperature"], values["/Interface/Blocked"]) == (2, 1)
    assert (values["/Alarms/TemperatureSensor"], values["/Alarms/VoltageSensor"]) == (0, 0)


@pytest.mark.parametrize(
    ("on", "blink", "temperature", "voltage"),
    [
        (0x00, 0x0A, 2, 0),
        (0x0A, 0x0A, 2, 0),
        (0x1B, 0x1A, 2, 0),  # others beside them say nothing
        (0x02, 0x0A, 0, 0),
        (0x0E, 0x0A, 0, 0),
        (0x04, 0x0A, 0, 0),
        (0x00, 0x06, 0, 2),
        (0x06, 0x06, 0, 2),
        (0x06, 0x00, 0, 0),
        (0x00, 0x0C, 0, 0),
        (0x00, 0x02, 0, 0),
    ],
)
def test_two_charge_leds_blinking_together_are_a_broken_sensor(
    on: int, blink: int, temperature: int, voltage: int
) -> None:
    values = led_values(Leds(on, blink, 0, 0))
    assert (values["/Alarms/TemperatureSensor"], values["/Alarms/VoltageSensor"]) == (temperature, voltage)


@pytest.mark.parametrize(
    ("error", "number", "blocked"), [(0x1F, 0x1F, 0), (0x20, 0, 0), (0x60, 0, 0), (0xFF, 0x1F, 1)]
)
def test_the_bits_of_the_error(error: int, number: int, blocked: int) -> None:
    values = led_values(Leds(0, 0, 0, error))
    assert (values["/VebusError"], values["/Interface/Blocked"]) == (number, blocked)


@pytest.mark.parametrize(
    ("state", "leds", "charge_state", "expected"),
    [
        (4, Leds(0, 0, 0, 0x80), None, 9),  # blocked is no fault
        (4, Leds(0, 0, 0, 0x20), None, 9),
        (4, Leds(0, 0, 0, 0x1F), None, 2),
        (4, Leds(Led.INVERTER, 0, 0, 0), None, 9),
        (4, Leds(0, Led.INVERTER, 0, 0), None, 9),
        (4, Leds(Led.MAINS, Led.MAINS, 0, 0), None, 9),
        (4, None, None, 9),
        (9, None, 1, 3),
        (9, None, None, None),
        (9, None, 9, None),
        (4, NO_LEDS, 3, 9),  # a substate left over from charging
        (9, NO_LEDS, 0, 8),
        (9, NO_LEDS, 9, 8),
        (9, Leds(Led.BULK | Led.ABSORPTION | Led.FLOAT, 0, 0, 0), None, 3),
        (9, Leds(Led.ABSORPTION | Led.FLOAT, 0, 0, 0), None, 4),
        (9, Leds(0, Led.BULK, 0, 0), None, 3),
        (9, Leds(0, Led.ABSORPTION, 0, 0), None, 4),
        (9, Leds(0, Led.FLOAT, 0, 0), None, 5),
        (9, Leds(Led.INVERTER, 0, 0, 0), None, 8),
        (10, Leds(Led.INVERTER | Led.MAINS, 0, 0, 0), None, 9),
        (10, Leds(0, Led.INVERTER, 0, 0), None, 9),
        (10, Leds(Led.MAINS, 0, 0, 0), None, 8),
        (10, Leds(0, Led.MAINS, 0, 0), None, 8),
        (10, Leds(Led.OVERLOAD | Led.LOW_BATTERY | Led.TEMPERATURE, 0, 0, 0), None, 0),
        (10, Leds(Led.FLOAT, 0, 0, 0), 1, 5),
    ],
)
def test_states_at_their_edges(
    state: int, leds: Leds | None, charge_state: int | None, expected: int | None
) -> None:
    assert state_value(state, leds, charge_state, 7) == expected


# -- switches, limits, lines -------------------------------------------------------------------------

_BITS = {0: 4, 1: 1, 2: 2, 3: 3}  # charge is bit 0, invert bit 1


def test_the_modes_of_every_switch_register() -> None:
    """Source: the switch register as velib numbers it; a switch that is off takes what another allows."""
    for register in range(256):
        config = replace(CONFIG, switches=register)
        assert remote_mode(config) == _BITS[register & 3], register
        assert effective_mode(config) == _BITS[register >> 4 & 3], register
        charge, invert = register & 1, register >> 1 & 1
        if register & Switch.FRONT_UP:
            front = charge | invert << 1
        elif register & Switch.FRONT_DOWN:
            front = charge
        else:
            front = 0
        assert allowed_mode(config) == _BITS[front if register & Switch.ONBOARD_REMOTE else 0], register
        told = {
            "/Mode": _BITS[register & 3],
            "/Remote/Charger": charge,
            "/Remote/Inverter": invert,
            "/Switch/Front": 3 if register & 4 else 1 if register & 8 else 4,
            "/Switch/RemoteTerminals": register >> 6 & 1,
            "/Switch/Effective": _BITS[register >> 4 & 3],
            "/Switch/Generator": register >> 7,
        }
        values = config_values(config)
        assert {path: values[path] for path in told} == told, register


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (CONFIG, {"Limit": 9.9, "LimitMin": 9.4, "LimitMax": 50.0, "LimitIsAdjustable": 1}),
        (replace(CONFIG, actual_da=3, minimum_da=0), {"Limit": 0.3, "LimitMin": 0.0}),
        (replace(CONFIG, limit_settable=False), {"LimitIsAdjustable": 0}),
        (replace(CONFIG, multi_control=True), {"LimitIsAdjustable": 0}),
        (replace(CONFIG, limit_settable=False, multi_control=True), {"LimitIsAdjustable": 0}),
    ],
)
def test_limits(config: Config, told: dict[str, float]) -> None:
    values = config_values(config)
    found = {name: values[f"/Ac/In/1/Current{name}"] for name in told}
    assert found == told


@pytest.mark.parametrize(
    ("config", "path", "value"),
    [
        (replace(CONFIG, inputs=0), "/Ac/NumberOfAcInputs", None),
        (replace(CONFIG, inputs=2), "/Ac/NumberOfAcInputs", 2),
        (replace(CONFIG, panel_detected=False), "/Switch/PanelDetected", 0),
        (CONFIG, "/Switch/PanelDetected", 1),
        (CONFIG, "/Switch/DigitalMultiControl", 0),
        (replace(CONFIG, multi_control=True), "/Switch/DigitalMultiControl", 1),
    ],
)
def test_what_else_a_config_tells(config: Config, path: str, value: int | None) -> None:
    assert config_values(config)[path] == value


@pytest.mark.parametrize(
    ("flags", "standby", "panel"), [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1), (4, 0, 0), (0xFF, 1, 1)]
)
def test_lines(flags: int, standby: int, panel: int) -> None:
    assert line_values(Lines(flags)) == {"/Remote/Standby": standby, "/Remote/PanelDetect": panel}


def test_no_input_is_the_number_that_a_gx_uses() -> None:
    assert NO_INPUT == 240
