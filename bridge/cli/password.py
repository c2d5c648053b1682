"""`password`: set who may see and steer the page of a bridge, on the machine where it runs."""

import sys
from pathlib import Path

import click

from bridge.cli.checked import explained, load_checked
from bridge.cli.errors import BadFile, CommandFailed
from bridge.outlets.web.passwords import LENGTH_MIN, PasswordBook, PasswordFault, Role


@click.command()
@click.argument("site", type=click.Path(path_type=Path))
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.OPERATOR.value,
    show_default=True,
    help="Whose password: an operator changes things, a viewer looks.",
)
def password(site: Path, role: str) -> None:
    """Set the password of the page of SITE, also to get in again when it is lost.

    It is asked for twice on a terminal, else read as one line from standard input. A running bridge takes it
    within seconds; sessions with the former password end.
    """
    load = load_checked(site)
    if load.site is None:
        raise BadFile(f"{site} is not a good site file:\n{explained(load.problems)}")
    if sys.stdin.isatty():
        chosen = click.prompt(
            f"New password of the {role} ({LENGTH_MIN} characters or more)",
            hide_input=True,
            confirmation_prompt="Once more",
        )
    else:
        chosen = sys.stdin.readline().rstrip("\r\n")
    book = PasswordBook(load.site.state)
    try:
        book.set(Role(role), chosen)
    except PasswordFault as fault:
        raise CommandFailed(str(fault)) from None
    click.echo(f"the password of the {role} is set, in {book.path}")
    if load.site.outlets.web is None:
        click.echo(f"{site} has no page yet: add to it\noutlets:\n  web:")
