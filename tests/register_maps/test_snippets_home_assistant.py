"""The package for Home Assistant: documented keys, and the values its own arithmetic makes of registers.

Keys and rules: www.home-assistant.io/integrations/modbus and /integrations/template, core 2025.6.
"""

import re
import struct
from typing import Any

import jinja2.nativetypes
import pytest
import yaml

from bridge.register_maps.snippets_home_assistant import home_assistant
from bridge.register_maps.snippets_values import Target
from tests.register_maps.tools import SHIPPED, every_type, held, made, shipped

ENTITY = {"name", "unique_id", "device_address", "address", "scan_interval"}
#: Section of `modbus:` -> keys an entity may have.
KEYS = {
    "sensors": ENTITY
    | {"input_type", "data_type", "swap", "scale", "offset", "precision", "nan_value", "count", "structure"}
    | {"unit_of_measurement", "device_class", "state_class", "min_value", "max_value", "zero_suppress"},
    "binary_sensors": ENTITY | {"input_type", "device_class"},
    "switches": ENTITY | {"write_type", "command_on", "command_off", "verify", "device_class"},
}
TEMPLATE_KEYS = {
    "number": {"state", "availability", "min", "max", "step", "unit_of_measurement", "set_value"},
    "select": {"state", "availability", "options", "select_option"},
    "button": {"press"},
}
#: data_type -> struct format and registers; only those of two and more take `swap: word`.
DATA_TYPES = {
    "int16": ("h", 1),
    "uint16": ("H", 1),
    "int32": ("i", 2),
    "uint32": ("I", 2),
    "int64": ("q", 4),
    "uint64": ("Q", 4),
    "float32": ("f", 2),
}
DEVICE_CLASSES = {
    *("voltage", "current", "power", "apparent_power", "frequency", "energy", "temperature", "duration"),
    "battery",
}


def package(found: Any) -> dict[str, Any]:
    read = yaml.safe_load(made("home-assistant", found))
    assert isinstance(read, dict)
    return read


@pytest.mark.parametrize("name", [*SHIPPED, "every type"])
def test_keys_are_those_of_its_documentation(name: str) -> None:
    found = every_type() if name == "every type" else shipped(name)
    read = package(found)
    assert set(read) <= {"modbus", "template"}
    (hub,) = read["modbus"]
    assert {key: hub[key] for key in ("type", "host", "port")} == {
        "type": "tcp",
        "host": "192.168.1.9",
        "port": 1502,
    }
    assert set(hub) <= {"name", "type", "host", "port", "timeout", *KEYS}
    for section, keys in KEYS.items():
        for entity in hub.get(section, []):
            assert set(entity) <= keys
            assert {"name", "unique_id", "address", "device_address"} <= set(entity)
            assert entity["device_address"] == 20
            assert entity["scan_interval"] >= 5
            assert entity.get("device_class") in DEVICE_CLASSES | {None, "problem"}
    for sensor in hub["sensors"]:
        assert sensor["data_type"] in DATA_TYPES
        assert sensor.get("swap") in (None, "word")
        assert "swap" not in sensor or DATA_TYPES[sensor["data_type"]][1] > 1
        assert ("state_class" in sensor) == ("unit_of_measurement" in sensor)
    entities = [e for section in KEYS for e in hub.get(section, [])]
    for group in read.get("template", []):
        for kind, made_of in group.items():
            for entity in made_of:
                assert set(entity) <= TEMPLATE_KEYS[kind] | {"name", "unique_id"}
                entities.append(entity)
    unique = [entity["unique_id"] for entity in entities]
    assert len(unique) == len(set(unique))
    for section in KEYS:
        names = [entity["name"] for entity in hub.get(section, [])]
        assert len(names) == len(set(names))


def shown(sensor: dict[str, Any], words: list[int]) -> str | None:
    """What the integration shows: swap, unpack, nan_value, scale, precision, in its own order."""
    kind, count = DATA_TYPES[sensor["data_type"]]
    assert len(words) == count
    ordered = words[::-1] if sensor.get("swap") == "word" else words
    (raw,) = struct.unpack(f">{kind}", struct.pack(f">{count}H", *ordered))
    nan = sensor.get("nan_value")
    if (nan and raw in (nan, -nan)) or raw != raw:
        return None
    value = sensor.get("scale", 1) * raw
    precision = sensor.get("precision", 2 if kind == "f" else 0)
    return f"{float(value):.{precision}f}" if precision else str(round(value))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["every type", "bluesmart_charger"])
def test_its_sensors_show_what_the_registers_say(name: str, seed: int) -> None:
    found = every_type() if name == "every type" else shipped(name)
    sensors = {sensor["address"]: sensor for sensor in package(found)["modbus"][0]["sensors"]}
    compared = 0
    for item, words, value in held(found, seed):
        sensor = sensors.get(item.register.address)
        if sensor is None or item.register.type.name == "mapu16" or len(item.invalid) > 1:
            continue
        compared += 1
        told = shown(sensor, words)
        if value is None:
            assert told is None, item.path
        elif told is None:  # the integration takes the negative of nan_value for it as well
            assert value == pytest.approx(-sensor["nan_value"] * float(item.factor)), item.path
        else:
            step = max(float(item.factor), 10.0 ** -sensor.get("precision", 0)) if item.decimals else 1
            assert float(told) == pytest.approx(float(value), rel=1e-9, abs=step * 0.51), item.path
    assert compared > 10


def environment(states: dict[str, str]) -> jinja2.Environment:
    """Home Assistant's templates: Jinja with native types, and the two functions these use."""
    env = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined)
    env.globals.update(states=lambda name: states[name], has_value=lambda name: name in states)
    return env


def entity(found: Any, kind: str, ending: str) -> dict[str, Any]:
    entities = [e for group in package(found)["template"] for e in group.get(kind, [])]
    (one,) = [e for e in entities if e["unique_id"].endswith(ending)]
    return one


@pytest.mark.parametrize(
    ("ending", "value", "address", "words"),
    [
        ("settings_charge_current_limit_set", 12.5, 0x3026, 125),
        ("settings_charge_current_limit_set", 0.29, 0x3026, 3),
        ("settings_shift_set", -2.0, 0x3028, 0xFFEC),
        ("counts_s32l_set", -2, 0x3008, [0xFFFE, 0xFFFF]),
        ("settings_wide_set", 700000, 0x3029, [0x042C, 0x1D80]),
    ],
)
def test_a_number_writes_the_raw(ending: str, value: float, address: int, words: int | list[int]) -> None:
    (action,) = entity(every_type(), "number", ending)["set_value"]
    assert action["action"] == "modbus.write_register"
    assert {key: action["data"][key] for key in ("hub", "slave", "address")} == {
        "hub": "m",
        "slave": 20,
        "address": address,
    }
    assert environment({}).from_string(action["data"]["value"]).render(value=value) == words


def test_a_number_has_the_range_of_its_register() -> None:
    number = entity(every_type(), "number", "settings_charge_current_limit_set")
    assert (number["min"], number["max"], number["step"]) == (0, 60, 0.1)
    state = (
        environment({"sensor.m_settings_charge_current_limit": "12.5"}).from_string(number["state"]).render()
    )
    assert float(state) == 12.5


def test_a_select_shows_and_writes_names() -> None:
    select = entity(every_type(), "select", "mode_set")
    env = environment({"sensor.m_mode": "4"})
    assert env.from_string(select["options"]).render() == ["on", "off"]
    assert env.from_string(select["state"]).render() == "off"
    assert environment({"sensor.m_mode": "unavailable"}).from_string(select["availability"]).render() is True
    (action,) = select["select_option"]
    assert env.from_string(action["data"]["value"]).render(option="on") == 1


def test_a_command_that_clears_itself_is_a_button() -> None:
    (action,) = entity(every_type(), "button", "actions_reset_press")["press"]
    assert environment({}).from_string(action["data"]["value"]).render() == 1


def test_sensors_of_templates_exist() -> None:
    """Home Assistant makes the entity's id of its name; a template that asks for another shows nothing."""
    for found in (every_type(), *map(shipped, SHIPPED)):
        read = package(found)
        ids = {
            "sensor." + re.sub(r"[^a-z0-9]+", "_", sensor["name"].lower()).strip("_")
            for sensor in read["modbus"][0]["sensors"]
        }
        asked = set(re.findall(r"sensor\.\w+", str(read.get("template", []))))
        assert asked <= ids


def test_switches_verify_by_their_coil() -> None:
    hub = package(every_type())["modbus"][0]
    (switch,) = hub["switches"]
    assert (switch["address"], switch["write_type"], switch["command_on"], switch["command_off"]) == (
        0,
        "coil",
        1,
        0,
    )
    assert switch["verify"] == {"input_type": "coil", "state_on": 1, "state_off": 0}
    assert [(b["address"], b["input_type"]) for b in hub["binary_sensors"]] == [
        (3, "coil"),
        (7, "discrete_input"),
    ]


def test_what_is_left_out_is_said() -> None:
    text = made("home-assistant", every_type())
    for path in ("/Serial", "/CustomName", "/Mac", "/Alarms/Overload", "/FirmwareVersion"):
        assert f"# not here: {path}" in text
    assert home_assistant(every_type(), Target("h", 502, 3)).count("device_address: 3") > 10
