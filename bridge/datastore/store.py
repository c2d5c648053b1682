"""The datastore: all devices of a site, and the watch over their freshness."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.events import Signal
from bridge.datastore.holds import RESUME_WITHIN_S
from bridge.datastore.spec import Lease
from bridge.datastore.state import StateStore
from bridge.datastore.values import Path, WriteAttempt
from bridge.datastore.wear import WearLimits

#: Longest pause of the freshness watch; below the shortest `stale_after` of any group.
_WATCH_S = 1.0
#: Shortest pause, so that many groups ending together cost one pass.
_WATCH_MIN_S = 0.02


class Datastore:
    """Devices by name. `run` keeps freshness until cancelled."""

    def __init__(self, clock: Clock, state: StateStore) -> None:
        self.clock = clock
        self.state = state
        #: Every ended write attempt of every device.
        self.attempted: Signal[WriteAttempt] = Signal("attempted")
        self._devices: dict[str, Device] = {}

    @property
    def devices(self) -> Mapping[str, Device]:
        """All devices, in the order they were added."""
        return MappingProxyType(self._devices)

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def add(
        self,
        name: str,
        wear_limits: WearLimits | None = None,
        leases: Mapping[Path, Lease] | None = None,
        resume_within_s: float = RESUME_WITHIN_S,
    ) -> Device:
        """Create a device as the site wants it; raises ValueError when the name is taken."""
        if name in self._devices:
            raise ValueError(f"device {name!r} exists already: expected a name of its own")
        device = Device(name, self.clock, self.state.memory(name), wear_limits, leases, resume_within_s)
        device.attempted.connect(self.attempted.emit)
        self._devices[name] = device
        return device

    def remove(self, name: str) -> None:
        """Take a device out; raises KeyError when there is none of that name."""
        del self._devices[name]

    async def run(self) -> None:
        """Mark groups stale in time, until cancelled."""
        while True:
            now = self.clock.monotonic()
            due = min((device.next_deadline() for device in self), default=now + _WATCH_S)
            await self.clock.sleep(min(_WATCH_S, max(_WATCH_MIN_S, due - now)))
            for device in tuple(self):
                device.expire()
