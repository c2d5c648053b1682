"""Home Assistant's MQTT discovery: one retained message makes each point a sensor, a number, a switch.

Facts: Home Assistant's documentation of the MQTT integration (discovery, sensor, number, select, text).
"""

import json
import re
from collections.abc import Iterator, Mapping

from bridge.datastore.spec import PointSpec
from bridge.exchange.about import About
from bridge.exchange.topics import BRIDGE, OFFLINE, ONLINE, Topics
from bridge.outlets.mqtt_points import REFRESH_S, Told

#: Unit of measure -> device class there.
_CLASSES: Mapping[str, str] = {
    "V": "voltage",
    "A": "current",
    "W": "power",
    "VA": "apparent_power",
    "kWh": "energy",
    "Hz": "frequency",
    "°C": "temperature",
    "s": "duration",
}
#: Units that are written otherwise there.
_UNITS = {"C": "°C", "Ah": "Ah"}
#: Paths of a state of charge, which is a battery there; other percentages are not.
_SOC = re.compile(r".*/Soc")
_WORDS = re.compile(r"[A-Za-z]+[a-z]*|[0-9]+")
#: A point not heard for this long is unavailable; all are told again every REFRESH_S.
_EXPIRE_S = 3 * int(REFRESH_S)


def discovery(prefix: str, topics: Topics, name: str, about: About) -> Iterator[Told]:
    """Yield the messages for one device."""
    node = _plain(topics.root)
    for spec in about.points:
        kind, fields = _kind(topics, name, spec)
        object_id = _plain(f"{name}{spec.path}")
        config = {
            "unique_id": f"{node}_{object_id}",
            "object_id": f"{_plain(name)}_{_plain(spec.path)}",
            "name": " ".join(_WORDS.findall(spec.path)),
            "state_topic": topics.point(name, spec.path),
            "json_attributes_topic": topics.point(name, spec.path),
            "availability_mode": "all",
            "availability": _availability(topics, name, spec),
            "device": _device(topics, name, about),
            **fields,
        }
        yield Told(f"{prefix}/{kind}/{node}/{object_id}/config", json.dumps(config, ensure_ascii=False))


def _kind(topics: Topics, name: str, spec: PointSpec) -> tuple[str, dict[str, object]]:
    """Return the component that a point is, and what that component is told of it."""
    unit = _UNITS.get(spec.unit_of_measure, spec.unit_of_measure)
    value = {"value_template": "{{ value_json.value }}"}
    command = {"command_topic": topics.set_point(name, spec.path)}
    measured = {"unit_of_measurement": unit} if unit else {}
    of_class = {"device_class": found} if (found := _class(spec, unit)) is not None else {}
    if spec.choices is not None:
        words = {str(number): word for number, word in spec.choices.items()}
        named = {
            "value_template": f"{{{{ {json.dumps(words)}.get(value_json.value | int(-1) | string, '') }}}}"
        }
        if spec.self_clearing and spec.writable and len(words) == 1:
            return "button", {**command, "payload_press": next(iter(words.values()))}
        if spec.writable:
            return "select", {**named, **command, "options": list(words.values())}
        return "sensor", {**named, "device_class": "enum", "options": list(words.values())}
    if spec.text:
        return ("text", {**value, **command}) if spec.writable else ("sensor", dict(value))
    if spec.writable:
        limits = {
            "min": spec.minimum if spec.minimum is not None else 0,
            "max": spec.maximum if spec.maximum is not None else 65535,
            "step": spec.step or 0.1,
            "mode": "box",
        }
        return "number", {**value, **command, **limits, **measured, **of_class}
    state = "total_increasing" if of_class.get("device_class") == "energy" else "measurement"
    return "sensor", {
        **value, **measured, **of_class, "state_class": state, "expire_after": _EXPIRE_S,
    }  # fmt: skip


def _class(spec: PointSpec, unit: str) -> str | None:
    return "battery" if unit == "%" and _SOC.fullmatch(spec.path) else _CLASSES.get(unit)


def _availability(topics: Topics, name: str, spec: PointSpec) -> list[dict[str, str]]:
    """Bridge, device and point must all be well: a stale value is not shown as one."""
    of_point = {
        "topic": topics.point(name, spec.path),
        "value_template": f"{{{{ '{ONLINE}' if value_json.status == 'ok' else '{OFFLINE}' }}}}",
    }
    return [{"topic": topics.bridge}, {"topic": topics.availability(name)}, of_point]


def _device(topics: Topics, name: str, about: About) -> dict[str, object]:
    who = about.identity
    shown: dict[str, object] = {
        "identifiers": [f"{_plain(topics.root)}_{_plain(name)}"],
        "name": name if name != BRIDGE else f"Inverter Bridge {topics.root}",
    }
    if who is not None:
        told = {"model": who.product_name, "serial_number": who.serial, "sw_version": who.firmware}
        shown |= {key: text for key, text in told.items() if text}
    return shown


def _plain(text: str) -> str:
    """Return a text as an id: letters, digits, _ and -, which is all that is allowed there."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")
