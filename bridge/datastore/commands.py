"""The command desk of one device: which change goes out next, and who hears what became of it.

Per point at most one change is with the adapter and one waits; the newest takes the waiting place and
the one it replaces is superseded. A write joins the newest change of its point when the value is equal.
A change that switches equipment off waits behind nothing: it is handed to the adapter beside whatever
that is doing, and the adapter makes it its next frame.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from bridge.datastore.changes import Change, Wire
from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Origin, Outcome, Path, Value
from bridge.datastore.wear import Verdict, Wear, WearBudget

_log = logging.getLogger(__name__)

#: The longest that switching off waits for the disk on behalf of other changes in its batch, seconds.
_OFF_WAITS_S = 0.1
_AT_NO_TIME: Mapping[Path, float] = MappingProxyType({})


class Commander(Protocol):
    """What the desk needs of an adapter; `adapters/base.py` is the reference."""

    command_deadline_s: float

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Raise ValueRefused for a batch that contradicts itself."""

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        """Apply a batch by monotonic `deadline`; see the adapter contract."""

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        """Say which changes would write nonvolatile memory, and which way."""

    async def expired(self, paths: tuple[Path, ...]) -> bool:
        """End leases; True when the device has obeyed."""


class CommandDesk:
    """Orders the changes of one device; `run` hands them to the adapter until cancelled.

    `opening` is awaited before the frames of a batch go out, with its paths: what it saves is on disk
    when the device hears of it. `finished` hears of every change's end, exactly once.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        spec_of: Callable[[Path], PointSpec | None],
        budget: WearBudget,
        finished: Callable[[Change, Outcome], None],
        opening: Callable[[Collection[Path]], Awaitable[None]],
    ) -> None:
        self._name = name
        self._clock = clock
        self._spec_of = spec_of
        self._budget = budget
        self._finished = finished
        self._opening = opening
        self._wire = Wire()
        self._queued: dict[Path, Change] = {}
        self._submissions = 0
        self._fed_at: dict[Path, float] = {}
        self._woken = asyncio.Event()
        #: True while `run` serves; what is submitted at other times would never end.
        self.serving = False

    def submit(
        self, changes: Mapping[Path, Value], origin: Origin, as_of: Mapping[Path, float] = _AT_NO_TIME
    ) -> list[Change]:
        """Queue a checked batch while `serving`; returns one change a path, joined ones included.

        `as_of` is the monotonic time at which each value was true at its source, where it has one.
        """
        self._submissions += 1
        accepted = []
        for path, value in changes.items():
            newest = self._newest(path)
            if newest is not None and newest.value == value and not newest.ended:
                if newest.origin.kind == "hold":
                    newest.origin = origin  # somebody now wishes what was only being refreshed
                newest.as_of = as_of.get(path, newest.as_of)
                if self._queued.get(path) is not newest:
                    self._note_age(newest)
                accepted.append(newest)
                continue
            waiting = self._queued.pop(path, None)
            if waiting is not None:
                self._end(waiting, Outcome.SUPERSEDED)
            change = Change(path, value, origin, self._submissions, as_of.get(path))
            self._queued[path] = change
            accepted.append(change)
        self._woken.set()
        return accepted

    def wanted(self, path: Path) -> Value | None:
        """Return the newest value asked for while any change of the point is under way, else None.

        An adapter that sends another value than this has been superseded and gives up its retries.
        """
        newest = self._newest(path)
        return None if newest is None else newest.sent

    def fed_at(self, path: Path) -> float | None:
        """Return when the newest value handed over that came from a source was true there, None for none."""
        return self._fed_at.get(path)

    def busy(self, path: Path) -> bool:
        """True while a change of the point is queued or with the adapter."""
        return self._newest(path) is not None

    def overrule(self, path: Path, value: Value) -> None:
        """Make a wish that cannot be sent the wanted one, so that the adapter gives up what it is sending."""
        if self.wanted(path) in (None, value):
            return
        change = Change(path, value, Origin("overruled"), 0)
        change.finish(Outcome.OFFLINE)
        self._wire.enter(change)
        self._wire.leave(change)

    def drop_all(self, outcome: Outcome) -> None:
        """End every waiting change, as when the line goes down; those on the wire end by themselves."""
        while self._queued:
            _, change = self._queued.popitem()
            self._end(change, outcome)

    async def run(self, adapter: Commander) -> None:
        """Hand changes to the adapter, one ordinary batch at a time, switching off beside it."""
        tasks: set[asyncio.Task[None]] = set()
        ordinary: asyncio.Task[None] | None = None
        self.serving = True
        try:
            while True:
                self._woken.clear()
                tasks = {task for task in tasks if not task.done()}
                if ordinary not in tasks:
                    ordinary = None
                while found := self._next(free=ordinary is None):
                    batch, is_ordinary = found
                    task = asyncio.create_task(self._apply(adapter, batch))
                    tasks.add(task)
                    ordinary = task if is_ordinary else ordinary
                now = self._clock.monotonic()
                due = min((c.ready_at for c in self._queued.values() if c.ready_at > now), default=math.inf)
                await event_or_time(self._clock, self._woken, due)
        finally:
            self.serving = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for change in self._wire.clear():  # those whose task had not begun
                self._end(change, Outcome.OFFLINE)
            self.drop_all(Outcome.OFFLINE)

    def _newest(self, path: Path) -> Change | None:
        return self._queued.get(path) or self._wire.newest(path)

    def _batches(self) -> Iterator[list[Change]]:
        """Yield what each submission left of itself, oldest first, without what must wait."""
        now = self._clock.monotonic()
        batches: dict[int, list[Change]] = {}
        for change in self._queued.values():
            if change.ready_at <= now:
                batches.setdefault(change.batch, []).append(change)
        yield from batches.values()

    def _next(self, *, free: bool) -> tuple[list[Change], bool] | None:
        """Take the next batch that may go, and say whether it takes the place of the ordinary one.

        A batch with a change that switches off is taken whole if the place is free, else its
        switching off goes alone and the rest follows as a batch.
        """
        batches = [b for b in self._batches() if free or any(map(self._is_urgent, b))]
        for batch in batches:
            offs = [c for c in batch if self._is_urgent(c)]
            if offs:
                whole = free and len(offs) < len(batch) and not self._blocked(batch)
                return self._take(batch if whole else offs), whole
        for batch in batches:
            if not self._blocked(batch):
                return self._take(batch), True
        return None

    def _take(self, batch: list[Change]) -> list[Change]:
        for change in batch:
            del self._queued[change.path]
            self._wire.enter(change)
        return batch

    def _blocked(self, batch: list[Change]) -> bool:
        return any(self._wire.newest(c.path) is not None for c in batch)

    def _is_urgent(self, change: Change) -> bool:
        """True for switching off, unless the very same is with the adapter already."""
        there = self._wire.newest(change.path)
        underway = there is not None and not there.ended and there.sent == change.value
        return self._is_off(change) and not underway

    def _is_off(self, change: Change) -> bool:
        spec = self._spec_of(change.path)
        return spec is not None and spec.is_off(change.value)

    async def _apply(self, adapter: Commander, batch: list[Change]) -> None:
        fallback = Outcome.REFUSED
        try:
            cleared = await self._clear(adapter, batch)
            if cleared:
                await self._hand_over(adapter, cleared)
        except asyncio.CancelledError:
            fallback = Outcome.OFFLINE
            raise
        except Exception:  # noqa: BLE001 - a fault of the adapter ends its batch, not the desk
            _log.exception("device=%s command not begun paths=%s", self._name, [c.path for c in batch])
        finally:
            for change in batch:
                if self._queued.get(change.path) is not change:
                    self._end(change, fallback)
                self._wire.leave(change)
            self._woken.set()

    async def _clear(self, adapter: Commander, batch: list[Change]) -> list[Change]:
        """Return what of a batch may go out now, with wear and leases on disk; the rest waits or ends."""
        wears = adapter.wears({c.path: c.value for c in batch})
        offs = [c for c in batch if self._is_off(c)]
        rest = self._spend(wears, [c for c in batch if c not in offs])
        leased = [c.path for c in batch if self._is_leased(c.path) and (c in offs or c in rest)]
        try:
            async with self._clock.timeout(_OFF_WAITS_S if offs else adapter.command_deadline_s):
                if any(c.path in wears and c.substitute is None for c in rest):
                    await self._budget.secure()
                if leased:
                    await self._opening(leased)
        except TimeoutError:
            _log.error("device=%s saved state does not answer: only switching off goes out", self._name)
            for change in rest:
                self._end(change, Outcome.BUSY)
        cleared = []
        for change in batch:  # the disk took its time: what is no longer the newest wish must not go out
            if change.ended or (change not in offs and change not in rest):
                continue
            if change.overtaken or change.path in self._queued:
                self._end(change, Outcome.SUPERSEDED)
            else:
                cleared.append(change)
        return cleared

    def _is_leased(self, path: Path) -> bool:
        spec = self._spec_of(path)
        return spec is not None and spec.lease is not None

    def _spend(self, wears: Mapping[Path, Wear], changes: list[Change]) -> list[Change]:
        """Judge the part of a batch that does not switch off; as a whole, but lowerings go on alone."""
        verdict, wait = self._budget.grant(wears[c.path] for c in changes if c.path in wears)
        if verdict is Verdict.GRANTED:
            return changes
        lowering = [c for c in changes if wears.get(c.path) is Wear.LOWER]
        if verdict is Verdict.WAIT:
            self._requeue(changes, self._clock.monotonic() + wait)
            return []
        if verdict is Verdict.OFF_ONLY:
            for change in lowering:
                spec = self._spec_of(change.path)
                change.substitute = None if spec is None else spec.off
            going = [c for c in changes if c.substitute is not None]
        else:
            self._requeue(lowering, -math.inf)
            going = []
        for change in changes:
            if change not in going and self._queued.get(change.path) is not change:
                self._end(change, Outcome.BUSY)
        return going

    def _requeue(self, changes: list[Change], ready_at: float) -> None:
        for change in changes:
            if change.overtaken or change.path in self._queued:
                self._end(change, Outcome.SUPERSEDED)
            else:
                change.ready_at = ready_at
                self._queued[change.path] = change

    async def _hand_over(self, adapter: Commander, batch: list[Change]) -> None:
        for change in batch:
            self._note_age(change)
        deadline = self._clock.monotonic() + adapter.command_deadline_s
        outcomes: Mapping[Path, Outcome] = {}
        fallback = Outcome.TIMED_OUT
        try:
            async with self._clock.timeout(adapter.command_deadline_s):
                outcomes = await adapter.command({c.path: c.sent for c in batch}, deadline)
            fallback = Outcome.REFUSED  # not sent after a failure
        except TimeoutError:
            _log.warning("device=%s command timed out paths=%s", self._name, [c.path for c in batch])
        except asyncio.CancelledError:
            fallback = Outcome.OFFLINE
            raise
        except Exception:  # noqa: BLE001 - a fault of the adapter ends its command, not the desk
            _log.exception("device=%s command failed paths=%s", self._name, [c.path for c in batch])
        finally:
            for change in batch:
                outcome = outcomes.get(change.path, fallback)
                if outcome is Outcome.PENDING:
                    outcome = Outcome.TIMED_OUT
                if change.substitute is not None and outcome is Outcome.CONFIRMED:
                    outcome = Outcome.ADJUSTED
                self._end(change, outcome)

    def _note_age(self, change: Change) -> None:
        if change.as_of is not None and change.substitute is None:
            self._fed_at[change.path] = change.as_of

    def _end(self, change: Change, outcome: Outcome) -> None:
        if not change.ended:
            change.finish(outcome)
            self._finished(change, outcome)
