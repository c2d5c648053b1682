"""Leased set-points: they live only while their writer keeps writing, and are ended whatever happens."""

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator

from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.commands import Commander
from bridge.datastore.holds import SpecOf
from bridge.datastore.spec import PointSpec, Safe
from bridge.datastore.state import Memory
from bridge.datastore.values import Outcome, Path, Value

_log = logging.getLogger(__name__)

#: Pause before a lease end that the device did not obey is tried again.
_RETRY_S = 5.0


class Leases:
    """The open leases of one device.

    A lease is open, and saved as open, before the frame that sets its point goes out: from then on the
    device may obey, whether or not it is heard to. Only a confirmed write or a changed heartbeat moves
    its end; a write of unknown outcome does not.
    """

    _KEY = "leases"

    def __init__(self, name: str, clock: Clock, memory: Memory) -> None:
        self._name = name
        self._clock = clock
        self._memory = memory
        self._saved: object = memory.get(self._KEY)
        self._serial: str | None = None
        self._ends: dict[Path, float] = {}
        #: Opened by a write whose outcome is not known yet.
        self._unproven: set[Path] = set()
        #: What the adapter is being told to put in force now, where a lease ends by a value.
        self._ending: dict[Path, Value] = {}
        self._heartbeats: dict[Path, Value] = {}
        self._retry_at = -math.inf
        self._disobeyed = False
        self._stirred = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ends)

    def ending(self, path: Path) -> Value | None:
        """Return the safe value by which a lease is being ended now, None when there is none."""
        return self._ending.get(path)

    def stir(self) -> None:
        """Try at once what is due, as when the link has come back."""
        self._retry_at = -math.inf
        self._stirred.set()

    def resume(self, serial: str) -> None:
        """Take up leases found open, once; they are due at once: nobody may have renewed them meanwhile."""
        first, self._serial = self._serial is None, serial
        if not first or not isinstance(self._saved, dict):
            return
        owner, paths = self._saved.get("serial"), self._saved.get("open")
        if not isinstance(paths, list):
            return
        if owner not in ("", serial):
            _log.warning("device=%s leases of serial=%s dropped: found serial=%s", self._name, owner, serial)
        else:
            for path in paths:
                if isinstance(path, str):
                    self._ends.setdefault(path, self._clock.monotonic())
        self._memory.put(self._KEY, self._record())
        self.stir()

    async def open(self, specs: Collection[PointSpec]) -> None:
        """Open the leases of points about to be set; returns when they are saved as open."""
        opened = [spec for spec in specs if spec.lease is not None and spec.path not in self._ends]
        for spec in opened:
            assert spec.lease is not None  # noqa: S101 - filtered above
            self._ends[spec.path] = self._clock.monotonic() + spec.lease.seconds
            self._unproven.add(spec.path)
        if opened:
            self._stirred.set()
            await self._memory.save(self._KEY, self._record())

    def settled(self, spec: PointSpec, outcome: Outcome) -> None:
        """Take note of what became of a write to a leased point."""
        unproven = spec.path in self._unproven
        self._unproven.discard(spec.path)
        if outcome in (Outcome.CONFIRMED, Outcome.ADJUSTED):
            self._renew(spec)
        elif unproven and outcome in (Outcome.REFUSED, Outcome.BUSY):
            self._close([spec.path])  # it never came into force

    def heartbeat(self, path: Path, value: Value, spec_of: SpecOf) -> None:
        """Renew all open leases when a heartbeat has changed; the first one heard differs from nothing."""
        known = path in self._heartbeats
        changed = known and self._heartbeats[path] != value
        self._heartbeats[path] = value
        if changed:
            for leased in tuple(self._ends):
                spec = spec_of(leased)
                if spec is not None and self._ends[leased] > self._clock.monotonic():
                    self._renew(spec)

    async def run(self, adapter: Commander, spec_of: SpecOf, may_act: Callable[[], bool]) -> None:
        """End leases in time until cancelled; what the device does not obey is tried again."""
        while True:
            self._stirred.clear()
            now = self._clock.monotonic()
            over = tuple(path for path, end in self._ends.items() if end <= now)
            if over and now >= self._retry_at:
                if may_act() and await self._end(adapter, over, spec_of):
                    self._close([path for path in over if self._ends[path] <= now])
                    continue
                self._retry_at = self._clock.monotonic() + _RETRY_S
            coming = [end if end > now else self._retry_at for end in self._ends.values()]
            await event_or_time(self._clock, self._stirred, min(coming, default=math.inf))

    async def _end(self, adapter: Commander, paths: tuple[Path, ...], spec_of: SpecOf) -> bool:
        """Have the adapter end leases; True when the device has obeyed."""
        fault: object = "the device has not obeyed"
        self._ending = dict(_safe_values(paths, spec_of))
        try:
            async with self._clock.timeout(adapter.command_deadline_s):
                if await adapter.expired(paths):
                    self._disobeyed = False
                    _log.info("device=%s leases ended: %s", self._name, ", ".join(paths))
                    return True
        except TimeoutError:
            fault = "no answer"
        except Exception as defect:  # noqa: BLE001 - whatever fails, the end of a lease is tried again
            fault = repr(defect)
        finally:
            self._ending = {}
        if not self._disobeyed:
            self._disobeyed = True
            _log.error(
                "device=%s leases not ended yet (%s): %s, trying on", self._name, fault, ", ".join(paths)
            )
        return False

    def _renew(self, spec: PointSpec) -> None:
        if spec.lease is None:
            return
        known = spec.path in self._ends
        self._ends[spec.path] = self._clock.monotonic() + spec.lease.seconds
        if not known:  # ended while its write was under way
            self._memory.put(self._KEY, self._record())
        self._stirred.set()

    def _close(self, paths: Collection[Path]) -> None:
        for path in paths:
            self._ends.pop(path, None)
            self._unproven.discard(path)
        self._memory.put(self._KEY, self._record())

    def _record(self) -> dict[str, object] | None:
        return {"serial": self._serial or "", "open": sorted(self._ends)} if self._ends else None


def _safe_values(paths: Iterable[Path], spec_of: SpecOf) -> Iterator[tuple[Path, Value]]:
    for path in paths:
        spec = spec_of(path)
        if spec is not None and spec.lease is not None and not isinstance(spec.lease.safe, Safe):
            yield path, spec.lease.safe
