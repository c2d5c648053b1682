"""The serial ports that a site names: there, open to the bridge's user, and nobody else's."""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from bridge.adapters.can.options import CanOptions
from bridge.adapters.ports import is_socket
from bridge.discovery.ports import SerialPort, holders, serial_ports
from bridge.doctor.finding import Case, Finding
from bridge.doctor.machine import Machine
from bridge.site.models import RtuListener, Site

CHECK = "serial port"
_READ_AND_WRITE = 6


def ports(case: Case) -> Iterator[Finding]:
    """Look at every serial port of the site, each once."""
    if case.site is None:
        return
    there = serial_ports(case.machine.roots)
    seen: set[str] = set()
    for owner, port in site_ports(case.site):
        real = os.path.realpath(port)
        if real not in seen:
            seen.add(real)
            yield from _port(case, owner, port, there)


def site_ports(site: Site) -> Iterator[tuple[str, str]]:
    """Yield who uses a serial port of this machine, and the port."""
    for name, options in site.devices.items():
        port = getattr(options, "port", None)
        if isinstance(options, CanOptions) and options.interface == "slcan":
            port = options.channel
        if isinstance(port, str) and not is_socket(port):
            yield f"device {name}", port
    for listener in site.listeners:
        if isinstance(listener, RtuListener):
            yield f"listener {listener.name or listener.url}", listener.rtu


def _port(case: Case, owner: str, port: str, there: tuple[SerialPort, ...]) -> Iterator[Finding]:
    try:
        node = Path(port).stat()
    except PermissionError:
        yield Finding(CHECK, f"{port} of {owner}: this user may not look there", "run doctor by sudo")
        return
    except OSError:
        yield Finding(CHECK, f"{port} of {owner} is not there", _absent(case.machine, there))
        return
    if not stat.S_ISCHR(node.st_mode):
        yield Finding(CHECK, f"{port} of {owner} is no serial port", "name a device path, a PTY or socket://")
        return
    if not case.machine.runs_as.may(node, _READ_AND_WRITE):
        yield _denied(case.machine, owner, port, node)
    real = os.path.realpath(port)
    if any("the console of the system" in found.used_by for found in there if _is(found, real)):
        yield Finding(
            CHECK,
            f"{port} of {owner} is the console of the system, which talks to the equipment as well",
            "take `console=serial0,115200` (or what names this port) out of /boot/firmware/cmdline.txt, "
            "stop its login by `sudo systemctl disable --now serial-getty@ttyAMA0`, and restart the machine; "
            "on a Raspberry Pi raspi-config does both: Interface Options, Serial Port",
        )
    bridge = case.running
    if bridge.state == "closed" or (bridge.state == "yes" and bridge.pid is None):
        return  # it has the port itself, and cannot be told from others
    others = [who for who in holders(port, case.machine.roots) if f"(pid {bridge.pid})" not in who]
    if others:
        yield Finding(
            CHECK,
            f"{port} of {owner} is open in {', '.join(others)}",
            "stop that program, or give it another port: bytes go to whoever reads first",
        )


def _is(port: SerialPort, real: str) -> bool:
    return os.path.realpath(port.device) == real


def _absent(machine: Machine, there: tuple[SerialPort, ...]) -> str:
    names = ", ".join(found.name for found in there)
    if names:
        return f"plug it in, or name one of those there now: {names}"
    if machine.in_container:
        return "plug it in; a container needs /dev as well: volumes: [/dev:/dev] (docs/docker.md)"
    return "plug it in: no serial port is here now"


def _denied(machine: Machine, owner: str, port: str, node: os.stat_result) -> Finding:
    account = machine.runs_as
    group, mode = _group_name(node.st_gid), f"{stat.S_IMODE(node.st_mode):04o}"
    found = (
        f"{port} of {owner} is closed to user {account.name}: it belongs to {_user_name(node.st_uid)} and "
        f"group {group}, mode {mode}"
    )
    if machine.in_container:
        cure = f"let the container join that group: group_add: ['{node.st_gid}'] in its compose file"
    elif (node.st_mode >> 3) & _READ_AND_WRITE != _READ_AND_WRITE or node.st_gid == 0:
        cure = (
            "give serial ports to the group dialout: `inverter-bridge service install` brings the udev rules "
            "for it; then plug the adapter in again"
        )
    elif machine.unit:
        cure = f"sudo usermod -aG {group} {account.name}, then `inverter-bridge service restart`"
    elif _is_member(group, account.name):
        cure = f"user {account.name} has joined {group} since the login: log out and in again"
    else:
        cure = f"sudo usermod -aG {group} {account.name}, then log out and in again"
    return Finding("permissions", found, cure)


def _is_member(group: str, user: str) -> bool:
    try:
        return user in grp.getgrnam(group).gr_mem
    except KeyError:
        return False


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
