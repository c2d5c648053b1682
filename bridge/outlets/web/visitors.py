"""Who asks, by what way: the address behind a trusted proxy, TLS or not, and under which name of ours."""

import ipaddress
import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from aiohttp import web

from bridge.outlets.web.sessions import Session

#: Names that nobody outside a house can give to it (RFC 6761, 6762, 8375 and home routers).
_LOCAL_NAMES = (
    ".local",
    ".lan",
    ".home",
    ".internal",
    ".localdomain",
    ".home.arpa",
    ".fritz.box",
    ".localhost",
)

#: What a host name or an address is made of.
_NAME = re.compile(r"[0-9a-z_.:%-]{1,253}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True)
class Visitor:
    """Who sent a request. `address` is "" where it cannot be told; `session` None for nobody logged in."""

    address: str
    secure: bool
    session: Session | None = None
    token: str = ""

    @property
    def name(self) -> str:
        """Who stands behind a change, for the record."""
        role = self.session.role.value if self.session is not None else "nobody"
        return f"{role}@{self.address}"


#: Whose request is being answered: aiohttp answers those of a connection one after the other, in one task.
_ANSWERED: ContextVar[tuple[web.BaseRequest, Visitor] | None] = ContextVar("answered", default=None)


def receive(request: web.BaseRequest, visitor: Visitor) -> None:
    """Note who sent the request that is answered now."""
    _ANSWERED.set((request, visitor))


def visitor_of(request: web.BaseRequest) -> Visitor:
    """Return who sent the request that is answered now; nobody where that was not noted."""
    found = _ANSWERED.get()
    return found[1] if found is not None and found[0] is request else Visitor("", secure=False)


def networks(written: Sequence[str]) -> tuple[Network, ...]:
    """Return networks as the site file names them. Raises ValueError."""
    return tuple(ipaddress.ip_network(one, strict=False) for one in written)


def within(address: str, allowed: Sequence[Network]) -> bool:
    """True for an address in one of the networks; IPv4 addresses of an IPv6 socket count as IPv4."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in allowed)


def arrived(request: web.Request, proxies: Sequence[Network]) -> Visitor:
    """Say who sent a request. Only trusted proxies are believed of others, of what they say the last hop."""
    address = request.remote or ""
    secure = request.transport is not None and request.transport.get_extra_info("sslcontext") is not None
    if not within(address, proxies):
        return Visitor(address, secure)
    secure = secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")]
    for hop in reversed([hop for hop in hops if hop]):
        address = hop
        if not within(hop, proxies):
            break
    return Visitor(address, secure)


def is_own_name(host: str, names: Sequence[str]) -> bool:
    """True for a Host header that can mean this bridge: a foreign site's name could not be turned into ours.

    An address, a name without dots, a name of a home network, or one that the site file names.
    """
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else host
    name = name.strip("[]").lower().rstrip(".")
    if not _NAME.fullmatch(name):
        return False
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return "." not in name or name.endswith(_LOCAL_NAMES) or name in {one.lower() for one in names}
    return True


def is_own_origin(request: web.Request) -> bool:
    """True unless a browser says that another site has sent the request."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == request.host.lower()
