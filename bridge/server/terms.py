"""What one listener serves with: the same for every connection, whatever the transport."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.datastore.clock import Clock
from bridge.datastore.events import Signal
from bridge.datastore.values import Origin, Path
from bridge.server.access import Access, Peer
from bridge.server.counters import Counters
from bridge.server.seldom import Seldom
from bridge.server.units import Units

_log = logging.getLogger(__name__)

#: How long a write waits for its outcome where nothing says otherwise (the design's table of replies).
REPLY_WITHIN_S = 0.4
#: A peer that goes on doing what it may not is named again this often.
_REMIND_S = 600.0


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A peer that came no further than the door of a listener, `times` times since it was last told of."""

    listener: str
    peer: Peer | None
    times: int
    reason: str


def _nobody_told() -> Signal[TurnedAway]:
    return Signal("turned_away")


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
    #: As seldom as the log, so that a stranger cannot flood whoever writes it down.
    turned_away: Signal[TurnedAway] = field(default_factory=_nobody_told)
    _told: Seldom = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_told", Seldom(self.clock, _REMIND_S))

    def origin(self, peer: Peer | None) -> Origin:
        """Return who asks, for the record; a line without addresses (None) goes by the listener's name."""
        return Origin("modbus", self.name if peer is None else str(peer))

    def may_read(self, peer: Peer | None, unit: int) -> bool:
        """True where this peer may read a unit here."""
        return peer is None or self.access.may_read(peer, unit)

    def may_write(self, peer: Peer | None, unit: int, paths: Iterable[Path] = ()) -> bool:
        """True where this peer may write these points of a unit here, any where none are named.

        A line without addresses (None) goes by `write` alone.
        """
        return self.write and (peer is None or self.access.may_write(peer, unit, paths))

    def write_refused(self, peer: Peer | None, unit: int) -> str:
        """Count and log a refused write; return the reason."""
        self.counters.writes_refused += 1
        if not self.write:
            reason = (
                "this listener is read-only (write: false); to allow writes, say in its line of the site "
                "file: write: true"
            )
        else:
            cure = "" if peer is None else self.access.line_to_write(peer)
            reason = f"this client may not write that; to allow it, say in the site file: {cure}"
        times = self._told.due(("write", peer))
        if times:
            _log.warning(
                "listener=%s peer=%s unit=%d writes refused=%d: %s", self.name, peer, unit, times, reason
            )
        return reason

    def connection_refused(self, peer: Peer | None, reason: str) -> None:
        """Count and log a connection or datagram that is turned away unread."""
        self.counters.connections_refused += 1
        times = self._told.due(("connect", reason, peer))
        if times:
            _log.warning("listener=%s peer=%s connections refused=%d: %s", self.name, peer, times, reason)
            self.turned_away.emit(TurnedAway(self.name, peer, times, reason))

    def failed(self, unit: int, what: str, fault: Exception) -> None:
        """Log a defect of ours met while answering: the client is told 04, the log says which."""
        times = self._told.due(("failed", unit, type(fault)))
        if times:
            _log.error(
                "listener=%s unit=%d %s failed=%d (%s: %s): answered 04",
                self.name, unit, what, times, type(fault).__name__, fault,
            )  # fmt: skip
            _log.debug("listener=%s unit=%d", self.name, unit, exc_info=fault)
