"""The command `demo`: see the bridge work without owning any equipment."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge.app import House
from bridge.cli.errors import CommandFailed
from bridge.cli.run import run_until_stopped
from bridge.datastore.values import Quality
from bridge.demo import DEVICES, LISTENER, PAGE, page_is_free, simulators, site_text
from bridge.house.learnt import learnt_product
from bridge.logs import start_logging
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.rows import Row, primary, rows_of
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site

_REFRESH_S = 1.0
#: Without a terminal the table is printed this often.
_PRINT_EVERY_S = 10.0
#: Points that a first look wants to see; the rest are a `read` away.
_SHOWN = (
    "/ProductName", "/State", "/Dc/0/Voltage", "/Dc/0/Current", "/Soc", "/Pv/V", "/Yield/Power",
    "/Ac/Out/L1/V", "/Ac/Out/L1/S", "/Mode", "/Settings/ChargeCurrentLimit",
)  # fmt: skip


@click.command()
def demo() -> None:
    """Simulate equipment and serve it on 127.0.0.1:5020, with a live table, until Ctrl-C.

    Everything is real but the equipment: another terminal can read, write and watch it with any Modbus
    client.
    """
    run_until_stopped(_demo())


async def _demo() -> None:
    with tempfile.TemporaryDirectory(prefix="inverter-bridge-demo-") as name:
        folder = Path(name)
        site = folder / "site.yaml"
        page = page_is_free()
        await asyncio.to_thread(site.write_text, site_text(folder, page=page), encoding="utf-8")
        load = load_site(site, os.environ, InstalledFamilies(), learnt_product)
        if load.site is None:
            raise CommandFailed("; ".join(str(problem) for problem in load.problems))
        start_logging("warning", {})
        house = House(load, InstalledFamilies())  # its state is in the folder, and goes with it
        async with simulators(folder):
            serving = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(house.run(serving.set))
                await serving.wait()
                await _show(house, page=page)


async def _show(house: House, *, page: bool) -> None:
    console = Console()
    rows = {device.name: _rows(device.map) for device in DEVICES}
    console.print(_lines_to_copy(page=page), soft_wrap=True)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_table(house, rows), refresh=True)
                await house.clock.sleep(_REFRESH_S)
    await house.clock.sleep(_REFRESH_S * 4)
    while True:
        console.print(_table(house, rows))
        sys.stdout.flush()
        await house.clock.sleep(_PRINT_EVERY_S)


def _rows(name: str) -> tuple[Row, ...]:
    load = Catalogue().load(name)
    return () if load.map is None else rows_of(load.map)


def _lines_to_copy(*, page: bool) -> Text:
    first = next(device for device in DEVICES if device.name == "charger")
    rows = _rows(first.map)
    voltage = primary(rows, "/Dc/0/Voltage")
    host, _, port = LISTENER.partition(":")
    address = 0 if voltage is None else voltage.address
    called = Path(sys.argv[0]).name
    command = called if called == "inverter-bridge" else f"{sys.executable} -m bridge"
    read_one = f"mbpoll -m tcp -p {port} -a {first.unit} -0 -t 4 -r {address} -c 1 -1 {host}"
    where = "{}:{}".format(*PAGE)
    seen = f"And in a browser: http://{where}/\n" if page else f"No page: another program is on {where}.\n"
    return Text(
        f"SIMULATED equipment, served by Modbus TCP on {LISTENER}. In another terminal:\n\n"
        f"  {read_one}   # battery voltage x 100\n"
        f"  {command} read --demo {first.name}\n"
        f"  {command} watch --demo {first.name} /Dc/0/Voltage /Dc/0/Current\n"
        f"  {command} write --demo {first.name} /Settings/ChargeCurrentLimit 6\n"
        f"  {command} write --demo {first.name} /Mode off\n\n{seen}"
    )


def _table(house: House, rows: dict[str, tuple[Row, ...]]) -> Group:
    table = Table("unit", "device", "path", "register", "value", "age s", title="Inverter Bridge, SIMULATED")
    for cells in _cells(house, rows):
        table.add_row(*cells)
    return Group(table)


def _cells(house: House, rows: dict[str, tuple[Row, ...]]) -> Iterator[tuple[str, ...]]:
    for device in DEVICES:
        known = house.datastore.devices[device.name]
        for path in _SHOWN:
            row = primary(rows[device.name], path)
            if row is None or not known.has(path):
                continue
            reading = known.reading(path)
            if reading.quality is Quality.OK:
                shown = f"{reading.value:.2f}" if isinstance(reading.value, float) else str(reading.value)
                shown = f"{shown} {row.unit_of_measure}".strip()
            else:
                shown = reading.quality.value
            age = "" if reading.age_s is None else f"{reading.age_s:.1f}"
            yield str(device.unit), device.name, path, f"0x{row.address:04X}", shown, age
