"""The commands `radio health`, `radio start` and `radio raw`: the coordinator of a running bridge."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.cli.door import ask, device_of
from bridge.cli.errors import CommandFailed
from bridge.cli.target import SITE_HERE

_FAMILY = "apsystems"

F = TypeVar("F", bound=Callable[..., Any])


def _radio_options(command: F) -> F:
    for option in (
        click.option("--device", default=None, help="Device of the site, where it has several roofs."),
        click.option(
            "--site", type=click.Path(path_type=Path), default=SITE_HERE, show_default=True, help="Site file."
        ),
    ):
        command = option(command)
    return command


@click.group()
def radio() -> None:
    """Look after the zigbee radio of a running bridge."""


@radio.command()
@_radio_options
def health(site: Path, device: str | None) -> None:
    """Ask the coordinator how it is. Exit status 1 when it is not well."""
    (found,) = ask(site, "radio_health", device_of(site, _FAMILY, device))
    if not found["well"]:
        raise CommandFailed(f"radio {found['state']}: {found['text']}")
    click.echo(f"radio {found['state']}, {found['text']}")
    click.echo(f"firmware {found['firmware']}, IEEE address {found['ieee']}, restarts {found['restarts']}")


@radio.command()
@_radio_options
def start(site: Path, device: str | None) -> None:
    """Reset the coordinator and start it anew."""
    for step in ask(site, "radio_start", device_of(site, _FAMILY, device)):
        click.echo(step["text"])


@radio.command()
@click.argument("hexadecimal", metavar="HEX")
@_radio_options
def raw(hexadecimal: str, site: Path, device: str | None) -> None:
    """Send one command to the coordinator as it is, and show all frames of the next two seconds.

    HEX is a whole frame (FE00270027), or a command and its data (2700).
    """
    frames = [
        step["frame"] for step in ask(site, "radio_raw", device_of(site, _FAMILY, device), hex=hexadecimal)
    ]
    click.echo("\n".join(map(str, frames)) if frames else "no answer within 2 s")
