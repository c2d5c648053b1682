"""The command `run`: serve the devices of a site file until told to stop."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from bridge.app import House, ReloadFault
from bridge.cli.checked import explained, load_checked
from bridge.cli.errors import BadFile
from bridge.cli.loop_faults import LoopFaults
from bridge.cli.process import LEFT_WITHIN_S, end_within
from bridge.logs import start_logging
from bridge.server.descriptors import raise_limit
from bridge.site.families import InstalledFamilies

_log = logging.getLogger(__name__)


@click.command()
@click.argument("site", type=click.Path(path_type=Path))
def run(site: Path) -> None:
    """Serve the devices of a site file until stopped (Ctrl-C or SIGTERM).

    Devices may be absent at the start and come and go. SIGHUP reads the site file again: devices that
    changed start anew, the others go on. The log goes to standard error.
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
        with contextlib.suppress(OSError):  # a log on a full disk keeps nobody from serving
            click.echo(explained(load.warnings, "warning: "), err=True)
    start_logging(load.site.log.level, load.site.log.devices)
    house = House(load, InstalledFamilies(), site_file=site)
    house.reloaded = lambda taken: start_logging(taken.log.level, taken.log.devices)
    run_until_stopped(serve(house, site))


async def serve(house: House, site: Path) -> None:
    """Run a house; SIGHUP makes it read its site file again. A bad file is told in the log."""
    reloading: set[asyncio.Task[None]] = set()

    def begin() -> None:
        task = asyncio.create_task(_reload(house, site))
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)
    await house.run()


async def _reload(house: House, site: Path) -> None:
    load = await asyncio.to_thread(load_checked, site)
    for problem in load.problems:
        _log.error("site not reloaded: %s", problem)
    if load.site is None:
        return
    for warning in load.warnings:
        _log.warning("site: %s", warning)
    try:
        await house.reload(load)
    except ReloadFault as fault:
        _log.error("site=%s not reloaded: %s", load.site.name, fault)


def run_until_stopped(main: Coroutine[Any, Any, None], *, fast: bool = True) -> None:
    """Run a program until it ends or SIGTERM or SIGINT ends it in order.

    fast: on uvloop, where it is installed.
    """

    left = threading.Event()

    async def stoppable() -> None:
        task = asyncio.create_task(main)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(LoopFaults())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            end_within(LEFT_WITHIN_S, left)

    raise_limit()
    with asyncio.Runner(loop_factory=_loop_factory() if fast else None) as runner:
        runner.run(stoppable())
    left.set()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where a wheel of it exists, else None for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
