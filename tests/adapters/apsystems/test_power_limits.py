"""Power limits as the radio carries them, and the console that talks to the radio itself."""

import pytest

from bridge.adapters.apsystems.codec import limit_accepted, limit_from_parameters, limit_sequence
from bridge.adapters.apsystems.messages import Answer, Delivery
from bridge.adapters.apsystems.models import Model
from bridge.adapters.apsystems.radio_faults import RadioDown
from tests.adapters.apsystems.radio_rig import DS3, DS3_AT, QS1, QS1_AT, YC600, YC600_AT, Rig
from tests.adapters.apsystems.vectors import frames

PLACES = {Model.YC600: (YC600_AT, YC600), Model.QS1: (QS1_AT, QS1), Model.DS3: (DS3_AT, DS3)}


async def set_limit(rig: Rig, model: Model, watts: float) -> tuple[list[Answer], float | None]:
    """Send the sequence of the field's programs; returns the answers, and the limit read back."""
    short, serial = PLACES[model]
    answers = [
        await rig.result(rig.radio.ask(short, serial, data, tries=1))
        for data in limit_sequence(rig.radio.ecu, model, watts)
    ]
    last = answers[-1].heard
    return answers, None if last is None else limit_from_parameters(model, last.data)


@pytest.mark.parametrize("model", Model)
@pytest.mark.parametrize("watts", [20, 31, 100, 700])
async def test_a_limit_is_set_and_read_back(model: Model, watts: int) -> None:
    async with Rig() as rig:
        await rig.is_ready()
        _, read_back = await set_limit(rig, model, watts)
        assert read_back == pytest.approx(watts, abs=0.1)
        serial = PLACES[model][1]
        assert rig.simulator.inverter(serial).limit_w == pytest.approx(watts, abs=0.1)
        assert [who for who, _ in rig.simulator.air.limits] == [serial]


async def test_a_hundred_watts_are_the_captured_count() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        await set_limit(rig, Model.DS3, 100)
        assert rig.simulator.air.limits == [(DS3, 0x067B)]


@pytest.mark.parametrize(("fault", "accepted", "limit"), [("", True, 100), ("refuses_limit", False, 700)])
async def test_a_ds3_says_whether_it_took_a_limit(fault: str, accepted: bool, limit: float) -> None:
    async with Rig() as rig:
        await rig.is_ready()
        rig.simulator.misbehave(fault or "well", DS3)
        answers, read_back = await set_limit(rig, Model.DS3, 100)
        assert answers[0].heard is not None
        assert limit_accepted(answers[0].heard.data) is accepted
        assert read_back == pytest.approx(limit, abs=0.1)


async def test_at_night_nothing_is_set() -> None:
    async with Rig(hour=0.0) as rig:
        await rig.is_ready()
        answers, read_back = await set_limit(rig, Model.DS3, 100)
        assert {answer.delivery for answer in answers} == {Delivery.NO_ROUTE}
        assert read_back is None


async def test_a_limit_cuts_the_power() -> None:
    async with Rig(speed=60.0) as rig:
        await rig.is_ready()
        await set_limit(rig, Model.DS3, 100)
        inverter = rig.simulator.inverter(DS3)
        inverter.advance()
        before = inverter.ever_wh
        await rig.clock.advance(60)  # an hour of its noon
        inverter.advance()
        assert inverter.ever_wh - before == pytest.approx(200, abs=1)


@pytest.mark.parametrize("text", ["FE00270027", "2700", "27 00", "27:00", "fe00270027"])
async def test_the_console_sends_what_is_typed_and_shows_what_comes(text: str) -> None:
    async with Rig() as rig:
        await rig.is_ready()
        await rig.clock.advance(1)  # the confirmation of the start's broadcast passes
        assert await rig.result(rig.radio.raw(text)) == [frames("D03")[1].hex().upper()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected hexadecimal bytes"),
        ("270", "expected hexadecimal bytes"),
        ("hello", "expected hexadecimal bytes"),
        ("27", "expected a command of 2 bytes"),
        ("FE00270026", "found sum 26, expected 27"),
        ("FE01270027", "found a frame of 5 bytes"),
        ("FE", "found a frame of 1 bytes"),
    ],
)
async def test_what_is_no_command(text: str, words: str) -> None:
    async with Rig() as rig:
        await rig.is_ready()
        asked = len(rig.simulator.received)
        with pytest.raises(ValueError, match=words):
            await rig.result(rig.radio.raw(text))
        assert len(rig.simulator.received) == asked


async def test_the_console_of_a_radio_that_is_not_there() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        await rig.simulator.unplug()
        await rig.clock.advance(1)
        with pytest.raises(RadioDown, match="port is not open"):
            await rig.result(rig.radio.raw("2700"))
        health = await rig.result(rig.radio.health())
        assert (health.answered, health.well) == (False, False)
        assert "expected it to be plugged in" in health.text


async def test_the_call_to_work_can_be_repeated() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        assert await rig.result(rig.radio.broadcast_normal()) == 0
        sent = [frame.encode() for _, frame in rig.simulator.received]
        assert sent.count(frames("D04")[0]) == 2
        rig.simulator.misbehave("crashed")
        assert await rig.result(rig.radio.broadcast_normal()) == 0xC2


async def test_health_as_captured_and_as_it_is_after_a_crash() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        health = await rig.result(rig.radio.health())
        assert (health.ieee, health.device_type, health.state, health.well) == (
            "D8:A3:01:1B:97:80:FF:FF", 7, 9, True
        )  # fmt: skip
        rig.simulator.misbehave("crashed")
        health = await rig.result(rig.radio.health())
        assert not health.well
        assert "state 00, expected 09" in health.text
