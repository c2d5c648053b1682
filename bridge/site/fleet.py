"""Many sites in one directory: which they are, each with its variables, and what they must not share."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.register_maps.positions import Problem
from bridge.site.loader import SiteLoad
from bridge.site.text import read_text

#: The file that sites without one of their own have in common.
TEMPLATE = "site.yaml"
_LINE = re.compile(r"(?:export +)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


@dataclass(frozen=True, slots=True)
class FleetSite:
    """One site: its file, and the variables that stand in NAME.env beside it."""

    name: str
    file: Path
    variables: Mapping[str, str]
    problems: tuple[Problem, ...] = ()


def sites_in(directory: Path) -> tuple[FleetSite, ...]:
    """Return the sites of a directory by name. Raises OSError for one that cannot be listed.

    Each NAME.yaml directly in it is a site, with the variables of NAME.env. Each NAME.env without such a file
    is a site as well, made of `site.yaml`, which then is a template and no site itself. What sites include
    lies in directories below.
    """
    files = {path.stem: path for path in sorted(directory.iterdir()) if path.suffix == ".yaml"}
    settings = {path.stem: path for path in sorted(directory.iterdir()) if path.suffix == ".env"}
    template = directory / TEMPLATE
    of_template = settings.keys() - files.keys()
    if of_template:
        files.pop(template.stem, None)
    names = sorted({*files, *settings})
    return tuple(_site(name, files.get(name, template), settings.get(name)) for name in names)


def _site(name: str, file: Path, settings: Path | None) -> FleetSite:
    if settings is None:
        return FleetSite(name, file, {})
    text = read_text(settings)
    if isinstance(text, Problem):
        return FleetSite(name, file, {}, (text,))
    variables: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith(("#", ";")):
            continue
        found = _LINE.fullmatch(bare)
        if found is None:
            problems.append(Problem(str(settings), number, 1, "found no variable, expected NAME=value", ""))
        else:
            variables[found[1]] = _unquoted(found[2].strip())
    return FleetSite(name, file, variables, tuple(problems))


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def shared(loads: Iterable[tuple[FleetSite, SiteLoad]]) -> dict[str, Problem]:
    """Return by site what it has that an earlier one has too: bridges must not tell on one topic."""
    topics: dict[tuple[str, str], str] = {}
    found: dict[str, Problem] = {}
    for site, load in loads:
        outlet = None if load.site is None else load.site.outlets.mqtt
        if outlet is None:
            continue
        first = topics.setdefault((outlet.url, outlet.topic), site.name)
        if first != site.name:
            message = f"found the topic {outlet.topic} of site {first} at the same broker"
            hint = "give each its own, as topic: bridges/${SITE}"
            found[site.name] = Problem(str(site.file), 1, 1, message, hint)
    return found
