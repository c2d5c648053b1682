"""The whole bridge behind every transport, in a process of its own, for the hostile clients.

Prints the address of each listener by name as one line of JSON, and its tasks and guests for each line it is
sent. Values change and the audit is on, as in `bridge_server`.
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import sys
from pathlib import Path

from benchmarks.bench_family import FAMILY, POINTS
from benchmarks.load import FIRST, UNIT, pin
from bridge.app import House
from bridge.cli.run import run_until_stopped
from bridge.server.listener import TcpListener
from bridge.site.loader import load_site

#: Connections of the listener that clients that never read get into.
WIDE = 400
_MAP = f"""
title: Registers of the benchmark
registers:
  - {{address: {FIRST}, repeat: {{count: {POINTS}, stride: 1, path: "/Value/{{n}}"}},
     registers: [{{address: 0, type: u16, scale: 10, path: /Power, write: [0, 6000]}}]}}
"""
_SITE = f"""
state: state
listeners:
  - {{tcp: "127.0.0.1:0", name: tcp}}
  - {{tcp: "127.0.0.2:0", name: wide, connections: {WIDE}}}
  - {{udp: "127.0.0.1:0", name: udp}}
  - {{rtu_tcp: "127.0.0.1:0", name: rtu_tcp}}
  - {{tls: "127.0.0.1:0", name: tls, certificate: server.pem, key: server.key, client_ca: ca.pem}}
  - {{rtu: "{{line}}", name: rtu, baudrate: 115200}}
outlets: {{audit: }}
devices:
  changing: {{adapter: bench, unit: {UNIT}, map: ./bench.yaml}}
"""


async def serve(folder: Path, line: str) -> None:
    """Run the bridge until cancelled."""
    (folder / "bench.yaml").write_text(_MAP)
    (folder / "site.yaml").write_text(_SITE.replace("{line}", line))
    families = {FAMILY.name: FAMILY}
    load = load_site(folder / "site.yaml", os.environ, families, lambda *_: None)
    if load.site is None:
        raise SystemExit("\n".join(map(str, load.problems)))
    house = House(load, families)
    telling: list[asyncio.Task[None]] = []

    def tell_state() -> None:
        sys.stdin.readline()
        gc.collect()
        guests = sum(len(door.admission) for door in house.listeners if isinstance(door, TcpListener))
        print(json.dumps({"tasks": len(asyncio.all_tasks()), "connections": guests}), flush=True)

    async def tell() -> None:
        while not all(house.datastore.devices[name].alive for name in house.site.devices):
            await asyncio.sleep(0.01)
        gc.collect()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), tell_state)
        doors = [door for door in house.listeners if hasattr(door, "address")]
        print(json.dumps({door.terms.name: door.address for door in doors}), flush=True)

    await house.run(lambda: telling.append(asyncio.create_task(tell())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("line", help="the serial port of the RTU slave")
    parser.add_argument("--uvloop", action="store_true")
    chosen = parser.parse_args()
    pin(0)
    logging.getLogger().addHandler(logging.NullHandler())  # whoever is refused is named to nobody here
    run_until_stopped(serve(chosen.folder, chosen.line), fast=chosen.uvloop)
