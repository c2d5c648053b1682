"""Observing, enabling, and another BMS on the same bus."""

import logging

import pytest

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can_bms.simulated_island import SupervisedIsland
from bridge.datastore.values import LinkState

from .rig import BLOCK, CCL, ENABLE, FRESH, HOLD, OBSERVE, SOURCE_PHASE, STOPPED, ZERO, Rig

FOREIGN = "/Bms/Foreign"
LIMITS_OF_ANOTHER = CanFrame(0x351, bytes.fromhex("1402c012c012c201"))
SOC_OF_ANOTHER = CanFrame(0x355, bytes.fromhex("58005e00"))


async def test_observing_shows_every_frame_and_sends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, observe=True) as rig:
        await rig.clock.advance(5)
        assert (await rig.write(BLOCK))[0] == {"confirmed"}
        await rig.clock.advance(1)
        assert (rig.phase, rig.value(SOURCE_PHASE)) == (OBSERVE, FRESH)
        shown = {path.rpartition("/")[2]: rig.value(path) for path in rig.device.paths if "/Frames/" in path}
        assert shown == {
            "351": "3002e803b0049a01",
            "355": "4000ffff0019",
            "356": "c81400800080",
            "35A": "aaaaaa02aaaaaa02",
            "35E": "4252494447452020",
            "35F": "4c490100c800ffff",
        }
        await rig.write({CCL: 42.0})
        assert rig.value("/Bms/Frames/351") == "3002a401b0049a01"
        await rig.clock.advance(31)
        assert (rig.phase, rig.value(SOURCE_PHASE)) == (OBSERVE, HOLD)
        assert rig.value("/Bms/Frames/35A") == "aaaaaa02aaaa6a02"
        await rig.clock.advance(45)
        assert (rig.phase, rig.value(SOURCE_PHASE)) == (OBSERVE, STOPPED)
        assert rig.value("/Bms/Frames/351") is None
        await rig.adapter.leave()
        assert rig.sent() == []


async def test_the_frames_shown_are_those_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, dialect="victron") as rig:
        await rig.sending({**BLOCK, "/Soh": 98.0})
        await rig.clock.advance(0.1)
        sent = {f.id: f.data.hex() for _, f in rig.sent()}
        assert sent == {i: rig.value(f"/Bms/Frames/{i:03X}") for i in sent}


# -- enabling ------------------------------------------------------------------------------------------


async def test_disabling_says_zero_twice_and_then_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, dialect="pylontech") as rig:
        await rig.sending()
        before = len(rig.sent())
        outcomes, took = await rig.write({ENABLE: 0})
        assert (outcomes, took) == ({"confirmed"}, 0.0)
        await rig.clock.advance(10)
        rest = rig.sent()[before:]
        assert len(rest) == 2 * 6
        assert {f.data.hex() for _, f in rest if f.id == 0x351} == {"3002010001009001"}
        assert (rig.phase, rig.value(ENABLE), rig.value(SOURCE_PHASE)) == (STOPPED, 0, FRESH)
        assert (await rig.write({CCL: 10.0}))[0] == {"confirmed"}  # for when it is enabled again
        assert len(rig.sent()) == before + 12


async def test_enabling_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        await rig.write({ENABLE: 0})
        await rig.clock.advance(3)
        await rig.write({ENABLE: 1})
        await rig.clock.advance(1)
        assert rig.phase == FRESH
        assert rig.told(0x351)["charge_current_limit_a"] == 100.0


async def test_changing_ones_mind_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        off, on = rig.begin({ENABLE: 0}), rig.begin({ENABLE: 1})
        await rig.until(lambda: off.done() and on.done(), 3)
        await rig.clock.advance(2)
        assert rig.phase == FRESH
        assert rig.told(0x351)["charge_current_limit_a"] == 100.0


async def test_a_disabled_one_stays_so_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        await rig.write({ENABLE: 0})
        await rig.clock.advance(3)
    sent = len(rig.sent())
    async with Rig(monkeypatch, state=rig.state, bus=rig.bus, clock=rig.clock) as again:
        await again.clock.advance(5)
        await again.write(BLOCK)
        await again.clock.advance(5)
        assert (again.value(ENABLE), again.phase, len(again.sent())) == (0, STOPPED, sent)
        await again.write({ENABLE: 1})
        await again.clock.advance(1)
        assert again.phase == FRESH


async def test_a_new_start_forgets_alarms_of_absent_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending({**BLOCK, "/Alarms/HighVoltage": 2, "/Io/AllowToCharge": 0})
        await rig.clock.advance(35)
        await rig.write({ENABLE: 0})
        await rig.clock.advance(3)
        await rig.write({**BLOCK, ENABLE: 1})
        await rig.clock.advance(1.5)
        assert rig.sent(0x35A)[-1][1].data.hex() == "aaaaaa02aaaaaa02"
        assert rig.told(0x351)["charge_current_limit_a"] == 100.0


# -- another BMS ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [LIMITS_OF_ANOTHER, SOC_OF_ANOTHER])
async def test_another_bms_silences_this_one_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, frame: CanFrame
) -> None:
    async with Rig(monkeypatch) as rig:
        other = rig.bus.join(lambda _: None)
        await rig.sending()
        sent = len(rig.sent())
        with caplog.at_level(logging.ERROR):
            other.send(frame)
            await rig.clock.advance(0)
        assert "another BMS sends on this bus" in caplog.text
        assert f"write 1 to {ENABLE}" in caplog.text
        assert (rig.phase, rig.value(FOREIGN), rig.value(ENABLE)) == (STOPPED, 1, 0)
        await rig.clock.advance(30)
        assert len(rig.sent()) == sent  # no farewell either: the other one leads now
        assert rig.device.link is LinkState.ONLINE


async def test_another_bms_ends_a_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        other = rig.bus.join(lambda _: None)
        await rig.sending()
        await rig.write({ENABLE: 0})
        other.send(LIMITS_OF_ANOTHER)
        sent = len(rig.sent())
        await rig.clock.advance(5)
        assert len(rig.sent()) <= sent + 1  # the frame that was on its way
        assert rig.value(FOREIGN) == 1


async def test_it_comes_back_when_the_other_is_gone_and_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Rig(monkeypatch) as rig:
        other = rig.bus.join(lambda _: None)
        await rig.sending()
        other.send(LIMITS_OF_ANOTHER)
        await rig.clock.advance(30)
        with caplog.at_level(logging.WARNING):
            assert (await rig.write({ENABLE: 1}))[0] == {"refused"}
        assert "not enabled: another BMS was heard" in caplog.text
        await rig.clock.advance(31)
        sent = len(rig.sent())
        assert (rig.value(FOREIGN), rig.value(ENABLE)) == (0, 0)
        await rig.write(BLOCK)
        await rig.clock.advance(5)
        assert len(rig.sent()) == sent  # being gone is not enough
        assert (await rig.write({ENABLE: 1}))[0] == {"confirmed"}
        await rig.clock.advance(1)
        assert (rig.phase, rig.value(ENABLE)) == (FRESH, 1)


async def test_the_silence_outlasts_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        other = rig.bus.join(lambda _: None)
        await rig.sending()
        other.send(LIMITS_OF_ANOTHER)
        await rig.clock.advance(1)
    sent = len(rig.sent())
    async with Rig(monkeypatch, state=rig.state, bus=rig.bus, clock=rig.clock) as again:
        await again.clock.advance(5)
        await again.write(BLOCK)
        await again.clock.advance(10)
        assert (len(again.sent()), again.value(ENABLE)) == (sent, 0)


async def test_one_that_was_there_first_is_found_before_the_first_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        other = rig.bus.join(lambda _: None)
        await rig.write(BLOCK)
        for _ in range(10):
            await rig.clock.advance(1)
            other.send(SOC_OF_ANOTHER)
        assert (rig.sent(), rig.value(FOREIGN), rig.value(ENABLE)) == ([], 1, 0)


async def test_an_observer_only_mentions_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, observe=True) as rig:
        other = rig.bus.join(lambda _: None)
        await rig.clock.advance(5)
        await rig.write(BLOCK)
        other.send(LIMITS_OF_ANOTHER)
        await rig.clock.advance(1)
        assert (rig.value(FOREIGN), rig.value(ENABLE), rig.phase) == (1, 1, OBSERVE)
        assert rig.value("/Bms/Frames/351") == "3002e803b0049a01"
        await rig.clock.advance(61)
        assert rig.value(FOREIGN) == 0


async def test_an_inverter_is_no_other_bms(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        rig.begin_job(SupervisedIsland(rig.clock, rig.bus).play())
        await rig.sending()
        assert (rig.value(FOREIGN), rig.value(ENABLE), rig.phase) == (0, 1, FRESH)
        assert rig.value("/Inverter/Age") is not None
        assert rig.phase != ZERO
