"""The simulated island against recorded frames, each of its faults, and the slcan adapter it stands behind."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can.simulated_island import OPERATING, IslandState, telemetry
from bridge.adapters.sunny_island.adapter import SunnyIslandAdapter
from bridge.adapters.sunny_island.command_frame import IslandCommand, island_command
from bridge.adapters.sunny_island.options import FAMILY, SunnyIslandOptions
from bridge.adapters.sunny_island.simulated_house import SimulatedHouse
from bridge.adapters.sunny_island.simulator import ISLAND_FAULTS, IslandNode, SunnyIslandSimulator
from bridge.datastore.clock import ManualClock, SystemClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, WriteRequest
from tests.adapters.sunny_island.rig import really

VECTORS = {
    v["name"]: v for v in json.loads((Path(__file__).parents[2] / "data/can/vectors.json").read_text())
}
PATIENCE_S = 20


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("si_ext_power_export_l2", {"external_w": (2300, -700)}),
        ("si_inverter_power_charging", {"inverter_w": (-1800, 1300)}),
        (
            "si_battery_tail_from_notes",
            {"battery_v": 52.1, "battery_a": 12.0, "battery_c": 23.0, "soc_pct": 99.0},
        ),
        ("si_status_running", {"soh_pct": 98, "operating": OPERATING, "charge_v": 56.4}),
        ("si_relay_closed_grid_ok", {"relay_word": 1, "ac2_closed": True, "ac2_valid": True}),
        ("si_load", {"external_w": (2000, 0), "inverter_w": (2200, 0)}),
    ],
)
def test_it_says_what_the_vectors_say(name: str, state: dict[str, Any]) -> None:
    vector = VECTORS[name]
    frame = CanFrame(int(vector["id"], 16), bytes.fromhex(vector["hex"]))
    assert frame in telemetry(IslandState(lines=2, **state))


def test_a_round_has_each_frame_once_and_nothing_else() -> None:
    assert [frame.id for frame in telemetry(IslandState())] == list(range(0x300, 0x30A))


class Listener:
    """A node that notes what it hears."""

    def __init__(self, **about_house: Any) -> None:
        self.clock = ManualClock()
        self.bus = SimulatedBus(self.clock)
        self.frames: list[CanFrame] = []
        self.place = self.bus.join(self.frames.append)
        self.node = IslandNode(self.clock, self.bus, SimulatedHouse(**about_house))

    async def seconds(self, count: float) -> list[CanFrame]:
        self.frames.clear()
        playing = asyncio.create_task(self.node.play())
        await self.clock.advance(count - 0.5)
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        return self.frames


async def test_ten_frames_a_second() -> None:
    frames = await Listener().seconds(10)
    assert len(frames) == 100


@pytest.mark.parametrize(
    ("fault", "argument", "count"),
    [("silent", "", 0), ("skip", "3", 70), ("lacks", "308", 90), ("lacks", "", 90), ("gx", "", 130)],
)
async def test_faults_that_change_what_is_said(fault: str, argument: str, count: int) -> None:
    listener = Listener()
    listener.node.misbehave(fault, argument)
    assert len(await listener.seconds(10)) == count
    listener.node.misbehave("well")
    assert len(await listener.seconds(1)) == 10


async def test_short_frames() -> None:
    listener = Listener()
    listener.node.misbehave("short", "3")
    assert {len(frame.data) for frame in await listener.seconds(2)} == {3}


async def test_start_and_stop() -> None:
    listener = Listener(grid=False)
    for command in (IslandCommand.STOP, IslandCommand.START):
        for _ in range(3):
            await listener.seconds(1)
        running = listener.node.house.running
        playing = asyncio.create_task(listener.node.play())
        await asyncio.sleep(0)
        listener.place.send(island_command(command))
        await listener.clock.advance(10)
        playing.cancel()
        assert listener.node.house.running is not running
    assert [command for _, command in listener.node.heard] == [IslandCommand.STOP, IslandCommand.START]


def test_every_fault_is_known_and_no_other() -> None:
    simulator = SunnyIslandSimulator(ManualClock())
    for fault in SunnyIslandSimulator.faults:
        if fault.name != "unplug":  # needs a port
            simulator.misbehave(fault.name)
    with pytest.raises(ValueError, match="expected one of silent skip"):
        simulator.misbehave("sulk")
    assert FAMILY.simulator_class() is SunnyIslandSimulator


@pytest.mark.parametrize(
    ("fault", "argument"),
    [
        *(("load", bad) for bad in ("x", "-1", "20001", "1.5")),
        *((name, "perhaps") for name in ("grid", "mode", "failure", "warning", "skip", "lacks", "short")),
    ],
)
def test_arguments_that_say_nothing(fault: str, argument: str) -> None:
    with pytest.raises(ValueError, match=f"fault {fault}: found '{argument}', expected"):
        SunnyIslandSimulator(ManualClock()).misbehave(fault, argument)


@pytest.mark.parametrize("wrong", [{"phases": 4}, {"soc": 101}, {"hour": 24}, {"speed": 0}])
def test_impossible_islands(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected 1 to 3"):
        SunnyIslandSimulator(ManualClock(), **wrong)


def test_every_island_fault_has_a_text() -> None:
    assert all(fault.help for fault in ISLAND_FAULTS)


# -- behind a serial port, in real time ------------------------------------------------------------------


class Plugged:
    """A real adapter, python-can's slcan, a PTY, and the simulator behind it."""

    def __init__(self, simulator: SunnyIslandSimulator, device: Device) -> None:
        self.simulator = simulator
        self.device = device

    async def until(self, path: str, value: object) -> None:
        await really(lambda: self.device.value(path) == value)


@pytest.fixture
async def plugged(tmp_path: Path) -> AsyncIterator[Plugged]:
    clock, link = SystemClock(), tmp_path / "si"
    simulator = SunnyIslandSimulator(clock, phases=2, hour=2.0, grid=False)
    simulator.house.load_w = 1200.0
    playing = asyncio.create_task(simulator.run(link))
    tasks = [playing]
    try:
        async with asyncio.timeout(PATIENCE_S):
            await simulator.adapter.playing.wait()
        options = SunnyIslandOptions(
            adapter="sunny_island", interface="slcan", channel=str(link), allow_commands=True
        )
        datastore = Datastore(clock, StateStore(None))
        device = datastore.add("island")
        adapter = SunnyIslandAdapter(device, options, clock)
        for job in (datastore.run(), device.run(adapter), adapter.run()):
            tasks.append(asyncio.create_task(job))
        yield Plugged(simulator, device)
    finally:
        for task in reversed(tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_heard_and_commanded_through_python_can(plugged: Plugged) -> None:
    await plugged.until("/Ac/Out/P", 1200)
    await plugged.until("/Ac/NumberOfPhases", 2)  # learnt
    await plugged.until("/Ac/Out/L2/V", 120.0)
    await plugged.until("/Alarms/GridLost", 2)
    async with asyncio.timeout(PATIENCE_S):
        outcomes = await plugged.device.write(WriteRequest({"/Mode": 4}, Origin("modbus", "test")))
    assert outcomes == {"/Mode": Outcome.CONFIRMED}
    await plugged.until("/State", 0)
    assert plugged.simulator.node.heard[0][1] is IslandCommand.STOP
