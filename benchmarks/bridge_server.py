"""The whole bridge of a site file, its values changing, in a process of its own. Prints its port.

Unit 20 has a thousand registers of a device whose values change all the time; unit 21 is a device that never
obeys. The audit is on; `--outlets` turns all outlets on, or off. `--units N` adds N units of a thousand
registers that stand still.
"""

import argparse
import asyncio
import gc
import os
import tempfile
from pathlib import Path

from benchmarks.bench_family import FAMILY, POINTS
from benchmarks.load import FIRST, UNIT, WAITING_UNIT, pin
from bridge.app import House
from bridge.cli.run import run_until_stopped
from bridge.site.loader import load_site

_MAP = f"""
title: Registers of the benchmark
registers:
  - {{address: {FIRST}, repeat: {{count: {POINTS}, stride: 1, path: "/Value/{{n}}"}},
     registers: [{{address: 0, type: u16, scale: 10, path: /Power, write: [0, 6000]}}]}}
"""
_SITE = f"""
state: state
listeners: [{{tcp: "127.0.0.1:0", name: lan, connections: 200}}]
outlets: OUTLETS
devices:
  changing: {{adapter: bench, unit: {UNIT}, map: ./bench.yaml}}
  waiting: {{adapter: bench, unit: {WAITING_UNIT}, map: ./bench.yaml, changing: false, obeying: false}}
"""
_STILL = "  still{unit}: {{adapter: bench, unit: {unit}, map: ./bench.yaml, changing: false}}\n"


#: What `--outlets` stands for.
_OUTLETS = {
    "audit": "audit: ",
    "none": "",
    "all": 'audit: , history: {{write: 10 s}}, metrics: {{listen: "127.0.0.1:{metrics}"}}, '
    'notify: {{url: "http://127.0.0.1:9/nobody"}}',
}


def site_text(units: int, outlets: str = "audit", metrics: int = 0) -> str:
    """Return the site file, with so many further units."""
    wanted = _OUTLETS[outlets].format(metrics=metrics)
    still = "".join(_STILL.format(unit=100 + number) for number in range(units))
    return _SITE.replace("OUTLETS", f"{{{wanted}}}") + still


async def serve(folder: Path, site: str) -> None:
    """Run the bridge until cancelled."""
    (folder / "bench.yaml").write_text(_MAP)
    (folder / "site.yaml").write_text(site)
    families = {FAMILY.name: FAMILY}
    load = load_site(folder / "site.yaml", os.environ, families, lambda *_: None)
    if load.site is None:
        raise SystemExit("\n".join(map(str, load.problems)))
    house = House(load, families)
    telling: list[asyncio.Task[None]] = []

    async def tell() -> None:
        while not all(house.datastore.devices[name].alive for name in house.site.devices):
            await asyncio.sleep(0.01)
        gc.collect()
        print(house.listeners[0].address[1], flush=True)  # type: ignore[attr-defined]  # a TcpListener

    await house.run(lambda: telling.append(asyncio.create_task(tell())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--units", type=int, default=0)
    parser.add_argument("--outlets", choices=_OUTLETS, default="audit")
    parser.add_argument("--metrics", type=int, default=0, help="port of the metrics")
    chosen = parser.parse_args()
    pin(0)
    site = site_text(chosen.units, chosen.outlets, chosen.metrics)
    with tempfile.TemporaryDirectory() as directory:
        run_until_stopped(serve(Path(directory), site), fast=chosen.uvloop)
