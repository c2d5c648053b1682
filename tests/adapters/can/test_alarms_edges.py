"""Each alarm in its own bits, and how long it is believed."""

import pytest

from bridge.adapters.can.alarms import (
    ALARMS,
    PROTECTIONS,
    STATUS_ALARMS,
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


@pytest.mark.parametrize(("place", "name"), list(enumerate(ALARMS)))
def test_each_pair_stands_in_its_own_two_bits(place: int, name: str) -> None:
    for half, words in ((0, ([name], [])), (4, ([], [name]))):
        data = pairs_data(*words)
        word = int.from_bytes(data[half : half + 4], "little")
        other = int.from_bytes(data[4 - half : 8 - half], "little")
        assert word == 0x02AAAAAA ^ 3 << 2 * place
        assert other == 0x02AAAAAA
        found = read_pairs(data)
        assert found is not None
        assert found[half // 4].raised == {name}
        assert found[half // 4].cleared == set(ALARMS) - {name}


@pytest.mark.parametrize("word", [0, 3])
def test_a_pair_of_0_or_3_says_nothing(word: int) -> None:
    found = read_pairs((word << 4).to_bytes(4, "little") * 2)
    assert found is not None
    assert [edges.raised | edges.cleared for edges in found] == [frozenset(), frozenset()]


#: Byte and bit of 0x359, and what that is called among the alarms of 0x35A.
PROTECTION_BITS = {
    "over_voltage": (0, 1, "high_voltage"), "under_voltage": (0, 2, "low_voltage"),
    "over_temperature": (0, 3, "high_temperature"), "under_temperature": (0, 4, "low_temperature"),
    "discharge_over_current": (0, 7, "high_current"), "charge_over_current": (1, 0, "high_charge_current"),
    "system_error": (1, 3, "bms_internal"),
}  # fmt: skip
ALARM_BITS = {
    "high_voltage": (2, 1, "high_voltage"), "low_voltage": (2, 2, "low_voltage"),
    "high_temperature": (2, 3, "high_temperature"), "low_temperature": (2, 4, "low_temperature"),
    "discharge_high_current": (2, 7, "high_current"), "charge_high_current": (3, 0, "high_charge_current"),
    "internal_communication_fail": (3, 3, "bms_internal"),
}  # fmt: skip


def test_the_names_of_all_alarms() -> None:
    """From the lowest pair of 0x35A on: SMA's technical information, and MG's guide."""
    assert (
        *("general", "high_voltage", "low_voltage", "high_temperature", "low_temperature"),
        *("high_temperature_charge", "low_temperature_charge", "high_current", "high_charge_current"),
        *("contactor", "short_circuit", "bms_internal", "cell_imbalance"),
    ) == ALARMS


@pytest.mark.parametrize("name", PROTECTION_BITS)
def test_each_protection_is_an_alarm(name: str) -> None:
    byte, bit, alarm = PROTECTION_BITS[name]
    data = status_data([name], [], 3)
    assert data == bytes(1 << bit if place == byte else 0 for place in range(4)) + b"\x03PN"
    told = read_status(data)
    assert told == StatusBits((name,), (), 3)
    levels = status_levels(told)
    assert levels.pop(alarm) is Level.ALARM
    assert set(levels.values()) == {Level.OK}
    assert status_of([alarm], [], 3) == data


@pytest.mark.parametrize("name", ALARM_BITS)
def test_each_alarm_of_a_status_is_a_warning(name: str) -> None:
    byte, bit, alarm = ALARM_BITS[name]
    data = status_data([], [name], 0)
    assert data == bytes(1 << bit if place == byte else 0 for place in range(4)) + b"\x00PN"
    told = read_status(data)
    assert told == StatusBits((), (name,), 0)
    levels = status_levels(told)
    assert levels.pop(alarm) is Level.WARNING
    assert set(levels.values()) == {Level.OK}
    assert status_of([], [alarm], 0) == data


def test_what_a_status_has_no_bit_for_is_left_out() -> None:
    without = set(ALARMS) - set(PROTECTIONS.values())
    assert status_of(without, set(ALARMS) - set(STATUS_ALARMS.values()), 1) == status_data([], [], 1)
    assert len(without) == 6


def test_a_status_is_believed_as_long_as_it_comes() -> None:
    latches = Latches(30.0)
    assert latches.take_status(status_data(["under_voltage"], [], 1), 100.0)
    assert latches.levels(130.0)["low_voltage"] is Level.ALARM
    assert latches.levels(130.5)["low_voltage"] is None
    assert latches.take_status(status_data([], [], 1), 131.0)
    assert latches.levels(131.0)["low_voltage"] is Level.OK
    assert latches.levels(131.0)["contactor"] is None


@pytest.mark.parametrize(("gap_s", "level"), [(30.0, Level.ALARM), (30.5, None)])
def test_a_gap_between_pairs_forgets_what_was_raised_before(gap_s: float, level: Level | None) -> None:
    latches = Latches(30.0)
    assert latches.take_pairs(pairs_data(["low_voltage"], []), 100.0)
    assert latches.take_pairs(bytes(8), 100.0 + gap_s)
    assert latches.levels(100.0 + gap_s)["low_voltage"] is level
    assert latches.levels(130.0 + gap_s)["low_voltage"] is level
    assert latches.levels(130.5 + gap_s)["low_voltage"] is None


def test_what_was_found_elsewhere_is_forgotten() -> None:
    latches = Latches(30.0)
    latches.take_pairs(pairs_data(["low_voltage"], []), 0.0)
    latches.take_status(status_data(["under_voltage"], [], 1), 0.0)
    latches.forget()
    latches.take_pairs(bytes(8), 1.0)
    assert set(latches.levels(1.0).values()) == {None}
