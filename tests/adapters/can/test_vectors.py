"""Every vector both ways: what a frame says, and the frame that says it; beside it the foreign reader's word."""

from collections.abc import Mapping
from typing import Any

import cantools
import pytest

from bridge.adapters.can.alarms import ALARMS, pairs_data, read_pairs, read_status, status_data
from bridge.adapters.can.battery_frames import BATTERY_FRAMES, best_soc
from bridge.adapters.can.dbc import FILES
from bridge.adapters.can.fields import Bit, Field, FieldValue, FrameSpec, decode, encode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import GX_IDENT, KEEPALIVE, ident, is_keepalive
from bridge.adapters.can.island_frames import ISLAND_FRAMES
from tests.adapters.can.vectors import VECTORS, data, frame_id, of

TABLES: Mapping[str, Mapping[int, FrameSpec]] = {"bms": BATTERY_FRAMES, "si": ISLAND_FRAMES}
DATABASES = {"bms": "battery.dbc", "si": "sunny_island.dbc"}
#: Start and stop of a Sunny Island belong to that family alone.
ELSEWHERE = {"polyndriver_stop_command"}
TABLED = [*of("bms"), *of("si")]


def told(vector: dict[str, Any]) -> dict[str, FieldValue | list[str]]:
    """All that our own tables and rules say of a vector, by its reference names."""
    spec = TABLES[vector["ctx"]][frame_id(vector)]
    fields = decode(spec, data(vector))
    assert fields is not None
    said: dict[str, Any] = dict(fields)
    if spec.id == 0x355:
        said["soc_best_pct"] = best_soc(fields["soc_pct"], fields["soc_hires_pct"])
    if spec.id == 0x359:
        status = read_status(data(vector))
        assert status is not None
        said |= {"protections": [*status.protections], "alarms": [*status.alarms]}
    if spec.id == 0x35A:
        edges = read_pairs(data(vector))
        assert edges is not None
        for kind, found in zip(("alarms", "warnings"), edges, strict=True):
            said[f"{kind}_raised"] = [name for name in ALARMS if name in found.raised]
            said[f"{kind}_cleared"] = len(found.cleared)
    if spec is ISLAND_FRAMES.get(0x305):
        current = fields["batt_current_raw_a"]
        assert isinstance(current, float)
        said["batt_current_victron_a"] = -current
    return said


def test_no_vector_is_left_out() -> None:
    assert len(VECTORS) == 29
    inverter = {vector["name"] for vector in of("inverter")}
    assert inverter == {"venus_keepalive", "venus_ident_VIC", *ELSEWHERE}
    assert {vector["ctx"] for vector in VECTORS.values()} == {"bms", "si", "inverter"}
    assert all(len(data(vector)) == vector["dlc"] for vector in VECTORS.values())


@pytest.mark.parametrize("vector", TABLED, ids=lambda vector: vector["name"])
def test_a_frame_says(vector: dict[str, Any]) -> None:
    said = told(vector)
    assert {name: said[name] for name in vector["decoded"]} == vector["decoded"]


@pytest.mark.parametrize("vector", TABLED, ids=lambda vector: vector["name"])
def test_the_same_frame_is_made_of_it(vector: dict[str, Any]) -> None:
    spec = TABLES[vector["ctx"]][frame_id(vector)]
    fields = decode(spec, data(vector))
    assert fields is not None
    made = encode(spec, fields, length=vector["dlc"])
    assert made == data(vector)


@pytest.mark.parametrize("name", ["us5000_v12_status_6_modules", "alarm_mix"])
def test_status_bits_are_made_of_names(name: str) -> None:
    decoded = VECTORS[name]["decoded"]
    assert status_data(decoded["protections"], decoded["alarms"], decoded["modules"]) == data(VECTORS[name])


def test_all_fine_is_told_by_clearing_and_reserved_pairs_stay_0() -> None:
    assert pairs_data([], []).hex() == "aaaaaa02aaaaaa02"
    raised = read_pairs(pairs_data(["low_voltage", "bms_internal"], ["cell_imbalance"]))
    assert raised is not None
    assert raised[0].raised == {"low_voltage", "bms_internal"}
    assert raised[1].raised == {"cell_imbalance"}
    assert len(raised[0].cleared) == 11
    assert len(raised[1].cleared) == 12


def test_the_inverters_frames() -> None:
    keepalive = CanFrame(0x305, data(VECTORS["venus_keepalive"]))
    assert keepalive == KEEPALIVE
    assert is_keepalive(keepalive) is VECTORS["venus_keepalive"]["decoded"]["keepalive"]
    says = CanFrame(0x307, data(VECTORS["venus_ident_VIC"]))
    assert says == GX_IDENT
    assert ident(says) == VECTORS["venus_ident_VIC"]["decoded"]["ident"]
    assert ident(keepalive) is None


@pytest.mark.parametrize("vector", TABLED, ids=lambda vector: vector["name"])
def test_a_foreign_reader_of_our_dbc_agrees(vector: dict[str, Any]) -> None:
    """Every number and every bit; invalid markers are numbers to it, and texts are."""
    database = cantools.database.load_string(FILES[DATABASES[vector["ctx"]]], "dbc")
    spec = TABLES[vector["ctx"]][frame_id(vector)]
    foreign = database.decode_message(spec.id, data(vector), decode_choices=False, allow_truncated=True)
    ours = decode(spec, data(vector))
    assert ours is not None
    compared = 0
    for field in spec.fields:
        value = ours[field.name]
        if spec.id == 0x35A or not isinstance(field, Field | Bit) or value is None:
            continue
        if isinstance(field, Bit) and field.also is not None:
            continue
        assert foreign[field.name] == pytest.approx(float(value), abs=1e-9), field.name
        compared += 1
    if spec.id == 0x35A:
        edges = read_pairs(data(vector))
        assert edges is not None
        for kind, found in zip(("alarm", "warning"), edges, strict=True):
            pairs = {name: foreign[f"{kind}_{name}"] for name in ALARMS}
            assert {name for name, pair in pairs.items() if pair == 1} == found.raised
            assert {name for name, pair in pairs.items() if pair == 2} == found.cleared
            compared += len(pairs)
    assert compared or spec.id == 0x35E
