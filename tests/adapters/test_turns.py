"""Who goes next on a line that takes one request at a time."""

import asyncio

import pytest

from bridge.adapters.turns import Turns


class Line:
    """A line and the order in which it was held; whoever holds it lets go when told."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.held: list[str] = []
        self._go = asyncio.Semaphore(0)

    async def hold(self, name: str, priority: int) -> None:
        async with self.turns.turn(priority):
            self.held.append(name)
            await self._go.acquire()

    async def begin(self, *who: tuple[str, int]) -> dict[str, asyncio.Task[None]]:
        tasks = {}
        for name, priority in who:
            tasks[name] = asyncio.create_task(self.hold(name, priority))
            await settle()
        return tasks

    async def let_go(self) -> None:
        self._go.release()
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def drained(line: Line, tasks: dict[str, asyncio.Task[None]]) -> list[str]:
    for _ in tasks:
        await line.let_go()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    return line.held


@pytest.mark.parametrize(
    ("who", "order"),
    [
        ([("a", 2), ("b", 2), ("c", 2)], "abc"),  # first come
        ([("a", 2), ("b", 2), ("c", 1), ("d", 0)], "adcb"),  # best priority first
        ([("a", 0), ("b", 2), ("c", 1), ("d", 1)], "acdb"),
    ],
)
async def test_order(who: list[tuple[str, int]], order: str) -> None:
    line = Line()
    assert "".join(await drained(line, await line.begin(*who))) == order


async def test_who_is_cancelled_while_waiting_keeps_nobody() -> None:
    line = Line()
    tasks = await line.begin(("a", 1), ("b", 1), ("c", 1))
    tasks["b"].cancel()
    await settle()
    assert await drained(line, tasks) == ["a", "c"]


async def test_who_is_cancelled_in_the_moment_of_its_turn_passes_it_on() -> None:
    line = Line()
    tasks = await line.begin(("a", 1), ("b", 1), ("c", 1))
    tasks["a"].cancel()
    await asyncio.sleep(0)  # a has let go and woken b, which has not run yet
    tasks["b"].cancel()
    assert await drained(line, tasks) == ["a", "c"]


async def test_who_is_cancelled_while_it_holds_the_line_lets_go() -> None:
    line = Line()
    tasks = await line.begin(("a", 1), ("b", 1))
    tasks["a"].cancel()
    await settle()
    assert line.held == ["a", "b"]
    await drained(line, tasks)


async def test_a_reserved_line_waits_for_its_holder() -> None:
    line = Line()
    with line.turns.reserved(1):
        tasks = await line.begin(("poll", 2))
        assert line.held == []  # though it is free
        tasks |= await line.begin(("command", 1))
        assert line.held == ["command"]
        await line.let_go()
        assert line.held == ["command"]
    await settle()
    assert line.held == ["command", "poll"]
    await drained(line, tasks)


async def test_two_reservations_end_one_by_one() -> None:
    line = Line()
    with line.turns.reserved(1):
        with line.turns.reserved(0):
            tasks = await line.begin(("poll", 2), ("command", 1), ("off", 0))
            assert line.held == ["off"]
            await line.let_go()
            assert line.held == ["off"]
        await settle()
        assert line.held == ["off", "command"]
        await line.let_go()
        assert line.held == ["off", "command"]
    await settle()
    assert line.held == ["off", "command", "poll"]
    await drained(line, tasks)
