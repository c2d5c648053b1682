"""A whole bridge on loopback with a simulated charger on a PTY, in real time."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.app import House
from bridge.house.learnt import learnt_product
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site

from .wire import PATIENCE_S, Master


class Boathouse:
    """A running house, its simulated charger, and the port it serves on."""

    def __init__(self, folder: Path, simulator: ChargerSimulator) -> None:
        self.folder = folder
        self.simulator = simulator
        self.link = folder / "charger"
        self.site = folder / "site.yaml"
        self.house: House
        self.port = 0
        self._serving: asyncio.Task[None] | None = None

    def write_site(self, extra: str = "") -> None:
        self.site.write_text(
            f'state: "{self.folder / "state"}"\n'
            'listeners: [{tcp: "127.0.0.1:0", name: lan}]\n'
            f'devices:\n  charger: {{adapter: vedirect, port: "{self.link}", unit: 20{extra}}}\n'
        )

    async def start(self) -> None:
        load = load_site(self.site, os.environ, InstalledFamilies(), learnt_product)
        assert load.site is not None, load.problems
        self.house = House(load, InstalledFamilies())
        started = asyncio.Event()
        self._serving = asyncio.create_task(self.house.run(started.set))
        async with asyncio.timeout(PATIENCE_S):
            while not started.is_set():
                assert not self._serving.done(), self._serving.result()
                await asyncio.sleep(0.01)
        self.port = self.house.listeners[0].address[1]

    async def stop(self) -> None:
        if self._serving is not None:
            self._serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._serving
            self._serving = None

    def master(self) -> Master:
        return Master(self.port)


@pytest.fixture
async def boathouse(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Make a running house; keyword arguments go to the simulator, `extra` to the device's site line."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(extra: str = "", start: bool = True, **simulator: Any) -> Boathouse:
            made = Boathouse(tmp_path, ChargerSimulator(**simulator))
            playing = asyncio.create_task(made.simulator.run(made.link))

            async def end() -> None:
                await made.stop()
                playing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await playing

            stack.push_async_callback(end)
            async with asyncio.timeout(PATIENCE_S):
                await made.simulator.playing.wait()
            made.write_site(extra)
            if start:
                await made.start()
            return made

        yield make
