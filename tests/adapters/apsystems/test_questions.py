"""Questions to inverters: what each outcome looks like, on a good line and a bad one."""

import pytest

from bridge.adapters.apsystems import codec
from bridge.adapters.apsystems.codec import InverterReading, Model, Reason, Rejection
from bridge.adapters.apsystems.ecu import Ecu
from bridge.adapters.apsystems.messages import Answer, Delivery
from bridge.adapters.apsystems.radio import RadioState
from tests.adapters.apsystems.radio_rig import DS3, DS3_AT, QS1, QS1_AT, YC600, YC600_AT, Rig

PLACES = {Model.YC600: (YC600_AT, YC600), Model.QS1: (QS1_AT, QS1), Model.DS3: (DS3_AT, DS3)}
SEND = 0x2401


async def ask(rig: Rig, model: Model = Model.YC600) -> Answer:
    if rig.radio.state is not RadioState.READY:
        await rig.is_ready()
    return await rig.result(rig.radio.poll(*PLACES[model]))


def read(answer: Answer, model: Model = Model.YC600) -> InverterReading | Rejection:
    assert answer.heard is not None
    return codec.decode_reply(answer.heard.data, model)


@pytest.mark.parametrize("model", Model)
async def test_each_model_is_read_with_what_the_simulator_knows(model: Model) -> None:
    async with Rig(hour=9.0) as rig:
        answer = await ask(rig, model)
        reading, truth = read(answer, model), rig.simulator.inverter(PLACES[model][1])
        assert isinstance(reading, InverterReading)
        assert answer.delivery is Delivery.ANSWERED
        assert answer.heard is not None
        assert answer.heard.source == PLACES[model][0]
        assert answer.attempts == 1
        assert reading.seconds == truth.seconds
        counted = [panel.since_power_up_ws / 3600 for panel in truth.panels]
        assert [panel.energy_wh for panel in reading.panels] == pytest.approx(counted, abs=0.003)
        assert reading.ac_voltage == pytest.approx(230, abs=0.2)
        assert reading.frequency == pytest.approx(50, abs=0.01)


async def test_every_question_has_a_tsn_of_its_own() -> None:
    async with Rig() as rig:
        for _ in range(3):
            await ask(rig)
        asked = [frame.data for _, frame in rig.simulator.received if frame.command == SEND]
        assert [data[6] for data in asked] == [0x01, 0x10, 0x11, 0x12]  # the broadcast of the start, and ours


async def test_the_confirmation_of_a_broadcast_is_not_taken_for_a_questions() -> None:
    async with Rig(hour=0.0) as rig:
        rig.simulator.misbehave("night", "silence")
        await rig.is_ready()  # the broadcast's confirmation is still to come
        assert (await ask(rig)).delivery is Delivery.UNCONFIRMED


@pytest.mark.parametrize(
    ("fault", "delivery", "attempts", "status"),
    [
        ("night cd", Delivery.NO_ROUTE, 1, 0xCD),
        ("night e9", Delivery.NO_ACK, 2, 0xE9),
        ("night silence", Delivery.UNCONFIRMED, 1, None),
        ("weak 2", Delivery.NO_ANSWER, 2, 0x00),
        ("weak 1", Delivery.ANSWERED, 2, 0x00),
        ("marginal 1", Delivery.ANSWERED, 2, 0x00),
        ("marginal 2", Delivery.NO_ACK, 2, 0xE9),
    ],
)
async def test_no_answer_in_all_its_forms(
    fault: str, delivery: Delivery, attempts: int, status: int | None
) -> None:
    async with Rig(hour=0.0 if fault.startswith("night") else 12.0) as rig:
        rig.simulator.misbehave(*fault.split())
        answer = await ask(rig)
        assert (answer.delivery, answer.attempts, answer.status) == (delivery, attempts, status)
        assert delivery.asleep is (delivery is not Delivery.ANSWERED)
        assert rig.radio.state is RadioState.READY


async def test_an_inverter_paired_to_another_ecu_looks_like_night() -> None:
    async with Rig(ecu="D8A3011B9781") as rig:
        assert (await ask(rig)).delivery is Delivery.NO_ROUTE


async def test_addresses_nobody_can_have_are_not_asked() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        before = len(rig.simulator.received)
        for short in (0x0000, 0xFFFF, Ecu.parse("D8A3011B9780").short):
            assert (await rig.result(rig.radio.poll(short, YC600))).delivery is Delivery.UNPAIRED
        assert len(rig.simulator.received) == before


async def test_our_own_question_coming_back_is_an_unpaired_inverter() -> None:
    """The radio's answer to a question to 0000, asked past the guard."""
    async with Rig() as rig:
        await rig.is_ready()
        replies = await rig.result(rig.radio.raw("24010000141406000100" + "0F03010203"))
        assert any(reply.startswith("FE17448100000600000014140" + "0FF") for reply in replies), replies


async def test_relays_are_told_and_do_not_hide_the_sender() -> None:
    async with Rig(decoys=1) as rig:
        rig.simulator.misbehave("relays", "2")
        answer = await ask(rig)
        assert answer.delivery is Delivery.ANSWERED
        assert answer.relays == (QS1_AT, DS3_AT)
        assert answer.heard is not None
        assert (answer.heard.source, answer.heard.mac_source) == (YC600_AT, DS3_AT)


async def test_an_answer_of_another_inverter_is_handed_on_not_mistaken() -> None:
    async with Rig() as rig:
        rig.simulator.misbehave("stranger")
        answer = await ask(rig)
        assert isinstance(read(answer), InverterReading)
        assert [codec.reply_serial(other.data) for other in answer.others] == [QS1]


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        rig.simulator.misbehave("late", "9")
        assert (await ask(rig)).delivery is Delivery.NO_ANSWER
        rig.simulator.misbehave("well")
        await rig.clock.advance(12)
        answer = await ask(rig, Model.DS3)
        assert codec.reply_serial(answer.heard.data if answer.heard else b"") == DS3
        assert {codec.reply_serial(other.data) for other in answer.others} == {YC600}


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [("lose 1", 2), ("cut 60", 2), ("surplus 1", 2), ("filler", 1), ("chunks 3", 1), ("chunks 50", 1)],
)
async def test_noise_costs_a_second_try_at_most(fault: str, attempts: int) -> None:
    async with Rig() as rig:
        await rig.is_ready()
        rig.simulator.misbehave(*fault.split())
        answer = await ask(rig, Model.DS3)
        assert (answer.delivery, answer.attempts) == (Delivery.ANSWERED, attempts)
        assert isinstance(read(answer, Model.DS3), InverterReading)


async def test_after_a_cut_frame_the_radio_is_well() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        rig.simulator.misbehave("weak", "9")
        rig.simulator.misbehave("cut", "60")
        await ask(rig, Model.DS3)
        health = await rig.result(rig.radio.health())
        assert health.well
        assert rig.radio.cures == 0


@pytest.mark.parametrize(
    ("fault", "model", "reason"),
    [
        ("encrypted", Model.QS1, Reason.ENCRYPTED),
        ("start_up", Model.YC600, Reason.START_UP),
        ("start_up", Model.QS1, Reason.START_UP),
        ("start_up", Model.DS3, Reason.START_UP),
    ],
)
async def test_answers_that_are_no_readings(fault: str, model: Model, reason: Reason) -> None:
    async with Rig() as rig:
        rig.simulator.misbehave(fault, PLACES[model][1])
        found = read(await ask(rig, model), model)
        assert isinstance(found, Rejection)
        assert found.reason is reason


@pytest.mark.parametrize("model", Model)
async def test_zero_voltage_and_no_grid(model: Model) -> None:
    async with Rig() as rig:
        rig.simulator.misbehave("zero_ac")
        zero = read(await ask(rig, model), model)
        assert isinstance(zero, InverterReading)
        assert (zero.ac_voltage, zero.frequency, zero.grid) == (None, None, True)
        assert all(panel.voltage > 30 for panel in zero.panels)
        rig.simulator.misbehave("well")
        rig.simulator.misbehave("no_grid")
        off = read(await ask(rig, model), model)
        assert isinstance(off, InverterReading)
        assert not off.grid
        assert off.ac_voltage == pytest.approx(15, abs=0.2)


async def test_the_same_answer_again_has_the_same_seconds() -> None:
    async with Rig() as rig:
        first = read(await ask(rig))
        rig.simulator.misbehave("repeats")
        await rig.clock.advance(60)
        assert read(await ask(rig)) == first


async def test_a_radio_that_is_not_ready_is_dead_and_says_so_at_once() -> None:
    async with Rig(firmware="stock") as rig:
        await rig.until(lambda: rig.radio.state is RadioState.FAILED)
        answer = await rig.result(rig.radio.poll(YC600_AT, YC600), within_s=1)
        assert answer.delivery is Delivery.DEAD
        assert not answer.delivery.asleep


async def test_a_line_lost_in_a_question_is_dead() -> None:
    async with Rig(hour=0.0) as rig:
        await rig.is_ready()
        rig.simulator.misbehave("night", "silence")

        async def cut_off() -> Answer:
            asked = rig.radio.poll(YC600_AT, YC600)
            await rig.simulator.unplug()
            return await asked

        assert (await rig.result(cut_off(), within_s=5)).delivery is Delivery.DEAD
