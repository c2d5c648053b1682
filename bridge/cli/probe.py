"""The command `probe`: who is on one port?"""

import asyncio
import json

import click

from bridge.adapters.probing import Introduction, Pace
from bridge.cli.errors import FAILED
from bridge.datastore.clock import SystemClock
from bridge.discovery.ports import Roots
from bridge.discovery.probe import Inquiry, ProbeResult, Status, probe_port
from bridge.register_maps.positions import nearest
from bridge.site.families import InstalledFamilies

#: Where the machine shows its ports, and how patient it is: tests have their own.
ROOTS = Roots()
PACE = Pace()
_RATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)


@click.command()
@click.argument("port")
@click.option("--family", default=None, help="Look for this family of equipment alone, as vedirect.")
@click.option(
    "--unit",
    "units",
    type=click.IntRange(1, 247),
    multiple=True,
    help="Modbus unit to look for; several may be named. Left out: those of known equipment.",
)
@click.option(
    "--baudrate",
    "rates",
    type=int,
    multiple=True,
    help="Speed of the Modbus line; several may be named. Left out: usual ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_context
def probe(
    ctx: click.Context,
    port: str,
    family: str | None,
    units: tuple[int, ...],
    rates: tuple[int, ...],
    as_json: bool,
) -> None:
    """Say what is on PORT: a device path, a PTY or socket://HOST:PORT.

    It listens first, then asks, family by family, by questions that change nothing; half a minute when nobody
    answers. Exit status 1 unless equipment answers and works.
    """
    families = InstalledFamilies()
    if family is not None and family not in families:
        near = nearest(family, list(families))
        hint = f"did you mean {near!r}?" if near else f"expected one of {', '.join(families)}."
        raise click.UsageError(f"--family: there is no family {family!r}: {hint}")
    if family is not None and not families[family].probe:
        raise click.UsageError(f"--family: {family!r} has no serial ports to look at")
    if wrong := [rate for rate in rates if rate not in _RATES]:
        raise click.UsageError(f"--baudrate: found {wrong[0]}, expected one of {', '.join(map(str, _RATES))}")
    inquiry = Inquiry(
        families, SystemClock(), family, may_ask=True, units=units, rates=rates, pace=PACE, roots=ROOTS
    )
    result = asyncio.run(_with_progress(port, inquiry, quiet=as_json))
    click.echo(json.dumps(result.fields(), indent=2) if as_json else as_text(result))
    ctx.exit(0 if result.status is Status.OPERATIONAL else FAILED)


async def _with_progress(port: str, inquiry: Inquiry, *, quiet: bool) -> ProbeResult:
    from rich.console import Console

    console = Console(stderr=True, quiet=quiet)
    if not console.is_terminal:
        return await probe_port(port, inquiry)
    with console.status(port) as shown:
        return await probe_port(port, inquiry, lambda what: shown.update(f"{port}: {what}"))


def as_text(result: ProbeResult) -> str:
    """Return a result as a person reads it: one line, and what is known besides."""
    if result.found is None:
        return f"{result.port}: {result.status.value}: {result.text}"
    lines = [f"{result.port}: {result.status.value}: {named(result.found)}"]
    return "\n".join((*lines, *((f"  {result.text}",) if result.text else ())))


def named(found: Introduction) -> str:
    """Return who was found, in one line."""
    parts = [found.name]
    if found.serial:
        parts.append(f"serial {found.serial}")
    if found.firmware:
        parts.append(f"firmware {found.firmware}")
    family = found.family if not found.product else f"{found.family}, {found.product}"
    return printable(f"{', '.join(parts)} ({family})")


def printable(text: str) -> str:
    """Return text of a device that cannot steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
