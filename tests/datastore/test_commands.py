"""Which change goes out next, and who hears what became of it."""

import asyncio
from collections.abc import Mapping

import pytest

from bridge.datastore.state import Memory
from bridge.datastore.values import LinkState, Outcome, Path, WriteRequest
from tests.datastore.rig import MODBUS, OFF, ON, Rig, running

CONFIRMED, PENDING, SUPERSEDED = Outcome.CONFIRMED, Outcome.PENDING, Outcome.SUPERSEDED


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not PENDING])
async def test_the_adapters_word_is_told(outcome: Outcome) -> None:
    async with running() as rig:
        rig.adapter.outcomes["/Fan"] = outcome
        assert await rig.write(Fan=5) == [outcome]
        assert rig.outcomes == [("/Fan", outcome)]


async def test_a_batch_goes_out_as_one_and_in_its_order() -> None:
    async with running() as rig:
        assert await rig.write(Limit=5, Mode=ON, Fan=9) == [CONFIRMED] * 3
        assert [list(sent.items()) for sent in rig.adapter.sent] == [
            [("/Limit", 5), ("/Mode", ON), ("/Fan", 9)]
        ]


async def test_one_batch_on_the_wire_the_newest_waits_the_others_are_superseded() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        tasks = [await rig.begin(Fan=value) for value in (1, 2, 3)]
        await rig.hear()
        assert rig.adapter.sent == [{"/Fan": 1}]
        assert rig.device.wanted("/Fan") == 3
        assert await tasks[1] == [SUPERSEDED]
        rig.adapter.calls[0].answer(SUPERSEDED)
        await rig.hear()
        assert rig.adapter.sent == [{"/Fan": 1}, {"/Fan": 3}]
        rig.adapter.calls[1].answer()
        assert [await task for task in tasks] == [[SUPERSEDED], [SUPERSEDED], [CONFIRMED]]


@pytest.mark.parametrize("outcome", [CONFIRMED, Outcome.REFUSED, Outcome.OFFLINE])
async def test_an_equal_value_joins_the_newest_and_shares_its_end(outcome: Outcome) -> None:
    async with running() as rig:
        rig.adapter.slow = True
        tasks = [await rig.begin(Fan=5), await rig.begin(Fan=5.0)]
        await rig.hear()
        assert len(rig.adapter.calls) == 1
        rig.adapter.calls[0].answer(outcome)
        assert [await task for task in tasks] == [[outcome], [outcome]]
        assert rig.outcomes == [("/Fan", outcome)] * 2


async def test_an_equal_value_does_not_join_past_a_newer_one() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        tasks = [await rig.begin(Fan=value) for value in (1, 2, 1)]
        await rig.hear()
        rig.adapter.calls[0].answer()
        await rig.hear()
        assert rig.adapter.sent == [{"/Fan": 1}, {"/Fan": 1}]
        rig.adapter.calls[1].answer()
        assert [await task for task in tasks] == [[CONFIRMED], [SUPERSEDED], [CONFIRMED]]


async def test_a_batch_partly_superseded_goes_on_with_the_rest() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        first, second, third = (
            await rig.begin(Fan=1),
            await rig.begin(Fan=2, Name="a"),
            await rig.begin(Fan=3),
        )
        await rig.hear()
        rig.adapter.calls[0].answer()
        await rig.hear()
        assert rig.adapter.sent[1] == {"/Name": "a"}
        rig.adapter.calls[1].answer()
        await rig.hear()
        assert rig.adapter.sent[2] == {"/Fan": 3}
        rig.adapter.calls[2].answer()
        assert [await task for task in (first, second, third)] == [
            [CONFIRMED],
            [SUPERSEDED, CONFIRMED],
            [CONFIRMED],
        ]


async def test_off_waits_for_nothing() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        on, fan, off = await rig.begin(Mode=ON), await rig.begin(Fan=1), await rig.begin(Mode=OFF)
        await rig.hear()
        assert rig.adapter.sent == [{"/Mode": ON}, {"/Mode": OFF}]
        rig.adapter.calls[1].answer()
        assert await off == [CONFIRMED]
        rig.adapter.calls[0].answer(SUPERSEDED)
        await rig.hear()
        rig.adapter.calls[2].answer()
        assert [await on, await fan] == [[SUPERSEDED], [CONFIRMED]]


async def test_what_an_off_has_overtaken_never_looks_wanted_again() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        on, off = await rig.begin(Mode=ON), await rig.begin(Mode=OFF)
        await rig.hear()
        rig.adapter.calls[1].answer()
        await off
        assert rig.device.wanted("/Mode") == OFF  # the hanging ON compares this before each retry
        rig.adapter.calls[0].answer()  # it had reached the device after all
        await on
        assert rig.device.held("/Mode") == OFF
        assert rig.device.wanted("/Mode") is None


async def test_an_off_that_cannot_be_sent_stops_the_on_that_is_being_sent() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        await rig.begin(Mode=ON)
        rig.device.set_link(LinkState.SILENT)
        assert await rig.write(Mode=OFF) == [Outcome.OFFLINE]
        assert rig.device.wanted("/Mode") == OFF
        rig.adapter.calls[0].answer()  # too late to give up: it is in force, but nobody's wish to keep
        await rig.clock.advance(0)
        assert rig.device.held("/Mode") is None
        assert rig.device.wanted("/Mode") is None


async def test_off_is_not_sent_twice_while_it_is_under_way() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        tasks = [await rig.begin(Mode=value) for value in (OFF, ON, OFF, ON, OFF)]
        await rig.hear()
        assert rig.adapter.sent == [{"/Mode": OFF}]
        rig.adapter.calls[0].answer(Outcome.TIMED_OUT)
        await rig.hear()
        assert rig.adapter.sent == [{"/Mode": OFF}, {"/Mode": OFF}]
        rig.adapter.calls[1].answer()
        told = [await task for task in tasks]
        assert told == [[Outcome.TIMED_OUT], [SUPERSEDED], [SUPERSEDED], [SUPERSEDED], [CONFIRMED]]


@pytest.mark.parametrize(
    ("wire", "sent"),
    [
        ({}, [{"Mode": OFF, "Fan": 7}]),  # nothing in the way: whole
        (
            {"Name": "a"},
            [{"Name": "a"}, {"Mode": OFF}, {"Fan": 7}],
        ),  # off first, its mates when it is their turn
        ({"Fan": 1}, [{"Fan": 1}, {"Mode": OFF}, {"Fan": 7}]),
    ],
)
async def test_a_batch_with_off(wire: dict[str, int | str], sent: list[dict[str, int | str]]) -> None:
    async with running() as rig:
        rig.adapter.slow = True
        if wire:
            await rig.begin(**wire)
            await rig.hear()
        batch = await rig.begin(Mode=OFF, Fan=7)
        await rig.hear()
        for call in rig.adapter.calls:  # grows while it is answered
            call.answer()
            await rig.hear()
        assert await batch == [CONFIRMED, CONFIRMED]
        assert rig.adapter.sent == [{f"/{name}": value for name, value in s.items()} for s in sent]


class HangingDisk:
    """A state whose disk does not answer."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.answers = asyncio.Event()

    def get(self, key: str) -> object:
        return self.values.get(key)

    def put(self, key: str, value: object) -> None:
        self.values[key] = value

    async def save(self, key: str, value: object) -> None:
        self.values[key] = value
        await self.answers.wait()


class HangingState:
    def __init__(self) -> None:
        self.disk = HangingDisk()

    def memory(self, scope: str) -> Memory:
        return self.disk


async def test_off_does_not_wait_for_a_disk_that_hangs() -> None:
    rig = Rig(state=HangingState())  # type: ignore[arg-type]
    async with running(rig):
        assert await rig.write(0.2, Mode=OFF, Limit=20) == [CONFIRMED, Outcome.BUSY]
        assert rig.adapter.sent == [{"/Mode": OFF}]
        assert await rig.write(0.2, Limit=21) == [PENDING]
        await rig.live(5)
        assert rig.outcomes[-1] == ("/Limit", Outcome.BUSY)


async def test_a_leased_value_goes_out_only_when_its_lease_is_on_disk() -> None:
    state = HangingState()
    async with running(Rig(state=state)) as rig:  # type: ignore[arg-type]
        task = await rig.begin(Lease=5)
        assert rig.adapter.calls == []
        state.disk.answers.set()
        await rig.hear()
        assert await task == [CONFIRMED]
        assert rig.adapter.sent == [{"/Lease": 5}]


async def test_what_an_off_overtook_while_it_waited_for_the_disk_is_not_sent() -> None:
    state = HangingState()
    rig = Rig(state=state)  # type: ignore[arg-type]
    async with running(rig):
        raised = await rig.begin(Limit=20)
        await rig.hear()
        assert await rig.write(0, Limit=0) == [CONFIRMED]
        state.disk.answers.set()
        await rig.hear()
        assert await raised == [SUPERSEDED]
        assert rig.adapter.sent == [{"/Limit": 0}]


async def test_an_adapter_that_hangs_is_timed_out_and_the_next_goes_on() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        first, second = await rig.begin(Fan=1), await rig.begin(Name="a")
        await rig.live(4.9)
        assert not first.done()
        await rig.live(0.2)
        assert await first == [Outcome.TIMED_OUT]
        assert rig.adapter.sent[-1] == {"/Name": "a"}
        rig.adapter.calls[1].answer()
        assert await second == [CONFIRMED]


async def test_an_adapter_that_raises_ends_its_batch_alone() -> None:
    async with running() as rig:
        rig.adapter.fault = RuntimeError("defect")
        assert await rig.write(Fan=1, Name="a") == [Outcome.TIMED_OUT] * 2
        rig.adapter.fault = None
        assert await rig.write(Fan=1) == [CONFIRMED]


async def test_an_adapter_that_cannot_judge_wear_sends_nothing() -> None:
    async with running() as rig:
        rig.adapter.stored = "x"  # type: ignore[assignment]
        assert await rig.write(Limit=5) == [Outcome.REFUSED]
        assert rig.adapter.calls == []
        rig.adapter.stored = 16
        assert await rig.write(Limit=5) == [CONFIRMED]


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ({}, [Outcome.REFUSED, Outcome.REFUSED]),
        ({"/Fan": CONFIRMED}, [CONFIRMED, Outcome.REFUSED]),
        ({"/Fan": Outcome.TIMED_OUT}, [Outcome.TIMED_OUT, Outcome.REFUSED]),
        ({"/Fan": PENDING, "/Name": CONFIRMED}, [Outcome.TIMED_OUT, CONFIRMED]),
        ({"/Fan": CONFIRMED, "/Name": CONFIRMED, "/Volts": CONFIRMED}, [CONFIRMED, CONFIRMED]),
    ],
)
async def test_too_few_outcomes(returned: Mapping[Path, Outcome], told: list[Outcome]) -> None:
    async with running() as rig:
        rig.adapter.slow = True
        task = await rig.begin(Fan=1, Name="a")
        await rig.hear()
        rig.device.publish("set", {"/Volts": 1})
        rig.adapter.calls[0].reply.set_result({p: o for p, o in returned.items() if p != "/Volts"})
        assert await task == told


async def test_a_writer_who_goes_away_cancels_nothing() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        gone, stays = await rig.begin(Fan=1), await rig.begin(Fan=1)
        await rig.hear()
        gone.cancel()
        await rig.hear()
        rig.adapter.calls[0].answer()
        assert await stays == [CONFIRMED]
        assert gone.cancelled()
        assert rig.outcomes == [("/Fan", CONFIRMED)] * 2


async def test_under_way_after_its_time_then_told_by_the_attempt() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        assert await rig.write(0.4, Fan=1) == [PENDING]
        newest = rig.device.status().newest
        assert newest is not None
        assert (newest.outcome, newest.exception_code) == (PENDING, 5)
        rig.adapter.calls[0].answer()
        await rig.hear()
        newest = rig.device.status().newest
        assert newest is not None
        assert (newest.outcome, newest.exception_code, newest.duration_s) == (
            CONFIRMED,
            0,
            pytest.approx(0.4),
        )


async def test_the_end_of_service_ends_every_change_and_nothing_is_left_for_the_next() -> None:
    rig = Rig()
    async with running(rig):
        rig.adapter.slow = True
        tasks = [
            await rig.begin(Fan=1),
            await rig.begin(Name="a"),
            await rig.begin(Mode=OFF),
            await rig.begin(Fan=2),
        ]
        await rig.hear()
    assert [await task for task in tasks] == [[Outcome.OFFLINE]] * 4
    assert await rig.write(Fan=3) == [Outcome.OFFLINE]
    before = len(rig.adapter.calls)
    async with running(rig):
        await rig.live(5)
        assert len(rig.adapter.calls) == before
        rig.adapter.slow = False
        assert await rig.write(Fan=4) == [CONFIRMED]


@pytest.mark.parametrize(
    ("link", "outcome"),
    [
        (LinkState.STARTING, Outcome.OFFLINE),
        (LinkState.SILENT, Outcome.OFFLINE),
        (LinkState.PORT_MISSING, Outcome.OFFLINE),
        (LinkState.WRONG_DEVICE, Outcome.OFFLINE),
        (LinkState.ASLEEP, Outcome.REFUSED),
        (LinkState.NIGHT, Outcome.REFUSED),
    ],
)
async def test_a_device_that_cannot_hear(link: LinkState, outcome: Outcome) -> None:
    async with running() as rig:
        rig.adapter.slow = True
        wire, queued = await rig.begin(Fan=1), await rig.begin(Fan=2)
        await rig.hear()
        rig.device.set_link(link)
        assert await queued == [outcome]
        assert await rig.write(Fan=3) == [outcome]
        assert rig.attempts[-1].reason
        rig.adapter.calls[0].answer()
        assert await wire == [CONFIRMED]
        assert len(rig.adapter.calls) == 1


async def test_a_silence_nobody_has_noticed_yet_is_a_silence() -> None:
    async with running() as rig:
        await rig.clock.advance(5.5)
        assert rig.device.link is LinkState.ONLINE
        assert await rig.write(Fan=1) == [Outcome.OFFLINE]


async def test_an_empty_batch_does_nothing() -> None:
    async with running() as rig:
        assert await rig.device.write(WriteRequest({}, MODBUS)) == {}
        assert rig.device.status().attempts == 0


async def test_an_idle_desk_sleeps() -> None:
    async with running() as rig:
        await rig.live(3600, step=4)
        assert rig.clock.waiting <= 3
        assert rig.adapter.calls == []
