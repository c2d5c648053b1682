"""`maps class-file`: a map as a device class for the client of a Victron GX, and its installer."""

from pathlib import Path as FilePath

import click

from bridge import __version__
from bridge.cli.errors import CommandFailed
from bridge.cli.named_map import load_map
from bridge.datastore.durable import write_whole
from bridge.register_maps.class_file import NoClassFile, class_file, module_name, unpublished
from bridge.register_maps.class_file_installer import install_script


@click.command("class-file")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=FilePath, dir_okay=False), help="Write to a file instead.")
@click.option(
    "--install-script", "installer", is_flag=True, help="Make the script that installs it on a GX as well."
)
def make_class_file(name: str, out: FilePath | None, installer: bool) -> None:
    """Make a device class for dbus-modbus-client v1.83 from a map.

    NAME is one of `maps list`, or a file of your own. Needs root access to the GX. Without --out the file is
    printed, and with --install-script the script alone, which carries it; with --out the script is written
    beside the file as install_NAME.sh.
    """
    loaded = load_map(name, FilePath())
    try:
        text = class_file(loaded, __version__)
    except NoClassFile as fault:
        raise CommandFailed(str(fault)) from None
    script = install_script(loaded, text, __version__) if installer else None
    for path in unpublished(loaded):
        click.echo(f"left out: {path} stands in no register, which is all that the client reads", err=True)
    if out is None:
        click.echo(text if script is None else script, nl=False)
        return
    _write(out, text)
    if script is not None:
        _write(out.parent / f"install_{module_name(loaded)}.sh", script)


def _write(file: FilePath, text: str) -> None:
    try:
        write_whole(file, text, 0o644)
    except OSError as fault:
        raise CommandFailed(f"{file}: could not be written: {fault.strerror}") from None
    click.echo(f"written: {file}", err=True)
