from collections.abc import AsyncIterator

import pytest

from tests.server.plant import Client, Plant, running


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    async with running() as plant:
        yield plant


@pytest.fixture
async def client(plant: Plant) -> AsyncIterator[Client]:
    client = await plant.connect()
    yield client
    await client.close()
