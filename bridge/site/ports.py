"""Names of ports: well spelled, and the one name that all spellings of a port share."""

import contextlib
import ipaddress
import os
import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SOCKET = re.compile(r"socket://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})/?", re.IGNORECASE)
_LOOPBACK_NAMES = frozenset({"localhost", "::1"})
_PORT_MAX = 65535
EXPECTED = "a device path such as /dev/ttyUSB0, a PTY or socket://host:port"


def port_fault(port: str) -> str | None:
    """Say how the name of a port should be spelled, None when it is well. The port need not exist now."""
    if _SCHEME.match(port):
        found = _SOCKET.fullmatch(port)
        if found is None:
            return f"expected {EXPECTED}"
        return None if 0 < int(found[2]) <= _PORT_MAX else "expected a TCP port of 1 to 65535"
    if "\0" in port or "/" not in port:
        return f"expected {EXPECTED}"
    return None


def port_identity(port: str) -> str:
    """Return a name that all spellings of one port share: links followed, hosts in one spelling.

    Names are not looked up in the network. A badly spelled port is its own identity.
    """
    if found := _SOCKET.fullmatch(port):
        host = found[1].strip("[]").lower().rstrip(".")
        with contextlib.suppress(ValueError):  # a name is compared as it stands
            host = ipaddress.ip_address("127.0.0.1" if host in _LOOPBACK_NAMES else host).compressed
        return f"socket://{host}:{int(found[2])}"
    return port if "\0" in port else os.path.realpath(port)
