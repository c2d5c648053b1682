"""One reconnect logic for every family, and the restart of a device whose code failed.

A line goes OPENING -> OPEN -> WAITING -> OPENING for ever. Only a lost or unopenable line is met here;
anything else that leaves a session is a failure of ours and goes up to `supervise`.
"""

import asyncio
import enum
import logging
import random
from collections.abc import Awaitable, Callable

from bridge.adapters.line import Line, LineFault, PortBusy, PortDenied, PortUnusable
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import LinkState

_log = logging.getLogger(__name__)

#: A replugged USB adapter has its node back in 0.1 to 0.5 s, a restarted simulator sooner.
RETRY_FIRST_S = 0.2
#: A person who plugs in a cable looks at the result within seconds; opening costs next to nothing.
RETRY_CAP_S = 5.0
#: A port that stayed open this long is back. One that fails sooner (a serial server that accepts and
#: hangs up, a loose plug) is still the same fault: neither logged again nor retried quickly.
SETTLED_S = 1.0
#: A defect met at once is met again: give the machine air, and the log lines a distance.
RESTART_FIRST_S = 0.5
#: A device that keeps failing costs one log line a minute.
RESTART_CAP_S = 60.0
#: A device that ran this long had recovered; its next failure is a new one.
RUNS_WELL_S = 60.0
#: Part of every pause that is left to chance, so that many devices do not retry in step.
JITTER = 0.3

#: Faults that only a person can end, hence no use in trying quickly.
_PATIENT = (PortBusy, PortDenied, PortUnusable)


class Backoff:
    """Pauses that double from `first_s` up to `cap_s`, each shortened by up to JITTER of itself."""

    def __init__(self, first_s: float, cap_s: float, chance: Callable[[], float] = random.random) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._chance = chance
        self._next_s = first_s

    def pause(self) -> float:
        """Return the next pause in seconds."""
        length = self._next_s
        self._next_s = min(self._cap_s, length * 2)
        return length * (1 - JITTER * self._chance())

    def longest(self) -> float:
        """Go to the cap and return a pause of that length."""
        self._next_s = self._cap_s
        return self.pause()

    def reset(self) -> None:
        """Begin again with the first pause."""
        self._next_s = self._first_s


class LineState(enum.Enum):
    """What becomes of a device's line now."""

    OPENING = "opening"
    OPEN = "open"
    WAITING = "waiting"


class Reconnect:
    """Keeps one device's line open: opens it, runs a session on it, and begins again when it is lost.

    `open` makes a line or raises LineFault; `session` talks on it until LineLost, and need not close it.
    The device's link is PORT_MISSING while there is no line and STARTING when there is one again; every
    state beyond that is the session's to set.
    """

    def __init__(
        self,
        device: Device,
        clock: Clock,
        open: Callable[[], Awaitable[Line]],
        session: Callable[[Line], Awaitable[None]],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.state = LineState.WAITING
        self._device = device
        self._clock = clock
        self._open = open
        self._session = session
        self._backoff = Backoff(RETRY_FIRST_S, RETRY_CAP_S, chance)
        self._down_since: float | None = None
        self._told: set[type[LineFault]] = set()
        self._fluttering = False

    async def run(self) -> None:
        """Keep the line until cancelled. Ends only with a session that returns or raises no LineFault."""
        while True:
            try:
                await self._once()
            except LineFault as fault:
                self._down(fault)
                self.state = LineState.WAITING
                hopeless = isinstance(fault, _PATIENT)
                await self._clock.sleep(self._backoff.longest() if hopeless else self._backoff.pause())
            else:
                return

    async def _once(self) -> None:
        """Open the line and run one session on it."""
        self.state = LineState.OPENING
        line = await self._open()
        self.state = LineState.OPEN
        if not self._fluttering:
            self._device.set_link(LinkState.STARTING)
        self._fluttering = True
        settling = asyncio.create_task(self._settle(line.port))
        try:
            await self._session(line)
        finally:
            settling.cancel()
            line.close()
            if line.heard:
                self._fluttering = False

    async def _settle(self, port: str) -> None:
        """Take the line for well once it has stayed open."""
        await self._clock.sleep(SETTLED_S)
        self._fluttering = False
        self._backoff.reset()
        if self._device.link is LinkState.PORT_MISSING:
            self._device.set_link(LinkState.STARTING)
        if self._down_since is not None:
            down_s = self._clock.monotonic() - self._down_since
            _log.info("device=%s port=%s open again down_s=%.1f", self._device.name, port, down_s)
            self._down_since = None
            self._told.clear()

    def _down(self, fault: LineFault) -> None:
        """Show that there is no line, and tell of each kind of fault once until the line is well again."""
        self._device.set_link(LinkState.PORT_MISSING)
        if self._down_since is None:
            self._down_since = self._clock.monotonic()
            self._device.count_error()
        if type(fault) not in self._told:
            self._told.add(type(fault))
            _log.warning('device=%s fault=%s reason="%s"', self._device.name, fault.word, fault)


async def supervise(
    name: str,
    clock: Clock,
    run: Callable[[], Awaitable[None]],
    chance: Callable[[], float] = random.random,
) -> None:
    """Run a device until cancelled, starting it again after every failure; nobody else is disturbed."""
    backoff = Backoff(RESTART_FIRST_S, RESTART_CAP_S, chance)
    while True:
        began = clock.monotonic()
        try:
            await run()
            failure = "it ended by itself"
        except asyncio.CancelledError:
            if _being_cancelled():
                raise
            failure = "it was cancelled from inside"
        except Exception as fault:  # noqa: BLE001 - whatever one device's code does must stay with that device
            failure = " / ".join(f"{type(leaf).__name__}: {leaf}" for leaf in _leaves(fault))
            _log.debug("device=%s failed", name, exc_info=fault)
        if clock.monotonic() - began >= RUNS_WELL_S:
            backoff.reset()
        pause = backoff.pause()
        _log.error('device=%s restart_in_s=%.1f failed="%s"', name, pause, " ".join(failure.split()))
        await clock.sleep(pause)


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _leaves(fault: BaseException) -> list[BaseException]:
    """Return what really happened: a task group wraps the failures of its tasks."""
    if isinstance(fault, BaseExceptionGroup):
        return [leaf for inner in fault.exceptions for leaf in _leaves(inner)]
    return [fault]
