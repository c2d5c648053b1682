"""`read` and `watch`: values of a device as any Modbus client sees them."""

import asyncio
import itertools
import json
from datetime import datetime
from pathlib import Path as FilePath

import click

from bridge.cli.readout import Readout, UnitReader
from bridge.cli.target import Target, find_target, target_options


@click.command()
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@click.argument("device")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
def read(
    site: FilePath | None, demo: bool, at: str | None, as_json: bool, device: str, paths: tuple[str, ...]
) -> None:
    """Read values of a device once; without PATH all of its map.

    DEVICE is a name of the site or a unit number. A value is `absent` where the device has none, and `stale`
    while the device is not heard.
    """
    target = find_target(site, demo, at)
    readouts = asyncio.run(_once(target, device, paths))
    if as_json:
        click.echo(json.dumps([readout.as_json() for readout in readouts], indent=2))
        return
    width = max(len(readout.path) for readout in readouts)
    for readout in readouts:
        click.echo(f"{readout.path:<{width}}  {readout.in_words()}")


@click.command()
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print one object a line.")
@click.option(
    "--interval", type=click.FloatRange(0.05, 3600), default=1.0, show_default=True, help="Seconds."
)
@click.option("--count", type=click.IntRange(1), help="Stop after so many rounds.")
@click.argument("device")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
def watch(
    site: FilePath | None,
    demo: bool,
    at: str | None,
    as_json: bool,
    interval: float,
    count: int | None,
    device: str,
    paths: tuple[str, ...],
) -> None:
    """Read values of a device again and again, until interrupted.

    DEVICE is a name of the site or a unit number; without PATH all values of its map.
    """
    asyncio.run(_again(find_target(site, demo, at), device, paths, as_json, interval, count))


async def _once(target: Target, device: str, paths: tuple[str, ...]) -> list[Readout]:
    unit = target.unit(device)
    reader = UnitReader(unit, target.directory)
    wanted = reader.chosen(paths)
    async with target.client(unit.address) as client:
        return await reader.read(client, wanted)


async def _again(
    target: Target, device: str, paths: tuple[str, ...], as_json: bool, interval: float, count: int | None
) -> None:
    unit = target.unit(device)
    reader = UnitReader(unit, target.directory)
    wanted = reader.chosen(paths)
    width = max(map(len, wanted))
    async with target.client(unit.address) as client:
        for done in itertools.count(1):
            for readout in await reader.read(client, wanted):
                if as_json:
                    click.echo(json.dumps(readout.as_json()))
                else:
                    clock = datetime.now().astimezone().strftime("%H:%M:%S")
                    click.echo(f"{clock}  {readout.path:<{width}}  {readout.in_words()}")
            if done == count:
                return
            await asyncio.sleep(interval)
