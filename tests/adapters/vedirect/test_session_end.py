"""A session ends when it is told to, whatever happens to its line at that moment."""

import asyncio

import pytest

from tests.adapters.vedirect.rig import Rig


@pytest.mark.parametrize("passes", range(8))
async def test_cancelled_while_the_line_is_being_lost(monkeypatch: pytest.MonkeyPatch, passes: int) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        running = next(task for task in asyncio.all_tasks() if "VeDirectAdapter.run" in repr(task))
        await rig.wire.unplug()
        for _ in range(passes):
            await asyncio.sleep(0)
        running.cancel()
        for _ in range(50):
            await asyncio.sleep(0)
        assert running.cancelled()
