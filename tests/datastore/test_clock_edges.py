"""Where a clock could be off by one pass of the loop, or lose the order of its alarms."""

import asyncio
import random

import pytest

from bridge.datastore.clock import Clock, ManualClock, SystemClock


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()], ids=["system", "manual"])
@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_a_sleep_of_nothing_yields_to_the_loop_once_and_no_more(clock: Clock, seconds: float) -> None:
    ran = []
    asyncio.get_running_loop().call_soon(ran.append, "others")
    sleep = asyncio.ensure_future(clock.sleep(seconds))
    await asyncio.sleep(0)
    assert ran == ["others"]
    assert not sleep.done()
    await asyncio.sleep(0)
    assert sleep.done()


async def test_the_machines_clock_sleeps_as_long_as_it_was_told() -> None:
    clock = SystemClock()
    began = clock.monotonic()
    await clock.sleep(0.02)
    assert clock.monotonic() - began >= 0.019  # the loop may wake within its own resolution


async def test_sleepers_keep_their_order_when_most_of_the_others_are_swept_out() -> None:
    for seed in range(20):  # the order of what is left must not be luck
        clock, woken = ManualClock(), []
        times = list(range(1, 141))
        random.Random(seed).shuffle(times)

        async def sleeper(seconds: int, clock: ManualClock = clock, woken: list[int] = woken) -> None:
            await clock.sleep(seconds)
            woken.append(seconds)

        tasks = [asyncio.ensure_future(sleeper(seconds)) for seconds in times]
        await asyncio.sleep(0)
        for task in tasks[:71]:
            task.cancel()
        await clock.advance(0)
        assert clock.waiting == 69
        await clock.advance(150)
        assert woken == sorted(times[71:])
        assert clock.waiting == 0


async def test_what_was_given_up_is_not_counted_as_waiting_before_or_after_its_time() -> None:
    clock = ManualClock()
    for seconds in (1, 2, 3):
        task = asyncio.ensure_future(clock.sleep(seconds))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    last = asyncio.ensure_future(clock.sleep(4))
    await asyncio.sleep(0)
    assert clock.waiting == 1
    await clock.advance(3)
    assert clock.waiting == 1
    await clock.advance(1)
    assert clock.waiting == 0
    await last
