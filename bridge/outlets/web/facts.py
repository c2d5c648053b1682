"""What is known of devices, points and attempts, as plain values for pages and programs alike."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from bridge.datastore.device import Device
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Quality, Value, WriteAttempt
from bridge.outlets.metrics_figures import ListenerFigures
from bridge.outlets.web.wording import age_said, link_look, link_said, outcome_said, reading_said

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

#: What a first look wants to see, the most telling first; a device shows the first few that it has.
TELLING = (
    "/Soc", "/Dc/0/Voltage", "/Dc/0/Current", "/Dc/0/Power", "/Ac/Power", "/Ac/Out/L1/P", "/Yield/Power",
    "/Pv/V", "/Ac/Energy/Forward", "/Yield/User", "/State", "/Mode", "/Bms/Phase",
    "/Settings/ChargeCurrentLimit", "/Ac/Grid/L1/Power", "/Ac/Out/L1/V", "/Dc/0/Temperature",
)  # fmt: skip
TELLING_MAX = 5


def telling_paths(device: Device) -> list[str]:
    """Return the points of a device that a first look wants to see."""
    found = [path for path in TELLING if device.has(path)]
    if not found:
        found = [path for path in device.paths if not device.spec(path).text]
    return found[:TELLING_MAX]


def device_facts(device: Device, units: Iterable[Mapping[str, Json]] = ()) -> dict[str, Json]:
    """Return a device as it stands."""
    status, identity = device.status(), device.identity
    return {
        "device": device.name,
        "product": identity.product_name if identity is not None else "",
        "serial": identity.serial if identity is not None else "",
        "firmware": identity.firmware if identity is not None else "",
        "link": status.link.name.lower(),
        "look": link_look(status.link),
        "said": link_said(status.link, device.link_words),
        "age_s": _rounded(status.age_s),
        "age": age_said(status.age_s) if status.age_s is not None else "",
        "errors": status.errors,
        "uptime_s": _rounded(status.uptime_s),
        "wear_left": status.wear_left,
        "set_points": status.set_points,
        "units": [dict(unit) for unit in units],
    }


def point_facts(device: Device, path: str) -> dict[str, Json]:
    """Return a point as it stands and as it was declared. Raises KeyError for one that is not there."""
    spec, reading = device.spec(path), device.reading(path)
    return {
        "path": path,
        "value": plain(reading.value),
        "said": reading_said(reading, spec),
        "status": reading.quality.value,
        "age_s": _rounded(reading.age_s),
        "age": age_said(reading.age_s)
        if reading.quality is not Quality.OK or (reading.age_s or 0) >= 2
        else "",
        "unit_of_measure": spec.unit_of_measure,
        "writable": spec.writable and path not in device.fed,
        "fed_by_link": path in device.fed,
        "held": plain(device.held(path)),
    }


def spec_facts(spec: PointSpec) -> dict[str, Json]:
    """Return what may be written to a point."""
    return {
        "text": spec.text,
        "minimum": spec.minimum,
        "maximum": spec.maximum,
        "step": spec.step or None,
        "choices": {str(number): name for number, name in spec.choices.items()} if spec.choices else None,
        "nonvolatile": spec.nonvolatile,
    }


def attempt_facts(attempt: WriteAttempt) -> dict[str, Json]:
    """Return the end of an attempt to write."""
    return {
        "device": attempt.device,
        "origin": str(attempt.origin),
        "unit": attempt.unit,
        "address": attempt.address,
        "path": attempt.path,
        "old": plain(attempt.old),
        "new": plain(attempt.new),
        "outcome": attempt.outcome.word,
        "said": outcome_said(attempt.outcome),
        "exception_code": attempt.exception_code,
        "duration_s": round(attempt.duration_s, 3),
        "reason": attempt.reason,
    }


def units_of(figures: Iterable[ListenerFigures]) -> dict[str, list[dict[str, Json]]]:
    """Return by device the units that serve it."""
    found: dict[str, list[dict[str, Json]]] = {}
    for listener in figures:
        for unit, device, loaded in listener.units:
            found.setdefault(device, []).append({"listener": listener.name, "unit": unit, "map": loaded})
    return found


def plain(value: Value | None) -> Value | None:
    """Return what JSON has a form for."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def stamp(wall_s: float) -> str:
    """Return a moment as ISO 8601 in UTC."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
