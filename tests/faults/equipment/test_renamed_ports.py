"""Adapters that come back under other tty numbers; links by their serial numbers, as udev makes them, lead there.

The ports are pseudo-terminals under the kernel's own rules; only the clock is a test's.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState
from tests.faults.equipment.board import PATIENCE_S, ended
from tests.faults.equipment.kinds import MODBUS, ROOF, VEBUS, VEDIRECT, Kind

HOUSE: dict[str, Kind] = {"charger": VEDIRECT, "multi": VEBUS, "wagon": MODBUS, "roof": ROOF}


#: Terminals opened at most to take the numbers that have become free.
TAKEN_MAX = 64


def working(*names: str) -> bool:
    """True while a thread opens or closes a port."""
    return any(thread.name.startswith(names) for thread in threading.enumerate())


def take(wanted: set[Path]) -> list[int]:
    """Take terminals until all of these are somebody else's."""
    taken: list[int] = []
    left = set(wanted)
    while left and len(taken) < 2 * TAKEN_MAX:
        taken += os.openpty()
        left.discard(Path(os.ttyname(taken[-1])))
    return taken


async def until(clock: ManualClock, true: Callable[[], bool]) -> float:
    began = clock.monotonic()
    async with asyncio.timeout(2 * PATIENCE_S):
        while not true():
            if working("open "):  # to it the test's clock means nothing, so that stands still
                await asyncio.sleep(0.001)
            else:
                await clock.advance(0.02)
    return clock.monotonic() - began


async def test_by_their_links_all_are_found_under_other_numbers(tmp_path: Path) -> None:
    clock = ManualClock()
    datastore = Datastore(clock, StateStore(None))
    far_ends, devices, jobs = {}, {}, [datastore.run()]
    for name, kind in HOUSE.items():
        link = tmp_path / f"usb-{name}"
        far = far_ends[name] = kind.far_end(clock, kind.serials[0], **kind.first)
        options = kind.options(str(link))
        device: Device = datastore.add(name, options.wear.limits(), options.leases())
        devices[name] = device
        adapter = kind.adapter(device, options, clock)
        jobs += [far.run(link), device.run(adapter), adapter.run()]
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(job) for job in jobs]
    taken: list[int] = []

    def all_alive() -> bool:
        return all(device.alive and device.link is LinkState.ONLINE for device in devices.values())

    try:
        await until(clock, all_alive)
        before = {name: (tmp_path / f"usb-{name}").readlink() for name in HOUSE}
        for far in far_ends.values():
            await far.unplug()
        await until(clock, lambda: all(d.link is LinkState.PORT_MISSING for d in devices.values()))
        assert list(tmp_path.iterdir()) == []
        await until(clock, lambda: not any(d.alive for d in devices.values()) and not working("close line"))
        taken = take(set(before.values()))
        for name in reversed(HOUSE):
            await far_ends[name].replug()
        after = {name: (tmp_path / f"usb-{name}").readlink() for name in HOUSE}
        assert all(after[name] != before[name] for name in HOUSE)
        print(f"all back after {await until(clock, all_alive):.1f} s")
        for name, kind in HOUSE.items():
            assert devices[name].link is LinkState.ONLINE
            assert devices[name].value("/Serial") is not None
            assert kind.moves(far_ends[name]) == []
    finally:
        await ended(tasks)
        for end in taken:
            os.close(end)
