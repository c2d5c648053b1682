"""What every listener is, and why one cannot be opened."""

import errno
from collections.abc import Mapping
from typing import Protocol

from bridge.server.terms import Terms

#: How long `stop` lets requests under way be answered.
DRAIN_S = 2.0


class ListenError(Exception):
    """A listener that cannot be opened; the text says why and what to do."""


class Listener(Protocol):
    """One entry of a site's `listeners:`."""

    @property
    def terms(self) -> Terms:
        """What it serves with."""

    @property
    def serving(self) -> bool:
        """True between `start` and `stop`."""

    @property
    def peers(self) -> Mapping[str, int]:
        """Open connections by address; none where a transport has no connections."""

    async def start(self) -> None:
        """Serve. Raises ListenError where that needs something that is not there."""

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take nobody and nothing more, answer what is under way within `drain_s`, leave nothing open."""


def bind_error(scheme: str, host: str, port: int, name: str, fault: OSError) -> str:
    """Say why an address cannot be listened on, and what to do."""
    where = f"listener {name}: cannot listen on {scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    if fault.errno == errno.EADDRINUSE:
        option = "u" if scheme == "udp" else "t"
        return (
            f"{where}: the port is in use by another program (perhaps another bridge): stop that one "
            f"(find it by `ss -ln{option}p 'sport = :{port}'`) or choose another port in the site file"
        )
    if fault.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{where}: ports below 1024 need a right this process does not have: run as the "
            "installed service, give the interpreter the right by `setcap cap_net_bind_service=+ep`, "
            "or choose port 1502"
        )
    if fault.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no address {host}: expected one of its own, or 0.0.0.0 for all"
    return f"{where}: {fault.strerror or fault}: expected an address of this machine and a free port"
