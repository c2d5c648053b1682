"""Links: a point of one device feeds a point of another for as long as it is heard, and no longer.

A source that is stale, absent or silent is not repeated: nothing is written any more, leases run out, and
whoever asks `Device.fed_at` sees the age of the source grow.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from bridge.control.feed import Feed
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.spec import PointSpec
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Path, Quality, Value

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """What the target is given is source x `factor` + `offset`, in the target's unit of measure.

    A factor other than 1 says that the two may be measured in different units.
    """

    source_device: str
    source: Path
    target_device: str
    target: Path
    factor: float = 1.0
    offset: float = 0.0

    def __str__(self) -> str:
        return f"{self.source_device}:{self.source}"

    @property
    def converts(self) -> bool:
        """True where the value is not handed on as it is."""
        return (self.factor, self.offset) != (1.0, 0.0)

    def converted(self, value: Value) -> Value:
        """Return what the target is given for a value of the source."""
        return value * self.factor + self.offset if self.converts and not isinstance(value, str) else value


def fault_of(link: Link, source: PointSpec, target: PointSpec) -> str | None:
    """Say why a link cannot be, now that both points are known; None for one that can."""
    if not target.writable:
        return "the target is read-only: expected a writable point"
    if target.self_clearing or target.heartbeat:
        return "the target acts on every write: expected a point that keeps its value"
    if source.text != target.text:
        kinds = ("a number", "text")
        return f"the source is {kinds[source.text]}: expected {kinds[target.text]}, as the target is"
    if source.text and link.converts:
        return "the source is text: expected no factor and no offset"
    known = source.unit_of_measure and target.unit_of_measure
    if known and link.factor == 1.0 and source.unit_of_measure != target.unit_of_measure:
        return (
            f"the source is measured in {source.unit_of_measure}: expected {target.unit_of_measure}, as the "
            "target is, or a factor that converts it"
        )
    return None


class _Listened:
    """One link at work: what was judged of its points, and what was told of it."""

    def __init__(self, link: Link, source: Device, feed: Feed, clock: Clock) -> None:
        self.link = link
        self._source = source
        self._feed = feed
        self._clock = clock
        self._judged: tuple[PointSpec, PointSpec] | None = None
        self._fault: str | None = None
        self._fed = False
        self._warned = False

    def heard(self, brought: Collection[Path]) -> None:
        """Hand on what a publication of the source has brought."""
        if not self._is_sound() or self.link.source not in brought:
            return
        reading = self._source.reading(self.link.source)
        if reading.value is None:
            self._feed.drop(self.link.target)
            return
        if not self._fed:
            self._fed = True
            _log.info("device=%s link=%s from=%s heard", self._feed.name, self.link.target, self.link)
        self._feed.take(self.link.target, self.link.converted(reading.value), self._clock.monotonic())

    def changed(self, which: Collection[Path]) -> None:
        """Tell once that the source has fallen silent; from then on nothing is written."""
        if self._fed and self.link.source in which and self._source.has(self.link.source):
            quality = self._source.reading(self.link.source).quality
            if quality is not Quality.OK:
                self._fed = False
                self._feed.drop(self.link.target)
                _log.warning(
                    "device=%s link=%s from=%s %s: not written until it is heard again",
                    self._feed.name, self.link.target, self.link, quality.value,
                )  # fmt: skip

    def _is_sound(self) -> bool:
        """Judge the two points once they are known, and anew when they are declared otherwise."""
        target, link = self._feed.target, self.link
        if self._source.has(link.source) and target.has(link.target):
            points = self._source.spec(link.source), target.spec(link.target)
            if self._judged is None or points[0] is not self._judged[0] or points[1] is not self._judged[1]:
                self._judged = points
                self._told(fault_of(link, *points))
                if self._fault is None and points[1].lease is None:
                    self._warn_of_no_lease()
            return self._fault is None
        self._judged = None
        for device, path in ((self._source, link.source), (target, link.target)):
            if device.link is LinkState.ONLINE and device.paths and not device.has(path):
                self._told(f"found no point {path} on device {device.name}: mend the link in the site file")
        return False

    def _warn_of_no_lease(self) -> None:
        name, path = self._feed.name, self.link.target
        if not self._warned:
            self._warned = True
            _log.warning(
                "device=%s link=%s from=%s has no lease: its last value stays when the source falls silent, "
                "unless the site file gives %s a lease of %s",
                name, path, self.link, name, path,
            )  # fmt: skip

    def _told(self, fault: str | None) -> None:
        if fault == self._fault:
            return
        self._fault = fault
        if fault is None:
            self._feed.target.feed(self.link.target)
            _log.info("device=%s link=%s from=%s is right now", self._feed.name, self.link.target, self.link)
        else:
            self._feed.target.fed.discard(self.link.target)
            _log.error(
                "device=%s link=%s from=%s cannot be: %s",
                self._feed.name, self.link.target, self.link, fault,
            )  # fmt: skip


class Links:
    """All links of a site. From the beginning their targets refuse every other writer; `run` feeds them.

    Raises KeyError for a device that the datastore does not have.
    """

    def __init__(self, datastore: Datastore, links: Iterable[Link], clock: Clock) -> None:
        self._feeds: dict[str, Feed] = {}
        self._by_source: dict[str, list[_Listened]] = defaultdict(list)
        self._devices = datastore.devices
        for link in links:
            target = datastore.devices[link.target_device]
            feed = self._feeds.setdefault(target.name, Feed(target, clock))
            feed.from_device(link.target, link.source_device)
            target.feed(link.target)
            listened = _Listened(link, datastore.devices[link.source_device], feed, clock)
            self._by_source[link.source_device].append(listened)

    async def run(self) -> None:
        """Feed the targets until cancelled."""
        ends: list[Callable[[], None]] = []
        for name, links in self._by_source.items():
            source = self._devices[name]
            for listened in links:
                ends.append(source.changed.connect(listened.changed))
                ends.append(source.published.connect(listened.heard))
        try:
            async with asyncio.TaskGroup() as group:
                for feed in self._feeds.values():
                    group.create_task(feed.run(), name=f"links into {feed.name}")
        finally:
            for end in ends:
                end()
