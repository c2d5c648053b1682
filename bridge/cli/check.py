"""The command `check`: is a site file right, and what would it serve?"""

import json
from collections.abc import Iterable
from pathlib import Path

import click

from bridge.cli.checked import HEADINGS, as_fields, explained, load_checked
from bridge.cli.errors import BAD_FILE
from bridge.site.families import InstalledFamilies
from bridge.site.loader import SiteLoad
from bridge.site.models import ServedUnit


@click.command()
@click.argument("site", type=click.Path(path_type=Path), required=False)
@click.option(
    "--all",
    "fleet",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Check every site of a directory, each NAME.yaml and NAME.env in it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option(
    "--print-schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: _print_schema(ctx, wanted=wanted),
    help="Print the JSON Schema of site files, for editors, and do nothing else.",
)
@click.pass_context
def check(ctx: click.Context, site: Path | None, fleet: Path | None, as_json: bool) -> None:
    """Check a site file and show what it would serve.

    Every fault is shown with its place, all at once. Exit status 2 when there is one; warnings alone end
    with 0. A map that shows as `not known yet` (null in JSON) depends on what the device turns out to be.
    The bridge's own unit 247 is not listed.
    """
    if (site is None) is (fleet is None):
        raise click.UsageError("found both or neither of SITE and --all DIR: expected one of them")
    if site is None:
        from bridge.cli.check_fleet import check_fleet

        assert fleet is not None  # noqa: S101 - one of them is there
        ctx.exit(BAD_FILE if check_fleet(fleet, as_json=as_json) else 0)
    load = load_checked(site)
    click.echo(_as_json(load) if as_json else _as_text(load))
    ctx.exit(BAD_FILE if load.problems else 0)


def _print_schema(ctx: click.Context, *, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from bridge.site.schema import site_schema

        click.echo(json.dumps(site_schema(InstalledFamilies()), indent=2, ensure_ascii=False))
        ctx.exit()


def _as_json(load: SiteLoad) -> str:
    return json.dumps(as_fields(load), indent=2)


def _as_text(load: SiteLoad) -> str:
    parts = [explained(load.problems), explained(load.warnings, "warning: ")]
    if load.problems:
        parts.append(_counted(len(load.problems), "error") + ": nothing would be served")
    elif load.units:
        parts.append(_table(load.units))
    return "\n\n".join(part for part in parts if part) or "the file is right, but serves no device"


def _table(units: Iterable[ServedUnit]) -> str:
    rows = [
        HEADINGS,
        *(
            (unit.listener, str(unit.unit), unit.device, unit.map or "not known yet", unit.role or "-")
            for unit in units
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
