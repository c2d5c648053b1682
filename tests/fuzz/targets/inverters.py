"""Messages of APsystems inverters, of every model, and the spellings of their addresses."""

import contextlib
import json
import math
from collections.abc import Iterator

from bridge.adapters.apsystems.codec import (
    DecodeOptions,
    InverterReading,
    Model,
    Rejection,
    decode_reply,
    limit_accepted,
    limit_from_parameters,
    limit_request,
    reply_serial,
    signal_percent,
)
from bridge.adapters.apsystems.ecu import Ecu, parse_serial, parse_short, short_text
from tests.fuzz.target import ROOT, Run, Target

_OPTIONS = (DecodeOptions(), DecodeOptions(swap_panels=True, energy_wh_per_count=0.01))
_ECU = Ecu("D8A3011B9780")


def run(data: bytes) -> None:
    """Hold one message to all that is promised."""
    serial = reply_serial(data)
    assert serial is None or (len(serial) == 12 and serial.isdecimal())
    for model in Model:
        readings = [decode_reply(data, model, options) for options in _OPTIONS]
        for found in readings:
            _sound(found, data, model)
        assert len({type(found) for found in readings}) == 1
        limit = limit_from_parameters(model, data)
        assert limit is None or 0 <= limit < 10_000
    assert limit_accepted(data) in (None, True, False)
    if data:
        assert 0 <= signal_percent(data[0]) <= 100
        watts = 20 + data[0] * 680 / 255
        for model in Model:
            assert limit_request(_ECU, model, watts).startswith(_ECU.reversed_id)
    _spellings(data[:40].decode("latin-1"))


def _sound(found: InverterReading | Rejection, data: bytes, model: Model) -> None:
    if isinstance(found, Rejection):
        assert found.text
        return
    assert found.serial == data[:6].hex()
    assert len(found.panels) == model.panels
    assert 0 <= found.seconds < model.seconds_modulus
    assert -50 <= found.temperature <= 125
    assert found.ac_voltage is None or 0 < found.ac_voltage <= 400
    assert found.frequency is None or (math.isfinite(found.frequency) and found.frequency > 0)
    assert found.ac_power is None or 0 <= found.ac_power <= 2000
    for panel in found.panels:
        assert 0 <= panel.voltage <= 100
        assert 0 <= panel.current <= 30
        assert 0 <= panel.energy_raw < model.counter_modulus
        assert math.isfinite(panel.energy_wh)


def _spellings(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert Ecu.parse(text).text == text.upper()
    with contextlib.suppress(ValueError):
        assert parse_serial(text).hex() == text
    with contextlib.suppress(ValueError):
        short = parse_short(text)
        assert parse_short(short_text(short)) == short


def _make() -> Run:
    return run


def _seeds() -> Iterator[bytes]:
    for vector in json.loads((ROOT / "tests" / "data" / "apsystems" / "vectors.json").read_text()):
        for frame in vector.get("frames", []):
            raw = bytes.fromhex(frame)
            yield raw
            yield raw[21:-1]  # the data of an incoming message, as the coordinator wraps it
    yield b"0x103A"
    yield b"D8A3011B9780"
    yield b"408000158215"


TARGETS = (
    Target(
        "apsystems_payloads",
        "any message, read as every model: no exception, and what is read is what such an inverter can be",
        _make,
        128,
        _seeds,
        (b"\xfb\xfb", b"\xfb\xfb\x51\xb1", b"\xfb\xfb\x5c\xbb\xbb", b"\x40\x80\x00\x15\x82\x15", b"\xfe\xfe"),
    ),
)
