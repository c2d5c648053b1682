"""The command `simulate`: play a device on a pseudo-terminal, well or badly."""

import asyncio
import inspect
import os
import stat
import sys
from pathlib import Path
from typing import Any

import click

from bridge.adapters.base import Simulator
from bridge.cli.run import run_until_stopped
from bridge.register_maps.positions import nearest
from bridge.site.families import InstalledFamilies


def _settings(
    ctx: click.Context, param: click.Parameter, written: tuple[str, ...]
) -> dict[str, str | int | float | bool]:
    """Read `NAME=VALUE` options; a value that is a number becomes one."""
    found = {}
    for one in written:
        name, equals, text = one.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"found {one!r}, expected NAME=VALUE such as flood=false", ctx, param)
        found[name.replace("-", "_")] = _typed(text)
    return found


def _typed(text: str) -> str | int | float | bool:
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


@click.command()
@click.argument("family")
@click.option(
    "--link",
    type=click.Path(path_type=Path),
    required=True,
    help="Path that shall lead to the device's port.",
)
@click.option(
    "--product",
    default=None,
    help="Product class, where the family has several; its first one when left out.",
)
@click.option("--serial", default=None, help="Serial number it shows.")
@click.option("--maximum-current", type=float, default=None, help="Highest charge current, A (chargers).")
@click.option(
    "--set",
    "settings",
    callback=_settings,
    multiple=True,
    metavar="NAME=VALUE",
    help="Another property of the simulator.",
)
@click.option(
    "--misbehave",
    multiple=True,
    metavar="'FAULT [ARGUMENT]'",
    help="Begin with a fault; several are added up.",
)
def simulate(
    family: str,
    link: Path,
    product: str | None,
    serial: str | None,
    maximum_current: float | None,
    settings: dict[str, Any],
    misbehave: tuple[str, ...],
) -> None:
    """Play a device of FAMILY on a pseudo-terminal at its true pace, until stopped.

    A line `FAULT [ARGUMENT]` on standard input begins a fault while it runs, `well` ends all, `help` lists
    them.
    """
    wanted = dict(settings)
    wanted |= {} if serial is None else {"serial": serial}
    wanted |= {} if maximum_current is None else {"maximum_current": maximum_current}
    simulator = make_simulator(family, product, wanted)
    for fault in misbehave:
        _begin(simulator, fault)
    run_until_stopped(_play(simulator, link), fast=False)


def make_simulator(family: str, product: str | None, wanted: dict[str, Any]) -> Simulator:
    """Make a family's simulator. Raises UsageError for an unknown family, product or property."""
    families = InstalledFamilies()
    if family not in families:
        raise click.UsageError(_unknown("family", family, list(families)))
    entry = families[family]
    if not entry.simulator:
        raise click.UsageError(f"{family} has no simulator: its far end is another bridge, such as the demo")
    if product is not None and product not in entry.simulators:
        if product in entry.later:
            raise click.UsageError(f"{family} has no simulator of {product} in this version")
        raise click.UsageError(_unknown("product", product, list(entry.simulators)))
    made = entry.simulator_class(product)
    names = [name for name in inspect.signature(made).parameters if name != "clock"]
    for name in wanted:
        if name not in names:
            raise click.UsageError(_unknown("property", name, names))
    try:
        simulator: Simulator = made(**wanted)
    except (TypeError, ValueError) as fault:
        raise click.UsageError(str(fault)) from fault
    return simulator


def _unknown(what: str, found: str, known: list[str]) -> str:
    near = nearest(found, known)
    hint = f"did you mean {near!r}?" if near else f"expected one of {', '.join(known)}"
    return f"there is no {what} {found!r}: {hint}"


def _begin(simulator: Simulator, line: str) -> None:
    fault, _, argument = line.strip().partition(" ")
    try:
        simulator.misbehave(fault, argument.strip())
    except ValueError as refusal:
        raise click.UsageError(str(refusal)) from refusal


async def _play(simulator: Simulator, link: Path) -> None:
    click.echo(f"simulating on {link} (stop with Ctrl-C; type `help` for the faults it can show)", err=True)
    listening = asyncio.create_task(_listen(simulator))
    try:
        await simulator.run(link)
    finally:
        listening.cancel()


async def _listen(simulator: Simulator) -> None:
    """Take faults from standard input, for as long as there is one."""
    if sys.stdin is None or not (sys.stdin.isatty() or stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)):
        return
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode(errors="replace").strip():
        if line == "help":
            for fault in simulator.faults:
                click.echo(f"  {fault.name:14} {fault.help}", err=True)
            continue
        try:
            _begin(simulator, line)
        except click.UsageError as refusal:
            click.echo(refusal.message, err=True)
