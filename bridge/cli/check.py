"""The command `check`: is a site file right, and what would it serve?"""

import json
import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from bridge.cli.errors import BAD_FILE
from bridge.datastore.state import read_saved
from bridge.register_maps.positions import Problem, lines_of
from bridge.site.families import InstalledFamilies
from bridge.site.loader import SiteLoad, load_site
from bridge.site.models import ServedUnit
from bridge.site.text import read_text

#: Characters of a source line shown around a fault.
_SHOWN = 100
_HEADINGS = ("listener", "unit", "device", "map", "role")


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


def load_checked(site: Path, variables: Mapping[str, str] | None = None) -> SiteLoad:
    """Load a site file with this environment, the installed families and maps, and the saved state.

    variables: what stands over those of the environment.
    """
    env = {**os.environ, **variables} if variables else os.environ
    return load_site(site, env, InstalledFamilies(), learnt_product)


def learnt_product(state: Path, device: str) -> str | None:
    """Return the product class a device was found to be, None where it was never seen. Needs no lock."""
    saved = read_saved(state, device, "identity")
    product = saved.get("product") if isinstance(saved, dict) else None
    return product if isinstance(product, str) and product else None


def explained(problems: Iterable[Problem], word: str = "") -> str:
    """Return problems as a compiler shows them: the place, the text, the line, a caret."""
    lines: dict[str, list[str]] = {}
    return "\n".join(_explained(problem, word, lines) for problem in problems)


def _explained(problem: Problem, word: str, lines: dict[str, list[str]]) -> str:
    if problem.file not in lines:
        text = read_text(Path(problem.file))
        lines[problem.file] = [] if isinstance(text, Problem) else lines_of(text.removeprefix("\ufeff"))
    place = f"{problem.file}:{problem.line}:{problem.column}:"
    said = problem.message + (f", {problem.hint}" if problem.hint else "")
    head = _printable(f"{place} {word}{said}")
    if not 0 < problem.line <= len(lines[problem.file]):
        return head
    line = lines[problem.file][problem.line - 1]
    start = max(0, problem.column - 1 - _SHOWN // 2)
    before = _printable(line[start : problem.column - 1])
    shown = before + _printable(line[problem.column - 1 : start + _SHOWN])
    margin = f"{problem.line:5} | "
    return f"{head}\n{margin}{shown}\n{' ' * (len(margin) - 2)}| {' ' * _width(before)}^"


def _as_json(load: SiteLoad) -> str:
    return json.dumps(as_fields(load), indent=2)


def as_fields(load: SiteLoad) -> dict[str, object]:
    """Return what `--json` prints of a site."""
    return {
        "errors": [_fields(problem) for problem in load.problems],
        "units": [{key: getattr(unit, key) for key in _HEADINGS} for unit in load.units],
        "warnings": [_fields(problem) for problem in load.warnings],
    }


def _fields(problem: Problem) -> dict[str, str | int]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "hint": problem.hint,
    }


def _as_text(load: SiteLoad) -> str:
    parts = [explained(load.problems), explained(load.warnings, "warning: ")]
    if load.problems:
        parts.append(_counted(len(load.problems), "error") + ": nothing would be served")
    elif load.units:
        parts.append(_table(load.units))
    return "\n\n".join(part for part in parts if part) or "the file is right, but serves no device"


def _table(units: Iterable[ServedUnit]) -> str:
    rows = [
        _HEADINGS,
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


def _printable(text: str) -> str:
    """Return text that cannot steer a terminal: tabs as one space, everything unprintable as `?`."""
    return "".join(
        " " if character == "\t" else character if character.isprintable() else "?" for character in text
    )


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
