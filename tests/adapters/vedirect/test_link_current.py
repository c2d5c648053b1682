"""The volatile charge current: taken, kept, proved, handed back."""

import pytest

from bridge.adapters.vedirect.link_control import LINK_CURRENT
from bridge.datastore.refusals import NotWritable
from bridge.datastore.values import Outcome, Quality
from tests.adapters.vedirect.rig import LIMIT, Rig

MODE_REGISTER, CURRENT_REGISTER = 0x200E, 0x2015


def link_frames(rig: Rig) -> list[str]:
    return [frame for frame in rig.frames if frame[2:6] in ("0E20", "1520")]


async def test_a_current_is_taken_and_obeyed_without_wear(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, link_control=True) as rig:
        await rig.known()
        assert rig.device.value("/Dc/0/Current") > 11
        assert await rig.write({LINK_CURRENT: 5}) == {LINK_CURRENT: Outcome.CONFIRMED}
        assert link_frames(rig) == [":80E2000051A", ":81520003200E6"]
        assert rig.device.value(LINK_CURRENT) == 5
        await rig.clock.advance(3)
        assert rig.device.value("/Dc/0/Current") <= 5.1
        assert rig.simulator.flash_writes == 0
        assert rig.device.value(LIMIT) == 12


async def test_it_is_sent_again_while_its_writer_writes_and_released_when_he_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch, link_control=True) as rig:
        await rig.known()
        for _ in range(4):
            assert await rig.write({LINK_CURRENT: 5}) == {LINK_CURRENT: Outcome.CONFIRMED}
            await rig.clock.advance(45)
            assert rig.simulator.registers.raw(MODE_REGISTER) == 5
            assert rig.device.value("/Dc/0/Current") <= 5.1
        await rig.clock.advance(20)
        assert rig.simulator.registers.raw(MODE_REGISTER) == 0
        assert rig.device.reading(LINK_CURRENT).quality is Quality.ABSENT
        assert rig.device.value("/Dc/0/Current") > 11


async def test_reading_does_not_renew_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, link_control=True) as rig:
        await rig.known()
        await rig.write({LINK_CURRENT: 5})
        for _ in range(70):
            rig.device.reading(LINK_CURRENT)
            await rig.clock.advance(1)
        assert rig.simulator.registers.raw(MODE_REGISTER) == 0


async def test_a_device_without_the_register_does_not_offer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.clock.advance(5)
        assert rig.device.value(LINK_CURRENT) is None
        with pytest.raises(NotWritable):
            await rig.write({LINK_CURRENT: 5})
        assert link_frames(rig) == []


async def test_a_device_that_acknowledges_and_goes_on_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, link_control=True, link_obeyed=False) as rig:
        await rig.known()
        assert await rig.write({LINK_CURRENT: 5}) == {LINK_CURRENT: Outcome.REFUSED}
        await rig.clock.advance(1)
        assert rig.simulator.registers.raw(MODE_REGISTER) == 0
        with pytest.raises(NotWritable):
            await rig.write({LINK_CURRENT: 5})


async def test_it_is_handed_back_when_the_bridge_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, link_control=True) as rig:
        await rig.known()
        await rig.write({LINK_CURRENT: 5})
        leaving = rig.leave()
        await rig.clock.advance(1)
        await leaving
        assert rig.simulator.registers.raw(MODE_REGISTER) == 0


async def test_a_bridge_that_was_killed_hands_it_back_at_its_next_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch, link_control=True) as rig:
        await rig.known()
        await rig.write({LINK_CURRENT: 5})
    async with Rig(monkeypatch, state=rig.state, simulator=rig.simulator, clock=rig.clock) as later:
        await later.clock.advance(10)
        assert later.simulator.registers.raw(MODE_REGISTER) == 0
        assert later.device.value(LINK_CURRENT) is None


async def test_the_bms_latch_is_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, link_control=True) as rig:
        await rig.known()
        for amperes in (0, 1.5, 12):
            assert await rig.write({LINK_CURRENT: amperes}) == {LINK_CURRENT: Outcome.CONFIRMED}
        await rig.clock.advance(120)
        assert {frame[8:10] for frame in link_frames(rig) if frame[2:6] == "0E20"} <= {"05", "00"}
        assert rig.simulator.flash_writes == 0
