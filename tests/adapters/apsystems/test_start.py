"""The start of a coordinator: byte for byte as captured, and what stops it."""

import pytest

from bridge.adapters.apsystems import znp_commands
from bridge.adapters.apsystems.ecu import Ecu
from bridge.adapters.apsystems.radio import Radio, RadioState
from bridge.adapters.apsystems.radio_faults import NotStarted, RadioFault, RadioSilent, WrongFirmware
from bridge.adapters.apsystems.znp_commands import missing_seams
from bridge.datastore.clock import ManualClock
from tests.adapters.apsystems.radio_rig import JoinedLine, Rig
from tests.adapters.apsystems.vectors import frames


def sent_frames(rig: Rig) -> list[bytes]:
    return [frame.encode() for _, frame in rig.simulator.received]


def test_the_library_has_what_is_leaned_on() -> None:
    assert missing_seams() == []


async def test_a_library_without_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(znp_commands, "_SEAMS", ("_uart", "left_out_in_a_later_release"))
    line = JoinedLine(None)  # type: ignore[arg-type]
    with pytest.raises(RadioFault, match="without left_out_in_a_later_release, expected"):
        await Radio("roof", Ecu.parse("D8A3011B9780"), ManualClock()).session(line)


async def test_the_start_is_the_captured_one() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        reset, register, start = (frames("D02")[n] for n in (0, 2, 4))
        expected = [
            frames("D03")[2],
            frames("D01")[0],
            reset,
            *frames("D01")[1:],
            register,
            start,
            frames("D03")[0],
            *frames("D04"),
        ]
        assert sent_frames(rig) == expected
        assert bytes(rig.wire.sent) == b"".join(expected)
        assert str(rig.radio.firmware) == "product 2, release 2.7.2"
        assert rig.states == [RadioState.STARTING, RadioState.READY]
        assert rig.simulator.coordinator.resets_by_wire == 1


async def test_nothing_is_sent_to_the_air_before_state_09() -> None:
    async with Rig(wired=False) as rig:
        rig.simulator.coordinator.up_after_s = 12.0
        took = await rig.is_ready()
        assert took > 12
        assert b"\x45\xc0\x09" not in rig.wire.sent
        assert sent_frames(rig).count(frames("D04")[0]) == 1
        # Before it, a message would have been refused.
        assert rig.simulator.coordinator.air.inverters[0].paired_to is not None


async def test_a_lost_state_change_is_asked_for() -> None:
    async with Rig() as rig:
        module = rig.simulator.coordinator
        await rig.until(lambda: module.state == 8)
        rig.simulator.mischief.drop = 1.0
        await rig.until(lambda: module.state == 9)
        rig.simulator.misbehave("well")
        await rig.is_ready()


@pytest.mark.parametrize("wired", [True, False])
async def test_wrong_firmware_is_named_with_its_cure(wired: bool) -> None:
    async with Rig(wired=wired, firmware="stock") as rig:
        await rig.until(lambda: rig.radio.state is RadioState.FAILED)
        fault = rig.radio.fault
        assert isinstance(fault, WrongFirmware)
        assert "found a coordinator with firmware product 0, release 2.6.3" in str(fault)
        assert "expected product 2, release 2.7.2" in str(fault)
        assert "flash the community's coordinator firmware" in str(fault)
        await rig.clock.advance(60)
        assert rig.states == [RadioState.STARTING, *(len(rig.states) - 1) * [RadioState.FAILED]]
        rig.simulator.misbehave("firmware", "community")
        await rig.is_ready(within_s=120)
        assert rig.radio.fault is None


async def test_a_fault_is_told_once_however_often_it_is_met(caplog: pytest.LogCaptureFixture) -> None:
    async with Rig(firmware="stock") as rig:
        await rig.clock.advance(300)
        assert len(rig.states) > 5
    assert [record.args[1] for record in caplog.records if record.args] == ["wrong_firmware"]


async def test_firmware_nobody_has_tried_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async with Rig() as rig:
        await rig.is_ready()
        assert "untried" not in caplog.text
        rig.simulator.misbehave("firmware", "other")
        await rig.result(rig.radio.restart())
        assert 'radio=untried firmware="product 1, release 2.7.1"' in caplog.text


async def test_a_network_that_never_comes_up() -> None:
    async with Rig() as rig:
        rig.simulator.misbehave("never_up")
        await rig.until(lambda: rig.radio.state is RadioState.FAILED)
        assert isinstance(rig.radio.fault, NotStarted)
        assert "found state 00 for 30 s after its start, expected 09" in str(rig.radio.fault)


async def test_nobody_there() -> None:
    async with Rig(wired=False) as rig:
        rig.simulator.misbehave("drop", "1")
        await rig.until(lambda: rig.radio.state is RadioState.FAILED)
        assert isinstance(rig.radio.fault, RadioSilent)
        assert "found no coordinator, expected an answer at 115200 Bd" in str(rig.radio.fault)
        assert "without `reset_gpio`" in str(rig.radio.fault)


@pytest.mark.parametrize("wired", [True, False])
async def test_it_is_called_out_of_its_boot_loader(wired: bool) -> None:
    async with Rig(wired=wired) as rig:
        rig.simulator.misbehave("boot", "120")
        rig.simulator.hard_reset()
        assert await rig.is_ready() < 30
        assert b"\xef" * 256 in rig.wire.sent


async def test_a_reset_that_takes_the_usb_port_away_is_not_asked_for_twice() -> None:
    async with Rig(wired=False) as rig:
        rig.simulator.misbehave("usb")
        await rig.is_ready()
        assert len(rig.ends) == 1
        resets = [frame.data for _, frame in rig.simulator.received if frame.command == 0x4100]
        assert resets == [b"\x00", b"\x01"]


@pytest.mark.parametrize("fault", ["filler", "chunks 1", "drop 0.004", "flip 0.002"])
async def test_a_bad_line_starts_all_the_same(fault: str) -> None:
    async with Rig(seed=5) as rig:
        rig.simulator.misbehave(*fault.split())
        await rig.is_ready(within_s=120)


async def test_states_are_told() -> None:
    async with Rig() as rig:
        assert rig.radio.state is RadioState.NO_LINE
        await rig.is_ready()
        await rig.simulator.unplug()
        await rig.until(lambda: rig.radio.state is RadioState.NO_LINE)
        await rig.simulator.replug()
        await rig.is_ready()
        expected = [RadioState.STARTING, RadioState.READY, RadioState.NO_LINE]
        assert rig.states == [*expected, *expected[:2]]
