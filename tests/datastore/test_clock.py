import asyncio

import pytest

from bridge.datastore.clock import ManualClock, SystemClock, event_or_time


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock, woken = ManualClock(), []

    async def sleeper(name: str, *pauses: float) -> None:
        for pause in pauses:
            await clock.sleep(pause)
            woken.append((name, clock.monotonic()))

    tasks = [asyncio.ensure_future(sleeper("a", 3, 1)), asyncio.ensure_future(sleeper("b", 2, 2.5))]
    await clock.advance(10)
    assert woken == [("b", 1002), ("a", 1003), ("a", 1004), ("b", 1004.5)]
    assert clock.monotonic() == 1010
    assert clock.now() == 1_700_000_010
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_a_timeout_of_nothing_ends_the_block_without_advancing(seconds: float) -> None:
    clock = ManualClock()
    with pytest.raises(TimeoutError):
        async with clock.timeout(seconds):
            await asyncio.Event().wait()


async def test_a_block_entered_after_its_time_ends_at_once() -> None:
    clock = ManualClock()
    bound = clock.timeout(1)
    await clock.advance(2)
    with pytest.raises(TimeoutError):
        async with bound:
            await asyncio.Event().wait()


async def test_a_block_ends_at_its_time_and_not_before() -> None:
    clock, ended = ManualClock(), asyncio.Event()

    async def bounded() -> None:
        try:
            async with clock.timeout(2):
                await asyncio.Event().wait()
        except TimeoutError:
            ended.set()

    task = asyncio.ensure_future(bounded())
    await clock.advance(1.9)
    assert not ended.is_set()
    await clock.advance(0.2)
    assert ended.is_set()
    await task


async def test_cancelled_sleeps_and_finished_blocks_leave_nothing_behind() -> None:
    clock = ManualClock()
    for _ in range(1000):
        async with clock.timeout(3600):
            pass
        task = asyncio.ensure_future(clock.sleep(3600))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert clock.waiting == 0
    assert len(clock._due) < 200


async def test_a_jump_moves_wall_time_alone() -> None:
    clock = ManualClock()
    clock.jump(-5000)
    assert clock.now() == 1_700_000_000 - 5000
    assert clock.monotonic() == 1000


@pytest.mark.parametrize(("set_first", "due", "waited"), [(True, 1005, 0), (False, 1005, 5), (False, 990, 0)])
async def test_event_or_time(set_first: bool, due: float, waited: float) -> None:
    clock, event, ended_at = ManualClock(), asyncio.Event(), []

    async def wait() -> None:
        await event_or_time(clock, event, due)
        ended_at.append(clock.monotonic())

    if set_first:
        event.set()
    task = asyncio.ensure_future(wait())
    await clock.advance(60)
    assert ended_at == [1000 + waited]
    await task


async def test_the_machines_clock_bounds_and_sleeps() -> None:
    clock = SystemClock()
    await clock.sleep(-1)
    with pytest.raises(TimeoutError):
        async with clock.timeout(0):
            await asyncio.Event().wait()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.now() > 1_700_000_000
