"""The history: what all points have been, and what has flowed, taken down while the bridge runs.

The loop only sums what changes; once a minute a thread writes it. A stale value is a gap, never repeated.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import partial

from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.events import Signal
from bridge.datastore.operations import Operation, OperationFault
from bridge.datastore.store import Datastore
from bridge.datastore.values import Path, Quality
from bridge.outlets.energy_book import CURRENT, POWER, VOLTAGE, CounterReader, Flow, Leap, flow_of
from bridge.outlets.history_batch import Batch, Series
from bridge.outlets.history_calendar import Calendar, day_of
from bridge.outlets.history_file import EARLIER, HistoryFault, HistoryFile
from bridge.outlets.history_tracks import Track
from bridge.outlets.history_writer import HistoryWriter, Positions

_log = logging.getLogger(__name__)

#: Tracks that are looked after before the loop may do something else.
_AT_ONCE = 50
#: Wall time that runs further apart from the monotonic one than this between two looks was set by somebody.
_JUMP_S = 1.0


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """What is taken down: points by patterns such as `charger:/Dc/*`.

    period_s: length of the finest samples, a part of a minute. write_s: how often they are written.
    power_w: the most that a device can have; an energy counter that rises faster is doubted.
    """

    period_s: int = 10
    write_s: float = 60.0
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ("bridge:*",)
    power_w: float = 100_000.0

    def takes(self, device: str, path: Path) -> bool:
        """True for a point that is wanted."""
        name = f"{device}:{path}"
        wanted = any(fnmatchcase(name, pattern) for pattern in self.include)
        return wanted and not any(fnmatchcase(name, pattern) for pattern in self.exclude)


class History:
    """Takes down what the devices publish, from `start` to `stop`, `run` beside it."""

    def __init__(
        self,
        datastore: Datastore,
        plan: HistoryPlan,
        calendar: Calendar,
        open_file: Callable[[], HistoryFile],
        name: str,
        *,
        written: Callable[[], None] = lambda: None,
    ) -> None:
        #: Counters that leapt by more than power allows; told once each.
        self.leapt: Signal[Leap] = Signal("history.leapt")
        self._datastore = datastore
        self._clock: Clock = datastore.clock
        self._plan = plan
        self._calendar = calendar
        self._writer = HistoryWriter(name, open_file, self._opened, self._clock.now, written=written)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tracks: dict[str, dict[Path, Track]] = {}
        self._known: dict[str, Device] = {}
        self._doubted: set[Series] = set()
        self._positions: Positions | None = None
        self._batch = Batch()
        self._offset = 0.0
        self._write_at = 0.0
        self._disconnect: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to take down, and to write as soon as the file can be opened."""
        self._loop = asyncio.get_running_loop()
        self._offset = self._clock.now() - self._clock.monotonic()
        self._write_at = self._clock.monotonic() + self._plan.write_s
        self._find_devices()
        self._writer.start()

    async def stop(self) -> None:
        """Write what there is, and end."""
        for disconnect in self._disconnect:
            disconnect()
        now = self._now()
        for track in self._all():
            track.cut(now, self._batch, now)
        self._hand_over()
        await asyncio.to_thread(self._writer.close)

    async def run(self) -> None:
        """Close periods in time and hand them to the writer, until cancelled."""
        period = self._plan.period_s
        while True:
            await self._clock.sleep(period - self._now() % period)
            await self._look_after()
            if self._clock.monotonic() >= self._write_at:
                self._write_at = self._clock.monotonic() + self._plan.write_s
                self._hand_over()

    def operations(self) -> Mapping[str, Operation]:
        """Return what people may ask for."""
        return {"energy_set": self._set, "energy_wipe": self._wipe}

    # -- taking down -------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._offset + self._clock.monotonic()

    def _all(self) -> list[Track]:
        return [track for tracks in self._tracks.values() for track in tracks.values()]

    def _find_devices(self) -> None:
        for device in self._datastore:
            if self._known.get(device.name) is not device:
                self._known[device.name] = device
                self._tracks.setdefault(device.name, {})
                self._disconnect.append(device.changed.connect(partial(self._changed, device)))
                self._changed(device, device.paths)

    def _changed(self, device: Device, paths: Collection[Path]) -> None:
        """Take new values. Called for every publication that changed something: it must be quick."""
        tracks, batch = self._tracks[device.name], self._batch
        now = self._now()
        for path, value in zip(paths, device.values(paths), strict=True):
            track = tracks.get(path) or self._new(device, path, now)
            if track is not None:
                track.take(None if isinstance(value, str) else value, now, batch)
        if VOLTAGE in paths or CURRENT in paths:
            self._derive(device, now)

    def _new(self, device: Device, path: Path, now: float) -> Track | None:
        """Return the track of a point that was declared, None for one that is not taken down."""
        if not device.has(path):
            return None
        spec = device.spec(path)
        if spec.text or not self._plan.takes(device.name, path):
            return None
        return self._add(Series(device.name, path, spec.unit_of_measure), now, flow_of(spec))

    def _add(self, series: Series, now: float, flow: Flow | None) -> Track:
        track = Track(series, self._plan.period_s, self._calendar, now, flow)
        self._tracks[series.device][series.path] = track
        self._know_position(track)
        return track

    def _derive(self, device: Device, now: float) -> None:
        """Take the DC power of a device that tells voltage and current alone."""
        if device.has(POWER) or not self._plan.takes(device.name, POWER):
            return
        found = [device.reading(path) for path in (VOLTAGE, CURRENT) if device.has(path)]
        if len(found) < 2:
            return
        power: float | None = 1.0
        for one in found:
            usable = one.quality is Quality.OK and isinstance(one.value, int | float)
            power = power * float(one.value) if usable and power is not None else None  # type: ignore[arg-type]
        track = self._tracks[device.name].get(POWER)
        if track is None:
            track = self._add(Series(device.name, POWER, "W"), now, Flow.POWER)
        track.take(power, now, self._batch)

    def _opened(self, positions: Positions) -> None:
        """Hear from the writer's thread that the file is open."""
        assert self._loop is not None  # noqa: S101 - set before the thread began
        try:
            self._loop.call_soon_threadsafe(self._take_positions, positions)
        except RuntimeError:
            _log.debug("the loop has ended before the history was opened")

    def _take_positions(self, positions: Positions) -> None:
        if self._positions is not None:
            return  # opened again after damage: what the loop knows is newer
        self._positions = positions
        now = self._now()
        for track in self._all():
            self._know_position(track)
            track.count(now, self._batch)

    def _know_position(self, track: Track) -> None:
        """Let a counter be read. Not before the file is open: it says how far it had been read."""
        if track.flow is Flow.COUNTER and track.counter is None and self._positions is not None:
            position = self._positions.get((track.series.device, track.series.path))
            track.counter = CounterReader(position, self._plan.power_w)

    async def _look_after(self) -> None:
        """Close what is over, a few at a time; begin anew where the clock was set."""
        before = self._now()
        offset = self._clock.now() - self._clock.monotonic()
        jump_s, self._offset = offset - self._offset, offset
        if abs(jump_s) > _JUMP_S:
            _log.warning("history: the clock was set by %+.0f s", jump_s)
            for track in self._all():
                track.cut(before, self._batch, self._now())
        self._find_devices()
        for number, track in enumerate(self._all()):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            now = self._now()
            track.roll(now, self._batch)
            if track.counter is not None:
                track.count(now, self._batch)
                self._tell_leap(track, track.counter)

    def _tell_leap(self, track: Track, counter: CounterReader) -> None:
        doubted = counter.doubted
        if doubted is None:
            self._doubted.discard(track.series)
        elif track.series not in self._doubted:
            self._doubted.add(track.series)
            before, after = doubted
            _log.warning(
                "device=%s point=%s counter went from %g to %g kWh: doubted until it stands",
                track.series.device, track.series.path, before, after,
            )  # fmt: skip
            if after > before:
                self.leapt.emit(Leap(track.series.device, track.series.path, before, after))

    def _hand_over(self) -> None:
        batch, self._batch = self._batch, Batch()
        if batch:
            self._writer.put(batch)

    # -- asked by people ---------------------------------------------------------------------------

    async def _set(self, arguments: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        """Set the energy of a day (`day`), or what had flowed before the history began (no `day`)."""
        device, path = str(arguments.get("of", "")), str(arguments.get("path", ""))
        kwh, written = arguments.get("kwh"), arguments.get("day")
        if isinstance(kwh, bool) or not isinstance(kwh, int | float) or not abs(kwh) < 1e9:
            raise OperationFault(f"found the energy {kwh!r}, expected a number of kWh")
        day = EARLIER if written is None else _day(written)
        before = await self._done(lambda file: file.set_energy(device, path, day, float(kwh)))
        yield {"of": device, "path": path, "day": written, "before": before, "kwh": kwh}

    async def _wipe(self, arguments: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        """Remove the energies of a device, or of one `path` of it, from `first` to `last`."""
        device, path = str(arguments.get("of", "")), arguments.get("path")
        first, last = arguments.get("first"), arguments.get("last")
        from_day = EARLIER if first is None else _day(first)
        to_day = day_of(date.max) if last is None else _day(last)
        wanted = None if path is None else str(path)
        wiped = await self._done(lambda file: file.wipe_energy(device, wanted, from_day, to_day))
        yield {"of": device, "path": wanted, "days": wiped}

    async def _done(self, change: Callable[[HistoryFile], object]) -> object:
        for track in self._all():
            track.roll(self._now(), self._batch)
        self._hand_over()
        try:
            return await asyncio.wrap_future(self._writer.ask(change))
        except HistoryFault as fault:
            raise OperationFault(str(fault)) from None


def _day(written: object) -> int:
    try:
        return day_of(date.fromisoformat(str(written)))
    except ValueError:
        raise OperationFault(f"found the day '{written}', expected one such as 2026-03-29") from None
