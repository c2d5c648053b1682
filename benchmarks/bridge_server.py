"""The bridge from device to socket in a process of its own: datastore, a device whose values change all
the time, its register image, access checks, counters, a listener. Prints its port."""

import argparse
import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any

from benchmarks.load import FIRST, UNIT, pin
from bridge.datastore.clock import SystemClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.register_maps.image import UnitImage
from bridge.register_maps.loader import load_text
from bridge.server.access import Access
from bridge.server.counters import Counters
from bridge.server.listener import TcpListener
from bridge.server.terms import Terms
from bridge.server.units import Units

POINTS = 1000
#: Points in one publication, and seconds between two: 2000 new values a second, some twenty devices' worth.
BATCH, EVERY_S = 20, 0.01

_MAP = f"""
name: benchmark
title: Registers of the benchmark
registers:
  - {{address: {FIRST}, repeat: {{count: {POINTS}, stride: 1, path: "/Value/{{n}}"}},
     registers: [{{address: 0, type: u16, scale: 10, path: /Power}}]}}
"""


async def change(device: Device, paths: list[str]) -> None:
    """Publish new values for ever, all points in turn."""
    for turn in itertools.count():
        start = turn * BATCH % POINTS
        batch = {path: (turn + place) % 6000 + 0.5 for place, path in enumerate(paths[start : start + BATCH])}
        device.publish("values", batch)
        await asyncio.sleep(EVERY_S)


async def serve() -> None:
    clock = SystemClock()
    store = Datastore(clock, StateStore())
    device = store.add("benchmark")
    loaded = load_text(_MAP, "benchmark.yaml", "benchmark")
    if loaded.map is None:
        raise SystemExit("\n".join(str(error) for error in loaded.errors))
    paths = [entry.path for entry in loaded.map.registers if entry.path]
    device.declare([PointSpec(path, "W") for path in paths], [GroupSpec("values")], [["values"]])
    units = Units()
    units.put(UNIT, UnitImage(loaded.map, device, clock, UNIT, {}))
    device.publish("values", dict.fromkeys(paths, 1.0))
    terms = Terms("benchmark", units, Access(clock=clock), clock, Counters())
    listener = TcpListener("127.0.0.1", 0, terms)
    await listener.start()
    print(listener.address[1], flush=True)
    await asyncio.gather(store.run(), change(device, paths))


def run(main: Coroutine[Any, Any, None], *, uvloop: bool) -> None:
    if uvloop:
        import uvloop as loops

        with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
            runner.run(main)
    else:
        asyncio.run(main)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--uvloop", action="store_true")
    chosen = parser.parse_args()
    pin(0)
    run(serve(), uvloop=chosen.uvloop)
