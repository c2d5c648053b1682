"""`maps`: the register maps there are, what is in them, whether one's own is right, and what they make."""

import ipaddress
import json
import re
from pathlib import Path as FilePath

import click

from bridge.cli.class_file import make_class_file
from bridge.cli.errors import BAD_FILE, CommandFailed
from bridge.cli.named_map import load_map, shown
from bridge.datastore.durable import write_whole
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.document import document_of
from bridge.register_maps.document_examples import example_unit
from bridge.register_maps.document_formats import ENDINGS, FORMATS, index_markdown
from bridge.register_maps.format import WriteRule
from bridge.register_maps.positions import nearest
from bridge.register_maps.rows import Row, rows_of
from bridge.register_maps.schema import map_schema
from bridge.register_maps.snippets import TOOLS
from bridge.register_maps.snippets_values import Target

#: A host name or an IPv4 address.
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@click.group()
def maps() -> None:
    """List, show, check and document register maps."""


maps.add_command(make_class_file)


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
            click.echo(shown(loaded.errors))
        else:
            entries = len(rows_of(loaded.map))
            click.echo(f"{file}: right, {loaded.map.kind} map of {entries} entries")
    ctx.exit(BAD_FILE if wrong else 0)


@maps.command()
@click.argument("name", required=False)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(tuple(FORMATS)),
    default="markdown",
    show_default=True,
    help="How it is written.",
)
@click.option(
    "--all",
    "folder",
    type=click.Path(path_type=FilePath, file_okay=False),
    help="Write a file for every map that comes with the bridge, into this folder.",
)
def document(name: str | None, wanted: str, folder: FilePath | None) -> None:
    """Print the document of a map: every address in every way of counting, types, scales, examples.

    NAME is one of `maps list`, or a file of your own.
    """
    if (name is None) == (folder is None):
        raise click.UsageError("Found both or neither of NAME and --all, expected one of them.")
    if name is not None:
        click.echo(FORMATS[wanted](document_of(load_map(name, FilePath()))), nl=False)
    if folder is None:
        return
    for each in Catalogue().names():
        file = folder / f"{each}{ENDINGS[wanted]}"
        _write_file(file, FORMATS[wanted](document_of(load_map(each, FilePath()))))
    if wanted == "markdown":
        listed = [(row.name, row.kind.value, row.title) for row in Catalogue().listed()]
        _write_file(folder / "README.md", index_markdown(listed))


@maps.command()
@click.argument("name")
@click.option("--for", "tool", required=True, help=f"One of {', '.join(TOOLS)}.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the bridge.")
@click.option("--port", type=click.IntRange(1, 65535), default=502, show_default=True)
@click.option("--unit", type=click.IntRange(1, 247), help="Unit id; left out: the map's own example.")
def snippets(name: str, tool: str, host: str, port: int, unit: int | None) -> None:
    """Print lines or a file for another tool that read a unit of this map.

    NAME is one of `maps list`, or a file of your own.
    """
    if tool not in TOOLS:
        near = nearest(tool, TOOLS)
        hint = f"did you mean {near!r}?" if near else f"expected one of {', '.join(TOOLS)}."
        raise click.UsageError(f"--for: found {tool!r}: {hint}")
    loaded = load_map(name, FilePath())
    target = Target(_host(host), port, example_unit(loaded) if unit is None else unit)
    click.echo(TOOLS[tool](loaded, target), nl=False)


@maps.command()
def schema() -> None:
    """Print the JSON Schema of map files, for editors. That of site files: `check --print-schema`."""
    click.echo(json.dumps(map_schema(), indent=2, ensure_ascii=False))


def _host(written: str) -> str:
    """Return a host without brackets; nothing that a shell or a file would take for more than a name."""
    bare = written.removeprefix("[").removesuffix("]")
    try:
        return ipaddress.IPv6Address(bare).compressed
    except ValueError:
        if _HOST.fullmatch(written):
            return written
    raise click.UsageError(f"--host: found {written!r}, expected a host name or an address without a port.")


def _write_file(file: FilePath, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text, 0o644)
    except OSError as fault:
        raise CommandFailed(
            f"could not write {file}: {fault.strerror}: choose a folder of your own"
        ) from None


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
