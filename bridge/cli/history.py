"""The command `history`: which points there are, and their samples as CSV, however many."""

import csv
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TextIO

import click

from bridge.cli.errors import CommandFailed
from bridge.cli.record import HistoryFault, Moment, record_of, wall_time
from bridge.cli.target import SITE_HERE
from bridge.outlets.history_file import QUARTERS, TABLES

_COLUMNS = ("time", "device", "path", "unit_of_measure", "seconds", "average", "minimum", "maximum", "last")
_SITE = click.option(
    "--site", type=click.Path(path_type=Path), default=SITE_HERE, show_default=True, help="Site file."
)


@click.group()
def history() -> None:
    """Look into the history of a site."""


@history.command(name="list")
@_SITE
def list_(site: Path) -> None:
    """List the points that the history has."""
    try:
        for device, path, unit in record_of(site).reader.read_known():
            click.echo(f"{device}:{path} {unit}".rstrip())
    except HistoryFault as fault:
        raise CommandFailed(str(fault)) from None


@history.command()
@click.argument("points", nargs=-1, metavar="[DEVICE:PATH]..")
@click.option("--samples", type=click.Choice(TABLES), default=QUARTERS, show_default=True, help="How fine.")
@click.option("--from", "start", type=Moment(), help="Where to begin; left out: with the oldest.")
@click.option("--to", "end", type=Moment(), help="Up to here; left out: now.")
@click.option("--out", type=click.Path(path_type=Path), help="A file; left out: standard output.")
@_SITE
def export(
    points: tuple[str, ...],
    samples: str,
    start: datetime | None,
    end: datetime | None,
    out: Path | None,
    site: Path,
) -> None:
    """Write samples as CSV, of all points or those of some patterns such as "charger:/Dc/*".

    Times are UTC, ISO 8601, and tell where a sample begins; `seconds` is how long the point was believed.
    The newest minute is not in it.
    """
    record = record_of(site)
    since = 0.0 if start is None else wall_time(start, record.zone)
    until = time.time() if end is None else wall_time(end, record.zone)

    def wanted(device: str, path: str) -> bool:
        return not points or any(fnmatchcase(f"{device}:{path}", pattern) for pattern in points)

    try:
        with _opened(out) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for at, *rest in record.reader.rows(samples, since, until, wanted):
                stamp = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
                writer.writerow((stamp, *map(_cell, rest)))
    except HistoryFault as fault:
        raise CommandFailed(str(fault)) from None


def _cell(found: object) -> str:
    return f"{found:.10g}" if isinstance(found, float) else str(found)


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
    else:
        with out.open("w", encoding="utf-8", newline="") as file:
            yield file
