"""Whose a charger is: after a write by a person or a Modbus client it is left alone for a while."""

import logging
import math
from collections.abc import Collection

from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.state import Memory

_log = logging.getLogger(__name__)


class OwnerWatch:
    """Knows until when each device is its owner's, also over a restart of the bridge.

    `name` is that of the automation, `memory` where it keeps what it knows; `yield_s` is how long a device
    is left alone after its owner's newest write.
    """

    _KEY = "left_alone"

    def __init__(
        self, name: str, memory: Memory, devices: Collection[Device], yield_s: float, clock: Clock
    ) -> None:
        self._name = name
        self._memory = memory
        self._devices = devices
        self._yield_s = yield_s
        self._clock = clock
        self._seen = {device.name: device.owner_wrote_at for device in devices}
        #: Wall time up to which each is left alone, as saved; by monotonic time it is judged.
        self._saved = self._restored()
        now, wall = clock.monotonic(), clock.now()
        self._until = {n: now + min(at - wall, yield_s) for n, at in self._saved.items()}

    def look(self) -> None:
        """Take note of writes that were made since the last look."""
        for device in self._devices:
            if device.owner_wrote_at <= self._seen[device.name]:
                continue
            self._seen[device.name] = device.owner_wrote_at
            if not self.has(device):
                _log.info(
                    "device=%s charger=%s left alone for %.0f s: somebody else wrote to it",
                    self._name, device.name, self._yield_s,
                )  # fmt: skip
            self._until[device.name] = device.owner_wrote_at + self._yield_s
            left_s = self._until[device.name] - self._clock.monotonic()
            self._saved[device.name] = self._clock.now() + left_s
            self._memory.put(self._KEY, self._saved)

    def has(self, device: Device) -> bool:
        """True while a device is left to its owner."""
        return self._clock.monotonic() < self._until.get(device.name, -math.inf)

    def forget(self) -> None:
        """Take all devices back now."""
        self.look()
        self._until.clear()
        self._saved = {}
        self._memory.put(self._KEY, None)

    def _restored(self) -> dict[str, float]:
        saved = self._memory.get(self._KEY)
        known = saved if isinstance(saved, dict) else {}
        names = {device.name for device in self._devices}
        return {n: float(at) for n, at in known.items() if n in names and isinstance(at, int | float)}
