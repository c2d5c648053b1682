"""`check --all DIR`: are all sites of a fleet right, and do no two of them stand in each other's way?"""

import json
from dataclasses import replace
from pathlib import Path

import click

from bridge.cli.checked import as_fields, explained, load_checked
from bridge.register_maps.positions import Problem
from bridge.site.fleet import shared, sites_in
from bridge.site.loader import SiteLoad


def check_fleet(directory: Path, *, as_json: bool) -> bool:
    """Check all sites and print what is found; True where a site is wrong, or where there is none."""
    try:
        sites = sites_in(directory)
    except OSError as fault:
        reason = (fault.strerror or "it cannot be read").lower()
        click.echo(f"{directory}: {reason}, expected a directory with the files of sites", err=True)
        return True
    if not sites:
        click.echo(f"{directory}: found no site, expected NAME.yaml, or site.yaml and NAME.env", err=True)
        return True
    pairs = [(site, load_checked(site.file, site.variables)) for site in sites]
    loads: dict[str, SiteLoad] = {site.name: load for site, load in pairs}
    for site in sites:
        if site.problems:
            loads[site.name] = _with(loads[site.name], *site.problems)
    for name, problem in shared(pairs).items():
        loads[name] = _with(loads[name], problem)
    if as_json:
        click.echo(json.dumps({"sites": {name: as_fields(load) for name, load in loads.items()}}, indent=2))
    else:
        click.echo("\n\n".join(_said(name, load) for name, load in loads.items()))
        wrong = sum(bool(load.problems) for load in loads.values())
        click.echo(f"\n{len(loads)} sites, {wrong} with errors")
    return any(load.problems for load in loads.values())


def _with(load: SiteLoad, *problems: Problem) -> SiteLoad:
    return replace(load, problems=(*load.problems, *problems), units=())


def _said(name: str, load: SiteLoad) -> str:
    parts = [explained(load.problems), explained(load.warnings, "warning: ")]
    found = f"{name}: {len(load.problems)} errors" if load.problems else f"{name}: {len(load.units)} units"
    return "\n".join(part for part in (found, *parts) if part)
