"""The command `pair`: lead micro-inverters and a running bridge together, list and forget them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from bridge.cli.door import ask, device_of
from bridge.cli.errors import FAILED
from bridge.cli.target import SITE_HERE

#: The family whose devices pair.
_FAMILY = "apsystems"
#: Calls of one round.
_CALLS = 4
_HEADINGS = ("serial", "model", "address", "from", "state", "heard")

Step = Mapping[str, object]


@click.command()
@click.argument("serials", nargs=-1, metavar="[SERIAL]..")
@click.option(
    "--site", type=click.Path(path_type=Path), default=SITE_HERE, show_default=True, help="Site file."
)
@click.option("--device", default=None, help="Device of the site, where it has several roofs.")
@click.option("--anyway", is_flag=True, help="Try outside daylight too.")
@click.option("--list", "listing", is_flag=True, help="List inverters and their addresses, and pair nothing.")
@click.option("--forget", default=None, metavar="SERIAL", help="Forget the address found for an inverter.")
@click.pass_context
def pair(
    ctx: click.Context,
    serials: tuple[str, ...],
    site: Path,
    device: str | None,
    anyway: bool,
    listing: bool,
    forget: str | None,
) -> None:
    """Pair the inverters of these serial numbers, or all of the site that have no address yet.

    The bridge runs meanwhile and calls each inverter in up to five rounds; it must have light on its panels.
    Exit status 1 when one was not found.
    """
    if sum((bool(serials), listing, forget is not None)) > 1:
        raise click.UsageError(
            "found several things to do, expected serial numbers, --list or --forget SERIAL"
        )
    roof = device_of(site, _FAMILY, device)
    if listing:
        click.echo(_table(list(ask(site, "pair_list", roof))))
    elif forget is not None:
        for step in ask(site, "forget", roof, serial=forget):
            click.echo(f"{step['serial']}: {step['text']}")
    else:
        steps = ask(site, "pair", roof, serials=list(serials), anyway=anyway)
        ctx.exit(FAILED if _follow(steps) else 0)


def _follow(steps: Iterator[Step]) -> int:
    """Show pairing as it goes on; returns how many inverters were not found."""
    missing = 0
    for step in steps:
        if "polled" in step:
            click.echo(f"{step['serial']}: {step['text']}")
        elif step["done"]:
            missing += step["answer"] is None
            click.echo(step["text"])
        else:
            _show_call(step)
    return missing


def _show_call(step: Step) -> None:
    """Show one call: a dot each, and at the end of a round what it brought."""
    if step["sent"] == 1:
        click.echo(f"{step['serial']}: round {step['round']} ", nl=False)
    click.echo(".", nl=False)
    if step["sent"] == _CALLS:
        echoes = f"{step['echoes']} echo{'' if step['echoes'] == 1 else 'es'} of neighbours"
        named = "named, not confirmed" if step["heard"] else "no answer yet"
        answer = f"answered from {step['answer']}" if step["answer"] is not None else named
        click.echo(f" {echoes}, {answer}")


def _table(steps: list[Step]) -> str:
    rows = [_HEADINGS, *(_row(step) for step in steps)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(step: Step) -> tuple[str, ...]:
    heard = step["heard_s_ago"]
    return (
        str(step["serial"]),
        str(step["model"] or "-"),
        str(step["address"] or "not paired"),
        str(step["from"] or "-"),
        str(step["state"] or "not known yet"),
        "never" if heard is None else f"{heard} s ago",
    )
