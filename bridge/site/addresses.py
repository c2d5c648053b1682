"""Network addresses of a site file: where to listen, and who may connect."""

import ipaddress
import re
from dataclasses import dataclass

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_LOOKS_NUMERIC = re.compile(r"[0-9.]+")
_LISTEN = re.compile(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})")
_PORT_MAX = 65535


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on. Port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def clashes(self, other: "HostPort") -> bool:
        """True when the system would refuse to listen on both: the same, or one includes the other."""
        if self == other:
            return True
        if self.port != other.port or self.port == 0:
            return False
        wild = {"0.0.0.0", "::"} & {self.host, other.host}  # noqa: S104 - compared, not bound
        return bool(wild) and (":" in self.host) == (":" in other.host)


def listen_address(written: object) -> HostPort:
    """Read `host:port`, an IPv6 host in brackets. Raises ValueError with what was expected."""
    if isinstance(written, HostPort):
        return written
    expected = 'expected host:port such as "0.0.0.0:502" or "[::]:502"'
    found = _LISTEN.fullmatch(written) if isinstance(written, str) else None
    if found is None or int(found["port"]) > _PORT_MAX:
        raise ValueError(expected)
    if found["six"] is not None:
        try:
            return HostPort(ipaddress.IPv6Address(found["six"]).compressed, int(found["port"]))
        except ValueError:
            raise ValueError(expected) from None
    host = _host(found["host"])
    if host is None:
        raise ValueError(expected)
    return HostPort(host, int(found["port"]))


def access_entry(written: str) -> str:
    """Return a network, an address or a host name of `access` in its one spelling.

    Raises ValueError with what was expected, also for a network with bits set beyond its prefix.
    """
    try:
        network = ipaddress.ip_network(written, strict=False)
    except ValueError:
        host = _host(written)
        if host is None:
            expected = "expected a network such as 192.168.1.0/24, an address or a host name"
            raise ValueError(expected) from None
        return host
    if "/" in written and ipaddress.ip_interface(written).ip != network.network_address:
        raise ValueError(f"expected the network {network} or the address {written.partition('/')[0]} alone")
    return str(network)


def _host(written: str) -> str | None:
    """Return an IPv4 address or a host name in its one spelling, None for neither."""
    if _LOOKS_NUMERIC.fullmatch(written):
        try:
            return ipaddress.IPv4Address(written).compressed
        except ValueError:
            return None
    return written.lower().rstrip(".") if _HOST_NAME.fullmatch(written) else None
