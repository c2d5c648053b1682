"""The command `log`: how much a running bridge logs, seen and changed without a restart."""

from pathlib import Path

import click

from bridge.cli.target import SITE_HERE


@click.command()
@click.argument("level", required=False)
@click.argument("device", required=False)
@click.option(
    "--site", type=click.Path(path_type=Path), default=SITE_HERE, show_default=True, help="Site file."
)
def log(level: str | None, device: str | None, site: Path) -> None:
    """Set the LEVEL (debug, info, warning, error) of a running bridge's log, or of one DEVICE's lines in it.

    It holds until the bridge ends; what holds from its start stands in the site file. Without a LEVEL the
    present ones are shown.
    """
    from bridge.cli.door import ask

    if level is None:
        for step in ask(site, "log"):
            click.echo(f"{step['of'] or 'everything else'}: {step['level'] or 'nothing'}")
        return
    for step in ask(site, "log", level=level, of=device or ""):
        click.echo(f"{step['of'] or 'everything that has no level of its own'}: {step['level']} from now on")
