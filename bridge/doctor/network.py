"""What the bridge listens on, and the GX devices that it asks.

Sources: proc(5), net/tcp; ip(7), ip_unprivileged_port_start; Victron, GX manual, Modbus TCP.
"""

import concurrent.futures
import contextlib
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.doctor.finding import Case, Finding
from bridge.doctor.machine import Machine, content
from bridge.site.models import NetworkListener, Site

_FIRST_FREE_PORT = 1024
_MODBUS_PORT = 502
_FREE_FROM = "sys/net/ipv4/ip_unprivileged_port_start"
#: Tables of sockets, and the state that a listening one has there.
_TABLES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "tcp": (("net/tcp", "net/tcp6"), "0A"),
    "udp": (("net/udp", "net/udp6"), "07"),
}
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
#: A GX in the same network accepts in milliseconds.
_CONNECT_WITHIN_S = 3.0
_HOST = re.compile(r"(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>\d+))?")
_GX_MAPS = "victron_gx"


def low_ports(case: Case) -> Iterator[Finding]:
    """Find ports that the bridge's user may not listen on; a bridge that runs has them."""
    machine = case.machine
    if case.site is None or case.running.state == "yes" or machine.runs_as.binds_low:
        return
    free_from = content(machine.roots.proc / _FREE_FROM)
    first = int(free_from) if free_from.isdecimal() else _FIRST_FREE_PORT
    for listener, _, port in _listening(case.site):
        if 0 < port < first:
            yield Finding(
                "port 502",
                f"listener {listener} wants port {port}, which user {machine.runs_as.name} may not listen on",
                _right(machine),
            )


def taken_ports(case: Case) -> Iterator[Finding]:
    """Find ports that another program listens on, while the bridge does not run."""
    if case.site is None or case.running.state in ("yes", "closed"):
        return
    for listener, host, port in _listening(case.site):
        kind = "udp" if listener.startswith("udp") else "tcp"
        inodes = list(_sockets(case.machine, kind, host, port))
        if inodes:
            who = ", ".join(_owners(case.machine, inodes)) or "another program"
            yield Finding(
                "listener",
                f"port {port} of listener {listener} is taken by {who}",
                "stop that program, or choose another port in the site file",
            )


def gx(case: Case) -> Iterator[Finding]:
    """Connect to every GX of the site: nothing is asked."""
    hosts: dict[tuple[str, int], str] = {}
    for name, options in case.devices.items():
        written, way = getattr(options, "host", None), getattr(options, "transport", None)
        is_gx = (options.map or "").startswith(_GX_MAPS)
        found = _HOST.fullmatch(written) if isinstance(written, str) and is_gx else None
        if found is not None and way in (None, "tcp"):
            hosts.setdefault((found["host"].strip("[]"), int(found["port"] or _MODBUS_PORT)), name)
    if not hosts:
        return
    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as together:
        faults = list(together.map(_connect, hosts))
    for ((host, port), name), fault in zip(hosts.items(), faults, strict=True):
        if fault is not None:
            yield _gx_finding(f"GX {host}:{port} of device {name}", fault)


def _gx_finding(called: str, fault: OSError) -> Finding:
    if isinstance(fault, ConnectionRefusedError):
        return Finding(
            "GX",
            f"{called} refuses connections: its Modbus TCP server is off",
            "switch it on at the GX: Settings, Services, Modbus TCP; in newer menus Settings, Integrations, "
            "Modbus TCP Server",
        )
    if isinstance(fault, socket.gaierror):
        return Finding("GX", f"{called}: its name has no address", "write its IP address into the site file")
    why = f"no answer within {_CONNECT_WITHIN_S:g} s" if isinstance(fault, TimeoutError) else fault.strerror
    return Finding(
        "GX",
        f"{called} cannot be reached ({why})",
        "see that it is on, in this network, and has this address: Settings, General, or the router's list",
    )


def _connect(address: tuple[str, int]) -> OSError | None:
    try:
        socket.create_connection(address, timeout=_CONNECT_WITHIN_S).close()
    except OSError as fault:
        return fault
    return None


def _listening(site: Site) -> Iterator[tuple[str, str, int]]:
    """Yield the url of each listener on the network, and host and port."""
    for listener in site.listeners:
        if isinstance(listener, NetworkListener):
            at = getattr(listener, listener.kind)
            yield listener.url, at.host, at.port


def _right(machine: Machine) -> str:
    if machine.in_container:
        return "give the container the right: cap_add: [NET_BIND_SERVICE] (docs/docker.md), or use port 1502"
    return (
        "run it as the service (`sudo inverter-bridge service install SITE`), which has the right; or let "
        "everybody have it: sudo sysctl net.ipv4.ip_unprivileged_port_start=502; or use port 1502"
    )


def _sockets(machine: Machine, kind: str, host: str, port: int) -> Iterator[str]:
    """Yield the inodes of sockets that stand in the way of a listener."""
    tables, state = _TABLES[kind]
    for table in tables:
        for line in content(machine.roots.proc / table).splitlines()[1:]:
            fields = line.split()
            where, _, number = fields[1].partition(":")
            if fields[3] != state or int(number, 16) != port or port == 0:
                continue
            if host in _ANY or not int(where, 16) or _address(where) == host:
                yield fields[9]


def _address(where: str) -> str:
    """Return an address of these tables: words of 32 bits in the machine's own order."""
    data = b"".join(bytes.fromhex(where[at : at + 8])[::-1] for at in range(0, len(where), 8))
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def _owners(machine: Machine, inodes: list[str]) -> Iterator[str]:
    """Yield the programs that hold sockets, as far as this user may see."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid, name, _ in machine.programs():
        with contextlib.suppress(OSError):
            if any(_leads_to(link, wanted) for link in (machine.roots.proc / str(pid) / "fd").iterdir()):
                yield f"{name} (pid {pid})"


def _leads_to(link: Path, wanted: set[str]) -> bool:
    try:
        return str(link.readlink()) in wanted
    except OSError:
        return False
