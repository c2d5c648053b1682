"""The simulated system itself: faults by name, its pace on a pseudo-terminal, its switches."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest

from bridge.adapters.base import Adapter
from bridge.adapters.vebus_mk3 import codec
from bridge.adapters.vebus_mk3.frames import Frame, FrameDecoder
from bridge.adapters.vebus_mk3.messages import Dc, DeviceState, Version
from bridge.adapters.vebus_mk3.options import FAMILY, VeBusOptions
from bridge.adapters.vebus_mk3.simulated_unit import SimulatedUnit
from bridge.adapters.vebus_mk3.simulator import VeBusSimulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore

BOUND_S = 20.0


def test_the_family_makes_both_ends() -> None:
    clock = ManualClock()
    device = Datastore(clock, StateStore(None)).add("multi")
    options = VeBusOptions(adapter="vebus_mk3", port="/dev/null")
    assert isinstance(FAMILY.make(device, options, clock), Adapter)
    assert FAMILY.simulator_class() is VeBusSimulator


@pytest.mark.parametrize("fault", VeBusSimulator.faults, ids=lambda fault: fault.name)
def test_every_fault_begins_and_ends(fault: object) -> None:
    simulator = VeBusSimulator(ManualClock())
    simulator.misbehave(fault.name)
    simulator.misbehave("well")
    assert simulator.mischief.drop == 0


@pytest.mark.parametrize(
    ("fault", "argument"),
    [("nonsense", ""), ("drop", "2"), ("drop", "x"), ("front", "up"), ("mains", "maybe"), ("error", "100")],
)
def test_impossible_faults(fault: str, argument: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        VeBusSimulator(ManualClock()).misbehave(fault, argument)


@pytest.mark.parametrize(
    "wish",
    [
        {"phases": 4},
        {"inputs": 3},
        {"serial": "X"},
        {"refusal": "no"},
        {"unsupported": "a"},
        {"front_switch": "x"},
    ],
)
def test_impossible_systems(wish: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="found"):
        VeBusSimulator(ManualClock(), **wish)


@pytest.mark.parametrize(
    ("front", "panel", "mode", "mains", "state"),
    [
        ("on", False, 4, True, DeviceState.CHARGE),  # without a panel its mode says nothing
        ("on", True, 4, True, DeviceState.OFF),
        ("on", True, 3, True, DeviceState.CHARGE),
        ("on", True, 3, False, DeviceState.INVERTING),
        ("on", True, 2, True, DeviceState.INVERTING),
        ("on", True, 1, False, DeviceState.OFF),
        ("charger", True, 3, False, DeviceState.OFF),
        ("charger", True, 3, True, DeviceState.CHARGE),
        ("off", False, 3, True, DeviceState.OFF),
    ],
)
def test_precedence(front: str, panel: bool, mode: int, mains: bool, state: DeviceState) -> None:
    unit = SimulatedUnit(ManualClock(), front=front, panel=panel, remote_mode=mode, mains=mains)
    assert unit.state is state


async def test_it_speaks_by_itself_and_keeps_the_pace_of_2400_baud(tmp_path: Path) -> None:
    simulator = VeBusSimulator(latency=0.0)
    link = tmp_path / "mk3"
    playing = asyncio.create_task(simulator.run(link))
    try:
        async with asyncio.timeout(BOUND_S):
            await simulator.playing.wait()
            port = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            decoder, heard = FrameDecoder(), []

            async def until(kind: type) -> float:
                while not any(isinstance(message, kind) for message in heard):
                    with contextlib.suppress(BlockingIOError):
                        found = decoder.receive(os.read(port, 100), time.monotonic())
                        heard.extend(codec.parse(f.data) for f in found if isinstance(f, Frame))
                    await asyncio.sleep(0.002)
                return time.monotonic()

            await until(Version)
            began = time.monotonic()
            os.write(port, codec.encode_info(0))
            assert await until(Dc) - began >= 22 / 240  # its bytes, both ways
            os.close(port)
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
