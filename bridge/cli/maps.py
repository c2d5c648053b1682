"""`maps`: the register maps there are, what is in them, and whether one's own is right."""

import json
from collections.abc import Sequence
from pathlib import Path as FilePath

import click

from bridge.cli.errors import BAD_FILE, BadFile, CommandFailed
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap, WriteRule
from bridge.register_maps.positions import Problem, nearest
from bridge.register_maps.rows import Row, rows_of


def load_map(name: str, beside: FilePath) -> RegisterMap:
    """Load a map by name, or a file of one's own beside a site file.

    Raises BadFile with all its faults, CommandFailed with the nearest spelling for an unknown name.
    """
    catalogue = Catalogue()
    if not is_file(name) and name not in catalogue.names():
        near = nearest(name, catalogue.names())
        hint = f"did you mean {near!r}?" if near else "`inverter-bridge maps list` lists them"
        raise CommandFailed(f"there is no map {name!r}: {hint}")
    loaded = catalogue.load(name, beside)
    if loaded.map is None:
        raise BadFile(f"map {name} cannot be used:\n{_shown(loaded.errors)}")
    return loaded.map


def is_file(name: str) -> bool:
    """True for a map of one's own, which is named by its file."""
    return name.endswith((".yaml", ".yml"))


@click.group()
def maps() -> None:
    """List, show and check register maps."""


@maps.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def list_maps(as_json: bool) -> None:
    """List the maps that come with the bridge: name, kind, title."""
    listed = Catalogue().listed()
    if as_json:
        rows = [{"name": row.name, "title": row.title, "kind": row.kind.value} for row in listed]
        click.echo(json.dumps(rows, indent=2))
        return
    width = max((len(row.name) for row in listed), default=0)
    for row in listed:
        click.echo(f"{row.name:<{width}}  {row.kind.value:<7}  {row.title}")


@maps.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def show(name: str, as_json: bool) -> None:
    """Show every entry of a map, the status block included.

    NAME is one of `maps list`, or a file of your own.
    """
    rows = rows_of(load_map(name, FilePath()))
    if as_json:
        click.echo(json.dumps([row.as_json() for row in rows], indent=2))
        return
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@maps.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=FilePath))
@click.pass_context
def check(ctx: click.Context, files: tuple[FilePath, ...]) -> None:
    """Check map files and show every fault with its place. Exit status 2 when there is one."""
    catalogue = Catalogue()
    wrong = 0
    for file in files:
        loaded = catalogue.load_file(file)
        if loaded.map is None:
            wrong += 1
            click.echo(_shown(loaded.errors))
        else:
            entries = len(rows_of(loaded.map))
            click.echo(f"{file}: right, {loaded.map.kind} map of {entries} entries")
    ctx.exit(BAD_FILE if wrong else 0)


def _shown(problems: Sequence[Problem]) -> str:
    """Return faults as `check` shows those of site files, whose reading is loaded only now."""
    from bridge.cli.check import explained

    return explained(problems)


_HEADINGS = ("table", "address", "", "type", "path", "scale", "unit", "write", "values")


def _cells(row: Row) -> tuple[str, ...]:
    path = row.path or (f"(mirror of {row.mirror})" if row.mirror else "(constant)")
    return (
        row.table.value,
        str(row.address),
        f"0x{row.address:04X}",
        row.type if row.length == 1 else f"{row.type} x{row.length}",
        path,
        "" if row.scale == 1 else f"{row.scale:g}",
        row.unit_of_measure,
        _write(row.write),
        ", ".join(f"{number}={name}" for name, number in row.values or ()),
    )


def _write(write: WriteRule | bool) -> str:
    if isinstance(write, bool):
        return "yes" if write else ""
    if write.choices is not None:
        return " ".join(str(choice) for choice in write.choices)
    return f"{write.minimum:g} to {write.maximum:g}"
