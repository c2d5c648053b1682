import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest


@pytest.fixture
async def stop_after() -> AsyncIterator[Callable[[Coroutine[object, object, None]], None]]:
    """Run a coroutine beside the test and stop it after."""
    tasks: list[asyncio.Task[None]] = []

    def start(coroutine: Coroutine[object, object, None]) -> None:
        tasks.append(asyncio.ensure_future(coroutine))

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
