"""From a path to a checked site, or to every reason why it is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bridge.adapters.base import Family
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.positions import Problem
from bridge.site import defaults
from bridge.site.automation_rules import AutomationRules
from bridge.site.known_points import PointBook
from bridge.site.links import LinkPlan
from bridge.site.maps import MapShelf
from bridge.site.models import LinkedPoint, ServedUnit, Site
from bridge.site.reading import read_tree
from bridge.site.rules import judge
from bridge.site.sections import Draft, draft
from bridge.site.units import Learnt, UnitPlan


@dataclass(frozen=True, slots=True)
class SiteLoad:
    """What a site file says. `site` is None, and `units` empty, where there are problems."""

    site: Site | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    units: tuple[ServedUnit, ...]


def load_site(
    path: Path,
    env: Mapping[str, str],
    families: Mapping[str, Family],
    learnt: Learnt,
    maps: Catalogue | None = None,
) -> SiteLoad:
    """Read and check a site file with all it includes. Raises nothing, whatever the file holds.

    `learnt(state directory, device)` tells the product class of a device seen before; `maps` are the
    shipped ones unless given. Problems name the
    file as `path` does; they stand in the order of the file, those of included files and maps after it.
    """
    root, problems = read_tree(path, env)
    if root is None:
        return SiteLoad(None, _sorted(path, problems), (), ())
    found = draft(root, families, problems)
    state = _state(found, path, env)
    warnings: list[Problem] = []
    judge(found, path.parent, state, problems, warnings)
    shelf = MapShelf(maps or Catalogue(), path.parent)
    book = PointBook(found, shelf, lambda device: learnt(state, device), problems, warnings)
    links = LinkPlan(found, book).links()
    AutomationRules(found, book).check()
    plan = UnitPlan(found, shelf, problems)
    units = plan.units(state, learnt)
    if problems:  # what a plan with holes warns of may only follow from them
        return SiteLoad(None, _sorted(path, problems), _sorted(path, warnings), ())
    warnings += plan.warnings
    return SiteLoad(_site(found, links, path, state), (), _sorted(path, warnings), units)


def _site(found: Draft, links: tuple[LinkedPoint, ...], path: Path, state: Path) -> Site:
    return Site(
        name=found.basics.site or path.stem,
        timezone=found.basics.timezone,
        state=state,
        log=found.basics.log,
        listeners=tuple(placed.listener for placed in found.listeners),
        access=found.basics.access,
        devices=MappingProxyType({placed.name: placed.options for placed in found.devices}),
        serve=tuple(placed.view for placed in found.views),
        links=links,
        automations=tuple(placed.surplus for placed in found.automations),
        outlets=found.outlets,
        mdns=found.basics.mdns,
        directory=path.parent,
    )


def _state(found: Draft, path: Path, env: Mapping[str, str]) -> Path:
    """Return the directory of the saved state; a relative one lies beside the site file."""
    written = found.basics.state
    if not written:
        return defaults.state_directory(env)
    if written == "~" or written.startswith("~/"):
        return Path(env.get("HOME") or Path("~").expanduser()) / written[2:]
    return path.parent / written


def _sorted(path: Path, problems: list[Problem]) -> tuple[Problem, ...]:
    """Order problems by place, the site file's own first, each once."""
    once = dict.fromkeys(problems)
    return tuple(
        sorted(once, key=lambda found: (found.file != str(path), found.file, found.line, found.column))
    )
