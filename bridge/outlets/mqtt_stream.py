"""What other bridges are told: numbered reports of changes, whole ones for who asks, and what devices are."""

import asyncio
import secrets
from collections.abc import Callable, Collection, Iterator

from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.spec import PointSpec
from bridge.datastore.store import Datastore
from bridge.datastore.values import Identity, LinkState, Path, Quality, Value
from bridge.exchange.about import About
from bridge.exchange.report import DeviceReport, Report

#: Returns the register map that serves a device, None where that is not known.
MapOf = Callable[[str], str | None]


class Tracked:
    """One device: what has changed since it was last reported, and what is known of it there."""

    def __init__(self, device: Device, stir: Callable[[], None]) -> None:
        self.device = device
        self.about = About(())
        self.digest = ""
        self.dirty: set[Path] = set()
        #: What the newest report said beside values.
        self.said: tuple[str, LinkState, bool, str] | None = None
        self._places: dict[Path, int] = {}
        self._specs: dict[Path, PointSpec] = {}
        self._stir = stir
        self._anew = True
        self._ends = (
            device.changed.connect(self._changed),
            device.link_changed.connect(self._linked),
            device.learnt.connect(self._learnt),
        )

    def close(self) -> None:
        """Listen no more."""
        for end in self._ends:
            end()

    def look(self, map_name: str | None) -> bool:
        """Look at what the device is; True where that has changed."""
        if not self._anew and map_name == self.about.map:
            return False
        self._anew = False
        specs = tuple(self.device.spec(path) for path in self.device.paths)
        self._specs = {spec.path: spec for spec in specs}
        about = About(specs, self.device.identity, map_name)
        digest = about.digest
        if digest == self.digest:
            return False
        self.about, self.digest = about, digest
        self._places = {spec.path: place for place, spec in enumerate(specs)}
        self.dirty = set(self._places)
        return True

    def report(self, *, whole: bool) -> DeviceReport | None:
        """Return what has changed, None for nothing; `whole` all there is, with the changes still to tell."""
        device = self.device
        said = self.digest, device.link, device.alive, device.link_words
        if not whole and not self.dirty and said == self.said:
            return None
        values: dict[int, Value | None] = {}
        stale: list[int] = []
        for path in self._places if whole else self.dirty:
            place = self._places.get(path)
            if place is None:
                continue
            reading = device.reading(path) if device.has(path) else None
            if reading is None or reading.quality is Quality.STALE:
                stale.append(place)
            else:
                values[place] = reading.value
        if not whole:
            self.dirty.clear()
            self.said = said
        digest, link, alive, words = said
        return DeviceReport(digest, link, alive, values, tuple(stale), words)

    def _changed(self, which: Collection[Path]) -> None:
        self.dirty.update(which)
        if not self._anew and any(not self._is_as_known(path) for path in which):
            self._anew = True
        self._stir()

    def _is_as_known(self, path: Path) -> bool:
        return self.device.has(path) and self.device.spec(path) is self._specs.get(path)

    def _linked(self, _: LinkState) -> None:
        self._stir()

    def _learnt(self, _: Identity) -> None:
        self._anew = True
        self._stir()


class Stream:
    """The reports of one bridge, numbered without gaps in one run of it."""

    def __init__(self, datastore: Datastore, clock: Clock, map_of: MapOf) -> None:
        #: Set when there is something to report.
        self.stirred = asyncio.Event()
        self.session = ""
        self._datastore = datastore
        self._clock = clock
        self._map_of = map_of
        self._number = 0
        self._tracked: dict[str, Tracked] = {}
        self._begin()

    def close(self) -> None:
        """Listen to the devices no more."""
        for tracked in self._tracked.values():
            tracked.close()
        self._tracked.clear()

    def abouts(self, *, every: bool = False) -> Iterator[tuple[str, About]]:
        """Yield what devices are, those alone that have become another, or `every` one.

        Each is to be told before the next report.
        """
        self._follow()
        for name, tracked in self._tracked.items():
            if tracked.look(self._map_of(name)) or every:
                yield name, tracked.about

    def changes(self) -> Report:
        """Return the next report, which may tell no more than that nothing has changed."""
        self.stirred.clear()
        devices = {
            name: told
            for name, tracked in self._tracked.items()
            if tracked.digest and (told := tracked.report(whole=False)) is not None
        }
        self._number += 1
        return Report(self.session, self._number, self._clock.monotonic(), devices)

    def answer(self, *, whole: bool) -> Report:
        """Return the answer to a question."""
        devices = {}
        if whole:
            for name, tracked in self._tracked.items():
                told = tracked.report(whole=True) if tracked.digest else None
                if told is not None:
                    devices[name] = told
        return Report(self.session, self._number, self._clock.monotonic(), devices, whole)

    def _begin(self) -> None:
        self.session = secrets.token_hex(6)
        self._number = 0

    def _follow(self) -> None:
        """Follow the devices that are there now. One that has gone begins a new run: all is asked anew."""
        devices = self._datastore.devices
        gone = [name for name, one in self._tracked.items() if devices.get(name) is not one.device]
        for name in gone:
            self._tracked.pop(name).close()
        if gone:
            self._begin()
            for tracked in self._tracked.values():
                tracked.said = None
        for name, device in devices.items():
            if name not in self._tracked:
                self._tracked[name] = Tracked(device, self.stirred.set)
