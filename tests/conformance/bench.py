"""A whole bridge in a process of its own, with a bench instead of equipment: every table filled to its limits.

`python -m tests.conformance.bench FOLDER` runs the house of FOLDER/site.yaml and prints, as one line of JSON,
the address of each listener by its name. Stops at SIGTERM or when its standard input ends.

Unit 20 (a u16 each unless said otherwise):
  holding 0x4000+n  n, for n up to 255     input 0x4000+n  1000+n, for n up to 124
  holding 0x5000+n  /Set/n+1, writable 0 to 60000, for n up to 1967; coil n is 0 where it is 0
  0x6000 u32 /Total writable   0x6010 constant 0x4201   0x6011 /Mode writable 1 or 4
  0x6012 to 0x6014 /Refused /Busy /Lost: writes that end so, and read 7
  coils 1968 to 1999 are read-only and 1    discrete inputs 0 to 1999: 1 at every third
Unit 21 was never seen. Unit 22 obeys after more time than any reply may take. Unit 23 is like unit 20: it is
the one that tests write to, each to addresses of its own.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from bridge.adapters.base import Adapter, DeviceOptions, Family
from bridge.app import BRIDGE, House
from bridge.cli.run import run_until_stopped
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Identity, Outcome, Path, Value
from bridge.site.loader import load_site

UNIT, NEVER_SEEN, SLOW, WRITTEN = 20, 21, 22, 23
VALUES, SETS, INPUTS, BITS = 256, 1968, 125, 2000
#: Long enough that no noise on the machine makes a 05 of a normal reply.
PATIENT_S = 20.0
#: What the slow device's writers wait.
IMPATIENT_S = 0.05
_ENDS: Mapping[Path, Outcome] = {
    "/Refused": Outcome.REFUSED,
    "/Busy": Outcome.BUSY,
    "/Lost": Outcome.TIMED_OUT,
}


class BenchOptions(DeviceOptions):
    """How this bench behaves."""

    behaviour: str = "good"


class BenchAdapter(Adapter):
    """Confirms at once, or as the path or the option says."""

    #: What is under way stays so: a case that writes the same value later must not meet the end of it.
    command_deadline_s = 3600.0

    def __init__(self, device: Device, options: BenchOptions, clock: Clock) -> None:
        self._device = device
        self._behaviour = options.behaviour
        self._clock = clock

    async def run(self) -> None:
        """Publish everything once; it stays fresh for ever."""
        confirm_s = IMPATIENT_S if self._behaviour == "slow" else PATIENT_S
        points = dict(_points())
        writable = {path for path in points if path.startswith("/Set/")} | {"/Total", *_ENDS}
        specs = [
            PointSpec(path, writable=path in writable, minimum=0, confirm_s=confirm_s) for path in points
        ]
        specs.append(PointSpec("/Mode", writable=True, choices={1: "on", 4: "off"}, confirm_s=confirm_s))
        self._device.declare(specs, [GroupSpec("all", stale_after_s=None)], [["all"]])
        if self._behaviour != "unseen":
            self._device.learn(Identity(f"BENCH{self._device.name}", "bench", 0x4201, "Test bench", "1.02"))
            self._device.publish("all", {**points, "/Mode": 1})
        await asyncio.Event().wait()

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        """Put changes in force."""
        if self._behaviour == "slow":
            await asyncio.Event().wait()
        outcomes = {path: _ENDS.get(path, Outcome.CONFIRMED) for path in changes}
        done = {path: value for path, value in changes.items() if outcomes[path] is Outcome.CONFIRMED}
        self._device.publish("all", done)
        return outcomes


def _points() -> Iterator[tuple[Path, Value]]:
    yield from ((f"/Values/{n + 1}/V", n) for n in range(VALUES))
    yield from ((f"/Inputs/{n + 1}/V", 1000 + n) for n in range(INPUTS))
    yield from ((f"/Set/{n + 1}/V", n) for n in range(SETS))
    yield from ((f"/Pattern/{n}", 1 if n == 0 else 0) for n in range(3))
    yield from ((path, 7) for path in ("/Total", *_ENDS))


FAMILY = Family(
    name="bench",
    title="Bench",
    options=BenchOptions,
    adapter="tests.conformance.bench:BenchAdapter",
    simulator="tests.conformance.bench:BenchAdapter",
)


def bench_map() -> str:
    """Return the register map of the bench."""
    coils = [f"  - {{address: {n}, path: /Set/{n + 1}/V}}" for n in range(SETS)]
    coils += [f"  - {{address: {n}, path: /Pattern/0, write: false}}" for n in range(SETS, BITS)]
    discrete = [f"  - {{address: {n}, path: /Pattern/{n % 3}}}" for n in range(BITS)]
    return "\n".join(
        (
            "title: Bench of the tests",
            "device: {vendor_name: Boatyard, product_id: 0x4201, product_name: Test bench}",
            "registers:",
            _many(0x4000, VALUES, "/Values/{n}", ""),
            _many(0x5000, 1000, "/Set/{n}", ", write: [0, 60000]"),
            _many(0x5000 + 1000, SETS - 1000, "/Set/{n}", ", write: [0, 60000]", first=1001),
            _many(0x4000, INPUTS, "/Inputs/{n}", ", table: input"),
            "  - {address: 0x6000, type: u32b, path: /Total, write: [0, 4000000000]}",
            "  - {address: 0x6010, type: u16, value: 0x4201}",
            "  - {address: 0x6011, type: e16, path: /Mode, values: {on: 1, off: 4}, write: true}",
            "  - {address: 0x6012, type: u16, path: /Refused, write: [0, 60000]}",
            "  - {address: 0x6013, type: u16, path: /Busy, write: [0, 60000]}",
            "  - {address: 0x6014, type: u16, path: /Lost, write: [0, 60000]}",
            "coils:",
            *coils,
            "discrete_inputs:",
            *discrete,
            "",
        )
    )


def _many(address: int, count: int, path: str, more: str, first: int = 1) -> str:
    """Return a run of single registers, each with a point of its own."""
    repeat = f'{{count: {count}, stride: 1, first: {first}, path: "{path}"}}'
    inner = f"{{address: 0, type: u16, path: /V{more}}}"
    return f"  - {{address: {address}, repeat: {repeat}, registers: [{inner}]}}"


async def serve(folder: FilePath) -> None:
    """Run the house until cancelled."""
    families = {"bench": FAMILY}
    load = load_site(folder / "site.yaml", os.environ, families, lambda state, device: None)
    if load.site is None:
        raise SystemExit("\n".join(map(str, load.problems)))
    house = House(load, families)
    telling: list[asyncio.Task[None]] = []

    async def tell() -> None:
        seen = [d for d in house.datastore if "unseen" not in d.name and d.name != BRIDGE]
        while not all(device.alive for device in seen):
            await asyncio.sleep(0.01)
        addresses = {
            listener.terms.name: listener.address
            for listener in house.listeners
            if hasattr(listener, "address")
        }
        print(json.dumps(addresses), flush=True)

    def started() -> None:
        telling.append(asyncio.create_task(tell()))

    await house.run(started)


if __name__ == "__main__":
    run_until_stopped(serve(FilePath(sys.argv[1])))
