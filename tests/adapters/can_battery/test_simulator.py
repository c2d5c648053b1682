"""The simulated batteries: their frames against captures, their faults, their adapter on a terminal."""

import asyncio
import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.base import Adapter, Fault
from bridge.adapters.can.dialects import DIALECTS, DialectName
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can_battery.options import FAMILY, CanBatteryOptions
from bridge.adapters.can_battery.simulated_battery import BatteryState, SimulatedBattery
from bridge.adapters.can_battery.simulator import BatterySimulator, PylontechBatterySimulator
from bridge.datastore.clock import ManualClock, SystemClock
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from tests.adapters.can.guests import seated, until
from tests.adapters.can.vectors import VECTORS, data, frame_id

PRODUCTS = sorted(FAMILY.simulators)
#: A captured frame, the dialect of its battery, and what that battery was and held.
CAPTURED: list[tuple[str, DialectName, dict[str, Any]]] = [
    ("us5000_v12_limits", "pylontech", {
        "charge_voltage_limit_v": 53.2, "charge_current_limit_a": 480.0,
        "discharge_current_limit_a": 480.0, "discharge_voltage_limit_v": 45.0,
    }),
    ("us5000_v12_soc", "pylontech", {"soc_pct": 88.0, "soh_pct": 94.0}),
    ("us5000_v12_measure_discharging", "pylontech", {
        "voltage_v": 49.86, "current_a": -27.0, "temperature_c": 36.3,
    }),
    ("us5000_v12_status_6_modules", "pylontech", {"modules": 6}),
    ("us5000_v12_flags", "pylontech", {}),
    ("us5000_name_space_padded", "pylontech", {"name": "PYLON"}),
    ("byd_limits", "victron", {
        "charge_voltage_limit_v": 58.4, "charge_current_limit_a": 128.0,
        "discharge_current_limit_a": 128.0, "discharge_voltage_limit_v": 43.0,
    }),
    ("byd_measure_negative_current", "victron", {
        "voltage_v": 53.1, "current_a": -0.7, "temperature_c": 14.0,
    }),
    ("byd_modules", "victron", {"modules": 2}),
    ("byd_cells", "victron", {}),
    ("byd_history", "victron", {}),
    ("byd_capacity", "victron", {"capacity_ah": 156.0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "dialect", "state"), CAPTURED, ids=[case[0] for case in CAPTURED])
def test_its_frames_are_those_of_real_batteries(
    name: str, dialect: DialectName, state: dict[str, Any]
) -> None:
    vector = VECTORS[name]
    battery = SimulatedBattery(ManualClock(), dialect, dataclasses.replace(BatteryState(), **state))
    (frame,) = (frame for frame in battery.frames() if frame.id == frame_id(vector))
    assert frame.data.hex() == data(vector).hex()


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_says_what_its_dialect_has(product: str) -> None:
    simulator = FAMILY.simulator_class(product)(ManualClock())
    assert simulator.dialect == product
    ids = [frame.id for frame in simulator.battery.frames()]
    assert len(ids) == len(set(ids))
    assert set(ids) <= DIALECTS[simulator.dialect].hears
    assert {0x351, 0x355, 0x356} <= set(ids)
    if product == "pylontech":
        assert len(ids) == 6


def test_the_family_makes_both_ends() -> None:
    clock = ManualClock()
    device = Datastore(clock, StateStore(None)).add("pack")
    options = CanBatteryOptions(adapter="can_battery", interface="slcan", channel="/dev/null", dialect="sma")
    assert isinstance(FAMILY.make(device, options, clock), Adapter)
    assert FAMILY.simulator_class() is PylontechBatterySimulator
    assert FAMILY.ports(options) == ()
    assert FAMILY.native_map(options, None) == "can_battery"


@pytest.mark.parametrize("fault", BatterySimulator.faults, ids=lambda fault: fault.name)
def test_every_fault_begins_and_ends(fault: Fault) -> None:
    simulator = PylontechBatterySimulator(ManualClock())
    simulator.misbehave(fault.name)
    simulator.misbehave("well")
    assert len(list(simulator.battery.frames())) == 6
    assert simulator.adapter.plugged


@pytest.mark.parametrize(
    ("fault", "argument"),
    [
        ("nonsense", ""),
        ("omit", "123"),
        ("omit", "x"),
        ("alarm", "nonsense"),
        ("soc", "101"),
        ("current", "x"),
        ("garbled", "2"),
        ("unplug", "-1"),
    ],
)
def test_impossible_faults(fault: str, argument: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        PylontechBatterySimulator(ManualClock()).misbehave(fault, argument)


@pytest.mark.parametrize(
    "wish",
    [
        {"soc": 101},
        {"capacity": 0},
        {"modules": 0},
        {"current": 2000},
        {"name": "NINECHARS"},
        {"serial": "S" * 17},
    ],
)
def test_impossible_batteries(wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="found"):
        PylontechBatterySimulator(ManualClock(), **wish)


async def test_its_charge_moves_with_its_current_and_its_pace_is_a_second() -> None:
    clock = ManualClock()
    simulator = PylontechBatterySimulator(clock, soc=50, current=100, capacity=100)
    times: list[float] = []
    simulator.bus.join(lambda frame: times.append(clock.monotonic()) if frame.id == 0x351 else None)
    playing = asyncio.create_task(simulator.battery.play(simulator.bus))
    await clock.advance(36)
    assert simulator.battery.state.soc_pct == pytest.approx(51.0)
    assert [round(at - times[0], 6) for at in times] == [float(second) for second in range(37)]
    simulator.misbehave("current", "-100")
    simulator.misbehave("soc", "0.01")
    await clock.advance(10)
    assert simulator.battery.state.soc_pct == 0.0
    assert simulator.battery.state.current_a == 0.0
    playing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await playing


@pytest.mark.parametrize("product", PRODUCTS)
async def test_behind_an_adapter_on_a_terminal(tmp_path: Path, product: str) -> None:
    simulator = FAMILY.simulator_class(product)()
    link = tmp_path / "can"
    playing = asyncio.create_task(simulator.run(link))
    options = CanBatteryOptions(adapter="can_battery", interface="slcan", channel=str(link), dialect=product)
    try:
        await until(simulator.playing.is_set)
        async with seated(options, SystemClock()) as (guest, seat):
            wanted = {frame.id for frame in simulator.battery.frames()}
            await until(lambda: {frame.id for frame in guest.frames} >= wanted)
            await seat.send([CanFrame(0x305, bytes(8))])
            await until(lambda: simulator.battery.heard.get(0x305, 0) > 0)
            assert guest.errors == 0
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
