"""Held set-points: what the owner set stays set, as far as the device forgets it and nobody changed it."""

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import Memory
from bridge.datastore.values import Outcome, Path, Value

_log = logging.getLogger(__name__)

#: How old saved set-points may be at a restart and still be resumed.
RESUME_WITHIN_S = 24 * 3600.0
#: How often the moment up to which set-points were in force is saved.
SAVE_EVERY_S = 600.0
#: Pause before a set-point the device did not take is sent again, where it is not refreshed sooner.
_RETRY_S = 5.0
#: How often a device that could not be reached for it, or was busy with the point, is looked at again.
_UNREACHED_S = 1.0
#: A device not refreshed for this many periods has forgotten; another value there is nobody's wish.
_PERIODS_FORGOTTEN = 2.0

SpecOf = Callable[[Path], PointSpec | None]


@dataclass(slots=True)
class _Held:
    value: Value
    confirmed_at: float  # monotonic; -inf: not in this run
    due_at: float  # monotonic; when it is sent next
    forgotten: bool = False  # the device has lost it, or is about to hear it again

    def lost(self, spec: PointSpec, now: float) -> bool:
        """True while another value at the device says nothing but that it has forgotten this one."""
        period_s = spec.refresh_period_s(self.value)
        return self.forgotten or (
            period_s < math.inf and now - self.confirmed_at >= _PERIODS_FORGOTTEN * period_s
        )


class SetPoints:
    """The held set-points of one device."""

    _KEY = "set-points"

    def __init__(
        self, name: str, clock: Clock, memory: Memory, resume_within_s: float = RESUME_WITHIN_S
    ) -> None:
        self._name = name
        self._clock = clock
        self._memory = memory
        self._resume_within_s = resume_within_s
        self._held: dict[Path, _Held] = {}
        self._saved: object = memory.get(self._KEY)
        self._serial: str | None = None
        self._stirred = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def held(self, path: Path) -> Value | None:
        """Return the held value, None when the point is not held."""
        held = self._held.get(path)
        return None if held is None else held.value

    def stir(self) -> None:
        """Look again what is due, as when the link has come back."""
        self._stirred.set()

    def resume(self, serial: str, spec_of: SpecOf) -> None:
        """Take saved set-points up again, once, on the same serial and within the time allowed.

        A later call with another serial lets go of everything: it was meant for another device.
        """
        if self._serial is not None:
            if serial != self._serial and self._held:
                _log.warning(
                    "device=%s serial=%s was=%s: set-points let go", self._name, serial, self._serial
                )
                self._held.clear()
            self._serial = serial
            return
        self._serial = serial
        saved_serial, time, wishes = _parsed(self._saved)
        fresh = saved_serial == serial and abs(self._clock.now() - time) <= self._resume_within_s
        for path, value in wishes.items():
            spec = spec_of(path)
            if path in self._held:
                continue
            if fresh and spec is not None and spec.held and spec.text == isinstance(value, str):
                refreshed = spec.refresh_period_s(value) < math.inf
                due_at = self._clock.monotonic() if refreshed else math.inf
                self._held[path] = _Held(value, -math.inf, due_at, forgotten=refreshed)
                _log.info("device=%s set-point=%s resumed value=%s", self._name, path, value)
            else:
                _log.info(
                    "device=%s set-point=%s not resumed: the device's value is adopted", self._name, path
                )
        if wishes or self._held:
            self._save()
        self.stir()

    def confirmed(self, spec: PointSpec, value: Value) -> None:
        """Keep a value the device has put in force."""
        before = self._held.get(spec.path)
        now = self._clock.monotonic()
        self._held[spec.path] = _Held(value, now, now + spec.refresh_period_s(value))
        if before is None or before.value != value:
            self._save()
        self.stir()

    def resent(self, spec: PointSpec, sent: Value, outcome: Outcome, in_force: Value | None) -> None:
        """Take note of what became of sending a held value again."""
        held = self._held.get(spec.path)
        if held is None or held.value != sent:
            return
        if outcome is Outcome.CONFIRMED:
            self.confirmed(spec, sent)
        elif outcome is Outcome.ADJUSTED and in_force is not None:
            self.confirmed(spec, in_force)
        elif outcome in (Outcome.TIMED_OUT, Outcome.OFFLINE):
            held.due_at = self._clock.monotonic() + min(_RETRY_S, spec.refresh_period_s(sent))
        elif outcome is not Outcome.SUPERSEDED:
            held.forgotten = False
            _log.warning(
                "device=%s set-point=%s value=%s %s when sent again",
                self._name,
                spec.path,
                sent,
                outcome.word,
            )
        self.stir()

    def end(self, path: Path, reason: str) -> None:
        """Let go of a set-point."""
        if self._held.pop(path, None) is not None:
            _log.info("device=%s set-point=%s hold ended: %s", self._name, path, reason)
            self._save()

    def observed(self, spec: PointSpec, value: Value | None) -> None:
        """Take note of what the device reports: another value than the held one ends the hold."""
        held = self._held.get(spec.path)
        if held is None or value is None or spec.same(held.value, value):
            return
        if held.lost(spec, self._clock.monotonic()):
            return
        self.end(spec.path, f"changed at the device from {held.value} to {value}, which is adopted")

    def restarted(self, spec_of: SpecOf) -> tuple[Path, ...]:
        """Send again what a restart of the device has wiped, as soon as it can be reached; return it."""
        wiped = []
        for path, _ in self._specs(spec_of):
            self._held[path].forgotten = True
            self._held[path].due_at = self._clock.monotonic()
            wiped.append(path)
        self.stir()
        return tuple(wiped)

    async def run(self, spec_of: SpecOf, send: Callable[[Mapping[Path, Value]], Collection[Path]]) -> None:
        """Hand what is due to `send` until cancelled; it returns the points it could take."""
        saved_at = self._clock.monotonic()
        try:
            while True:
                self._stirred.clear()
                now = self._clock.monotonic()
                forgettable = dict(self._specs(spec_of))
                due = {path: self._held[path].value for path in forgettable if self._held[path].due_at <= now}
                for path in send(due) if due else ():
                    self._held[path].due_at = now + forgettable[path].refresh_period_s(due[path])
                if now - saved_at >= SAVE_EVERY_S:
                    saved_at = now
                    self.touch()
                wake = min((self._held[path].due_at for path in forgettable), default=math.inf)
                wake = max(wake, now + _UNREACHED_S) if wake <= now else wake
                await event_or_time(self._clock, self._stirred, min(wake, saved_at + SAVE_EVERY_S))
        finally:
            self.touch()

    def touch(self) -> None:
        """Save the present moment as the newest in which the set-points were in force."""
        if self._held:
            self._save()

    def _specs(self, spec_of: SpecOf) -> Iterator[tuple[Path, PointSpec]]:
        """Yield the held points whose values the device forgets."""
        for path, held in self._held.items():
            spec = spec_of(path)
            if spec is not None and spec.forgets(held.value):
                yield path, spec

    def _save(self) -> None:
        held = {path: held.value for path, held in self._held.items()}
        self._memory.put(self._KEY, {"serial": self._serial or "", "time": self._clock.now(), "held": held})


def _parsed(saved: object) -> tuple[str, float, dict[Path, Value]]:
    """Return serial, time and values as saved; a record that cannot be read holds nothing."""
    if not isinstance(saved, dict):
        return "", -math.inf, {}
    serial, time, held = saved.get("serial"), saved.get("time"), saved.get("held")
    if not isinstance(serial, str) or not isinstance(time, int | float) or not isinstance(held, dict):
        return "", -math.inf, {}
    return serial, float(time), {p: v for p, v in held.items() if isinstance(v, int | float | str)}
