"""A field bridge and a head-end of it: real devices of the datastore, the real outlet, the real adapter.

The field's equipment is a list: what it was told, in order, and what it now holds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bridge.adapters.base import Adapter
from bridge.adapters.remote.adapter import RemoteAdapter
from bridge.adapters.remote.options import RemoteOptions
from bridge.datastore.clock import Clock, SystemClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Identity, LinkState, Origin, Outcome, Value, WriteRequest
from bridge.outlets.mqtt import Mqtt, MqttPlan
from bridge.outlets.mqtt_rpi_ecu import Form
from bridge.site.mqtt import MqttOutlet

VOLTAGE, CURRENT, MODE, LIMIT, NAME = "/Dc/0/Voltage", "/Dc/0/Current", "/Mode", "/Limit", "/CustomName"
SPECS = (
    PointSpec(VOLTAGE, "V"),
    PointSpec(CURRENT, "A"),
    PointSpec(MODE, writable=True, choices={1: "on", 4: "off"}, off=4, refresh_s=10.0),
    PointSpec(LIMIT, "A", writable=True, minimum=0, maximum=30, step=0.1, lease=Lease(60.0, Safe.RELEASE)),
    PointSpec(NAME, text=True, writable=True),
)
WHO = Identity("HQ2205ABCDE", "ac_charger", 0xA330, "Blue Smart IP22", "3.52")
PERSON = Origin("modbus", "test")


class Equipment(Adapter):
    """Takes every change and shows it, unless told to do otherwise."""

    command_deadline_s = 10.0

    def __init__(self, device: Device) -> None:
        self.device = device
        self.done: list[tuple[str, Value]] = []
        self.outcome = Outcome.CONFIRMED
        self.before: Callable[[], Awaitable[None]] | None = None

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def command(self, changes: Mapping[str, Value], deadline: float) -> Mapping[str, Outcome]:
        if self.before is not None:
            await self.before()
        for path, value in changes.items():
            self.done.append((path, value))
            if self.outcome is Outcome.CONFIRMED:
                self.device.publish("set", {path: value})
            elif self.outcome is Outcome.ADJUSTED:
                self.device.publish("set", {path: 12.5})
        return dict.fromkeys(changes, self.outcome)

    async def expired(self, paths: tuple[str, ...]) -> bool:
        return True


class Field:
    """The bridge at the equipment."""

    def __init__(self, clock: Clock, name: str = "charger", stale_after_s: float = 3600.0) -> None:
        self.clock = clock
        self.datastore = Datastore(clock, StateStore(None))
        self.device = self.datastore.add(name)
        self.equipment = Equipment(self.device)
        self.device.declare(SPECS, [GroupSpec("dc", stale_after_s), GroupSpec("set", None)], [["dc"]])
        self.device.learn(WHO)

    def measure(self, voltage: float | None, current: float | None = 1.0) -> None:
        self.device.publish("dc", {VOLTAGE: voltage, CURRENT: current})

    def whole(self, voltage: float = 27.12) -> None:
        self.measure(voltage)
        self.device.publish("set", {MODE: 1, LIMIT: 10.0, NAME: "Boat"})

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.datastore.run()),
                group.create_task(self.device.run(self.equipment)),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()


@contextlib.asynccontextmanager
async def told(field: Field, port: int, topic: str = "t/boat", **options: Any) -> AsyncIterator[Mqtt]:
    """The outlet of a field bridge, for as long as the block runs."""
    settings = {"url": f"mqtt://127.0.0.1:{port}", "topic": topic, "interval": 0.05, **options}
    wanted = MqttOutlet.model_validate(settings)
    plan = MqttPlan(
        wanted,
        Path("/"),
        wanted.topic,
        wanted.write,
        wanted.interval,
        wanted.points,
        wanted.bridges,
        wanted.home_assistant,
        tuple(Form(one.device, one.form, one.topic, one.each, one.idx) for one in wanted.rpi_ecu),
    )
    outlet = Mqtt(plan, field.datastore, field.clock, lambda _: "bluesmart_charger")
    task = asyncio.create_task(outlet.run())
    try:
        yield outlet
    finally:
        assert not task.done(), task.result()
        task.cancel()
        await asyncio.wait([task])
        await outlet.close()


class Head:
    """One device of a head-end."""

    def __init__(
        self, port: int, topic: str = "t/boat", leases: Mapping[str, Lease] | None = None, **options: Any
    ) -> None:
        self.clock = SystemClock()
        self.datastore = Datastore(self.clock, StateStore(None))
        self.device = self.datastore.add("here", leases=leases)
        given = {
            "adapter": "remote", "url": f"mqtt://127.0.0.1:{port}", "topic": topic, "device": "charger",
            "stale_after": 60, **options,
        }  # fmt: skip
        self.adapter = RemoteAdapter(self.device, RemoteOptions.model_validate(given), self.clock)

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator["Head"]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.datastore.run()),
                group.create_task(self.device.run(self.adapter)),
                group.create_task(self.adapter.run()),
            ]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()

    @property
    def voltage(self) -> Value | None:
        """What a reader of the unit gets: nothing while the device is not alive."""
        return self.device.value(VOLTAGE) if self.device.alive else None

    def stale_after(self, seconds: float) -> None:
        self.adapter._options = self.adapter._options.model_copy(update={"stale_after": seconds})
        self.adapter.told({})

    async def write(self, changes: Mapping[str, Value], within_s: float | None = 30.0) -> dict[str, Outcome]:
        return await self.device.write(WriteRequest(changes, PERSON), within_s)


__all__ = ["CURRENT", "LIMIT", "MODE", "NAME", "VOLTAGE", "Field", "Head", "LinkState", "told"]
