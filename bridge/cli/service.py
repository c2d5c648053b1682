"""`service`: the bridge as a systemd service, from the first start to the last log line."""

import grp
import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import click

from bridge.cli.checked import explained, load_checked
from bridge.cli.errors import BadFile, CommandFailed
from bridge.datastore.durable import write_whole
from bridge.service.files import NAME, UDEV_RULES, UNIT, Service, udev_rules

_DEFAULT_SITE = Path("/etc/inverter-bridge/site.yaml")
#: Groups that own what adapters need, where the system has them.
_GROUPS = ("dialout", "gpio", "plugdev")


@click.group()
def service() -> None:
    """Install the bridge as a systemd service, and look after it."""


@service.command()
@click.argument("site", type=click.Path(path_type=Path), default=_DEFAULT_SITE)
@click.option("--print", "only_print", is_flag=True, help="Print the unit and change nothing.")
def install(site: Path, only_print: bool) -> None:
    """Install and start the service for SITE (default: /etc/inverter-bridge/site.yaml). Needs root."""
    site = site.absolute()
    made = Service(_program(), site, groups=tuple(name for name in _GROUPS if _group_exists(name)))
    if only_print:
        click.echo(made.unit(), nl=False)
        return
    _check(site)
    _need_root("install")
    for path in (made.program, site):
        _need_readable(path)
    _say_where_state_is(site)
    if not _user_exists(NAME):
        _run("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME)
        click.echo(f"made the user {NAME}")
    _write(UNIT, made.unit())
    _write(UDEV_RULES, udev_rules())
    if shutil.which("udevadm"):
        _run("udevadm", "control", "--reload")
        _run("udevadm", "trigger", "--subsystem-match=tty", "--subsystem-match=usb")
    _run("systemctl", "daemon-reload")
    _run("systemctl", "enable", NAME)
    _run("systemctl", "restart", NAME)
    click.echo(f"{NAME} runs now and after every start of the machine; see `inverter-bridge service logs -f`")


@service.command()
def uninstall() -> None:
    """Stop and remove the service. The site file and the saved state stay. Needs root."""
    _need_root("uninstall")
    if UNIT.exists():
        _run("systemctl", "disable", "--now", NAME)
    for path in (UNIT, UDEV_RULES):
        if path.exists():
            path.unlink()
            click.echo(f"removed {path}")
    _run("systemctl", "daemon-reload")
    click.echo(
        f"the saved state stays in /var/lib/{NAME}, the user {NAME} too: remove them by hand if you like"
    )


@service.command()
def restart() -> None:
    """Check the installed site file, and only if it is good restart the service with it. Needs root."""
    _need_root("restart")
    _check(_installed_site())
    _run("systemctl", "restart", NAME)
    click.echo(f"{NAME} has been restarted")


@service.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines.")
@click.option("-n", "--lines", type=click.IntRange(1, 100_000), default=100, help="Lines to begin with.")
def logs(follow: bool, lines: int) -> None:
    """Show the log of the service."""
    _run(
        "journalctl", "--unit", NAME, "--lines", str(lines), *(("--follow",) if follow else ()), bound_s=None
    )


def _program() -> Path:
    """Return the installed command that this process was started as."""
    beside = Path(sys.executable).absolute().parent / "inverter-bridge"
    if beside.is_file():
        return beside
    found = shutil.which("inverter-bridge")
    if found is None:
        raise CommandFailed("found no installed command inverter-bridge: install it first, as by pipx")
    return Path(found).absolute()


def _installed_site() -> Path:
    try:
        lines = UNIT.read_text().splitlines()
    except OSError:
        raise CommandFailed(
            f"the service is not installed ({UNIT} is missing): service install SITE"
        ) from None
    (command,) = (line for line in lines if line.startswith("ExecStart="))
    written = command.partition(" run ")[2].strip().strip('"')
    return Path(written.replace("%%", "%").replace('\\"', '"').replace("\\\\", "\\"))


def _check(site: Path) -> None:
    load = load_checked(site)
    if load.site is None:
        raise BadFile(f"{site} is not a good site file, nothing was changed:\n{explained(load.problems)}")


def _say_where_state_is(site: Path) -> None:
    """Commands of people look for the state where the site says it is, and else at their own home."""
    load = load_checked(site)
    if load.site is not None and load.site.state != Path(f"/var/lib/{NAME}"):
        click.echo(
            f"the service keeps its state in /var/lib/{NAME} unless the site file names another place: so "
            f"that `pair`, `log` and `doctor` find it too, say in {site}: state: /var/lib/{NAME}"
        )


def _need_root(what: str) -> None:
    if shutil.which("systemctl") is None:
        raise CommandFailed(
            "this system has no systemd (no systemctl): start `inverter-bridge run SITE` by other means, "
            "or use the container"
        )
    if os.geteuid() != 0:
        raise CommandFailed(f"only root may do that: sudo {_program()} service {what}")


def _need_readable(path: Path) -> None:
    """A service has a user of its own, for whom people's home directories are often closed."""
    for part in (path, *path.parents):
        needed = stat.S_IROTH if part is path else stat.S_IXOTH
        if not part.stat().st_mode & needed:
            raise CommandFailed(
                f"{part} is closed to other users, so the service could not use {path}: put the program "
                "under /opt and the site file into /etc/inverter-bridge, or open it: "
                f"chmod o+{'r' if part is path else 'x'} {part}"
            )


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text, 0o644)
    click.echo(f"wrote {path}")


def _run(*command: str, bound_s: float | None = 60) -> None:
    try:
        done = subprocess.run(command, check=False, timeout=bound_s)  # noqa: S603 - words of ours and no shell
    except FileNotFoundError:
        raise CommandFailed(f"{command[0]} is missing on this system") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"`{' '.join(command)}` has not ended within {bound_s:g} s") from None
    if done.returncode:
        raise CommandFailed(
            f"`{' '.join(command)}` failed (exit {done.returncode}); what it says stands above"
        )
