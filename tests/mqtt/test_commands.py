"""Commands by id: none begins twice, none begins late, and whoever asks again hears what became of it."""

import asyncio

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Outcome, WriteAttempt
from bridge.exchange.command import Command, CommandReply
from bridge.outlets.mqtt_commands import FURTHEST_S, CommandRoom

from .rig import LIMIT, MODE, Field

SESSION = "run1"


class Room:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.field = Field(self.clock)
        self.field.whole()
        self.room = CommandRoom(self.field.datastore, self.clock)
        self.now = self.clock.monotonic

    def command(self, name: str = "one", value: float = 20, left_s: float = 3.0) -> Command:
        return Command(name, {LIMIT: value}, SESSION, self.now() + left_s)

    async def apply(self, command: Command, session: str = SESSION) -> CommandReply:
        asking = asyncio.create_task(self.room.apply("charger", command, session))
        await self.clock.advance(0)
        await self.clock.advance(0)
        return await asyncio.wait_for(asking, 20)

    @property
    def done(self) -> list[object]:
        return [value for _, value in self.field.equipment.done]


async def test_a_command_that_comes_twice_is_done_once_and_answered_twice() -> None:
    rig = Room()
    async with rig.field.living():
        command = rig.command()
        replies = [await rig.apply(command) for _ in range(3)]
        assert [reply.outcomes for reply in replies] == [{LIMIT: Outcome.CONFIRMED}] * 3
        assert replies[0].values == {LIMIT: 20}
        assert rig.done == [20]


async def test_one_that_comes_again_after_a_newer_one_changes_nothing() -> None:
    rig = Room()
    async with rig.field.living():
        old = rig.command("one", 20, left_s=50)
        await rig.apply(old)
        await rig.apply(rig.command("two", 5))
        await rig.clock.advance(40)
        assert (await rig.apply(old)).outcomes == {LIMIT: Outcome.CONFIRMED}
        assert rig.done == [20, 5]


async def test_its_id_is_remembered_for_as_long_as_it_might_begin() -> None:
    rig = Room()
    async with rig.field.living():
        command = rig.command(left_s=FURTHEST_S)
        await rig.apply(command)
        for _ in range(8):
            await rig.clock.advance(FURTHEST_S / 4)
            await rig.apply(rig.command(f"other {rig.now()}", 7))
            await rig.apply(command)
        assert rig.done.count(20) == 1


@pytest.mark.parametrize(
    ("command", "outcome", "said"),
    [
        (lambda r: r.command(left_s=-0.1), Outcome.REFUSED, "it came 0.1 s too late, nothing was done"),
        (
            lambda r: Command("x", {LIMIT: 1}, "run0", r.now() + 1),
            Outcome.REFUSED,
            "it was meant for an earlier run of the bridge, nothing was done",
        ),
        (
            lambda r: r.command(left_s=61),
            Outcome.REFUSED,
            "its time ends in 61 s, expected 60 s at most, nothing was done",
        ),
        (
            lambda r: Command("x", {LIMIT: 1}, until=r.clock.now() - 2),
            Outcome.REFUSED,
            "it came 2.0 s too late, nothing was done",
        ),
        (
            lambda r: Command("x", {LIMIT: 1}, until=r.clock.now() + 10),
            Outcome.BUSY,
            "the bridge has only just begun and cannot tell whether it has come before: ask again in 10 s, nothing was done",
        ),
        (lambda r: Command("x", {LIMIT: 31}, SESSION, r.now() + 1), Outcome.REFUSED, "/Limit: found 31, expected 0 to 30 A"),
    ],
)  # fmt: skip
async def test_what_is_not_done_and_why(command: object, outcome: Outcome, said: str) -> None:
    rig = Room()
    async with rig.field.living():
        reply = await rig.apply(command(rig))  # type: ignore[operator]
        assert (reply.outcomes, reply.reason) == ({LIMIT: outcome}, said)
        assert rig.done == []


async def test_wall_time_will_do_once_the_bridge_has_run_for_a_while() -> None:
    rig = Room()
    async with rig.field.living():
        await rig.clock.advance(FURTHEST_S)
        command = Command("x", {LIMIT: 3}, until=rig.clock.now() + 10)
        for _ in range(2):
            assert (await rig.apply(command)).outcomes == {LIMIT: Outcome.CONFIRMED}
        assert rig.done == [3]


async def test_a_device_that_is_not_there_is_said() -> None:
    rig = Room()
    reply = await rig.room.apply("pump", rig.command(), SESSION)
    assert (reply.outcomes, reply.reason) == ({LIMIT: Outcome.REFUSED}, "found no device pump")


async def test_the_audit_hears_who_sent_it() -> None:
    rig = Room()
    heard: list[WriteAttempt] = []
    rig.field.datastore.attempted.connect(heard.append)
    async with rig.field.living():
        await rig.apply(Command("x", {MODE: 4}, SESSION, rig.now() + 1, sender="head-end"))
    assert [(str(one.origin), one.path, one.outcome) for one in heard] == [
        ("mqtt:head-end", MODE, Outcome.CONFIRMED)
    ]
