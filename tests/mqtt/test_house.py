"""Two whole bridges: one with a simulated charger and the outlet, a head-end of it with nothing but the broker."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from bridge.app import House
from bridge.house.learnt import learnt_product
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from tests.house.conftest import boathouse  # noqa: F401 - a fixture
from tests.house.test_first_light import LIMIT, ready
from tests.house.wire import PATIENCE_S, Master

from .broker import Broker, until


@contextlib.asynccontextmanager
async def serving(site: Path) -> AsyncIterator[tuple[House, int]]:
    load = load_site(site, os.environ, InstalledFamilies(), learnt_product)
    assert load.site is not None, load.problems
    house, started = House(load, InstalledFamilies()), asyncio.Event()
    task = asyncio.create_task(house.run(started.set))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not started.is_set():
                assert not task.done(), task.result()
                await asyncio.sleep(0.01)
        yield house, house.listeners[0].address[1]
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_head_end_serves_what_the_field_has(
    broker: Broker,
    boathouse: Callable[..., Any],  # noqa: F811
    tmp_path_factory: Any,
) -> None:
    field = await boathouse(start=False)
    url = f"mqtt://127.0.0.1:{broker.port}"
    field.site.write_text(
        field.site.read_text() + f"outlets: {{mqtt: {{url: '{url}', topic: bridges/boat, interval: 0.1}}}}\n"
    )
    await field.start()
    folder = tmp_path_factory.mktemp("head")
    site = folder / "head.yaml"
    site.write_text(
        f"state: '{folder / 'state'}'\nlisteners: [{{tcp: '127.0.0.1:0', reply_within: 20}}]\n"
        f"devices:\n  far: {{adapter: remote, url: '{url}', topic: bridges/boat, device: charger, unit: 20, stale_after: 30}}\n"
    )
    async with serving(site) as (head, port), field.master() as near, Master(port) as far:
        await ready(field, near)
        await until(lambda: head.datastore.devices["far"].alive)
        voltage = (await near.read(0x3000)).words
        async with asyncio.timeout(PATIENCE_S):
            while (reply := await far.read(0x3000)).exception or abs(reply.words[0] - voltage[0]) >= 100:
                await asyncio.sleep(0.05)  # until it is the same battery, some moments later
        assert not (await far.write(LIMIT, 100)).exception
        await near.until(LIMIT, 100)
        await far.until(LIMIT, 100)
        assert (await far.write(LIMIT, 9999)).exception == 0x03
    load = load_site(site, os.environ, InstalledFamilies(), learnt_product)
    assert [(unit.unit, unit.map) for unit in load.units] == [
        (20, "bluesmart_charger")
    ]  # learnt, and remembered
