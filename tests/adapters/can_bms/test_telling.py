"""What a set says on the bus, in each dialect and phase."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.can.alarms import ALARMS, read_pairs, read_status
from bridge.adapters.can.battery_frames import BATTERY_FRAMES, best_soc
from bridge.adapters.can.dialects import DIALECTS, DialectName
from bridge.adapters.can.fields import decode
from bridge.adapters.can_bms.battery import Battery
from bridge.adapters.can_bms.phases import Phase
from bridge.adapters.can_bms.telling import INTERNAL, Telling, frames_of, in_phase

from .rig import options_of

GIVEN = Telling(
    voltage=53.21, soc=55.4, charge_v=56.0, charge_a=100.0, discharge_a=120.0, discharge_v=44.0,
    soh=98, current=-27.0, temperature=36.3, min_cell=3.306, max_cell=3.329,
)  # fmt: skip
NAMES: list[DialectName] = list(DIALECTS)


def battery_of(dialect: DialectName) -> Battery:
    return Battery(options_of(dialect=dialect).battery, DIALECTS[dialect])


def sent(told: Telling, dialect: DialectName = "sma", phase: Phase = Phase.FRESH) -> dict[int, bytes]:
    battery = battery_of(dialect)
    frames = frames_of(in_phase(told, phase, battery), DIALECTS[dialect], battery, None)
    return {frame.id: frame.data for frame in frames}


def heard(told: Telling, frame_id: int, dialect: DialectName = "sma", phase: Phase = Phase.FRESH) -> Any:
    return decode(BATTERY_FRAMES[frame_id], sent(told, dialect, phase)[frame_id])


@pytest.mark.parametrize(
    ("dialect", "frame_id", "hexadecimal"),
    [
        # 56.0 V, 100 A, 120 A, 44.0 V
        ("sma", 0x351, "3002e803b004b801"),
        ("pylontech", 0x351, "3002e803b004b801"),
        ("victron", 0x351, "3002e803b004b801"),
        # 55 %, 98 %, 55.40 %: the vector of SMA's document; Pylontech's have no fine one
        ("sma", 0x355, "37006200a415"),
        ("pylontech", 0x355, "37006200"),
        ("victron", 0x355, "37006200a4150000"),
        # 53.21 V, -27.0 A, 36.3 degrees: current and temperature as captured from a US5000
        ("sma", 0x356, "c914f2fe6b01"),
        ("pylontech", 0x356, "c914f2fe6b01"),
        # all well: cleared, which zeros would not say
        ("sma", 0x35A, "aaaaaa02aaaaaa02"),
        ("pylontech_new", 0x35A, "aaaaaa02aaaaaa02"),
        ("pylontech", 0x359, "0000000001504e"),
        ("pylontech", 0x35C, "c000"),
        ("pylontech", 0x35E, "50594c4f4e202020"),
        ("sma", 0x35E, "4252494447452020"),
        ("sma", 0x35F, "4c490100c800ffff"),
        ("victron", 0x373, "ea0c010dffffffff"),
        ("victron", 0x379, "c800000000000000"),
    ],
)
def test_the_bytes_of_a_set(dialect: DialectName, frame_id: int, hexadecimal: str) -> None:
    assert sent(GIVEN, dialect)[frame_id].hex() == hexadecimal


@pytest.mark.parametrize("dialect", NAMES)
def test_no_id_but_the_dialects_own_is_sent_and_all_of_them_are(dialect: DialectName) -> None:
    assert tuple(sent(GIVEN, dialect)) == DIALECTS[dialect].sends
    allowed = {0x351, 0x355, 0x356, 0x35A, 0x35B, 0x35E, 0x35F, 0x00F}
    if dialect == "sma":  # its document forbids any other
        assert set(sent(GIVEN, dialect)) <= allowed


@pytest.mark.parametrize("dialect", NAMES)
def test_what_is_sent_is_heard_as_it_was_meant(dialect: DialectName) -> None:
    limits, measured = heard(GIVEN, 0x351, dialect), heard(GIVEN, 0x356, dialect)
    assert limits["charge_voltage_limit_v"] == 56.0
    assert (limits["charge_current_limit_a"], limits["discharge_current_limit_a"]) == (100.0, 120.0)
    assert (measured["voltage_v"], measured["current_a"], measured["temperature_c"]) == (53.21, -27.0, 36.3)
    charge = heard(GIVEN, 0x355, dialect)
    assert best_soc(charge["soc_pct"], charge["soc_hires_pct"]) == (
        55.4 if DIALECTS[dialect].hires_soc else 55
    )


@pytest.mark.parametrize("dialect", NAMES)
@given(soc=st.floats(0, 100))
def test_the_fine_state_of_charge_is_true_or_absent(dialect: DialectName, soc: float) -> None:
    charge = heard(replace(GIVEN, soc=soc), 0x355, dialect)
    fine = charge["soc_hires_pct"]
    assert fine is None or abs(fine - soc) <= 0.005 + 1e-9
    assert abs(charge["soc_pct"] - soc) <= 0.5


@pytest.mark.parametrize("dialect", NAMES)
def test_what_is_not_known_is_told_as_not_available(dialect: DialectName) -> None:
    unknown = replace(GIVEN, soh=None, current=None, temperature=None)
    assert heard(unknown, 0x355, dialect)["soh_pct"] is None
    measured = heard(unknown, 0x356, dialect)
    assert (measured["voltage_v"], measured["current_a"], measured["temperature_c"]) == (53.21, None, None)


# -- phases --------------------------------------------------------------------------------------------

ZERO_A = {"sma": 0.0, "victron": 0.0, "pylontech": 0.1, "pylontech_new": 0.1}


@pytest.mark.parametrize("dialect", NAMES)
def test_hold_repeats_the_limits_and_warns(dialect: DialectName) -> None:
    fresh, held = sent(GIVEN, dialect), sent(GIVEN, dialect, Phase.HOLD)
    differing = {frame_id for frame_id in fresh if fresh[frame_id] != held[frame_id]}
    assert differing == {DIALECTS[dialect].alarm_id}
    if dialect == "pylontech":
        assert held[0x359].hex() == "0000000801504e"  # alarm bit 3.3
    else:
        told = read_pairs(held[0x35A])
        assert told is not None
        assert (told[0].raised, told[1].raised) == (frozenset(), {INTERNAL})


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize(
    ("voltage", "charge_v"),
    [
        (53.2, 56.0),  # the last charge voltage
        (57.1, 57.1),  # never below the battery: an inverter would discharge it, whatever the other limit
        (59.0, 58.4),  # the cap wins over everything
    ],
)
def test_zero_allows_no_current_and_keeps_the_charge_voltage_up(
    dialect: DialectName, voltage: float, charge_v: float
) -> None:
    told = replace(GIVEN, voltage=voltage)
    limits = heard(told, 0x351, dialect, Phase.ZERO)
    assert limits["charge_voltage_limit_v"] == pytest.approx(charge_v)
    assert limits["charge_current_limit_a"] == limits["discharge_current_limit_a"] == ZERO_A[dialect]
    assert limits["discharge_voltage_limit_v"] == heard(told, 0x351, dialect)["discharge_voltage_limit_v"]
    assert sent(told, dialect, Phase.ZERO)[0x355] == sent(told, dialect)[0x355]
    if dialect == "pylontech":
        assert sent(told, dialect, Phase.ZERO)[0x35C].hex() == "0000"


@pytest.mark.parametrize(
    ("changes", "flags", "charge_a", "discharge_a"),
    [
        ({}, "c000", 100.0, 120.0),
        ({"may_charge": False}, "4000", 0.1, 120.0),
        ({"may_discharge": False}, "8000", 100.0, 0.1),
        ({"charge_a": 0.0}, "4000", 0.1, 120.0),
        ({"request": True}, "e000", 100.0, 120.0),
    ],
)
def test_what_is_allowed(changes: dict[str, Any], flags: str, charge_a: float, discharge_a: float) -> None:
    told = replace(GIVEN, **changes)
    assert sent(told, "pylontech")[0x35C].hex() == flags
    limits = heard(told, 0x351, "pylontech")
    assert (limits["charge_current_limit_a"], limits["discharge_current_limit_a"]) == (charge_a, discharge_a)
    assert limits["charge_voltage_limit_v"] == 56.0  # charging is never stopped by it


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_raised_and_all_others_are_cleared(name: str) -> None:
    told = read_pairs(sent(replace(GIVEN, alarms=frozenset({name})))[0x35A])
    assert told is not None
    assert (told[0].raised, told[0].cleared) == ({name}, set(ALARMS) - {name})
    assert (told[1].raised, told[1].cleared) == (frozenset(), set(ALARMS))


def test_alarms_in_the_old_dialect() -> None:
    raised = replace(GIVEN, alarms=frozenset({"high_voltage"}), warnings=frozenset({"low_temperature"}))
    told = read_status(sent(raised, "pylontech")[0x359])
    assert told is not None
    assert (told.protections, told.alarms) == (("over_voltage",), ("low_temperature",))


_VOLTS, _AMPS = st.floats(0, 3000), st.floats(0, 3000)


@pytest.mark.parametrize("dialect", NAMES)
@given(charge_v=_VOLTS, charge_a=_AMPS, discharge_a=_AMPS, discharge_v=_VOLTS, phase=st.sampled_from(Phase))
def test_caps_win_over_whatever_is_given(
    dialect: DialectName,
    charge_v: float,
    charge_a: float,
    discharge_a: float,
    discharge_v: float,
    phase: Phase,
) -> None:
    """Whatever limits are given, in any phase: nothing outside the battery's caps is on the bus."""
    told = replace(
        GIVEN, charge_v=charge_v, charge_a=charge_a, discharge_a=discharge_a, discharge_v=discharge_v
    )
    limits = heard(told, 0x351, dialect, phase)
    assert limits["charge_voltage_limit_v"] <= 58.4
    assert limits["charge_voltage_limit_v"] >= 40.0
    assert limits["charge_current_limit_a"] <= 200.0
    assert limits["discharge_current_limit_a"] <= 200.0
    assert limits["discharge_voltage_limit_v"] >= 40.0
