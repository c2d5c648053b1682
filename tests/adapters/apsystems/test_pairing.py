"""Pairing: the captured frames, the one answer that counts, and everything on the air that does not."""

import asyncio
import contextlib

import pytest

from bridge.adapters.apsystems.coordinator_events import Event
from bridge.adapters.apsystems.ecu import Ecu
from bridge.adapters.apsystems.messages import Delivery, Heard, PairingStep
from bridge.adapters.apsystems.pairing import Kind, broadcasts, judge
from bridge.adapters.apsystems.radio import RadioState
from bridge.adapters.apsystems.radio_faults import RadioDown, RadioFault, WrongFirmware
from bridge.adapters.apsystems.znp_commands import Znp
from bridge.datastore.clock import ManualClock
from tests.adapters.apsystems.radio_rig import DS3, DS3_AT, QS1, QS1_AT, YC600, YC600_AT, Rig
from tests.adapters.apsystems.vectors import decoded, frames, mt

ECU = Ecu.parse("D8A3011B9780")
SEND_EXT = 0x2402


async def pair(rig: Rig, serial: str, rounds: int = 5) -> list[PairingStep]:
    async def all_steps() -> list[PairingStep]:
        return [step async for step in rig.radio.pair(serial, rounds)]

    return await rig.result(all_steps())


def events(name: str) -> list[Event]:
    """What the library makes of captured frames."""
    heard: list[Event] = []
    znp = Znp("capture", lambda _: None, heard.append, ManualClock())
    for raw in frames(name):
        znp.feed(mt(raw))
    return heard


async def test_the_captured_answer_is_told_from_captured_echoes() -> None:
    told = decoded("D06")
    heard = events("D06")
    assert [judge(event, ECU, told["serial"]) for event in heard] == [Kind.ECHO, Kind.ECHO, Kind.ANSWER]
    answer, echoes = heard[2], heard[:2]
    assert isinstance(answer, Heard)
    assert f"{answer.source:04X}" == told["short"]
    traps = {f"{echo.mac_source:04X}" for echo in echoes if isinstance(echo, Heard)}
    assert traps == set(told["traps"].values())


@pytest.mark.parametrize(
    ("cluster", "source", "data", "kind"),
    [
        (0x0101, 0x103A, "FFFF408000158215", Kind.ANSWER),
        (0x0101, 0x0000, "FFFF408000158215", Kind.ECHO),
        (0x0101, 0xD8A3, "FFFF408000158215", Kind.NAMED),
        (0x0101, 0xFFFF, "FFFF408000158215", Kind.NAMED),
        (0x0101, 0x103A, "408000158215FFFF", Kind.NAMED),
        (0x0101, 0x103A, "FFFF408000158216", Kind.FOREIGN),
        (0x010F, 0x103A, "FFFF408000158215", Kind.NAMED),
        (0x0106, 0x103A, "", Kind.FOREIGN),
    ],
)
def test_what_counts(cluster: int, source: int, data: str, kind: Kind) -> None:
    heard = Heard(cluster, source, broadcast=False, lqi=80, data=bytes.fromhex(data), mac_source=1, radius=14)
    assert judge(heard, ECU, YC600) is kind


async def test_the_broadcasts_are_the_captured_ones() -> None:
    serial = decoded("D05")["serial"]
    async with Rig() as rig:
        await rig.is_ready()
        await pair(rig, serial, rounds=1)
        sent = [frame.encode() for _, frame in rig.simulator.received if frame.command == SEND_EXT]
        assert sent[0] == frames("D05")[0]
        assert [(frame[17] | frame[18] << 8, frame[19]) for frame in sent] == [
            (0x020D, 0), (0x020C, 1), (0x010F, 2), (0x0101, 3)
        ]  # fmt: skip
        assert len(broadcasts(ECU, serial)[2].data) == 17


async def test_three_inverters_among_decoys() -> None:
    async with Rig(paired=False, decoys=4) as rig:
        await rig.is_ready()
        assert (await rig.result(rig.radio.poll(YC600_AT, YC600))).delivery is Delivery.NO_ROUTE
        for serial, short in ((YC600, YC600_AT), (QS1, QS1_AT), (DS3, DS3_AT)):
            steps = await pair(rig, serial)
            assert steps[-1].done
            assert steps[-1].answer == short
            assert steps[-1].text == f"{serial} is paired, its address is 0x{short:04X}"
            assert [(step.round, step.sent) for step in steps[:-1]] == [(1, n) for n in (1, 2, 3, 4)]
            assert steps[-1].echoes >= 12
            answer = await rig.result(rig.radio.poll(short, serial))
            assert answer.delivery is Delivery.ANSWERED
        assert rig.radio.state is RadioState.READY


async def test_the_radio_is_started_afresh_before_and_told_to_work_after() -> None:
    async with Rig(paired=False) as rig:
        await rig.is_ready()
        before = len(rig.simulator.received)
        await pair(rig, YC600)
        sent = [frame.encode() for _, frame in rig.simulator.received[before:]]
        assert frames("D02")[0] in sent
        assert sent.count(frames("D04")[0]) == 1
        assert sent[-1] == frames("D04")[0]


async def test_with_a_relay_the_sender_counts_not_who_passed_it_on() -> None:
    async with Rig(paired=False, decoys=2) as rig:
        rig.simulator.misbehave("relays", "1")
        await rig.is_ready()
        assert (await pair(rig, YC600))[-1].answer == YC600_AT


@pytest.mark.parametrize(("deaf", "rounds"), [(1, 2), (4, 5)])
async def test_rounds_go_on_until_it_answers(deaf: int, rounds: int) -> None:
    async with Rig(paired=False) as rig:
        rig.simulator.misbehave("deaf_rounds", str(deaf))
        await rig.is_ready()
        steps = await pair(rig, DS3)
        assert (steps[-1].round, steps[-1].answer) == (rounds, DS3_AT)


@pytest.mark.parametrize(
    ("simulated", "serial", "words"),
    [
        ({"hour": 0.0}, YC600, "nothing heard of 408000158215 in 5 rounds: pair in daylight"),
        ({"hour": 0.0, "decoys": 2}, YC600, "did not answer in 5 rounds, though other inverters repeated"),
        ({}, "408000111111", "is the serial number right"),
    ],
)
async def test_what_is_said_where_nobody_answers(
    simulated: dict[str, float], serial: str, words: str
) -> None:
    async with Rig(paired=False, **simulated) as rig:
        await rig.is_ready()
        steps = await pair(rig, serial)
        assert (steps[-1].done, steps[-1].answer, steps[-1].round) == (True, None, 5)
        assert words in steps[-1].text
        assert "an earlier pairing stays" in steps[-1].text


async def test_a_failed_pairing_leaves_the_earlier_one() -> None:
    async with Rig() as rig:
        rig.simulator.misbehave("deaf_rounds", "9")
        await rig.is_ready()
        assert (await pair(rig, YC600))[-1].answer is None
        assert (await rig.result(rig.radio.poll(YC600_AT, YC600))).delivery is Delivery.ANSWERED


async def test_leaving_early_puts_the_radio_back_to_work() -> None:
    async with Rig() as rig:
        await rig.is_ready()

        async def one_step() -> int:
            async with contextlib.aclosing(rig.radio.pair(YC600)) as steps:
                async for step in steps:
                    return step.sent
            return 0

        assert await rig.result(one_step()) == 1
        assert rig.simulator.received[-1][1].encode() == frames("D04")[0]
        assert (await rig.result(rig.radio.poll(YC600_AT, YC600))).delivery is Delivery.ANSWERED


async def test_polls_wait_while_it_pairs() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        answers: list[Delivery] = []

        async def poll_meanwhile() -> list[PairingStep]:
            steps = []
            async for step in rig.radio.pair(YC600):
                steps.append(step)
                assert answers == []
            return steps

        polling = rig.radio.poll(DS3_AT, DS3)

        async def both() -> None:
            pairing = asyncio.create_task(poll_meanwhile())
            await asyncio.sleep(0)
            answers.append((await polling).delivery)
            await pairing

        await rig.result(both())
        assert answers == [Delivery.ANSWERED]


async def test_pairing_with_the_wrong_firmware_names_it() -> None:
    async with Rig(firmware="stock") as rig:
        await rig.until(lambda: rig.radio.state is RadioState.FAILED)
        with pytest.raises(WrongFirmware, match="flash the community's coordinator firmware"):
            await pair(rig, YC600)


async def test_pairing_without_a_line() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        await rig.simulator.unplug()
        await rig.until(lambda: rig.radio.state is RadioState.NO_LINE)
        with pytest.raises(RadioDown, match="port is not open"):
            await pair(rig, YC600)


async def test_a_line_lost_while_pairing() -> None:
    async with Rig() as rig:
        await rig.is_ready()

        async def unplugged() -> None:
            async for step in rig.radio.pair(YC600):
                if step.sent == 2:
                    await rig.simulator.unplug()

        with pytest.raises(RadioFault, match="went away"):
            await rig.result(unplugged())


async def test_a_serial_number_that_is_none() -> None:
    async with Rig() as rig:
        await rig.is_ready()
        with pytest.raises(ValueError, match="expected the 12 digits"):
            await pair(rig, "12345")
        assert (await rig.result(rig.radio.poll(YC600_AT, YC600))).delivery is Delivery.ANSWERED
