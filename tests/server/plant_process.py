"""The plant with a whole unit of 200 registers in a process of its own, so that what it keeps can be measured."""

import asyncio

from bridge.datastore.clock import SystemClock
from tests.server.plant import running


async def serve() -> None:
    async with running(clock=SystemClock()) as plant:
        print(plant.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
