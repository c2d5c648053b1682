"""Equipment for measuring: a thousand points that change all the time, or that never obey."""

import asyncio
import itertools
from collections.abc import Mapping

from bridge.adapters.base import Adapter, DeviceOptions, Family
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Outcome, Path, Value

POINTS = 1000
#: Points in one publication, and seconds between two: 2000 new values a second, some twenty devices' worth.
BATCH, EVERY_S = 20, 0.01
PATHS = tuple(f"/Value/{number}/Power" for number in range(1, POINTS + 1))

#: One for all units, as families have them.
_SPECS = tuple(PointSpec(path, "W", writable=True, minimum=0, maximum=6000) for path in PATHS)


class BenchOptions(DeviceOptions):
    """changing: publish for ever. obeying: False keeps every command waiting until its deadline."""

    changing: bool = True
    obeying: bool = True


class BenchAdapter(Adapter):
    """Publishes and obeys at once, unless its options say otherwise."""

    def __init__(self, device: Device, options: BenchOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock

    async def run(self) -> None:
        """Publish all points, and new values of them in turn."""
        self._device.declare(_SPECS, [GroupSpec("values", stale_after_s=None)], [["values"]])
        self._device.publish("values", dict.fromkeys(PATHS, 1.0))
        if not self._options.changing:
            await asyncio.Event().wait()
        for turn in itertools.count():
            start = turn * BATCH % POINTS
            batch = PATHS[start : start + BATCH]
            self._device.publish("values", {p: (turn + n) % 6000 + 0.5 for n, p in enumerate(batch)})
            await asyncio.sleep(EVERY_S)

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:  # noqa: ARG002 - the contract's
        """Put changes in force, or let them wait."""
        if not self._options.obeying:
            await asyncio.Event().wait()
        self._device.publish("values", changes)
        return dict.fromkeys(changes, Outcome.CONFIRMED)


FAMILY = Family(
    name="bench",
    title="Bench",
    options=BenchOptions,
    adapter="benchmarks.bench_family:BenchAdapter",
    simulator="benchmarks.bench_family:BenchAdapter",
)
