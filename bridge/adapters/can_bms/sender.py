"""Sends the set: each frame every period from what is true at that moment, and what was written soon.

Never a repetition by itself: every frame is composed when it is due, so a bridge that hangs falls silent.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from bridge.adapters.can.dialects import Dialect
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can_bms.schedule import Schedule
from bridge.datastore.clock import Clock, event_or_time

#: Least time between two frames of one id where the dialect names none, in seconds: writers may be many.
_REPEAT_S = 0.2
#: Rounds of "no current" before an orderly silence.
FAREWELL_ROUNDS = 2
#: Longest that they may take with an adapter that hangs, in seconds.
_FAREWELL_WITHIN_S = 2.5

#: Puts frames on the bus; the answer comes with how many the adapter has taken.
Transmit = Callable[[Sequence[CanFrame]], "asyncio.Future[int]"]
#: Returns the set to send now, by id; empty where nothing may be sent.
Compose = Callable[[], Mapping[int, CanFrame]]


class Carried:
    """Waits until the frames of some ids, composed from now on, are with the adapter."""

    def __init__(self, ids: Iterable[int]) -> None:
        self.pending = set(ids)
        #: True once all are, False when that will not be.
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def end(self, *, carried: bool) -> None:
        """Tell who waits; later calls change nothing."""
        if not self.done.done():
            self.done.set_result(carried)


class Sender:
    """The periodic sender of one bus. `run` sends until cancelled; what is sent is `compose`'s affair.

    `sent` is called with the frames of each sending after they were handed to the adapter.
    """

    def __init__(
        self, clock: Clock, dialect: Dialect, compose: Compose, transmit: Transmit, tick: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._dialect = dialect
        self._compose = compose
        self._transmit = transmit
        self._tick = tick
        self._schedule = Schedule(dialect.sends, dialect.gap_s, max(_REPEAT_S, dialect.repeat_s))
        self._stirred = asyncio.Event()
        self._waiting: list[Carried] = []
        #: What the adapter has taken last of each id.
        self._newest: dict[int, bytes] = {}
        self._sending = self._leaving = False

    @property
    def sending(self) -> bool:
        """True while a set is on the bus every period."""
        return self._sending

    def stir(self) -> None:
        """Look again what is due."""
        self._stirred.set()

    def press(self) -> Carried | None:
        """Let what differs from the frames on the bus go out soon; None where nothing is being sent."""
        if not self._sending or self._leaving:
            return None
        changed = [i for i, frame in self._compose().items() if self._newest.get(i) != frame.data]
        carried = Carried(changed)
        if changed:
            self._waiting.append(carried)
            self._schedule.press(changed)
            self.stir()
        else:
            carried.end(carried=True)
        return carried

    def fall_silent(self) -> None:
        """Send nothing until there is a set again; whoever waits for frames hears that none come."""
        self._sending = False
        self._newest.clear()
        for carried in self._waiting:
            carried.end(carried=False)
        self._waiting.clear()

    async def run(self, wakes_in_s: Callable[[], float]) -> None:
        """Send what is due until cancelled; `tick` is called after each look, at least every period."""
        while True:
            self._stirred.clear()
            now = self._clock.monotonic()
            if not self._leaving:
                self._look(now)
            self._tick()
            due = now + min(self._schedule.period_s, wakes_in_s())
            if self._sending and not self._leaving:
                due = min(due, self._schedule.next_s(now))
            await event_or_time(self._clock, self._stirred, due)

    def farewell(self, frames: Sequence[CanFrame]) -> "asyncio.Task[None]":
        """Fall silent at once but for two rounds of these frames; the answer ends with the last of them.

        None are sent where nothing was being sent. Cancelling the answer ends the silence.
        """
        rounds = FAREWELL_ROUNDS if self._sending and frames else 0
        self.fall_silent()
        self._leaving = True
        leaving = asyncio.create_task(self._leave(frames, rounds))

        def left(_: "asyncio.Task[None]") -> None:
            self._leaving = False
            self.stir()

        leaving.add_done_callback(left)
        return leaving

    # -- inside ------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        frames = self._compose()
        if not frames:
            if self._sending:
                self.fall_silent()
            return
        if not self._sending:
            self._sending = True
            self._schedule.begin(now)
        going = [frames[frame_id] for frame_id in self._schedule.take(now) if frame_id in frames]
        if going:
            self._send(going)

    def _send(self, going: Sequence[CanFrame]) -> None:
        waiting = tuple(self._waiting)

        def taken(done: "asyncio.Future[int]") -> None:
            count = 0 if done.cancelled() else done.result()
            ids = {frame.id for frame in going[:count]}
            self._newest |= {frame.id: frame.data for frame in going[:count]}
            for carried in waiting:
                carried.pending -= ids
                if not carried.pending:
                    carried.end(carried=True)
            self._waiting = [carried for carried in self._waiting if not carried.done.done()]

        self._transmit(going).add_done_callback(taken)

    async def _leave(self, frames: Sequence[CanFrame], rounds: int) -> None:
        gap_s, repeat_s = self._dialect.gap_s, max(_REPEAT_S, self._dialect.repeat_s)
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(_FAREWELL_WITHIN_S):
                for turn in range(rounds):
                    if turn:
                        await self._clock.sleep(max(gap_s, repeat_s - gap_s * (len(frames) - 1)))
                    await self._round(frames, gap_s)

    async def _round(self, frames: Sequence[CanFrame], gap_s: float) -> None:
        if not gap_s:
            await self._transmit(frames)
            return
        for number, frame in enumerate(frames):
            if number:
                await self._clock.sleep(gap_s)
            await self._transmit((frame,))
