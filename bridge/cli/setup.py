"""`setup`: a bridge set up in a browser, from an empty directory to a served site."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import click

from bridge.adapters.line import is_socket
from bridge.app import House
from bridge.cli import probe as probing
from bridge.cli.checked import load_checked
from bridge.cli.errors import CommandFailed
from bridge.cli.run import run_until_stopped, serve
from bridge.cli.service import install
from bridge.datastore.clock import SystemClock
from bridge.datastore.durable import write_whole
from bridge.discovery.lan import LanScan
from bridge.discovery.networks import own_networks
from bridge.discovery.ports import SerialPort, serial_ports
from bridge.discovery.probe import Inquiry, ProbeResult, Status, probe_port
from bridge.discovery.site_file import SiteDraft
from bridge.logs import start_logging
from bridge.outlets.web.editing import Checked, checked_of
from bridge.outlets.web.first_run import Chosen, FirstRun, Looked, SetUpDoors, SetUpFault, Wanted
from bridge.outlets.web.passwords import PasswordBook, PasswordFault, Role
from bridge.service.files import NAME
from bridge.site import defaults
from bridge.site.addresses import HostPort, listen_address
from bridge.site.families import InstalledFamilies
from bridge.site.loader import SiteLoad

#: The Modbus port that a GX expects, and that of those who may not open it.
_MODBUS, _UNPRIVILEGED = 502, 1502
#: How long the last page has to reach the browser.
_FAREWELL_S = 1.0
#: Where the service keeps its state (systemd's StateDirectory).
_SERVICE_STATE = Path("/var/lib") / NAME


def _address(ctx: click.Context, param: click.Parameter, written: str) -> HostPort:
    try:
        return listen_address(written)
    except ValueError as fault:
        raise click.BadParameter(str(fault), ctx, param) from None


@click.command()
@click.option(
    "--listen", callback=_address, default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT",
    help="Where the page is served, now and later; 0.0.0.0:8080 for the whole network.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("site.yaml"), show_default=True,
    help="Site file to write.",
)  # fmt: skip
def setup(listen: HostPort, output: Path) -> None:
    """Set a bridge up in a browser: find equipment, choose, set a password, serve.

    It prints an address that works once. Afterwards the bridge runs here until Ctrl-C, or as a service.
    """
    if output.exists():
        raise CommandFailed(
            f"{output} is there already: run it (`inverter-bridge run {output}`), or name another by --output"
        )
    begun = _SetUp(listen, output.absolute())
    run_until_stopped(begun.run())


class _SetUp:
    """One set-up, from the first page to the bridge that serves."""

    def __init__(self, listen: HostPort, output: Path) -> None:
        self._listen = listen
        self._output = output
        self._families = InstalledFamilies()
        self._clock = SystemClock()
        self._load: SiteLoad | None = None
        self._may_install = os.geteuid() == 0 and _has_systemd()

    async def run(self) -> None:
        """Serve the pages, then the site."""
        doors = SetUpDoors(
            clock=self._clock,
            look=self._look,
            check=lambda text: asyncio.to_thread(self._check, text),
            finish=lambda chosen: asyncio.to_thread(self._finish, chosen),
            file=str(self._output),
            modbus_port=_MODBUS if os.geteuid() == 0 else _UNPRIVILEGED,
            may_install=self._may_install,
        )
        first = FirstRun(self._listen.host, self._listen.port, defaults.READ_ACCESS, doors)
        await first.start()
        shown = HostPort("127.0.0.1" if self._listen.host == "0.0.0.0" else self._listen.host, first.port)  # noqa: S104
        click.echo(f"open http://{shown}/setup/{first.token} in a browser; it works once", nl=True)
        try:
            await first.done.wait()
            await self._clock.sleep(_FAREWELL_S)
        finally:
            await first.stop()
        if self._load is None:
            return  # the service has taken over
        assert self._load.site is not None  # noqa: S101 - it was checked before it was written
        start_logging(self._load.site.log.level, self._load.site.log.devices)
        await serve(House(self._load, self._families, site_file=self._output), self._output)

    async def _look(self, wanted: Wanted) -> Looked:
        ports = await asyncio.to_thread(_ports, wanted.port)
        draft, lines = SiteDraft(self._families), []
        for port, result in zip(ports, await self._probed(ports, wanted.port), strict=True):
            lines.append(probing.as_text(result))
            if result.found is not None:
                draft.add_port(port.name, port.why, result.found)
        networks = own_networks() if wanted.network else ()
        for device in await LanScan(self._clock, pace=probing.PACE.asking).run(networks):
            draft.add_lan(device)
            lines.append(f"{device.host}, unit {device.unit}: {device.name}")
        text = draft.text(self._output.name).replace(f"0.0.0.0:{_MODBUS}", f"0.0.0.0:{wanted.modbus_port}")
        if not draft.devices:
            text += "devices:\n"
        text += f'\noutlets:\n  web: {{listen: "{self._listen}"}}\n'
        return Looked(tuple(lines), text)

    async def _probed(self, ports: list[SerialPort], asked: str) -> list[ProbeResult]:
        async def look(port: SerialPort) -> ProbeResult:
            if port.used_by:
                return ProbeResult(port.name, Status.BUSY, f"in use by {', '.join(port.used_by)}")
            may_ask = bool(asked) and asked in (port.name, port.device)
            return await probe_port(
                port.name,
                Inquiry(self._families, self._clock, may_ask=may_ask, pace=probing.PACE, roots=probing.ROOTS),
            )

        return list(await asyncio.gather(*(look(port) for port in ports)))

    def _check(self, text: str) -> Checked:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=self._output.parent, prefix=".site.", suffix=".yaml"
        ) as stream:
            stream.write(text)
            stream.flush()
            return checked_of(load_checked(Path(stream.name)), stream.name, self._output.name, text)

    def _finish(self, chosen: Chosen) -> None:
        """Write the site file and the password; nothing stays where one of them fails. Raises SetUpFault."""
        if self._output.exists():
            raise SetUpFault(f"{self._output} is there already: start `setup` again with another --output")
        try:
            write_whole(self._output, chosen.text)
        except OSError as fault:
            raise SetUpFault(f"{self._output} cannot be written: {fault.strerror or fault}") from fault
        load = load_checked(self._output)
        try:
            if load.site is None:
                raise SetUpFault("; ".join(map(str, load.problems)))
            installs = chosen.service and self._may_install
            if installs:
                self._output.chmod(0o644)
                _install(self._output)
            PasswordBook(_SERVICE_STATE if installs else load.site.state).set(Role.OPERATOR, chosen.password)
        except (PasswordFault, SetUpFault) as fault:
            self._output.unlink()
            raise SetUpFault(str(fault)) from fault
        self._load = None if installs else load


def _ports(named: str) -> list[SerialPort]:
    """Return the machine's ports, and the one that a person has named besides."""
    ports = list(serial_ports(probing.ROOTS))
    real = named if is_socket(named) else str(Path(named).resolve())
    if named and not any(real == str(Path(port.device).resolve()) for port in ports):
        ports.append(SerialPort(named, named))
    return ports


def _has_systemd() -> bool:
    return shutil.which("systemctl") is not None and Path("/run/systemd/system").is_dir()


def _install(site: Path) -> None:
    try:
        install.main([str(site)], standalone_mode=False)
    except click.ClickException as fault:
        raise SetUpFault(fault.format_message()) from fault
