"""A radio that freezes is noticed and brought back; one that only lost an answer is left alone."""

import pytest

from bridge.adapters.apsystems.messages import Delivery
from bridge.adapters.apsystems.radio import RadioState
from tests.adapters.apsystems.radio_rig import YC600, YC600_AT, Rig

#: What people are promised, from the moment it freezes.
BACK_WITHIN_S = 90.0


async def frozen(rig: Rig, fault: str) -> float:
    """Break a radio that works, and say how long it took until it worked again."""
    await rig.is_ready()
    rig.simulator.misbehave(*fault.split())
    cures = rig.radio.cures
    return await rig.until(
        lambda: rig.radio.cures > cures and rig.radio.state is RadioState.READY, within_s=BACK_WITHIN_S
    )


@pytest.mark.parametrize(
    ("fault", "wired"), [("frozen", True), ("frozen soft", False), ("crashed", True), ("crashed", False)]
)
async def test_a_frozen_radio_nobody_asks_is_back_in_time(fault: str, wired: bool) -> None:
    async with Rig(wired=wired) as rig:
        assert await frozen(rig, fault) < BACK_WITHIN_S
        answer = await rig.result(rig.radio.poll(YC600_AT, YC600))
        assert answer.delivery is Delivery.ANSWERED
        assert rig.states == [RadioState.STARTING, RadioState.READY] * 2


@pytest.mark.parametrize(("fault", "delivery"), [("frozen", Delivery.DEAD), ("crashed", Delivery.REFUSED)])
async def test_a_question_that_finds_it_frozen_brings_it_back_at_once(fault: str, delivery: Delivery) -> None:
    async with Rig() as rig:
        await rig.is_ready()
        await rig.clock.advance(1)
        rig.simulator.misbehave(fault)
        assert (await rig.result(rig.radio.poll(YC600_AT, YC600))).delivery is delivery
        assert await rig.until(lambda: rig.radio.cures == 1 and rig.radio.state is RadioState.READY) < 15


async def test_one_that_only_a_wire_cures_says_so_without_it_and_goes_on_trying() -> None:
    async with Rig(wired=False) as rig:
        await rig.is_ready()
        rig.simulator.misbehave("frozen")
        await rig.until(lambda: rig.radio.state is RadioState.FAILED, within_s=120)
        assert "without `reset_gpio` only its power switch brings a frozen one back" in str(rig.radio.fault)
        rig.simulator.hard_reset()  # somebody switches its power
        await rig.is_ready(within_s=120)


async def test_a_single_lost_answer_is_no_freeze() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        asked = len(rig.simulator.received)
        rig.simulator.mischief.drop = 1.0
        await rig.clock.advance(30.5)
        rig.simulator.misbehave("well")
        await rig.until(lambda: len(rig.simulator.received) > asked)
        await rig.clock.advance(10)
        assert rig.radio.cures == 0
        assert rig.radio.state is RadioState.READY


async def test_nights_are_no_reason_to_restart_it() -> None:
    async with Rig(hour=0.0) as rig:
        await rig.is_ready()
        for fault in ("cd", "e9", "silence"):
            rig.simulator.misbehave("night", fault)
            await rig.result(rig.radio.poll(YC600_AT, YC600))
        await rig.clock.advance(120)
        assert (rig.radio.cures, rig.radio.state) == (0, RadioState.READY)


async def test_a_person_restarts_it() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        firmware = await rig.result(rig.radio.restart())
        assert str(firmware) == "product 2, release 2.7.2"
        assert (rig.simulator.coordinator.resets_by_wire, rig.radio.cures) == (2, 0)


async def test_a_lost_line_is_a_new_start_on_the_next_one() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        for _ in range(3):
            await rig.simulator.unplug()
            await rig.until(lambda: rig.radio.state is RadioState.NO_LINE)
            await rig.simulator.replug()
            await rig.is_ready()
            answer = await rig.result(rig.radio.poll(YC600_AT, YC600))
            assert answer.delivery is Delivery.ANSWERED
        assert len(rig.ends) == 3


async def test_a_line_lost_in_the_middle_of_a_start() -> None:
    async with Rig() as rig:
        await rig.until(lambda: rig.simulator.coordinator.state == 8)
        await rig.simulator.unplug()
        await rig.until(lambda: len(rig.ends) == 1)
        await rig.simulator.replug()
        await rig.is_ready()
