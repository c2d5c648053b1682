"""Alarms that stay until they are cleared, from both frames that tell them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.can.alarms import (
    ALARMS,
    Latches,
    Level,
    StatusBits,
    pairs_data,
    read_pairs,
    read_status,
    status_data,
    status_levels,
    status_of,
)
from tests.adapters.can.vectors import VECTORS, data

EXPIRE_S = 30.0
NAMES = st.sets(st.sampled_from(ALARMS))


def pairs(**words: int) -> bytes:
    """A 0x35A with these pair values, as `low_voltage=1` or `warn_low_voltage=2`; others are 0."""
    halves = [0, 0]
    for name, word in words.items():
        half = name.startswith("warn_")
        halves[half] |= word << 2 * ALARMS.index(name.removeprefix("warn_"))
    return b"".join(half.to_bytes(4, "little") for half in halves)


#: What is heard, one frame a second, and the level of low_voltage afterwards.
STORIES = [
    ([pairs()], None),  # never told
    ([pairs(low_voltage=2)], Level.OK),
    ([pairs(warn_low_voltage=2)], Level.OK),
    ([pairs(low_voltage=1)], Level.ALARM),
    ([pairs(warn_low_voltage=1)], Level.WARNING),
    ([pairs(low_voltage=1, warn_low_voltage=1)], Level.ALARM),
    ([pairs(low_voltage=1), pairs()], Level.ALARM),  # zeros clear nothing
    ([pairs(low_voltage=1), pairs(low_voltage=3)], Level.ALARM),  # nor does 3
    ([pairs(low_voltage=1), pairs(low_voltage=2)], Level.OK),
    ([pairs(low_voltage=1, warn_low_voltage=1), pairs(low_voltage=2)], Level.WARNING),
    ([pairs(low_voltage=1), pairs(high_voltage=2)], Level.ALARM),
    ([pairs(low_voltage=1), b"\xaa"], Level.ALARM),  # too short to count
    ([pairs(low_voltage=1), b"\xaa\xaa"], Level.OK),  # a short frame tells what it has
]


@pytest.mark.parametrize(("heard", "level"), STORIES)
def test_latches(heard: list[bytes], level: Level | None) -> None:
    latches = Latches(EXPIRE_S)
    for second, frame in enumerate(heard):
        latches.take_pairs(frame, second)
    assert latches.levels(len(heard))["low_voltage"] is level


def test_latches_expire_with_their_frame() -> None:
    latches = Latches(EXPIRE_S)
    assert latches.take_pairs(pairs(low_voltage=1), 0.0)
    assert latches.levels(30.0)["low_voltage"] is Level.ALARM
    assert latches.levels(30.1)["low_voltage"] is None
    assert latches.take_pairs(pairs(), 40.0)  # what was raised before the gap is not known any more
    assert latches.levels(40.0)["low_voltage"] is None


def test_each_frame_keeps_a_latch_alive() -> None:
    latches = Latches(EXPIRE_S)
    latches.take_pairs(pairs(low_voltage=1), 0.0)
    for second in range(1, 100):
        latches.take_pairs(pairs(), float(second))
    assert latches.levels(100.0)["low_voltage"] is Level.ALARM


def test_the_captured_battery_is_well() -> None:
    latches = Latches(EXPIRE_S)
    latches.take_pairs(data(VECTORS["byd_alarms_all_cleared"]), 0.0)
    assert set(latches.levels(0.0).values()) == {Level.OK}


def test_where_two_frames_tell_one_alarm_the_worse_counts() -> None:
    latches = Latches(EXPIRE_S)
    latches.take_status(status_data([], ["low_voltage"], 1), 0.0)
    latches.take_pairs(pairs(low_voltage=2, warn_low_voltage=2), 0.0)
    assert latches.levels(0.0)["low_voltage"] is Level.WARNING
    latches.take_status(status_data(["under_voltage"], [], 1), 1.0)
    assert latches.levels(1.0)["low_voltage"] is Level.ALARM
    latches.take_pairs(pairs(low_voltage=2), 20.0)
    assert latches.levels(31.5)["low_voltage"] is Level.OK  # 0x359 has not come for 30 s
    latches.forget()
    assert set(latches.levels(31.5).values()) == {None}


def test_status_bits_are_the_whole_truth() -> None:
    latches = Latches(EXPIRE_S)
    latches.take_status(data(VECTORS["alarm_mix"]), 0.0)
    told = {name: level for name, level in latches.levels(0.0).items() if level}
    assert told == {
        "high_voltage": Level.ALARM,
        "high_current": Level.ALARM,
        "high_charge_current": Level.ALARM,
        "bms_internal": Level.ALARM,
        "low_temperature": Level.WARNING,
    }
    latches.take_status(data(VECTORS["us5000_v12_status_6_modules"]), 1.0)
    assert not [level for level in latches.levels(1.0).values() if level]


@pytest.mark.parametrize("short", [b"", b"\x01"])
def test_short_frames_say_nothing(short: bytes) -> None:
    assert read_status(short) is None
    assert read_pairs(short) is None
    latches = Latches(EXPIRE_S)
    assert not latches.take_status(short, 0.0)
    assert not latches.take_pairs(short, 0.0)


@pytest.mark.parametrize(
    "make", [lambda names: pairs_data(names, []), lambda names: status_data(names, [], 1)]
)
def test_unknown_alarms_are_not_sent(make: object) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        make(["nonsense"])  # type: ignore[operator]


@given(NAMES, NAMES)
def test_what_is_raised_is_heard(alarms: set[str], warnings: set[str]) -> None:
    """Every alarm is raised or cleared, never left as it was."""
    latches = Latches(EXPIRE_S)
    latches.take_pairs(pairs_data(ALARMS, ALARMS), 0.0)
    latches.take_pairs(pairs_data(alarms, warnings), 1.0)
    for name, level in latches.levels(1.0).items():
        wanted = Level.ALARM if name in alarms else Level.WARNING if name in warnings else Level.OK
        assert level is wanted


@given(NAMES, NAMES, st.integers(0, 255))
def test_old_status_tells_the_same_where_it_has_bits(
    alarms: set[str], warnings: set[str], modules: int
) -> None:
    status = read_status(status_of(alarms, warnings, modules))
    assert isinstance(status, StatusBits)
    assert status.modules == modules
    for name, level in status_levels(status).items():
        wanted = Level.ALARM if name in alarms else Level.WARNING if name in warnings else Level.OK
        assert level is wanted


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_any_bytes(first: bytes, second: bytes) -> None:
    latches = Latches(EXPIRE_S)
    latches.take_pairs(first, 0.0)
    latches.take_status(second, 0.0)
    assert set(latches.levels(0.0)) == set(ALARMS)
