"""A channel: one CAN bus, shared by the devices on it. Every device hears every frame.

The channel keeps its bus open as long as any device needs it, and tells them when it is lost and back. An
adapter acknowledges nothing, and one with a closed channel or another bit rate looks like a bus on which
nobody speaks: so a bus that stays quiet is said to be so, and opened anew from time to time. Where nobody
was heard yet while the adapter takes what is sent, the far end may be one that only listens: opening anew
costs it frames, hence is done seldom.
"""

import asyncio
import collections
import contextlib
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from bridge.adapters.can.bus import BusLine
from bridge.adapters.can.bus_opening import open_bus
from bridge.adapters.can.counters import CanCounters
from bridge.adapters.can.faults import bus_name
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions, bus_key
from bridge.adapters.line_faults import LineFault, PortBusy, PortDenied, PortUnusable
from bridge.adapters.reconnect import RETRY_CAP_S, RETRY_FIRST_S, SETTLED_S, Backoff
from bridge.datastore.clock import Clock, event_or_time

_log = logging.getLogger(__name__)

#: Batteries and inverters speak every second: this long without a frame is worth a line in the log, and a
#: new start of the adapter, which may have been switched off and on in the meantime.
QUIET_S = 10.0
#: Pauses between such starts grow up to this, and begin with it where a far end may only listen.
_QUIET_CAP_S = 60.0
#: How long a frame of our own may take to come back where a bus echoes them.
_ECHO_WITHIN_S = 1.0
#: Buses that bring back what one sends.
_ECHOING = frozenset({"udp_multicast"})
#: Faults that only a person can end, hence no use in trying quickly.
_PATIENT = (PortBusy, PortDenied, PortUnusable)


@dataclass(eq=False)
class Seat:
    """A device's place on a channel.

    heard: told of every frame from the bus, own ones excepted. lost, restored: told of the bus. erred: told
    of error frames and damaged lines. up: set while the bus is open.
    """

    device: str
    heard: Callable[[CanFrame], None]
    lost: Callable[[LineFault], None]
    restored: Callable[[], None]
    erred: Callable[[int], None]
    channel: "Channel"
    up: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, frames: Sequence[CanFrame]) -> "asyncio.Future[int]":
        """Queue a set of frames; never blocks. The answer comes with how many the adapter has taken.

        Taken is not heard: no adapter tells whether anybody acknowledged. 0 at once while there is no bus.
        """
        return self.channel.send(frames)

    @property
    def counters(self) -> CanCounters:
        """Counts of the whole channel."""
        return self.channel.counters

    @property
    def heard_at(self) -> float | None:
        """Monotonic time of the newest frame from anybody on the bus, None for none yet."""
        return self.channel.heard_at


class Channel:
    """One bus and the devices on it; is told by the open bus what happens there (`BusEars`)."""

    def __init__(self, options: CanOptions, clock: Clock) -> None:
        self.options = options
        self.name = bus_name(options)
        self.seats: list[Seat] = []
        self.counters = CanCounters()
        self.heard_at: float | None = None
        self._clock = clock
        self._line: BusLine | None = None
        self._opened_at = 0.0
        self._sent_before = 0
        self._fault: LineFault | None = None
        self._stirred = asyncio.Event()
        self._echoes: collections.deque[tuple[float, CanFrame]] = collections.deque()
        self._backoff = Backoff(RETRY_FIRST_S, RETRY_CAP_S)
        self._told: set[type[LineFault]] = set()
        self._settled = self._quiet_told = False
        self._quiet_s = QUIET_S
        self._deaf_seats: set[Seat] = set()
        self._task: asyncio.Task[None] | None = None

    def join(self, seat: Seat) -> None:
        """Take a device on; the bus is opened for the first one."""
        self.seats.append(seat)
        if self._line is not None:
            seat.up.set()
        if self._settled:
            seat.restored()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"channel {self.name}")

    async def leave(self, seat: Seat) -> None:
        """Let a device go; the bus is closed when it was the last one."""
        self.seats.remove(seat)
        if self.seats or self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])

    def send(self, frames: Sequence[CanFrame]) -> "asyncio.Future[int]":
        """Queue a set of frames; the answer comes with how many the adapter has taken."""
        if self._line is None:
            nothing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            nothing.set_result(0)
            self.counters.dropped += len(frames)
            return nothing
        if self.options.interface in _ECHOING:
            now = self._clock.monotonic()
            self._echoes.extend((now, frame) for frame in frames)
        taken = self._line.send(frames)

        def count(done: "asyncio.Future[int]") -> None:
            if not done.cancelled():
                self.counters.sent += done.result()
                self.counters.dropped += len(frames) - done.result()

        if taken.done():
            count(taken)
        else:
            taken.add_done_callback(count)
        return taken

    # -- what the bus tells --------------------------------------------------------------------------

    def frame(self, frame: CanFrame) -> None:
        """Hand a frame to every device."""
        if self._is_echo(frame):
            return
        self.counters.received += 1
        if self.heard_at is None or self._quiet_s > QUIET_S:
            self._stirred.set()  # the next start comes sooner from now on
        self.heard_at = self._clock.monotonic()
        if self._quiet_told:
            self._quiet_told = False
            _log.info("devices=%s bus=%s heard again", self._names, self.name)
        self._quiet_s = QUIET_S
        self._is_well()
        if self.counters.bus_off:
            self._bus_off(now_off=False)
        for seat in tuple(self.seats):
            try:
                seat.heard(frame)
            except Exception:  # noqa: BLE001 - one device's defect must not deafen the others
                if seat not in self._deaf_seats:
                    self._deaf_seats.add(seat)
                    _log.exception("device=%s frame=%s could not be taken", seat.device, frame)

    def ignored(self) -> None:
        """Count a frame that no family speaks."""
        self.counters.ignored += 1

    def error(self, bus_off: bool | None) -> None:
        """Count an error frame, and mind whether the adapter is off the bus."""
        self._erred()
        if bus_off is not None and bus_off is not self.counters.bus_off:
            self._bus_off(now_off=bus_off)

    def garbled(self) -> None:
        """Count a damaged line."""
        self._erred()

    def lost(self, fault: LineFault) -> None:
        """End this opening of the bus."""
        self._fault = fault
        self._stirred.set()

    # -- the bus -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._once()
            except LineFault as fault:
                self._down(fault)
                hopeless = isinstance(fault, _PATIENT)
                await self._clock.sleep(self._backoff.longest() if hopeless else self._backoff.pause())
            except Exception as defect:
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # met while closing: who lets go waits for the end
                    raise
                _log.exception("bus=%s failed", self.name)
                self._down(PortUnusable(self.name, f"failed inside the bridge: {defect!r}"))
                await self._clock.sleep(self._backoff.longest())

    async def _once(self) -> None:
        """Open the bus and stay until it is lost (raises LineFault) or has been quiet for long."""
        line = await open_bus(self.options, self._clock)
        try:
            self._line, self._fault = line, None
            self._opened_at = self._clock.monotonic()
            self._sent_before = self.counters.sent
            self._stirred.clear()
            line.listen(self)
            for seat in self.seats:
                seat.up.set()
            await self._stay()
        finally:
            self._line = None
            self._echoes.clear()
            self.counters.bus_off = False
            for seat in self.seats:
                seat.up.clear()
            await line.close()

    async def _stay(self) -> None:
        settled_at = self._opened_at + SETTLED_S
        while self._fault is None:
            self._stirred.clear()
            now = self._clock.monotonic()
            since = max(self._opened_at, self.heard_at or self._opened_at)
            if not self._settled and now >= settled_at:
                self._is_well()
            if now >= since + QUIET_S:
                self._tell_quiet()
            anew_at = since + self._anew_after_s
            if now >= anew_at:
                self._quiet_s = min(_QUIET_CAP_S, self._quiet_s * 2)
                self.counters.reopened += 1
                return
            quiet_at = anew_at if self._quiet_told else since + QUIET_S
            due = min(quiet_at, anew_at)
            await event_or_time(self._clock, self._stirred, due if self._settled else min(settled_at, due))
        raise self._fault

    @property
    def _anew_after_s(self) -> float:
        """Seconds of quiet after which the bus is opened anew."""
        may_only_listen = self.heard_at is None and self.counters.sent > self._sent_before
        return _QUIET_CAP_S if may_only_listen else self._quiet_s

    def _tell_quiet(self) -> None:
        """Say once that nobody is heard."""
        if self._quiet_told:
            return
        self._quiet_told = True
        _log.warning(
            "devices=%s bus=%s heard nothing for %g s at %d bit/s: expected frames every second; look "
            "whether the other side is on and its bit rate, at CAN_H and CAN_L, and at the 120 ohm "
            "terminators, one at each end",
            self._names, self.name, QUIET_S, self.options.bitrate,
        )  # fmt: skip

    def _is_well(self) -> None:
        """Take the bus for well: a frame has come, or it has stayed open."""
        if self._settled:
            return
        self._settled = True
        self._backoff.reset()
        if self._told:
            self._told.clear()
            _log.info("devices=%s bus=%s open again", self._names, self.name)
        for seat in tuple(self.seats):
            seat.restored()

    def _down(self, fault: LineFault) -> None:
        """Tell the devices, and the log once for each kind of fault until the bus is well again."""
        self._settled = False
        self.counters.reopened += 1
        if type(fault) not in self._told:
            self._told.add(type(fault))
            _log.warning('devices=%s fault=%s reason="%s"', self._names, fault.word, fault)
        for seat in tuple(self.seats):
            seat.lost(fault)

    def _bus_off(self, *, now_off: bool) -> None:
        self.counters.bus_off = now_off
        if now_off:
            _log.warning(
                "devices=%s bus=%s is off the bus after too many errors: look at the bit rate, the wiring "
                "and the terminators; a can0 comes back by itself only if brought up with restart-ms 100",
                self._names, self.name,
            )  # fmt: skip
        else:
            _log.info("devices=%s bus=%s is on the bus again", self._names, self.name)

    def _erred(self) -> None:
        self.counters.errors += 1
        for seat in tuple(self.seats):
            seat.erred(1)

    def _is_echo(self, frame: CanFrame) -> bool:
        """True for a frame of our own that a bus brings back."""
        oldest = self._clock.monotonic() - _ECHO_WITHIN_S
        while self._echoes and self._echoes[0][0] < oldest:
            self._echoes.popleft()
        for place, (_, sent) in enumerate(self._echoes):
            if sent == frame:
                del self._echoes[place]
                return True
        return False

    @property
    def _names(self) -> str:
        return ",".join(sorted(seat.device for seat in self.seats))


_Shelf = dict[str, Channel]
#: The channels of each house, by bus. A house is known by its clock.
_shelves: "weakref.WeakKeyDictionary[Clock, _Shelf]" = weakref.WeakKeyDictionary()


@contextlib.asynccontextmanager
async def seat_on(
    options: CanOptions,
    clock: Clock,
    device: str,
    heard: Callable[[CanFrame], None],
    lost: Callable[[LineFault], None],
    restored: Callable[[], None],
    erred: Callable[[int], None],
) -> AsyncIterator[Seat]:
    """Give a device its seat on the channel of its bus, for as long as the block runs.

    Raises PortUnusable for a bus that another device has with another bit rate.
    """
    shelf = _shelves.setdefault(clock, {})
    # only the path of a serial adapter is looked up in the file system, which may block
    key = await asyncio.to_thread(bus_key, options) if options.interface == "slcan" else bus_key(options)
    channel = shelf.get(key)
    if channel is None:
        channel = shelf[key] = Channel(options, clock)
    elif channel.options.bitrate != options.bitrate:
        raise PortUnusable(
            channel.name,
            f"found {options.bitrate} bit/s, but {channel.seats[0].device} has it with "
            f"{channel.options.bitrate} bit/s: give all devices of one bus the same bitrate",
        )
    seat = Seat(device, heard, lost, restored, erred, channel)
    channel.join(seat)
    try:
        yield seat
    finally:
        if len(channel.seats) == 1 and shelf.get(key) is channel:
            del shelf[key]
        await channel.leave(seat)
