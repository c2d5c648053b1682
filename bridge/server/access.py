"""Who may read and who may write, by the address a request comes from.

Entries are networks, addresses or host names. Names are resolved off the loop, again every minute and
at every reload; a name that cannot be resolved keeps its last good addresses.
"""

import asyncio
import ipaddress
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from bridge.datastore.clock import Clock

_log = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str], Awaitable[Collection[Address]]]

_LOOPBACK = ("127.0.0.0/8", "::1/128")
#: Who may read where the site says nothing: loopback, private (RFC 1918, RFC 4193) and link-local networks.
DEFAULT_READ = (
    *_LOOPBACK,
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)
#: Who may write where the site says nothing.
DEFAULT_WRITE = _LOOPBACK

#: Seconds between two look-ups of a host name.
RESOLVE_EVERY_S = 60.0

#: RFC 1123 host names; an underscore is tolerated because home routers hand them out.
_NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?\Z")
#: Something of digits and dots is a mistyped address, never a name.
_DIGITS = re.compile(r"[0-9.]+\Z")


class AccessError(ValueError):
    """An entry that is neither network, address nor host name; the text says what was expected."""


def peer_address(host: str) -> Address:
    """Return a peer's address; IPv4 peers of an IPv6 socket become plain IPv4. Raises ValueError."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


async def resolve_name(name: str) -> Collection[Address]:
    """Look a host name up in a thread. Raises OSError when it has no address."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return {peer_address(str(entry[4][0])) for entry in found}


class _List:
    """One list of entries, split into what is known and what must be looked up."""

    def __init__(self, entries: Sequence[str]) -> None:
        self.entries = tuple(entries)
        self.networks: list[Network] = []
        self.names: list[str] = []
        for entry in self.entries:
            network = _network(entry)
            if network is None:
                self.names.append(entry)
            else:
                self.networks.append(network)

    def holds(self, peer: Address, resolved: dict[str, frozenset[Address]]) -> bool:
        if any(peer in network for network in self.networks):
            return True
        return any(peer in resolved.get(name, ()) for name in self.names)


class Access:
    """The two lists of a site's `access:`. None means the default. Raises AccessError for a bad entry."""

    def __init__(
        self,
        read: Iterable[str] | None = None,
        write: Iterable[str] | None = None,
        *,
        clock: Clock,
        resolver: Resolver = resolve_name,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._resolved: dict[str, frozenset[Address]] = {}
        self._failing: set[str] = set()
        self._set(read, write)

    def may_read(self, peer: Address) -> bool:
        """True where the address may connect at all."""
        return self._read.holds(peer, self._resolved)

    def may_write(self, peer: Address) -> bool:
        """True where the address may write."""
        return self._write.holds(peer, self._resolved)

    def line_to_read(self, peer: Address) -> str:
        """Return the line of the site file that would let this address read."""
        return self._line((*self._read.entries, str(peer)), self._write.entries if self._own_write else ())

    def line_to_write(self, peer: Address) -> str:
        """Return the line of the site file that would let this address write."""
        return self._line(self._read.entries if self._own_read else (), (*self._write.entries, str(peer)))

    async def reload(self, read: Iterable[str] | None, write: Iterable[str] | None) -> None:
        """Take new lists and look their names up. Raises AccessError; then the old lists stay."""
        self._set(read, write)
        await self.resolve()

    async def resolve(self) -> None:
        """Look every host name up once."""
        await asyncio.gather(*(self._look_up(name) for name in self._names()))
        names = self._names()  # a reload may have changed them meanwhile
        self._resolved = {name: found for name, found in self._resolved.items() if name in names}
        self._failing &= names

    async def run(self) -> None:
        """Keep host names current until cancelled."""
        while True:
            await self.resolve()
            await self._clock.sleep(RESOLVE_EVERY_S)

    def _names(self) -> set[str]:
        return {*self._read.names, *self._write.names}

    def _set(self, read: Iterable[str] | None, write: Iterable[str] | None) -> None:
        new_read = _List(DEFAULT_READ if read is None else tuple(read))
        new_write = _List(DEFAULT_WRITE if write is None else tuple(write))
        self._read, self._write = new_read, new_write
        self._own_read, self._own_write = read is not None, write is not None

    async def _look_up(self, name: str) -> None:
        try:
            found = frozenset(await self._resolver(name))
        except (OSError, UnicodeError) as fault:
            if name not in self._failing:
                self._failing.add(name)
                kept = ", ".join(sorted(map(str, self._resolved.get(name, ())))) or "no address"
                _log.warning("access=%s cannot be looked up (%s): keeping %s", name, fault, kept)
            return
        if name in self._failing:
            self._failing.discard(name)
            _log.info("access=%s can be looked up again", name)
        self._resolved[name] = found

    @staticmethod
    def _line(read: Sequence[str], write: Sequence[str]) -> str:
        lists = [
            f"{key}: [{', '.join(_scalar(entry) for entry in entries)}]"
            for key, entries in (("read", read), ("write", write))
            if entries
        ]
        return f"access: {{{', '.join(lists)}}}"


def _network(entry: str) -> Network | None:
    """Return an entry's network, None for a host name. Raises AccessError."""
    try:
        return ipaddress.ip_network(entry)
    except ValueError as fault:
        if "/" not in entry and not _DIGITS.match(entry) and _NAME.match(entry):
            return None
        hint = ""
        if "host bits" in str(fault):
            hint = f" (did you mean {ipaddress.ip_network(entry, strict=False)}?)"
        raise AccessError(
            f"access: found {entry!r}, expected a network such as 192.168.1.0/24, an address, "
            f"or a host name{hint}"
        ) from fault


def _scalar(entry: str) -> str:
    """Write an entry so that YAML reads it back as text inside a list."""
    return f'"{entry}"' if ":" in entry else entry
