"""What one listener serves with: the same for every connection, whatever the transport."""

import logging
from dataclasses import dataclass, field

from bridge.datastore.clock import Clock
from bridge.server.access import Access, Address
from bridge.server.counters import Counters
from bridge.server.seldom import Seldom
from bridge.server.units import Units

_log = logging.getLogger(__name__)

#: How long a write waits for its outcome where nothing says otherwise (the design's table of replies).
REPLY_WITHIN_S = 0.4
#: A peer that goes on doing what it may not is named again this often.
_REMIND_S = 600.0


@dataclass(frozen=True, slots=True)
class Terms:
    """A listener's name, units, rights, waiting time, clock and counters.

    write: False makes the listener read-only. reply_within_s bounds the wait of every write.
    """

    name: str
    units: Units
    access: Access
    clock: Clock
    counters: Counters
    write: bool = True
    reply_within_s: float = REPLY_WITHIN_S
    _told: Seldom = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_told", Seldom(self.clock, _REMIND_S))

    def may_write(self, peer: Address | None) -> bool:
        """True where this peer may write here; a line without addresses (None) goes by `write` alone."""
        return self.write and (peer is None or self.access.may_write(peer))

    def write_refused(self, peer: Address | None, unit: int) -> str:
        """Count and log a refused write; return the reason."""
        self.counters.writes_refused += 1
        if not self.write:
            reason = "this listener is read-only (write: false in the site file)"
        else:
            cure = "" if peer is None else self.access.line_to_write(peer)
            reason = f"this address may not write; to allow it, say in the site file: {cure}"
        times = self._told.due(("write", peer))
        if times:
            _log.warning(
                "listener=%s peer=%s unit=%d writes refused=%d: %s", self.name, peer, unit, times, reason
            )
        return reason

    def connection_refused(self, peer: Address | None, reason: str) -> None:
        """Count and log a connection that is closed before anything is read from it."""
        self.counters.connections_refused += 1
        times = self._told.due(("connect", reason, peer))
        if times:
            _log.warning("listener=%s peer=%s connections refused=%d: %s", self.name, peer, times, reason)

    def failed(self, unit: int, what: str, fault: Exception) -> None:
        """Log a defect of ours met while answering: the client is told 04, the log says which."""
        times = self._told.due(("failed", unit, type(fault)))
        if times:
            _log.error(
                "listener=%s unit=%d %s failed=%d (%s: %s): answered 04",
                self.name, unit, what, times, type(fault).__name__, fault,
            )  # fmt: skip
            _log.debug("listener=%s unit=%d", self.name, unit, exc_info=fault)
