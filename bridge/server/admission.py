"""Who is let in: by address, by the cap on connections, and by what one peer may hold of it."""

import asyncio
from collections import Counter
from typing import Protocol

from bridge.server.access import Address, Peer
from bridge.server.descriptors import RESERVE, few_left
from bridge.server.terms import Terms

#: Connections a listener takes at least, and for each unit it serves: a Cerbo GX uses one per device, a
#: SCADA system a handful; 16 more are for people who look.
CONNECTIONS_MIN, PER_UNIT, SPARE = 64, 2, 16
#: What one peer may hold of them, so that a client that forgets to close cannot shut out all others.
PEER_SHARE = 0.75


class Guest(Protocol):
    """A connection, or one that is still shaking hands."""

    @property
    def peer(self) -> Peer | None:
        """Whoever is at the far end; None when it was gone before it was accepted."""


class Admission:
    """The guests of one listener. `connections_max` None goes by the number of units served."""

    def __init__(self, terms: Terms, connections_max: int | None = None) -> None:
        self._terms = terms
        self._connections_max = connections_max
        self._addresses: dict[Guest, Address] = {}
        self._held: Counter[Address] = Counter()
        self.ending = False
        #: Set while nobody is here.
        self.emptied = asyncio.Event()
        self.emptied.set()

    @property
    def connections_max(self) -> int:
        """How many connections are taken now."""
        if self._connections_max is not None:
            return self._connections_max
        return max(CONNECTIONS_MIN, PER_UNIT * len(self._terms.units) + SPARE)

    def __len__(self) -> int:
        return len(self._addresses)

    @property
    def peers(self) -> dict[str, int]:
        """Connections now, by the address that holds them."""
        return {str(address): count for address, count in self._held.items()}

    def admit(self, guest: Guest, *, role_to_come: bool = False) -> bool:
        """Take a new connection in; False when it must be closed at once.

        role_to_come: its role is not known yet, so that `confirm` must follow.
        """
        peer = guest.peer
        if peer is None or self.ending:  # asyncio may still hand over what it had accepted
            return False
        cap = self.connections_max
        one_peers = max(1, int(cap * PEER_SHARE))
        access = self._terms.access
        if not (access.may_connect(peer.address) if role_to_come else access.may_read(peer)):
            cure = access.line_to_read(peer)
            reason = f"this address may not read; to allow it, say in the site file: {cure}"
        elif len(self._addresses) >= cap:
            reason = (
                f"all {cap} connections are taken: close some, or say connections: {2 * cap} in the "
                "listener's line of the site file"
            )
        elif self._held[peer.address] >= one_peers:
            reason = (
                f"this address holds {one_peers} of {cap} connections already: let it close some, or say "
                f"connections: {2 * cap} in the listener's line of the site file"
            )
        elif limit := few_left():
            reason = (
                f"this process may open {limit} files, of which the last {RESERVE} are for devices and "
                "disks: let clients close some, or let it open more (LimitNOFILE= of the service, ulimit -n)"
            )
        else:
            self._addresses[guest] = peer.address
            self._held[peer.address] += 1
            self._terms.counters.connections += 1
            self.emptied.clear()
            return True
        self._terms.connection_refused(peer, reason)
        return False

    def confirm(self, peer: Peer) -> bool:
        """Judge a guest again whose role is now known."""
        if self._terms.access.may_read(peer):
            return True
        cure = self._terms.access.line_to_read(peer)
        self._terms.connection_refused(
            peer, f"this role may not read; to allow it, say in the site file: {cure}"
        )
        return False

    def hand_over(self, former: Guest, guest: Guest) -> None:
        """Give the place of one that has shaken hands to its connection."""
        self._addresses[guest] = self._addresses.pop(former)

    def left(self, guest: Guest) -> None:
        """Forget a guest that is gone; nothing happens for one that was never let in."""
        address = self._addresses.pop(guest, None)
        if address is None:
            return
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
        self._terms.counters.connections -= 1
        if not self._addresses:
            self.emptied.set()
