"""Field bridges of the fleet's simulation: real outlets, devices whose points say when they were measured.

`python -m benchmarks.fleet_field --broker PORT --bridges N`. Every device publishes all its points once a
second, each at its own time within it; a point is the machine's monotonic clock in ms, modulo 60000.
"""

import argparse
import asyncio
import random
import time
from pathlib import Path

from bridge.datastore.clock import SystemClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Identity
from bridge.outlets.mqtt import Mqtt, MqttPlan
from bridge.site.mqtt import MqttOutlet

DEVICES, POINTS = 50, 10
PERIOD_S = 1.0
WRAP_MS = 60_000
PATHS = tuple(f"/Value/{number}/Power" for number in range(1, POINTS + 1))


def stamp() -> int:
    """Return now as a point says it."""
    return int(time.monotonic() * 1000) % WRAP_MS


def topic(number: int) -> str:
    """Return the topic of a field bridge."""
    return f"fleet/bridge{number}"


async def measure(device: Device) -> None:
    """Publish for ever."""
    await asyncio.sleep(random.random() * PERIOD_S)
    while True:
        device.publish("all", dict.fromkeys(PATHS, stamp()))
        await asyncio.sleep(PERIOD_S)


async def live(port: int, number: int, interval: float) -> None:
    """Be one field bridge."""
    clock = SystemClock()
    datastore = Datastore(clock, StateStore(None))
    wanted = MqttOutlet(url=f"mqtt://127.0.0.1:{port}", topic=topic(number), points=False, interval=interval)
    plan = MqttPlan(
        broker=wanted,
        directory=Path("/"),
        topic=wanted.topic,
        write=wanted.write,
        interval_s=wanted.interval,
        points=wanted.points,
        bridges=wanted.bridges,
        home_assistant=None,
        forms=(),
    )
    outlet = Mqtt(plan, datastore, clock, lambda _: None)
    async with asyncio.TaskGroup() as group:
        for place in range(DEVICES):
            device = datastore.add(f"device{place}")
            specs = [PointSpec(path, "W") for path in PATHS]
            device.declare(specs, [GroupSpec("all", 3 * PERIOD_S)], [["all"]])
            device.learn(Identity(serial=f"B{number}D{place}"))
            group.create_task(measure(device))
        group.create_task(datastore.run())
        group.create_task(outlet.run())


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--broker", type=int, required=True)
    parser.add_argument("--bridges", type=int, required=True)
    parser.add_argument("--interval", type=float, default=0.5)
    chosen = parser.parse_args()
    async with asyncio.TaskGroup() as group:
        for number in range(chosen.bridges):
            group.create_task(live(chosen.broker, number, chosen.interval))


if __name__ == "__main__":
    asyncio.run(main())
