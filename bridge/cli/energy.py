"""The command `energy`: what has flowed by day, month and year, and its audited correction by hand."""

import json
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from bridge.cli.door import ask
from bridge.cli.errors import CommandFailed
from bridge.cli.record import Day, HistoryFault, Moment, record_of, wall_time
from bridge.cli.target import SITE_HERE
from bridge.outlets.history_calendar import SPANS
from bridge.outlets.history_reader import TOTAL, PeriodEnergy, PeriodFlow, summary

_HEADINGS = ("period", "kWh", "back kWh", "average W", "peak W")
#: Days shown where no beginning is given.
_DAYS = 31

_SITE = click.option(
    "--site", type=click.Path(path_type=Path), default=SITE_HERE, show_default=True, help="Site file."
)


@click.group()
def energy() -> None:
    """Show what has flowed, and set it right."""


@energy.command()
@click.argument("device")
@click.argument("path", default=TOTAL)
@click.option(
    "--by", type=click.Choice(SPANS), default="day", show_default=True, help="What a line stands for."
)
@click.option("--from", "start", type=Moment(), help="First day; left out: a month ago, or all with --by.")
@click.option("--to", "end", type=Moment(), help="Up to here; left out: now.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@_SITE
def show(
    device: str, path: str, by: str, start: datetime | None, end: datetime | None, as_json: bool, site: Path
) -> None:
    """Show the energy of a device, or of one of its points, by day, month or year.

    Left out, PATH is `total`: the device's own counter, else its power over time. The newest minute is
    not in it.
    """
    record = record_of(site)
    until = time.time() if end is None else wall_time(end, record.zone)
    whole = until - _DAYS * 86_400 if by == "day" else 0.0
    since = whole if start is None else wall_time(start, record.zone)
    try:
        flows = record.reader.read_flows(device, path, by, since, until)
        ever = record.reader.read_lifetime(device, path)
    except HistoryFault as fault:
        raise CommandFailed(str(fault)) from None
    found = summary([PeriodEnergy(flow.period, flow.forward_kwh) for flow in flows])
    if as_json:
        figures = {"total": found.total, "average": found.average, "lifetime": ever}
        click.echo(json.dumps({"periods": [flow._asdict() for flow in flows], **figures}))
        return
    click.echo(_table(flows))
    if found.best is not None and found.worst is not None:
        click.echo(
            f"total {found.total:.3f} kWh, average {found.average:.3f}, best {found.best.kwh:.3f} "
            f"({found.best.period}), worst {found.worst.kwh:.3f} ({found.worst.period}); ever {ever:.3f} kWh"
        )


@energy.command(name="set")
@click.argument("device")
@click.argument("path")
@click.argument("kwh", type=float)
@click.option("--day", type=Day(), help="The day that is set; left out: what had flowed before the history.")
@_SITE
def set_(device: str, path: str, kwh: float, day: date | None, site: Path) -> None:
    """Set the energy of a day, or what had flowed before the history began. The bridge must run."""
    written = {} if day is None else {"day": day.isoformat()}
    for step in ask(site, "energy_set", of=device, path=path, kwh=kwh, **written):
        when = step["day"] or "before the history"
        click.echo(f"{device}:{path} {when}: {step['before']} -> {step['kwh']} kWh")


@energy.command()
@click.argument("device")
@click.argument("path", required=False)
@click.option("--from", "first", type=Day(), help="First day; left out: from the beginning.")
@click.option("--to", "last", type=Day(), help="Last day; left out: up to now.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_SITE
def wipe(device: str, path: str | None, first: date | None, last: date | None, yes: bool, site: Path) -> None:
    """Remove the energies of a device, or of one of its points. The bridge must run."""
    what = device if path is None else f"{device}:{path}"
    if not yes:
        click.confirm(f"Remove the energies of {what}? They do not come back", abort=True)
    arguments: dict[str, Any] = {
        "path": path,
        "first": first and first.isoformat(),
        "last": last and last.isoformat(),
    }
    for step in ask(site, "energy_wipe", of=device, **arguments):
        click.echo(f"{what}: {step['days']} entries removed")


def _table(flows: list[PeriodFlow]) -> str:
    rows = [_HEADINGS, *map(_row, flows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _row(one: PeriodFlow) -> tuple[str, ...]:
    energies = (f"{kwh:.3f}" for kwh in (one.forward_kwh, one.reverse_kwh))
    return one.period, *energies, f"{one.average_w:.0f}", f"{one.peak_w:.0f}"
