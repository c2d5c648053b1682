"""Many devices on one line: the dead do not slow the living, and a lost line is everybody's."""

import asyncio
import logging
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.adapters.line import PortUnusable, SerialSettings
from bridge.adapters.modbus.bus import seat_on
from bridge.adapters.modbus.endpoint import Endpoint
from bridge.adapters.modbus.simulator import Series607Simulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.values import LinkState, Outcome
from tests.adapters.modbus.rig import PERSON, PORT, Rig

STATE, MODE = "/State", "/Mode"
DEAD = {f"dead{n}": {"map": "sdm630", "remote_unit": 100 + n, "baudrate": 38400} for n in range(6)}


def polls(rig: Rig) -> list[float]:
    """When the inverter's first island was read."""
    return [heard.time for heard in rig.simulator.received if heard.frame.hex() == "2a0330010006"]


async def test_a_dead_device_does_not_slow_the_living(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, neighbours=DEAD) as rig:
        await rig.clock.advance(4)
        assert rig.device.value(STATE) == 9  # found at once among the dead
        await rig.clock.advance(26)
        before = len(polls(rig))
        await rig.clock.advance(60)
        times = polls(rig)[before:]
        # Read twice a second: alone on the bus that is 120 times; the dead get a quarter of the bus at most.
        assert len(times) >= 60
        assert max(after - before for before, after in pairwise(times)) < 2.5  # never near its stale time
        assert rig.device.link is LinkState.ONLINE
        assert {rig.named(name).link for name in DEAD} == {LinkState.SILENT}


async def test_the_dead_are_asked_ever_more_rarely_and_found_when_they_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = {"map": "series607", "remote_unit": 42, "serial": "WAGON1", "baudrate": 38400}
    async with Rig(monkeypatch, options={"remote_unit": 43}, neighbours={"other": second}) as rig:
        await rig.clock.advance(120)  # nobody has unit 43
        asked = [data for time, data in rig.wire.sent if data[0] == 43 and time > rig.clock.monotonic() - 60]
        assert 3 <= len(asked) <= 12
        twin = Series607Simulator(rig.clock)
        monkeypatch.setattr("bridge.adapters.modbus.simulator.UNIT", 43)
        rig.wire.simulators[0] = twin  # the one of unit 42 is gone, and 43 is there
        assert rig.device.link is LinkState.SILENT
        playing = asyncio.create_task(twin.play(rig.wire))
        await rig.clock.advance(25)
        assert rig.device.link is LinkState.ONLINE
        assert rig.device.value(STATE) == 9
        playing.cancel()


async def test_a_command_waits_for_no_dead_device(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, neighbours=DEAD, on=False) as rig:
        await rig.clock.advance(30)
        for _ in range(5):  # whatever the bus is at
            await rig.clock.advance(0.37)
            began = rig.clock.monotonic()
            task = rig.begin({MODE: 4})
            await rig.clock.advance(1.2)
            written = [time for time, data in rig.wire.sent if data[:2] == b"\x2a\x06" and time >= began]
            assert written
            assert written[0] - began < 1.1  # at most the one request that was under way, 1 s of patience
            await rig.clock.advance(3)
            assert (await task)[MODE] is Outcome.CONFIRMED


async def test_a_lost_line_is_told_once_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    neighbour = {"map": "series607", "remote_unit": 42, "serial": "WAGON2", "baudrate": 38400}
    async with Rig(monkeypatch, neighbours={"twin": neighbour}) as rig:
        await rig.known()
        await rig.simulator.unplug()
        await rig.clock.advance(10)
        assert {rig.device.link, rig.named("twin").link} == {LinkState.PORT_MISSING}
        assert not rig.device.alive
        told = [record.message for record in caplog.records if "fault=" in record.message]
        assert len(told) == 2  # lost, then missing: once each, not once a retry or a device
        assert "devices=twin,wagon fault=line_lost" in told[0]
        assert "devices=twin,wagon fault=port_missing" in told[1]
        await rig.simulator.replug()
        await rig.clock.advance(8)
        assert {rig.device.link, rig.named("twin").link} == {LinkState.ONLINE}
        assert sum("open again" in record.message for record in caplog.records) == 1


async def test_a_command_on_a_lost_line_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.simulator.unplug()
        await rig.clock.advance(1)
        assert await rig.write({MODE: 4}) == {MODE: Outcome.OFFLINE}


async def test_a_silent_device_goes_stale_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("silent")
        await rig.clock.advance(6.5)
        assert rig.device.link is LinkState.SILENT
        assert await rig.write({MODE: 4}) == {MODE: Outcome.OFFLINE}
        rig.simulator.misbehave("well")
        await rig.clock.advance(20)
        assert rig.device.link is LinkState.ONLINE


@pytest.mark.parametrize(
    ("fault", "argument"),
    [("drop", "0.003"), ("flip", "0.003"), ("delay", "0.3"), ("noise", "ff00"), ("noise", "2a03")],
)
async def test_a_bad_line_costs_no_freshness_and_no_truth(
    monkeypatch: pytest.MonkeyPatch, fault: str, argument: str
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        seen = set()
        rig.device.changed.connect(lambda _: seen.add(rig.device.value("/Dc/0/Voltage")))
        rig.simulator.misbehave(fault, argument)
        for _ in range(30):
            await rig.clock.advance(1)
            assert rig.device.alive
        assert seen <= {25.9}


async def test_replies_of_another_unit_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("foreign", "43")
        await rig.clock.advance(8)
        assert rig.device.link is LinkState.SILENT


async def test_late_replies_are_never_taken_for_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two reads of one length: on RTU nothing but time tells the late reply of one from that of the other."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "kind: client\nregisters:\n"
        "  - {address: 0x3001, type: u16, path: /Millivolts}\n"
        "  - {address: 0x3004, type: u16, path: /Watts}\n"
        "  - {address: 0x3010, type: u16, path: /First}\n"
        "  - {address: 0x3013, type: u16, path: /Fourth}\n"
    )
    own = {"map": str(mine), "serial": None, "timeout": 0.5, "retries": 0, "poll": 0.2}
    async with Rig(monkeypatch, options=own, on=True) as rig:
        await rig.clock.advance(4)
        assert (rig.device.value("/Millivolts"), rig.device.value("/Fourth")) == (25900, 0)
        seen: dict[str, set[object]] = {
            path: set() for path in ("/Millivolts", "/Watts", "/First", "/Fourth")
        }

        def note(_: object) -> None:
            for path, values in seen.items():
                values.add(rig.device.value(path))

        rig.device.changed.connect(note)
        for late in range(60):
            rig.simulator.misbehave("delay", "0.7")
            await rig.clock.advance(0.3 + 0.01 * late)
            rig.simulator.misbehave("well")
            await rig.clock.advance(1.1)
        assert seen["/Millivolts"] <= {25900, None}
        assert seen["/Watts"] <= {230, None}
        assert seen["/First"] | seen["/Fourth"] <= {0, None}
        assert rig.device.alive


async def test_a_dying_device_in_mid_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("die")
        await rig.clock.advance(3)
        assert rig.device.link is LinkState.PORT_MISSING
        rig.simulator.misbehave("well")
        await rig.clock.advance(10)
        assert rig.device.link is LinkState.ONLINE


async def test_an_exception_to_everything_is_an_answer_but_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("refuse", "4")
        await rig.clock.advance(8)
        assert not rig.device.alive
        rig.simulator.misbehave("well")
        await rig.clock.advance(8)
        assert rig.device.alive


async def test_one_port_has_one_speed() -> None:
    clock = ManualClock()
    nothing = lambda *_: None  # noqa: E731
    slow = Endpoint("/dev/none", "x", "rtu", SerialSettings(9600))
    fast = Endpoint("/dev/none", "x", "rtu", SerialSettings(38400))
    async with seat_on(slow, clock, "meter", nothing, nothing, nothing):
        with pytest.raises(PortUnusable, match="found 38400 8N1 rtu, but meter has it with 9600 8N1 rtu"):
            async with seat_on(fast, clock, "wagon", nothing, nothing, nothing):
                pass


async def test_a_held_mode_is_not_resumed_on_another_wagon(monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateStore(None)
    async with Rig(monkeypatch, state=state) as rig:
        await rig.known()
        await rig.write({MODE: 2})
        assert rig.device.held(MODE) == 2
    async with Rig(monkeypatch, state=state, options={"serial": "WAGON2"}) as rig:
        await rig.clock.advance(6)
        assert rig.device.held(MODE) is None
        assert rig.device.value("/Serial") == "WAGON2"
        assert (PERSON.kind, PORT) == ("modbus", "/dev/joined")
