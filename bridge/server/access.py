"""Who may read and who may write, by the address a request comes from and the role of its certificate.

Names are resolved off the loop, again every minute and at every reload; a name that cannot be resolved
keeps its last good addresses.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator

from bridge.datastore.clock import Clock
from bridge.datastore.values import Path
from bridge.server.access_rule import AccessError, Address, Network, Peer, Rule, network, rules

__all__ = ["Access", "AccessError", "Address", "Peer", "Rule", "peer_address"]

_log = logging.getLogger(__name__)

Resolver = Callable[[str], Awaitable[Collection[Address]]]
Entries = Iterable[str | Rule]

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
#: Seconds after which a name server that says nothing is no longer waited for.
LOOK_UP_WITHIN_S = 10.0
_NO_ANSWER = f"no answer within {LOOK_UP_WITHIN_S:g} s"


def peer_address(host: str) -> Address:
    """Return a peer's address; IPv4 peers of an IPv6 socket become plain IPv4. Raises ValueError."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


#: Names whose look-up is under way, also one that nobody waits for any more.
_asked: set[str] = set()


async def resolve_name(name: str) -> Collection[Address]:
    """Look a host name up in a thread of its own, for whose end nobody waits: a name server may never answer.

    Raises OSError when it has no address, or a look-up of before is still under way.
    """
    if name in _asked:
        raise TimeoutError("its name server still owes an answer")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Collection[Address]] = loop.create_future()

    def tell(found: Collection[Address], fault: Exception | None) -> None:
        if answer.done():
            return
        if fault is None:
            answer.set_result(found)
        else:
            answer.set_exception(fault)

    def look() -> None:
        found: Collection[Address] = ()
        failed: Exception | None = None
        try:
            entries = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            found = {peer_address(str(entry[4][0])) for entry in entries}
        except (OSError, ValueError) as fault:  # a UnicodeError is a ValueError
            failed = fault
        finally:
            _asked.discard(name)
        with contextlib.suppress(RuntimeError):  # the loop may have closed meanwhile
            loop.call_soon_threadsafe(tell, found, failed)

    _asked.add(name)
    try:
        threading.Thread(target=look, name=f"look up {name}", daemon=True).start()
    except RuntimeError as fault:
        _asked.discard(name)
        raise OSError(f"no thread to ask with: {fault}") from fault
    return await answer


class _List:
    """One list of rules, with their networks worked out and the names that must be looked up."""

    def __init__(self, entries: Entries) -> None:
        self.rules = rules(entries)
        self.names = {rule.who for rule in self.rules if rule.who is not None and network(rule.who) is None}
        self._networks: dict[str, Network] = {}
        for rule in self.rules:
            if rule.who is not None and (found := network(rule.who)) is not None:
                self._networks[rule.who] = found

    def of(self, address: Address, resolved: dict[str, frozenset[Address]]) -> Iterator[Rule]:
        """Yield the rules that an address fits, whatever role they want."""
        for rule in self.rules:
            if rule.who is None:
                yield rule
            elif (known := self._networks.get(rule.who)) is not None:
                if address in known:
                    yield rule
            elif address in resolved.get(rule.who, ()):
                yield rule


class Access:
    """The two lists of a site's `access:`. None means the default. Raises AccessError for a bad entry."""

    def __init__(
        self,
        read: Entries | None = None,
        write: Entries | None = None,
        *,
        clock: Clock,
        resolver: Resolver = resolve_name,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._resolved: dict[str, frozenset[Address]] = {}
        self._failing: set[str] = set()
        self._set(read, write)

    @property
    def reads_by_unit(self) -> bool:
        """True where somebody may read some units only, so that each read must be judged."""
        return any(rule.units is not None for rule in self._read.rules)

    def may_connect(self, address: Address) -> bool:
        """True where somebody at this address might read, once the role is known."""
        return next(self._read.of(address, self._resolved), None) is not None

    def may_read(self, peer: Peer, unit: int | None = None) -> bool:
        """True where the peer may read a unit; None asks for any of them."""
        return any(rule.reaches(unit) for rule in self._fitting(self._read, peer))

    def may_write(self, peer: Peer, unit: int | None = None, paths: Iterable[Path] = ()) -> bool:
        """True where the peer may write all these points of a unit, or any where none are named."""
        fitting = [rule for rule in self._fitting(self._write, peer) if rule.reaches(unit)]
        return bool(fitting) and all(any(rule.covers(path) for rule in fitting) for path in paths)

    def line_to_read(self, peer: Peer) -> str:
        """Return the line of the site file that would let this peer read."""
        return self._line((*self._read.rules, _rule_for(peer)), self._write.rules if self._own_write else ())

    def line_to_write(self, peer: Peer) -> str:
        """Return the line of the site file that would let this peer write."""
        return self._line(self._read.rules if self._own_read else (), (*self._write.rules, _rule_for(peer)))

    def _fitting(self, listed: _List, peer: Peer) -> Iterator[Rule]:
        return (
            rule
            for rule in listed.of(peer.address, self._resolved)
            if rule.role is None or rule.role == peer.role
        )

    async def reload(self, read: Entries | None, write: Entries | None) -> None:
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
        return self._read.names | self._write.names

    def _set(self, read: Entries | None, write: Entries | None) -> None:
        new_read = _List(DEFAULT_READ if read is None else read)
        new_write = _List(DEFAULT_WRITE if write is None else write)
        self._read, self._write = new_read, new_write
        self._own_read, self._own_write = read is not None, write is not None

    async def _look_up(self, name: str) -> None:
        try:
            async with self._clock.timeout(LOOK_UP_WITHIN_S):
                found = frozenset(await self._resolver(name))
        except (OSError, ValueError) as fault:
            if name not in self._failing:
                self._failing.add(name)
                kept = ", ".join(sorted(map(str, self._resolved.get(name, ())))) or "no address"
                _log.warning(
                    "access=%s cannot be looked up (%s): keeping %s", name, str(fault) or _NO_ANSWER, kept
                )
            return
        if name in self._failing:
            self._failing.discard(name)
            _log.info("access=%s can be looked up again", name)
        self._resolved[name] = found

    @staticmethod
    def _line(read: Iterable[Rule], write: Iterable[Rule]) -> str:
        lists = [
            f"{key}: [{', '.join(map(str, listed))}]"
            for key, listed in (("read", tuple(read)), ("write", tuple(write)))
            if listed
        ]
        return f"access: {{{', '.join(lists)}}}"


def _rule_for(peer: Peer) -> Rule:
    """Return the rule that would let a peer in: by its role where it has one, else by its address."""
    return Rule(str(peer.address)) if peer.role is None else Rule(role=peer.role)
