"""Fields at their edges: short frames, markers, rounding, what does not fit; any bytes at all."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.can.battery_frames import (
    BATTERY_FRAMES,
    FLAGS,
    LIMITS,
    MEASURED,
    NAME,
    STATE_OF_CHARGE,
    STATUS,
    best_soc,
    history,
)
from bridge.adapters.can.fields import Bit, Field, FieldValue, FrameSpec, Text, decode, encode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import ident
from bridge.adapters.can.island_frames import ISLAND_FRAMES

ALL = (*BATTERY_FRAMES.values(), *ISLAND_FRAMES.values())
SPECS = st.sampled_from(ALL)
BYTES = st.binary(max_size=8)


@pytest.mark.parametrize(
    ("spec", "hex_data", "told"),
    [
        (LIMITS, "1402c012c012", {"discharge_voltage_limit_v": None, "discharge_current_limit_a": 480.0}),
        (LIMITS, "1402c012c0", {"discharge_current_limit_a": None, "charge_current_limit_a": 480.0}),
        (LIMITS, "14", None),
        (LIMITS, "", None),
        (LIMITS, "140264009cff", {"discharge_current_limit_a": 10.0}),  # negative: an early diyBMS
        (STATE_OF_CHARGE, "5800", {"soc_pct": 88, "soh_pct": None, "soc_hires_pct": None}),
        (STATE_OF_CHARGE, "58005e0000000000", {"soc_hires_pct": 0.0}),
        (MEASURED, "7a13f2fe", {"voltage_v": 49.86, "current_a": -27.0, "temperature_c": None}),
        (STATUS, "00800000", {"protection_system_error": True, "modules": None}),
        (STATUS, "0008", {"protection_system_error": True, "alarm_low_voltage": None}),
        (FLAGS, "c0", {"charge_enable": True, "discharge_enable": True}),
        (FLAGS, "", None),
        (NAME, "50594c4f4e", {"text": "PYLON"}),
        (NAME, "50594c4f4e000000", {"text": "PYLON"}),
        (NAME, "0007ff2020202020", {"text": ""}),
    ],
)
def test_short_and_odd_frames(spec: FrameSpec, hex_data: str, told: dict[str, FieldValue] | None) -> None:
    found = decode(spec, bytes.fromhex(hex_data))
    if told is None or found is None:
        assert found is told
    else:
        assert {name: found[name] for name in told} == told


@pytest.mark.parametrize(
    ("whole", "fine", "best"),
    [
        (88, None, 88),
        (55, 55.4, 55.4),
        (55, 57.0, 57.0),
        (55, 57.01, 55),
        (99, 0.0, 99),  # captured: a fine one of 0 beside a valid whole one
        (1, 0.0, 0.0),
        (None, 55.4, None),
    ],
)
def test_the_fine_state_of_charge_only_where_it_agrees(
    whole: FieldValue, fine: FieldValue, best: float | None
) -> None:
    assert best_soc(whole, fine) == best


@pytest.mark.parametrize(
    ("values", "length", "hex_data"),
    [
        ({}, None, "ffff00800080ffff"),  # what is missing carries its marker
        ({"charge_voltage_limit_v": 53.25}, 6, "140200800080"),  # 532.5 rounds to even
        ({"charge_voltage_limit_v": 53.35}, 6, "160200800080"),
        ({"charge_current_limit_a": -0.1}, 4, "ffffffff"),
        ({"charge_voltage_limit_v": 0}, 8, "000000800080ffff"),
    ],
)
def test_encoding(values: dict[str, FieldValue], length: int | None, hex_data: str) -> None:
    assert encode(LIMITS, values, length=length).hex() == hex_data


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        (LIMITS, {"charge_voltage_limit_v": 6553.6}),
        (LIMITS, {"charge_voltage_limit_v": 6553.5}),  # would say "not available"
        (LIMITS, {"charge_voltage_limit_v": -0.1}),
        (LIMITS, {"charge_current_limit_a": 3276.8}),
        (LIMITS, {"charge_current_limit_a": -3276.8}),
        (LIMITS, {"charge_current_limit_a": math.nan}),
        (LIMITS, {"charge_current_limit_a": math.inf}),
        (LIMITS, {"charge_current_limit_a": "10"}),
        (LIMITS, {"nonsense": 1}),
        (STATUS, {"modules": 256}),
        (NAME, {"text": "NINECHARS"}),
        (NAME, {"text": "BÄTTERIE"}),
    ],
)
def test_nothing_wraps(spec: FrameSpec, values: dict[str, FieldValue]) -> None:
    with pytest.raises(ValueError, match="found"):
        encode(spec, values)


def test_a_frame_longer_than_its_fields_is_padded() -> None:
    assert encode(FLAGS, {"charge_enable": True}, length=8).hex() == "8000000000000000"


def test_the_counts_of_the_history_have_two_sizes() -> None:
    data = bytes.fromhex("400800002b070000")
    tenths, hundredths = (decode(history(Fraction(size)), data) for size in ("0.1", "0.01"))
    assert tenths == {"charged_kwh": 211.2, "discharged_kwh": 183.5}
    assert hundredths == {"charged_kwh": 21.12, "discharged_kwh": 18.35}


@pytest.mark.parametrize(("id", "length"), [(0x800, 0), (-1, 0), (0x351, 9)])
def test_what_is_no_frame(id: int, length: int) -> None:
    with pytest.raises(ValueError, match="found"):
        CanFrame(id, bytes(length))


@given(SPECS, BYTES)
def test_any_bytes_are_decoded_or_left(spec: FrameSpec, data: bytes) -> None:
    """No bytes raise; a frame that says something names every field."""
    found = decode(spec, data)
    assert (found is None) == (len(data) < spec.least)
    assert found is None or set(found) == {field.name for field in spec.fields}
    ident(CanFrame(spec.id, data))


@given(SPECS, st.data())
def test_what_was_encoded_is_decoded(spec: FrameSpec, draw: st.DataObject) -> None:
    """Numbers of a field's own steps, bits and texts come back as they went."""
    values: dict[str, FieldValue] = {}
    for field in spec.fields:
        match field:
            case Bit():
                values[field.name] = draw.draw(st.booleans())
            case Text():
                text = draw.draw(st.text("ABCxyz019-", min_size=1, max_size=field.size))
                values[field.name] = text
            case Field():
                low = 0 if field.code != "h" or field.magnitude else -0x7FFF
                high = {"B": 0xFF, "H": 0xFFFE, "h": 0x7FFF, "I": 0xFFFFFFFE}[field.code]
                raw = draw.draw(st.integers(low, high))
                values[field.name] = float(raw * field.scale + field.base)
    found = decode(spec, encode(spec, values))
    assert found is not None
    for name, value in values.items():
        if isinstance(value, float):
            assert found[name] == pytest.approx(value, abs=1e-9)
        else:
            assert found[name] == value
