"""Which bridge a command talks to, and which units and maps it finds there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Protocol, TypeVar

import click

from bridge.cli.client import REPLY_S, BridgeClient
from bridge.cli.errors import BadFile, CommandFailed
from bridge.register_maps.positions import nearest
from bridge.site.addresses import HostPort, listen_address

DEMO_ADDRESS = HostPort("127.0.0.1", 5020)
#: Looked for where neither --site nor --demo is given.
SITE_HERE = FilePath("site.yaml")
BRIDGE_UNIT = 247
#: A reply that took all the time a site allows is still waited for.
_REPLY_MARGIN_S = 2.0
_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound

F = TypeVar("F", bound=Callable[..., Any])


class UnitOfSite(Protocol):
    """What is needed of a site's served unit; `bridge.site.models.ServedUnit` is one."""

    @property
    def unit(self) -> int:
        """The unit id."""

    @property
    def device(self) -> str:
        """The device's name in the site."""

    @property
    def map(self) -> str | None:
        """The map it is served by, None while the product class is not known."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of a bridge, the name of its map, and the listener that serves it."""

    unit: int
    device: str
    map: str | None
    address: HostPort


@dataclass(frozen=True, slots=True)
class Target:
    """A bridge: its first listener, its units, how a person starts it, where its own maps lie."""

    address: HostPort
    units: tuple[Unit, ...]
    start: str
    directory: FilePath
    reply_s: float = REPLY_S

    def client(self, address: HostPort | None = None) -> BridgeClient:
        """Make a client, to be opened with `async with`, of the first listener or another."""
        return BridgeClient(address or self.address, self.start, self.reply_s)

    def unit(self, named: str) -> Unit:
        """Find a unit by its number, or by its device's name; the first where a device has several.

        Raises CommandFailed with the nearest spelling.
        """
        if named.isdecimal():
            found = [unit for unit in self.units if unit.unit == int(named)]
            names = [str(unit.unit) for unit in self.units]
        else:
            found = [unit for unit in self.units if unit.device == named]
            names = list(dict.fromkeys(unit.device for unit in self.units))
        if found:
            return found[0]
        near = nearest(named, names)
        hint = f"did you mean {near!r}?" if near else f"expected one of {', '.join(names)}"
        raise CommandFailed(f"{self.address} serves no device {named!r}: {hint}")


def target_options(command: F) -> F:
    """Add --site, --demo and --at to a command."""
    for option in (
        click.option(
            "--at", metavar="HOST:PORT", help="Address of the bridge, if it is not its first listener."
        ),
        click.option("--demo", is_flag=True, help="The bridge of `inverter-bridge demo`."),
        click.option("--site", type=click.Path(path_type=FilePath), help="Site file [default: ./site.yaml]."),
    ):
        command = option(command)
    return command


def find_target(site: FilePath | None, demo: bool, at: str | None) -> Target:
    """Resolve the three options. Raises UsageError, BadFile or CommandFailed."""
    if site is not None and demo:
        raise click.UsageError("--site and --demo exclude each other: name one bridge")
    address = None if at is None else _address(at)
    if demo:
        return _of_demo(address)
    if site is None:
        if not SITE_HERE.exists():
            raise click.UsageError(
                f"no bridge named, and there is no {SITE_HERE} here: say --site SITE, or --demo"
            )
        site = SITE_HERE
    return _of_site(site, address)


def _address(written: str) -> HostPort:
    try:
        return listen_address(written if ":" in written else f"{written}:502")
    except ValueError as fault:
        raise click.UsageError(f"--at: found {written!r}, {fault}") from None


def _of_demo(at: HostPort | None) -> Target:
    from bridge.demo import demo_units

    address = at or DEMO_ADDRESS
    units = [_unit(served, address) for served in demo_units()]
    start = "start it with `inverter-bridge demo`"
    return Target(address, (*units, _bridge_unit(address)), start, FilePath.cwd())


def _of_site(path: FilePath, at: HostPort | None) -> Target:
    from bridge.cli.checked import explained, load_checked
    from bridge.site.models import TcpListener

    loaded = load_checked(path)
    if loaded.site is None:
        raise BadFile(f"{path} cannot be used:\n{explained(loaded.problems)}")
    listeners = {
        listener.url: listener for listener in loaded.site.listeners if isinstance(listener, TcpListener)
    }
    if not listeners:
        raise CommandFailed(f"{path} has no tcp listener: expected one, which `read` and `write` could ask")
    reached = {url: at or _reach(listener.tcp) for url, listener in listeners.items()}
    units: dict[int, Unit] = {}  # a unit that several listeners serve is asked on the first
    for served in loaded.units:
        if served.listener in reached:
            units.setdefault(served.unit, _unit(served, reached[served.listener]))
    first = next(iter(reached.values()))
    return Target(
        first,
        (*units.values(), _bridge_unit(first)),
        f"start it with `inverter-bridge run {path}`",
        loaded.site.directory,
        max(REPLY_S, *(_REPLY_MARGIN_S + listener.reply_within for listener in listeners.values())),
    )


def _reach(listening: HostPort) -> HostPort:
    """Return where this machine reaches a listener; one on all addresses is asked on loopback."""
    return HostPort(_UNSPECIFIED.get(listening.host, listening.host), listening.port)


def _unit(served: UnitOfSite, address: HostPort) -> Unit:
    return Unit(served.unit, served.device, served.map, address)


def _bridge_unit(address: HostPort) -> Unit:
    return Unit(BRIDGE_UNIT, "bridge", "bridge", address)
