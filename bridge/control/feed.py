"""What links bring to one device: gathered for a moment, then written as one batch, never twice."""

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.device import Device
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.values import LinkState, Origin, Outcome, Path, Value, WriteRequest

_log = logging.getLogger(__name__)

#: What comes within this time of the first value goes with it: a battery's frames follow each other closely.
GATHER_S = 0.05
#: Least time between two batches; meanwhile newer values take the place of those that wait.
PACE_S = 1.0
#: Outcomes that are no fault of the link: a newer value is on its way, or this one still is.
_UNDER_WAY = frozenset({Outcome.CONFIRMED, Outcome.PENDING, Outcome.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class _Brought:
    """A value of a source, in the target's unit, with the monotonic time at which it was true."""

    value: Value
    as_of: float


class Feed:
    """All that links write to one device; `run` does it until cancelled."""

    def __init__(self, target: Device, clock: Clock) -> None:
        self.target = target
        self.name = target.name
        self._clock = clock
        self._sources: dict[Path, str] = {}
        self._waiting: dict[Path, _Brought] = {}
        self._woken = asyncio.Event()
        self._next_at = -math.inf
        #: What is wrong now with single points, as it was told.
        self._told: dict[Path, str] = {}

    def from_device(self, path: Path, source: str) -> None:
        """Say which device a point is fed from, for logs and the origin of its writes."""
        self._sources[path] = source

    def take(self, path: Path, value: Value, as_of: float) -> None:
        """Take a value that was true at monotonic time `as_of`; it goes out with the next batch."""
        self._waiting[path] = _Brought(value, as_of)
        self._woken.set()

    def drop(self, path: Path) -> None:
        """Forget what waits for a point: its source has no value any more."""
        self._waiting.pop(path, None)

    async def run(self) -> None:
        """Write what comes, one batch at a time."""
        while True:
            await event_or_time(self._clock, self._woken, math.inf)
            await self._clock.sleep(max(GATHER_S, self._next_at - self._clock.monotonic()))
            self._woken.clear()
            brought, self._waiting = self._waiting, {}
            self._next_at = self._clock.monotonic() + PACE_S
            await self._write(brought)

    async def _write(self, brought: Mapping[Path, _Brought]) -> None:
        """Write a batch. A device that cannot hear it is not asked; the next values come anyway."""
        if self.target.link is not LinkState.ONLINE or not self.target.alive:
            return
        changes = self._allowed({p: b.value for p, b in brought.items() if self._is_news(p, b.value)})
        if not changes:
            return
        as_of = {path: brought[path].as_of for path in changes}
        request = WriteRequest(changes, self._origin(changes), as_of=as_of)
        try:
            outcomes = await self.target.write(request, PACE_S)
        except WriteRefusal as refusal:
            self._tell(refusal.path, str(refusal))
            return
        for path, outcome in outcomes.items():
            self._tell(path, "" if outcome in _UNDER_WAY else f"outcome {outcome.word}")

    def _is_news(self, path: Path, value: Value) -> bool:
        """True where a write does something: it renews what would run out, or changes what is in force."""
        if not self.target.has(path):
            return False
        spec = self.target.spec(path)
        runs_out = spec.lease is not None or spec.refresh_s is not None
        return runs_out or not spec.same(self.target.value(path), spec.normalise(value))

    def _allowed(self, changes: Mapping[Path, Value]) -> dict[Path, Value]:
        """Leave out single values that the device's rules refuse: no reason to withhold the others."""
        left = dict(changes)
        while left:
            try:
                self.target.check(WriteRequest(left, self._origin(left)))
            except WriteRefusal as refusal:
                self._tell(refusal.path, str(refusal))
                if left.pop(refusal.path, None) is None:
                    return {}
            else:
                break
        return left

    def _origin(self, changes: Mapping[Path, Value]) -> Origin:
        return Origin("link", "+".join(sorted({self._sources[path] for path in changes})))

    def _tell(self, path: Path, fault: str) -> None:
        """Log a fault of a point when it begins, and when it is over."""
        before = self._told.pop(path, "")
        if fault:
            self._told[path] = fault
        if bool(fault) == bool(before):
            return
        if fault:
            _log.warning("device=%s link=%s from=%s not taken: %s", self.name, path, self._from(path), fault)
        else:
            _log.info("device=%s link=%s from=%s taken again", self.name, path, self._from(path))

    def _from(self, path: Path) -> str:
        return self._sources.get(path, "")
