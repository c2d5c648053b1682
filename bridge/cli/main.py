"""The group of all commands. Each is imported when it is invoked, so that help and version are quick."""

import difflib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass

import click

from bridge import __version__
from bridge.cli.errors import Session, guarded
from bridge.cli.process import keep_streams, leave_threads


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives, as `module:attribute`, and the line that stands for it in the help."""

    where: str
    summary: str


#: In the order of a first acquaintance, which is also that of the help.
COMMANDS = {
    "demo": Entry("bridge.cli.demo:demo", "Try the bridge with simulated equipment."),
    "check": Entry("bridge.cli.check:check", "Check a site file and show what it would serve."),
    "run": Entry("bridge.cli.run:run", "Serve the devices of a site file."),
    "discover": Entry("bridge.cli.discover:discover", "Find equipment, and write a site file for it."),
    "probe": Entry("bridge.cli.probe:probe", "Say what is on a serial port."),
    "status": Entry("bridge.cli.status:status", "Show how all units of a running bridge fare."),
    "doctor": Entry("bridge.cli.doctor:doctor", "Look for what is wrong on this machine, and say its cure."),
    "log": Entry("bridge.cli.log:log", "Show or set how much a running bridge logs."),
    "health": Entry("bridge.cli.health:health", "Say whether the bridge on this machine serves."),
    "read": Entry("bridge.cli.read:read", "Read values of a device once."),
    "watch": Entry("bridge.cli.read:watch", "Read values of a device again and again."),
    "write": Entry("bridge.cli.write:write", "Write one value and say what became of it."),
    "maps": Entry("bridge.cli.maps:maps", "List, show and check register maps."),
    "cerbo-check": Entry(
        "bridge.cli.cerbo_check:cerbo_check", "Say what a Victron GX makes of a running bridge."
    ),
    "setup": Entry("bridge.cli.setup:setup", "Set a bridge up in a browser, from nothing."),
    "password": Entry("bridge.cli.password:password", "Set a password of the page."),
    "service": Entry("bridge.cli.service:service", "Install the bridge as a service of the system."),
    "pair": Entry("bridge.cli.pair:pair", "Pair micro-inverters with a running bridge."),
    "radio": Entry("bridge.cli.radio:radio", "Look after the zigbee radio of a running bridge."),
    "energy": Entry("bridge.cli.energy:energy", "Show what has flowed, and set it right."),
    "history": Entry("bridge.cli.history:history", "List the points of the history, and export it."),
    "backup": Entry("bridge.cli.backup:backup", "Put a site and all that the bridge has kept into one file."),
    "restore": Entry("bridge.cli.restore:restore", "Put back what a backup holds."),
    "simulate": Entry("bridge.cli.simulate:simulate", "Play a device on a pseudo-terminal."),
    "trace": Entry("bridge.cli.trace:trace", "Record and replay the bytes of a line."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and summaries without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import the command behind a name; None for an unknown one."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.where.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a table entry that is none is a defect of ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a misspelt one is answered with the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(COMMANDS)}."
            raise click.UsageError(f"There is no command {name!r}: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the summaries of the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


def _debug(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Take effect before the command is found, whose import may be what fails."""
    session = ctx.find_object(Session)
    if session is not None:
        session.debug = wanted


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="inverter-bridge %(version)s")
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_debug,
    help="Show where in the program an unexpected fault arose.",
)
def cli() -> None:
    """Make power equipment a trustworthy Modbus device.

    Start with `inverter-bridge demo`. Every command has its own --help.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (the process's own when None) and return its exit status."""
    if arguments is not None:
        return guarded(cli, arguments)
    keep_streams()
    return leave_threads(guarded(cli, None))
