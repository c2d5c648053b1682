"""The command `doctor`: what is wrong here, and its cure."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from bridge.cli.checked import load_checked
from bridge.cli.door import ask
from bridge.cli.errors import FAILED, BadFile, CommandFailed
from bridge.doctor.checks import findings
from bridge.doctor.finding import Case, Running
from bridge.doctor.machine import Machine
from bridge.site.loader import SiteLoad
from bridge.site.models import Site

#: Looked for in this order where no site is named.
_SITES = (Path("site.yaml"), Path("/etc/inverter-bridge/site.yaml"))
#: Replaced by tests.
MACHINE = Machine


@click.command()
@click.argument("site", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects: check, found, cure.")
@click.pass_context
def doctor(ctx: click.Context, site: Path | None, as_json: bool) -> None:
    """Look for what is wrong with this machine, SITE and its running bridge, and say what helps.

    Without SITE it looks for ./site.yaml, then /etc/inverter-bridge/site.yaml. Nothing is changed, no port
    is opened; where `notify` is on, a test message is sent. Exit status 1 when there is something to do.
    """
    if site is not None and not site.exists():
        raise BadFile(
            f"{site}: found no site file; without one `inverter-bridge doctor` looks at the machine"
        )
    file = site or next((found for found in _SITES if found.exists()), None)
    load = None if file is None else load_checked(file)
    case = Case(MACHINE(), load, _running(file, load), "" if file is None else str(file))
    found = findings(case)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        if file is None:
            click.echo("no site file here: only the machine was looked at\n")
        for one in found:
            click.echo(f"{one.check}: {one.found}\n    {one.cure}\n")
        click.echo(_summary(len(found)))
    ctx.exit(FAILED if found else 0)


def _summary(count: int) -> str:
    if not count:
        return "nothing to do"
    return "1 thing to do" if count == 1 else f"{count} things to do"


def _unsent(file: Path, site: Site) -> str:
    """Let the bridge send a test message, where it sends any; return what hindered it."""
    if site.outlets.notify is None or site.outlets.notify.url is None:
        return ""
    try:
        list(ask(file, "notify_test"))
    except CommandFailed as fault:
        return str(fault)
    return ""


def _running(file: Path | None, load: SiteLoad | None) -> Running:
    """Ask the bridge of the site, where one runs here."""
    if file is None or load is None or load.site is None:
        return Running("unasked")
    try:
        devices = tuple(ask(file, "status"))
    except CommandFailed:
        state = load.site.state
        return Running("closed" if state.exists() and not os.access(state, os.R_OK | os.X_OK) else "no")
    try:
        (process,) = ask(file, "process")
        pid = process["pid"]
        return Running(
            "yes",
            devices,
            tuple(ask(file, "peers")),
            version=str(process["version"]),
            pid=pid if isinstance(pid, int) else None,
            unsent=_unsent(file, load.site),
        )
    except CommandFailed:  # ended meanwhile, or a former version, which does not tell as much
        return Running("yes", devices)
