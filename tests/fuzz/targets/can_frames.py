"""Frames of batteries and islands: bytes to fields and points, and back."""

import json
import math
from collections.abc import Iterator
from fractions import Fraction

from bridge.adapters.can.alarms import pairs_data, read_pairs, read_status, status_data, status_levels
from bridge.adapters.can.battery_frames import BATTERY_FRAMES, best_soc, history
from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can.fields import Bit, Field, FieldValue, FrameSpec, Text, decode, encode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import ident, is_keepalive
from bridge.adapters.can.island_frames import ISLAND_FRAMES
from bridge.adapters.can_battery.readings import READINGS
from bridge.adapters.sunny_island.command_frame import asked_for
from tests.fuzz.target import ROOT, Run, Target

_SPECS: tuple[FrameSpec, ...] = (
    *BATTERY_FRAMES.values(),
    *ISLAND_FRAMES.values(),
    history(Fraction(1, 100)),
)
_CODES = {"B": (0, 0xFF), "H": (0, 0xFFFF), "h": (-0x8000, 0x7FFF), "I": (0, 0xFFFFFFFF)}


def run(data: bytes) -> None:
    """Hold one frame to all that is promised: a byte that picks its kind, then up to eight of data."""
    if not data:
        return
    spec, payload = _SPECS[data[0] % len(_SPECS)], data[1:9]
    found = decode(spec, payload)
    if found is None:
        assert len(payload) < spec.least
    else:
        for field in spec.fields:
            _sound(field, found[field.name], payload)
        _both_ways(spec, found, len(payload))
        if spec.id in READINGS and spec.id in BATTERY_FRAMES:
            _points(spec.id, found)
    _others(spec.id, payload)


def _sound(field: Field | Bit | Text, value: FieldValue, payload: bytes) -> None:
    """What a field says has its kind and lies inside what its bytes can say."""
    if isinstance(field, Bit):
        assert value is None or isinstance(value, bool)
    elif isinstance(field, Text):
        assert value is None or (isinstance(value, str) and len(value) <= field.size)
        assert value is None or (value.isascii() and value.isprintable())
    elif value is not None:
        assert isinstance(value, int | float)
        assert not isinstance(value, bool)
        assert math.isfinite(value)
        low, high = (raw * field.scale + field.base for raw in _CODES[field.code])
        assert float(low) - 1e-6 <= value <= float(max(high, -low)) + 1e-6
    if value is None:
        whole = len(payload) >= field.end
        assert not whole or (isinstance(field, Field) and field.invalid is not None)


def _both_ways(spec: FrameSpec, found: dict[str, FieldValue], length: int) -> None:
    again = decode(spec, encode(spec, found, length=length))
    assert again == found, f"{spec.name}: {found} came back as {again}"


def _points(id: int, found: dict[str, FieldValue]) -> None:
    for path, value in READINGS[id][1](found).items():
        assert path.startswith("/")
        assert value is None or isinstance(value, int | float | str)
        assert not isinstance(value, float) or math.isfinite(value)


def _others(id: int, payload: bytes) -> None:
    frame = CanFrame(id, payload)
    asked_for(frame)
    is_keepalive(frame)
    ident(CanFrame(0x307, payload))
    for dialect in DIALECTS.values():
        assert dialect.length(id) <= 8 if id in dialect.sends else True
    status = read_status(payload)
    if status is not None:
        status_levels(status)
        told = status_data(status.protections, status.alarms, status.modules or 0)
        again = read_status(told)
        assert again is not None
        assert (again.protections, again.alarms) == (status.protections, status.alarms)
    pairs = read_pairs(payload)
    if pairs is not None:
        alarms, warnings = pairs
        for edges in pairs:
            assert not edges.raised & edges.cleared
        again_pairs = read_pairs(pairs_data(alarms.raised, warnings.raised))
        assert again_pairs is not None
        assert (again_pairs[0].raised, again_pairs[1].raised) == (alarms.raised, warnings.raised)
    number = int.from_bytes(payload[:2], "little")
    assert best_soc(number, float(len(payload))) is not None


def _make() -> Run:
    return run


def _seeds() -> Iterator[bytes]:
    places = {spec.id: place for place, spec in enumerate(_SPECS)}
    for vector in json.loads((ROOT / "tests" / "data" / "can" / "vectors.json").read_text()):
        place = places.get(int(str(vector["id"]), 16))
        if place is not None:
            yield bytes((place,)) + bytes.fromhex(vector["hex"])
    for place in range(len(_SPECS)):
        yield bytes((place,)) + bytes(8)
        yield bytes((place,)) + b"\xff" * 8


TARGETS = (
    Target(
        "can_frames",
        "any frame: no exception, fields in the range of their bytes, and what is encoded again is the same",
        _make,
        9,
        _seeds,
    ),
)
