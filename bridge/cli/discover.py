"""The command `discover`: from plugged-in cables and a network to a site file that runs."""

import asyncio
import contextlib
import ipaddress
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from bridge.cli import probe as probing
from bridge.cli.checked import explained, load_checked
from bridge.cli.errors import FAILED, CommandFailed
from bridge.datastore.clock import SystemClock
from bridge.datastore.durable import put_in_place, write_whole
from bridge.discovery.lan import MODBUS_PORT, LanDevice, LanScan, hosts_of
from bridge.discovery.networks import named_network, own_networks
from bridge.discovery.ports import SerialPort, serial_ports
from bridge.discovery.probe import Inquiry, ProbeResult, Status, probe_port
from bridge.discovery.site_file import SiteDraft
from bridge.site.families import InstalledFamilies

#: Ports that are looked at together.
_AT_ONCE = 8
_NO_PORTS = (
    "no serial port here: plug the cable in, or share it from another machine by ser2net and name it with "
    "--port socket://HOST:PORT. In a container give it /dev (docs/docker.md)"
)
_NO_NETWORK = (
    "this machine is in no private network (10.x, 172.16-31.x, 192.168.x): connect it, or name the network "
    "to look through with --lan 192.168.1.0/24. In a container use the host's network"
)
_NO_GX = "no GX answered. If there is one: Settings, Services, Modbus TCP server must be on"
_NOTHING = (
    "found nothing that the bridge could serve, so that no site file was written. Name a port to ask, not "
    "only to listen, with --port PORT; `inverter-bridge demo` needs no equipment"
)


def _networks(
    ctx: click.Context, param: click.Parameter, written: tuple[str, ...]
) -> tuple[ipaddress.IPv4Network, ...]:
    try:
        return tuple(named_network(text) for text in written)
    except ValueError as fault:
        raise click.BadParameter(str(fault), ctx, param) from None


@click.command()
@click.option("--port", "named", multiple=True, metavar="PORT", help="Port to ask, not only to listen on.")
@click.option(
    "--lan",
    callback=_networks,
    multiple=True,
    metavar="NETWORK",
    help="Network to look through, up to a /24.",
)
@click.option("--no-lan", is_flag=True, help="Look through no network.")
@click.option(
    "--lan-port",
    type=click.IntRange(1, 65535),
    default=MODBUS_PORT,
    show_default=True,
    help="Modbus TCP port.",
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("site.yaml"), show_default=True,
    help="Site file to write.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Ask nothing: every GX found may write. Overwrites no file.")
@click.pass_context
def discover(
    ctx: click.Context,
    named: tuple[str, ...],
    lan: tuple[ipaddress.IPv4Network, ...],
    no_lan: bool,
    lan_port: int,
    output: Path,
    yes: bool,
) -> None:
    """Find equipment on the ports of this machine and in its networks, and write a site file for it.

    It listens on every port that is free and sends nothing there; only ports named with --port are asked. In
    the network it reads registers of hosts with Modbus TCP.
    """
    if lan and no_lan:
        raise click.UsageError("found --lan and --no-lan, expected one of them")
    if yes and output.exists():
        raise CommandFailed(
            f"{output} is there already, and --yes overwrites no file: name another by --output"
        )
    families = InstalledFamilies()
    ports = _ports(named)
    networks = () if no_lan else lan or own_networks()
    click.echo(_listed(ports) if ports else _NO_PORTS)
    if not no_lan and not networks:
        click.echo(_NO_NETWORK)
    results, devices = asyncio.run(_look(ports, named, networks, lan_port, families))
    told = {port.name for port in ports if port.used_by}
    for line in _findings([result for result in results if result.port not in told], devices):
        click.echo(line)
    if networks and not any(device.kind == "gx" for device in devices):
        click.echo(_NO_GX)
    draft = _drafted(families, ports, results, devices, yes=yes)
    if not draft.devices:
        click.echo("\n".join((*draft.remarks, _NOTHING)), err=True)
        ctx.exit(FAILED)
    _write(output, draft.text(str(output)), yes=yes)


def _ports(named: Sequence[str]) -> list[SerialPort]:
    """Return the machine's ports, and those a person has named besides."""
    ports = list(serial_ports(probing.ROOTS))
    for port in named:
        if _of(port, ports) is None:
            ports.append(SerialPort(port, port))
    return ports


def _of(port: str, ports: Sequence[SerialPort]) -> SerialPort | None:
    real = str(Path(port).resolve()) if "://" not in port else port
    return next((one for one in ports if real in (one.device, str(Path(one.device).resolve()))), None)


def _listed(ports: Sequence[SerialPort]) -> str:
    lines = []
    for port in ports:
        remarks = [f"in use by {', '.join(port.used_by)}" if port.used_by else "free"]
        remarks += [part for part in (port.described, port.why) if part]
        node = "" if port.name == port.device else f" ({port.device})"
        lines.append(f"{port.name}{node}: {'; '.join(remarks)}")
    return "\n".join(lines)


async def _look(
    ports: Sequence[SerialPort],
    named: Sequence[str],
    networks: Sequence[ipaddress.IPv4Network],
    lan_port: int,
    families: InstalledFamilies,
) -> tuple[list[ProbeResult], list[LanDevice]]:
    """Look at ports and networks at the same time."""
    clock = SystemClock()
    asked = {_of(port, ports) for port in named}
    free = asyncio.Semaphore(_AT_ONCE)

    async def look(port: SerialPort, done: Callable[[], None]) -> ProbeResult:
        if port.used_by:
            done()
            return ProbeResult(port.name, Status.BUSY, f"in use by {', '.join(port.used_by)}")
        inquiry = Inquiry(families, clock, may_ask=port in asked, pace=probing.PACE, roots=probing.ROOTS)
        async with free:
            result = await probe_port(port.name, inquiry)
            done()
            return result

    with _progress() as add:
        done, host_done = add("ports", len(ports)), add("hosts", len(hosts_of(networks)))
        scan = LanScan(clock, lan_port, probing.PACE.asking, host_done)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look(port, done)) for port in ports]
            lan = group.create_task(scan.run(networks))
    return [task.result() for task in tasks], lan.result()


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """Show progress on a terminal; yields what adds a bar and returns what moves it on by one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:

        def add(what: str, count: int) -> Callable[[], None]:
            bar = shown.add_task(what, total=count, visible=count > 0)
            return lambda: shown.advance(bar)

        yield add


def _findings(results: Sequence[ProbeResult], devices: Sequence[LanDevice]) -> Iterator[str]:
    yield from map(probing.as_text, results)
    for device in devices:
        serial = f", serial {device.serial}" if device.serial else ""
        said = f"{device.host}, unit {device.unit}: {device.name}{serial}"
        yield probing.printable(f"{said}; {device.text}" if device.text else said)


def _drafted(
    families: InstalledFamilies,
    ports: Sequence[SerialPort],
    results: Sequence[ProbeResult],
    devices: Sequence[LanDevice],
    *,
    yes: bool,
) -> SiteDraft:
    draft = SiteDraft(families)
    for port, result in zip(ports, results, strict=True):
        if result.found is not None:
            draft.add_port(port.name, port.why, result.found)
    for device in devices:
        draft.add_lan(device)
        host = device.host.partition(":")[0]
        if device.kind == "gx" and _agreed(f"May the GX at {host} write?", yes=yes):
            draft.let_write(host)
    return draft


def _agreed(question: str, *, yes: bool) -> bool:
    """Ask a person; without one who could answer it is no."""
    if yes:
        return True
    try:
        return click.confirm(question, default=False)
    except click.Abort as end:
        if sys.stdin.isatty() or isinstance(end.__context__, KeyboardInterrupt):
            raise
        click.echo("no (nobody answers; --yes answers yes)")
        return False


def _write(output: Path, text: str, *, yes: bool) -> None:
    if output.exists() and (yes or not _agreed(f"{output} is there already. Overwrite it?", yes=False)):
        raise CommandFailed(f"{output} is left as it was: name another file with --output")
    fresh = output.with_name(f".{output.name}.new")
    try:
        write_whole(fresh, text, 0o644)
    except OSError as fault:
        raise CommandFailed(
            f"{output} cannot be written ({fault.strerror}): name one in a directory of yours with --output"
        ) from None
    try:
        load = load_checked(fresh)
        if load.site is None:
            raise CommandFailed(f"what was found makes no good site file:\n{explained(load.problems)}")
        put_in_place(fresh, output)
    finally:
        fresh.unlink(missing_ok=True)
    click.echo(f"wrote {output}: look at it, then `inverter-bridge run {output}`")
