"""The command `run`: serve the devices of a site file until told to stop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from bridge.app import House
from bridge.cli.check import explained, load_checked
from bridge.cli.errors import BadFile
from bridge.logs import start_logging
from bridge.site.families import InstalledFamilies


@click.command()
@click.argument("site", type=click.Path(path_type=Path))
def run(site: Path) -> None:
    """Serve the devices of a site file until stopped (Ctrl-C or SIGTERM).

    Devices may be absent at the start and come and go. The log goes to standard error.
    """
    if not site.exists():
        raise BadFile(
            f"{site}: found no site file: write one, which begins with `devices:` (docs/site-file.md; "
            "`inverter-bridge demo` needs none). In a container mount it: "
            "-v ./site.yaml:/etc/inverter-bridge/site.yaml:ro"
        )
    load = load_checked(site)
    if load.site is None:
        raise BadFile(f"{site} is not a good site file:\n{explained(load.problems)}")
    if load.warnings:
        click.echo(explained(load.warnings, "warning: "), err=True)
    start_logging(load.site.log.level, load.site.log.devices)
    house = House(load, InstalledFamilies())
    run_until_stopped(house.run())


def run_until_stopped(main: Coroutine[Any, Any, None], *, fast: bool = True) -> None:
    """Run a program until it ends or SIGTERM or SIGINT ends it in order.

    fast: on uvloop, where it is installed.
    """

    async def stoppable() -> None:
        task = asyncio.create_task(main)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    with asyncio.Runner(loop_factory=_loop_factory() if fast else None) as runner:
        runner.run(stoppable())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where a wheel of it exists, else None for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
