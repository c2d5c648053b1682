"""What frames mean: the published vectors, and the formulae that users of the Venus drivers know."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.can.fields import decode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.island_frames import ISLAND_FRAMES
from bridge.adapters.sunny_island.command_frame import IslandCommand, asked_for, island_command
from bridge.adapters.sunny_island.readings import (
    GridWatch,
    battery_values,
    currents,
    energy_flows,
    error_text,
    output_powers,
    output_values,
    phases_seen,
    relay_values,
    state_values,
    status_values,
)

VECTORS = {
    v["name"]: v for v in json.loads((Path(__file__).parents[2] / "data/can/vectors.json").read_text())
}


def fields(name: str) -> dict[str, Any]:
    vector = VECTORS[name]
    found = decode(ISLAND_FRAMES[int(vector["id"], 16)], bytes.fromhex(vector["hex"]))
    assert found is not None
    return found


def test_the_captured_battery_frame_with_victrons_sign() -> None:
    values = battery_values(fields("si_battery_tail_from_notes"))
    assert values == {
        "/Dc/0/Voltage": 52.1,
        "/Dc/0/Current": 12.0,  # an island's own sign is the other way round
        "/Dc/0/Power": pytest.approx(625.2),
        "/Dc/0/Temperature": 23.0,
        "/Soc": 99.0,
    }


@pytest.mark.parametrize(
    ("told", "shown"), [(0.0, 0.0), (100.0, 100.0), (-0.1, None), (-20.8, None), (100.1, None)]
)
def test_a_share_that_no_battery_can_have_is_absent(told: float, shown: float | None) -> None:
    found = {**fields("si_battery_tail_from_notes"), "soc_pct": told}
    assert battery_values(found)["/Soc"] == shown


def test_status() -> None:
    assert status_values(fields("si_status_running")) == {
        "/Soh": 98.0,
        "/ChargeProcedure": 10,
        "/OperatingState": 1,
        "/ErrorCode": 0,
        "/Error": "",
        "/Alarms/Fault": 0,
        "/Dc/0/ChargeVoltage": 56.4,
    }


def test_relays() -> None:
    assert relay_values(fields("si_relay_closed_grid_ok")) == {
        "/Relay/Word": 1,
        "/Relay/0/State": 1,
        "/Relay/1/State": 0,
        "/Ac/ActiveIn/Connected": 1,
        "/Ac/ActiveIn/ActiveInput": 0,
        "/Ac/State/AcIn1Available": 1,
    }


def test_the_stop_command_of_the_driver() -> None:
    vector = VECTORS["polyndriver_stop_command"]
    frame = CanFrame(int(vector["id"], 16), bytes.fromhex(vector["hex"]))
    assert island_command(IslandCommand.STOP) == frame
    assert asked_for(frame) is IslandCommand.STOP


@pytest.mark.parametrize(
    "data", ["c0", "c000", "80000000", "40000000", "c0000000", "00000000", "03000000", "0100000000000000", ""]
)
def test_flags_of_a_battery_ask_nothing_of_an_island(data: str) -> None:
    assert asked_for(CanFrame(0x35C, bytes.fromhex(data))) is None


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        (1, 0, ""),
        (3, 952, "W952"),
        (4, 952, "F952"),
        (4, 7, "F007"),
        (1, 952, "952"),
        (None, 952, "952"),
        (4, 0, ""),
        (4, None, None),
        (9, 12345, "12345"),
    ],
)
def test_events_as_the_display_writes_them(state: int | None, error: int | None, text: str | None) -> None:
    assert error_text(state, error) == text


@pytest.mark.parametrize(
    ("external", "inverter", "load", "phases", "powers"),
    [
        ((2300, -700, 0), (-1800, 1300, 0), 1100, 2, (500, 600, None)),  # the sum is right
        ((2300, -700, 0), (-1800, 1300, 0), 1200, 2, (550, 650, None)),  # 100 W more: 50 W each
        ((2300, -700, 0), (-1800, 1300, 0), 1000, 2, (450, 550, None)),  # 100 W less
        ((2300, -700, 0), (-1800, 1300, 0), 1300, 2, (500, 600, None)),  # 200 W off: not rounding
        ((2300, -700, 0), (-1800, 1300, 0), None, 2, (500, 600, None)),
        ((400, 0, 0), (0, 0, 0), 500, 1, (500, None, None)),
        ((300, 300, 300), (100, 100, 100), 1200, 3, (400, 400, 400)),
        ((300, 300, 300), (100, 100, 100), 1500, 3, (400, 400, 400)),
        ((300, 300, 300), (100, 100, 100), 1300, 3, (433.333, 433.333, 433.333)),
        ((None, 300, 0), (100, 100, 0), 1300, 2, (None, 400, None)),
        ((0, 0, 0), (0, 0, 0), 4200, 2, (0, 0, None)),
    ],
)
def test_output_power_of_each_line(
    external: tuple[float | None, ...],
    inverter: tuple[float, ...],
    load: float | None,
    phases: int,
    powers: tuple[float | None, ...],
) -> None:
    found = output_powers(external, inverter, load, phases)
    assert found == tuple(None if power is None else pytest.approx(power, abs=0.001) for power in powers)


@pytest.mark.parametrize(
    ("watts", "volts", "least", "amps"),
    [
        (2300, 119.9, 0.0, 19.0),
        (-700, 119.9, 0.0, -5.0),  # cut towards zero, as in the drivers
        (2300, 0.0, 0.0, 0.0),
        (500, 4.9, 5.0, 0.0),
        (500, 5.0, 5.0, 0.0),
        (500, 5.1, 5.0, 98.0),
        (None, 120.0, 5.0, None),
        (500, None, 5.0, None),
    ],
)
def test_currents(watts: float | None, volts: float | None, least: float, amps: float | None) -> None:
    assert currents((watts,), (volts,), least) == (amps,)


@pytest.mark.parametrize(
    ("output_v", "battery_v", "battery_a", "set_point_v", "failed", "state", "charging"),
    [
        (230.0, 52.0, -20.0, 56.4, False, 9, 0),
        (230.0, 52.0, 0.0, 56.4, False, 9, 0),
        (230.0, 52.0, 20.0, 56.4, False, 3, 1),
        (230.0, 56.2, 20.0, 56.4, False, 3, 1),
        (230.0, 56.3, 20.0, 56.4, False, 4, 2),
        (230.0, 56.4, 20.0, 56.4, False, 4, 2),
        (230.0, 52.0, 20.0, None, False, 3, 1),
        (230.0, None, None, None, False, 9, 0),
        (5.0, 52.0, 20.0, 56.4, False, 0, 0),
        (5.1, 52.0, -1.0, 56.4, False, 9, 0),
        (0.0, 52.0, 0.0, 56.4, False, 0, 0),
        (0.0, 52.0, 0.0, 56.4, True, 2, 0),
    ],
)
def test_state(
    output_v: float,
    battery_v: float | None,
    battery_a: float | None,
    set_point_v: float | None,
    failed: bool,
    state: int,
    charging: int,
) -> None:
    found = state_values(
        (output_v, None, None),
        battery_v=battery_v,
        battery_a=battery_a,
        set_point_v=set_point_v,
        failed=failed,
    )
    assert found == {"/State": state, "/VebusChargeState": charging}


def test_one_line_with_voltage_is_enough_to_run() -> None:
    assert output_values((0.0, 120.0, None), 60.0, 2)["/Mode"] == 3
    assert output_values((0.0, 4.0, None), 0.0, 2)["/Mode"] == 4
    assert output_values((None, None, None), None, 2)["/Mode"] is None


@pytest.mark.parametrize(
    ("frames", "alarms"),
    [
        ("1", [0]),
        ("0", [0]),
        ("00", [0, 2]),
        ("101", [0, 0, 0]),  # the relay moves: one false word, which is not told
        ("10100", [0, 0, 0, 0, 2]),
        ("0001", [0, 2, 2, 0]),
        ("00010", [0, 2, 2, 0, 0]),
    ],
)
def test_a_lost_grid_takes_two_frames(frames: str, alarms: list[int]) -> None:
    watch = GridWatch()
    assert [watch.alarm(valid=bit == "1") for bit in frames] == alarms


@pytest.mark.parametrize(
    ("output", "battery", "flows"),
    [
        (800, 500, {"GridToAcOut": 800, "GridToDc": 500}),
        (800, 0, {"DcToAcOut": 800}),
        (800, -900, {"DcToAcOut": 800}),
        (800, None, {"DcToAcOut": 800}),
        (None, 500, {"GridToAcOut": 0, "GridToDc": 500}),
    ],
)
def test_energy_flows(output: float | None, battery: float | None, flows: dict[str, float]) -> None:
    assert energy_flows(output, battery) == flows


@pytest.mark.parametrize(
    ("voltages", "phases"),
    [
        ((0.0, 0.0, 0.0), 0),
        ((230.0, 0.0, 0.0), 1),
        ((120.0, 119.9, 0.0), 2),
        ((230.0, 230.0, 230.0), 3),
        ((0.0, 120.0, 0.0), 2),
        ((230.0, 49.9, 3000.0), 1),  # neither noise nor another meaning of the bytes is a line
        ((None, None, None), 0),
    ],
)
def test_lines_are_counted_by_their_voltage(voltages: tuple[float | None, ...], phases: int) -> None:
    assert phases_seen(voltages) == phases
