"""Points for people and their programs: one retained message each, with value, quality and age."""

import json
import math
from collections.abc import Collection, Iterator
from typing import NamedTuple

from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.store import Datastore
from bridge.datastore.values import Path
from bridge.exchange.topics import OFFLINE, ONLINE, Topics

#: A point that does not change is told again this often, so that its age there is never much more.
REFRESH_S = 60.0


class Told(NamedTuple):
    """A message to be published, retained."""

    topic: str
    payload: str


class _Told:
    """One device as its topics have it."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.dirty: set[Path] = set(device.paths)
        self.known: set[Path] = set()
        self.availability = ""
        self.refresh_at = -math.inf
        self.end = device.changed.connect(self._changed)

    def _changed(self, which: Collection[Path]) -> None:
        self.dirty.update(which)


class PointTopics:
    """What the points' topics should say and do not yet."""

    def __init__(self, datastore: Datastore, clock: Clock, topics: Topics) -> None:
        self._datastore = datastore
        self._clock = clock
        self._topics = topics
        self._told: dict[str, _Told] = {}

    def close(self) -> None:
        """Listen to the devices no more."""
        for told in self._told.values():
            told.end()
        self._told.clear()

    def everything(self) -> None:
        """Tell all again, as a broker that was restarted may have kept nothing."""
        for told in self._told.values():
            told.refresh_at, told.availability = -math.inf, ""

    def due(self) -> Iterator[Told]:
        """Yield what is to be told now."""
        yield from self._gone()
        now = self._clock.monotonic()
        for name, device in self._datastore.devices.items():
            told = self._told.get(name)
            if told is None:
                told = self._told[name] = _Told(device)
            if now >= told.refresh_at:
                told.refresh_at = now + REFRESH_S
                told.dirty |= set(device.paths)
            dirty, told.dirty = told.dirty, set()
            for path in dirty:
                yield self._point(name, told, path)
            availability = ONLINE if device.alive else OFFLINE
            if availability != told.availability:
                told.availability = availability
                yield Told(self._topics.availability(name), availability)

    def _point(self, name: str, told: _Told, path: Path) -> Told:
        topic = self._topics.point(name, path)
        if not told.device.has(path):
            told.known.discard(path)
            return Told(topic, "")  # an empty message ends what the broker keeps
        told.known.add(path)
        reading = told.device.reading(path)
        return Told(
            topic,
            json.dumps(
                {
                    "value": reading.value,
                    "unit_of_measure": told.device.spec(path).unit_of_measure,
                    "status": reading.quality.value,
                    "age_s": None if reading.age_s is None else round(reading.age_s, 1),
                },
                ensure_ascii=False,
            ),
        )

    def _gone(self) -> Iterator[Told]:
        devices = self._datastore.devices
        for name in [name for name, told in self._told.items() if devices.get(name) is not told.device]:
            told = self._told.pop(name)
            told.end()
            if name not in devices:
                yield Told(self._topics.availability(name), OFFLINE)
                for path in told.known:
                    yield Told(self._topics.point(name, path), "")
