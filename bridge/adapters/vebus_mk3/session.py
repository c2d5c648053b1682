"""The session on one open MK3 line: greeting, setting up, polling, until the line is lost.

What is sent before the first command moves no switch: the interface's own flags, queries, and at most one
release of the panel (`panel.py`).
"""

import asyncio
import contextlib
import logging

from bridge.adapters.line import Line, LineLost
from bridge.adapters.vebus_mk3 import requests
from bridge.adapters.vebus_mk3.codec import parse
from bridge.adapters.vebus_mk3.frames import PAUSE_S, SETTLE_S, Frame, FrameDecoder, FrameError
from bridge.adapters.vebus_mk3.link import OUT_OF_STEP_AFTER, Link, NoReply
from bridge.adapters.vebus_mk3.messages import Boot, Message, SlotReply, UnitInfo, Version, Winmon
from bridge.adapters.vebus_mk3.polling import Poller
from bridge.adapters.vebus_mk3.requests import Request
from bridge.adapters.vebus_mk3.rounds import add_items
from bridge.adapters.vebus_mk3.scales import NEEDED
from bridge.adapters.vebus_mk3.system import System
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import LinkState

_log = logging.getLogger(__name__)

#: A reply comes in one piece: after damage and twice this pause nothing of it follows. A USB interface hands
#: bytes over every 16 ms.
_QUIET_S = 0.02
#: How fast a pause inside a good frame is forgotten.
_FORGET = 0.9
#: How often a silent interface is spoken to.
_GREET_EVERY_S = 1.0
#: Requests in a row without an answer, and time without any frame, after which the system counts as gone.
_LOST_AFTER = 7
_LOST_AFTER_S = 3.2
#: Total silence after which a unit that may sleep counts as asleep; before its values become stale.
_ASLEEP_AFTER_S = 4.0
#: Before the first address is selected an interface shows a letter for it.
_LOWEST_LETTER = 0x20
_WRONG_DEVICE_PAUSE_S = 5.0


class Session:
    """One line from opening to loss."""

    def __init__(self, line: Line, device: Device, clock: Clock, system: System) -> None:
        self._line = line
        self._device = device
        self._clock = clock
        self._system = system
        self._decoder = FrameDecoder()
        self.link = Link(clock, line.write, self._count_unanswered, lambda: self._arrived_at)
        #: True while the system is set up and polled, so that it can be commanded.
        self.ready = False
        self._unsettled: tuple[Request | None, Message] | None = None
        self._heard_at = clock.monotonic()
        self._reset = False
        #: Something came instead of a frame, and how often the line has been quiet since.
        self._damaged = False
        self._quiet = 0
        #: When the newest bytes came, the longest pause inside the frame that is coming, and in those lately.
        self._arrived_at = 0.0
        self._pause_s = self._pauses_s = 0.0
        self._frames = self._errors = self._unanswered = 0

    async def run(self) -> None:
        """Talk until the line is lost; raises LineLost."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(self._tend())
        except* LineLost as lost:
            raise lost.exceptions[0] from None
        finally:
            self.ready = False

    # -- listening -----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            inside = self._decoder.partial
            data = await self._read()
            now = self._clock.monotonic()
            if data:
                self._pause_s = max(self._pause_s, now - self._arrived_at) if inside else 0.0
                self._arrived_at = now
            self._take(self._decoder.receive(data, now))
            if self._unsettled is not None and (not data or self._decoder.partial):
                self._settle(good=True)
            elif data:
                self._quiet = 0
            elif self._damaged or self._decoder.partial:
                self._mind_quiet()

    def _take(self, heard: list[Frame | FrameError]) -> None:
        for found in heard:
            if isinstance(found, FrameError):
                self._spoilt(found)
            else:
                self._framed(found)
        if heard and isinstance(heard[-1], FrameError) and heard[-1].ended:
            self._give_up()

    def _mind_quiet(self) -> None:
        """Give up a damaged reply once the line has been quiet, twice: a late reader is quiet once."""
        self._quiet += 1
        if self._quiet >= 2:
            self._give_up()

    def _give_up(self) -> None:
        """Take the reply that is awaited for lost: what has come of it is damaged, and no more follows."""
        self._quiet = 0
        for found in self._decoder.abandon():
            if isinstance(found, Frame):
                self._framed(found)
        self._damaged = False
        self.link.spoilt()

    async def _read(self) -> bytes:
        """Return what came, nothing when the pause that something waits for is over."""
        pause = None
        if self._unsettled is not None:
            pause = SETTLE_S
        elif self.link.waiting and (self._damaged or self._decoder.partial):
            pause = self._quiet_s()
        elif self._decoder.partial:
            pause = PAUSE_S
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(pause):
                return await self._line.read()
        return b""

    def _quiet_s(self) -> float:
        """How long to wait for the rest of a frame: in full where nothing else helped, units may pause."""
        if self.link.unanswered >= OUT_OF_STEP_AFTER:
            return PAUSE_S
        return min(PAUSE_S, max(_QUIET_S, 2 * self._pauses_s))

    def _framed(self, frame: Frame) -> None:
        self._settle(good=True)
        self._damaged = False
        self._pauses_s = max(self._pause_s, _FORGET * self._pauses_s)
        self._frames += 1
        self._heard_at = self._clock.monotonic()
        message = parse(frame.data)
        self._unsettled = self.link.received(message), message

    def _spoilt(self, error: FrameError) -> None:
        self._errors += 1
        self._damaged = True
        self._device.count_error()
        if error.voids:
            self._settle(good=False)

    def _settle(self, *, good: bool) -> None:
        """Let go of the newest message: believed, or not."""
        if self._unsettled is None:
            return
        (request, message), self._unsettled = self._unsettled, None
        if request is not None:
            self.link.prove(good=good)
            if request.settled is not None:
                request.settled(message if good else None)
        if good and (isinstance(message, Boot) or _shows_reset(message)):
            self._reset = True

    def _count_unanswered(self) -> None:
        self._unanswered += 1
        self._device.count_error()

    # -- tending -------------------------------------------------------------------------------------

    async def _tend(self) -> None:
        known = False
        while True:
            await self._greet()
            known = known and not self._reset  # what looked like a restart may have been a damaged frame
            with contextlib.suppress(NoReply):
                known = known or await self._set_up()
                if known:
                    known = await self._poll()
            self.ready = False
            await self._clock.sleep(0)

    async def _greet(self) -> None:
        """Speak to the interface until it answers."""
        while True:
            began = self._clock.monotonic()
            with contextlib.suppress(NoReply):
                version = await self.link.ask(requests.version(), tries=1)
                if isinstance(version, Version):
                    self._reset = version.selected >= _LOWEST_LETTER
                    self._system.nameplate.told_interface(version.number)
                    return
            silent_s = self._clock.monotonic() - self._heard_at
            if silent_s >= _ASLEEP_AFTER_S and self._system.may_sleep:
                self._device.set_link(LinkState.ASLEEP)
            await self._clock.sleep(began + _GREET_EVERY_S - self._clock.monotonic())

    async def _set_up(self) -> bool:
        """Learn who is there and how it scales its values; False for another system than expected.

        Raises NoReply when it falls silent meanwhile.
        """
        self._system.powered()
        self._system.restarted = self._system.restarted or self._reset
        with contextlib.suppress(NoReply):
            await self.link.ask(requests.interface_setup(), tries=2)
        await self.link.ask(requests.select(0))
        number, addresses = None, 0
        try:
            unit = await self.link.ask(requests.unit_info(), tries=2, proven=True)
        except NoReply:
            if self._system.nameplate.expected:
                self._system.nameplate.untold()  # a damaged reply, or another unit: not believed without it
                raise
        else:
            if isinstance(unit, UnitInfo):
                number, addresses = unit.number, unit.addresses
        if not self._system.identified(number, addresses):
            await self._clock.sleep(_WRONG_DEVICE_PAUSE_S)
            return False
        await self._learn_scales()
        self._reset = False
        return True

    async def _learn_scales(self) -> None:
        scales = self._system.scales
        while missing := scales.missing(NEEDED):
            for variable in missing:
                try:
                    await self.link.ask(self.scale_request(variable, 0), tries=1)
                except NoReply:
                    if self.link.unanswered >= _LOST_AFTER:
                        raise
                    scales.unanswered(variable, 0)
            await self._clock.sleep(SETTLE_S)  # the last answer is believed by then

    def scale_request(self, variable: int, address: int) -> Request:
        """Ask a unit for the scale of a variable; the answer goes into the system's scales."""
        scales = self._system.scales

        def settled(message: Message | None) -> None:
            if isinstance(message, SlotReply):
                scales.told(variable, address, message)

        asked = requests.winmon(Winmon.RAM_INFO, (variable, 0))
        return Request(asked.name, asked.answers, winmon=asked.winmon, settled=settled)

    async def _poll(self) -> bool:
        """Poll until the system is gone, or seems to have restarted; True while it is still there."""
        self.ready = True
        poller = Poller(self._clock, self.link)
        add_items(poller, self._system, self._count_line)
        await poller.run(lambda: self._reset or self._is_lost())
        if self._reset:
            return True
        _log.info("device=%s nobody answers any more", self._device.name)
        self._system.energy.save()
        return False

    def _is_lost(self) -> bool:
        silent_s = self._clock.monotonic() - self._heard_at
        return self.link.unanswered >= _LOST_AFTER and silent_s >= _LOST_AFTER_S

    def _count_line(self) -> None:
        self._system.count_line(self._frames, self._errors, self._unanswered)


def _shows_reset(message: Message) -> bool:
    return isinstance(message, Version) and message.selected >= _LOWEST_LETTER
