"""What is counted of a bus, and the points under which each of its devices shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Path, Value

#: Group of the counters: never stale, they are the bridge's own.
CAN_GROUP = GroupSpec("can", None)
#: How often a device should publish them, in seconds.
PUBLISH_EVERY_S = 1.0


@dataclass(slots=True)
class CanCounters:
    """Counts of one bus since the bridge began to use it.

    received, sent: frames. dropped: frames that could not be sent. errors: error frames and damaged lines.
    ignored: 29-bit, remote and FD frames. reopened: how often the bus was opened again. bus_off: whether
    the adapter has taken itself off the bus.
    """

    received: int = 0
    sent: int = 0
    dropped: int = 0
    errors: int = 0
    ignored: int = 0
    reopened: int = 0
    bus_off: bool = False

    def values(self) -> Mapping[Path, Value]:
        """Return them as the points of `CAN_SPECS`."""
        return {
            "/Can/Received": self.received,
            "/Can/Sent": self.sent,
            "/Can/Dropped": self.dropped,
            "/Can/Errors": self.errors,
            "/Can/Ignored": self.ignored,
            "/Can/Reopened": self.reopened,
            "/Can/BusOff": int(self.bus_off),
        }


CAN_SPECS = tuple(PointSpec(path) for path in CanCounters().values())
