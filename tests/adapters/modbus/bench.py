"""An adapter in real time, against a far end on loopback or on a pseudo-terminal."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from bridge.adapters.modbus.adapter import ModbusAdapter
from bridge.adapters.modbus.options import ModbusOptions
from bridge.datastore.clock import SystemClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteRequest
from tests.adapters.modbus.field import BOUND_S


class House:
    """Devices of one house, by name."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.datastore = Datastore(self.clock, StateStore(None))
        self.adapters: dict[str, ModbusAdapter] = {}
        self.tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self.datastore.run())]

    def add(self, name: str, **options: Any) -> Device:
        made = ModbusOptions(adapter="modbus", **options)
        device = self.datastore.add(name, made.wear.limits(), made.leases())
        adapter = self.adapters[name] = ModbusAdapter(device, made, self.clock)
        self.tasks += [asyncio.create_task(device.run(adapter)), asyncio.create_task(adapter.run())]
        return device

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND_S):
            while not true():
                for task in self.tasks:
                    assert not task.done(), task.result()
                await asyncio.sleep(0.005)

    async def write(self, device: Device, changes: Mapping[str, Value]) -> dict[str, Outcome]:
        async with asyncio.timeout(BOUND_S):
            return await device.write(WriteRequest(changes, Origin("modbus", "test")))


@contextlib.asynccontextmanager
async def house() -> AsyncIterator[House]:
    made = House()
    try:
        yield made
    finally:
        for task in made.tasks:
            task.cancel()
        for outcome in await asyncio.gather(*made.tasks, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                raise AssertionError(f"a task ended with {outcome!r}")  # noqa: TRY004


def map_file(folder: Path, text: str) -> str:
    file = folder / "mine.yaml"
    file.write_text(f"kind: client\n{text}")
    return str(file)
