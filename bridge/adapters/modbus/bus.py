"""A bus: one port or host, shared by the devices behind it. One request at a time, each in its turn.

The bus keeps its line open as long as any device needs it, and tells them when it is lost and back.
"""

import asyncio
import contextlib
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from bridge.adapters.line import LineFault, PortBusy, PortDenied, PortUnusable
from bridge.adapters.modbus.endpoint import BusLine, Endpoint
from bridge.adapters.modbus.queue import Demand, Queue
from bridge.adapters.modbus.requests import Answer
from bridge.adapters.reconnect import RETRY_CAP_S, RETRY_FIRST_S, SETTLED_S, Backoff
from bridge.datastore.clock import Clock, event_or_time

_log = logging.getLogger(__name__)

#: Silence before a request on an RTU line: 3.5 characters, at least 1.75 ms (Serial Line 1.02, 2.5.1.1).
_GAP_CHARACTERS, _GAP_MIN_S = 3.5, 0.00175
#: The longest that a request waits for a line that never falls silent.
_GAP_WITHIN_S = 0.5
#: Requests in a row without a byte from the host after which its connection is made anew: some devices
#: forget a connection without closing it.
_DEAF_REQUESTS = 6
#: Faults that only a person can end, hence no use in trying quickly.
_PATIENT = (PortBusy, PortDenied, PortUnusable)


class NoAnswer(Exception):
    """A request has had no reply in its time. `no_path`: somebody on the way said that there is no way."""

    def __init__(self, reason: str, *, no_path: bool = False) -> None:
        super().__init__(reason)
        self.no_path = no_path


class LineDown(Exception):
    """There is no line to ask on; the bus is opening it."""


class _Deaf(Exception):
    """The connection stands, but nothing comes over it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how long the device took for it, the time on the wire not counted."""

    answer: Answer
    latency_s: float


@dataclass(eq=False)
class Seat:
    """A device's place on a bus. `lost` and `restored` are told of the line, `erred` of broken frames."""

    device: str
    lost: Callable[[LineFault], None]
    restored: Callable[[], None]
    erred: Callable[[int], None]
    bus: "Bus"
    up: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set when the line has been opened anew since `begin`.
    reopened: asyncio.Event = field(default_factory=asyncio.Event)
    #: The opening of the line on which the device is known.
    _opening: int = -1

    def begin(self) -> None:
        """Take the line as it is open now for the one on which the device is asked from here on."""
        self._opening = self.bus.openings
        self.reopened.clear()

    async def ask(self, demand: Demand) -> Reply:
        """Send a request when its turn has come. Raises NoAnswer, and LineDown until `begin` on a new line.

        Whoever is behind a line that was opened anew must be asked for its name before anything else, also
        where the line was away for less time than passes between two polls.
        """
        if self._opening != self.bus.openings:
            raise LineDown(self.bus.endpoint.name)
        return await self.bus.ask(demand)


class Bus:
    """One endpoint's line and the requests that wait for it."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self.endpoint = endpoint
        self.seats: list[Seat] = []
        #: How often the line has been opened.
        self.openings = 0
        self._clock = clock
        self._codec = endpoint.codec()
        self._queue = Queue(nameless=self._codec.nameless)
        self._askers: dict[Demand, asyncio.Future[Reply]] = {}
        self._answer: asyncio.Future[Answer] | None = None
        self._woken = asyncio.Event()
        self._heard_at = 0.0
        self._unheard = 0
        self._open = self._settled = False
        self._backoff = Backoff(RETRY_FIRST_S, RETRY_CAP_S)
        self._told: set[type[LineFault]] = set()
        self._failure: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    def join(self, seat: Seat) -> None:
        """Take a device on; the line is opened for the first one."""
        self.seats.append(seat)
        if self._open:
            seat.up.set()
        if self._settled:
            seat.restored()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"bus {self.endpoint.name}")

    async def leave(self, seat: Seat) -> bool:
        """Let a device go; True, and the line closed, when it was the last one."""
        self.seats.remove(seat)
        if self.seats or self._task is None:
            return False
        self._task.cancel()
        await asyncio.wait([self._task])
        return True

    async def ask(self, demand: Demand) -> Reply:
        """Send a request when its turn has come. Raises NoAnswer, LineDown."""
        if self._failure is not None:
            raise self._failure
        if not self._open:
            raise LineDown(self.endpoint.name)
        asker: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._askers[demand] = asker
        self._queue.put(demand, self._clock.monotonic())
        self._woken.set()
        try:
            return await asker
        finally:
            self._askers.pop(demand, None)
            self._queue.drop(demand)

    # -- the line ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._once()
                except _Deaf:
                    _log.debug("port=%s connected anew: it had gone deaf", self.endpoint.name)
                except LineFault as fault:
                    self._down(fault)
                    hopeless = isinstance(fault, _PATIENT)
                    await self._clock.sleep(self._backoff.longest() if hopeless else self._backoff.pause())
        except Exception as failure:  # noqa: BLE001 - whoever asks next hears of it, and starts again
            self._failure = RuntimeError(f"bus {self.endpoint.name} failed: {failure!r}")
            self._fail(self._failure)

    async def _once(self) -> None:
        """Open the line and serve on it until it is lost; raises LineFault."""
        line = await self.endpoint.open(self._clock)
        self.openings += 1
        self._fail(LineDown(self.endpoint.name))  # what was asked of those behind the former connection
        try:
            self._open = True
            self._unheard = 0
            for seat in self.seats:
                seat.up.set()
                seat.reopened.set()
            await self._serve(line)
        finally:
            line.close()

    async def _serve(self, line: BusLine) -> None:
        lost: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(line))
                group.create_task(self._work(line))
                group.create_task(self._settle())
        except* (LineFault, _Deaf) as faults:
            lost = faults.exceptions[0]
        if lost is not None:
            raise lost

    async def _settle(self) -> None:
        """Take the line for well once it has stayed open."""
        await self._clock.sleep(SETTLED_S)
        self._is_well()

    def _is_well(self) -> None:
        if self._settled:
            return
        self._settled = True
        self._backoff.reset()
        if self._told:
            self._told.clear()
            _log.info("devices=%s port=%s open again", self._names, self.endpoint.name)
        for seat in self.seats:
            seat.restored()

    def _down(self, fault: LineFault) -> None:
        """Tell the devices, and the log once for each kind of fault until the line is well again."""
        self._open = self._settled = False
        if type(fault) not in self._told:
            self._told.add(type(fault))
            _log.warning('devices=%s fault=%s reason="%s"', self._names, fault.word, fault)
        for seat in self.seats:
            seat.up.clear()
            seat.lost(fault)
        self._fail(LineDown(self.endpoint.name))

    def _fail(self, failure: Exception) -> None:
        self._queue.clear()
        for asker in self._askers.values():
            if not asker.done():
                asker.set_exception(failure)

    @property
    def _names(self) -> str:
        return ",".join(sorted(seat.device for seat in self.seats))

    # -- requests ----------------------------------------------------------------------------------

    async def _listen(self, line: BusLine) -> None:
        """Take every byte, also those that nobody asked for: they show that the line is in use."""
        while True:
            data = await line.read()
            self._heard_at = self._clock.monotonic()
            self._unheard = 0
            self._is_well()
            answer = self._codec.receive(data)
            if answer is not None and self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    async def _work(self, line: BusLine) -> None:
        while True:
            self._woken.clear()
            now = self._clock.monotonic()
            demand = self._queue.take(now)
            if demand is None:
                await event_or_time(self._clock, self._woken, self._queue.next_at())
            elif demand in self._askers:
                self._unheard += 1
                await self._exchange(line, demand)
                if self._unheard >= _DEAF_REQUESTS and self.endpoint.is_connection:
                    raise _Deaf

    async def _exchange(self, line: BusLine, demand: Demand) -> None:
        """Send one request and wait for its reply; the line's time is not the device's."""
        await self._silence()
        clock, character_s = self._clock, self.endpoint.character_s
        frame = self._codec.ask(demand.unit, demand.request)
        wire_s = character_s * (len(frame) + demand.request.answer_length + 3)
        faults = self._codec.faults
        self._answer = asyncio.get_running_loop().create_future()
        began = clock.monotonic()
        reply: Reply | NoAnswer
        try:
            line.write(frame)
            async with clock.timeout(wire_s + demand.timeout_s):
                answer = await self._answer
            now = clock.monotonic()
            self._queue.answered(demand, began, now)
            reply = Reply(answer, max(0.0, now - began - wire_s))
        except TimeoutError:
            self._queue.unanswered(demand, began, clock.monotonic())
            reply = NoAnswer(f"unit {demand.unit} did not answer within {demand.timeout_s:g} s")
        finally:
            self._codec.done()
            self._answer = None
        self._count(demand.device, self._codec.faults - faults)
        asker = self._askers.get(demand)
        if asker is None or asker.done():
            return
        if isinstance(reply, Reply):
            asker.set_result(reply)
        else:
            asker.set_exception(reply)

    async def _silence(self) -> None:
        """Wait until the line has been silent, as RTU frames are told apart by that."""
        character_s = self.endpoint.character_s
        if not character_s:
            return
        gap_s = max(_GAP_MIN_S, _GAP_CHARACTERS * character_s)
        patience = self._clock.monotonic() + _GAP_WITHIN_S
        while (now := self._clock.monotonic()) < min(self._heard_at + gap_s, patience):
            await self._clock.sleep(self._heard_at + gap_s - now)

    def _count(self, device: str, faults: int) -> None:
        if faults:
            for seat in self.seats:
                if seat.device == device:
                    seat.erred(faults)


_Shelf = dict[str, Bus]
#: The buses of each house, by what they are open on. A house is known by its clock.
_shelves: "weakref.WeakKeyDictionary[Clock, _Shelf]" = weakref.WeakKeyDictionary()


@contextlib.asynccontextmanager
async def seat_on(
    endpoint: Endpoint,
    clock: Clock,
    device: str,
    lost: Callable[[LineFault], None],
    restored: Callable[[], None],
    erred: Callable[[int], None],
) -> AsyncIterator[Seat]:
    """Give a device its seat on the bus of an endpoint, for as long as the block runs.

    Raises PortUnusable for a serial port that another device has with other settings.
    """
    shelf = _shelves.setdefault(clock, {})
    bus = shelf.get(endpoint.identity)
    if bus is None:
        bus = shelf[endpoint.identity] = Bus(endpoint, clock)
    elif (bus.endpoint.settings, bus.endpoint.way) != (endpoint.settings, endpoint.way):
        raise PortUnusable(
            endpoint.name,
            f"found {endpoint.settings} {endpoint.way}, but {bus.seats[0].device} has it with "
            f"{bus.endpoint.settings} {bus.endpoint.way}: give all devices of one bus the same settings",
        )
    seat = Seat(device, lost, restored, erred, bus)
    bus.join(seat)
    try:
        yield seat
    finally:
        if len(bus.seats) == 1 and shelf.get(endpoint.identity) is bus:
            del shelf[endpoint.identity]
        await bus.leave(seat)
