"""One coordinator on one open line: its start, its health, and what passes between it and the air.

The order of the start is that of every program of the field; between the steps nothing is waited for but
the answer.
"""

import asyncio
import contextlib
import importlib
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from bridge.adapters.apsystems.coordinator_events import Event, ResetIndication, StateChange
from bridge.adapters.apsystems.ecu import EVERYBODY, Ecu
from bridge.adapters.apsystems.frames import MtDecoder, MtFrame
from bridge.adapters.apsystems.inverter_frames import normal_operation
from bridge.adapters.apsystems.messages import Firmware, Health, Heard
from bridge.adapters.apsystems.radio_faults import (
    NotStarted,
    RadioDown,
    RadioFault,
    RadioRefused,
    RadioSilent,
    WrongFirmware,
)
from bridge.adapters.apsystems.reset import Reset
from bridge.adapters.line import Line, LineLost
from bridge.datastore.clock import Clock

if TYPE_CHECKING:
    from bridge.adapters.apsystems.znp_commands import Znp

T = TypeVar("T")

#: Every message to and from inverters but those of pairing.
COMMAND_CLUSTER = 0x0006
#: A working coordinator answers within milliseconds; a serial server on a poor network takes longer.
ANSWER_WITHIN_S = 1.0
TRIES = 3
#: The boot loader leaves at this byte ("force run"), which zigpy-znp sends 256 times.
_FORCE_RUN = 256 * b"\xef"
_BOOTS_WITHIN_S = 2.5
#: A reset is asked for up to four times, 5 s apart, as the community's script does.
_RESETS = 4
#: It takes 1 to 3 s to come up.
_UP_WITHIN_S = 30.0
_ASK_STATE_EVERY_S = 2.0
_COORDINATOR_TYPE, _UP = 7, 9
#: Status of registering an endpoint that is registered already: a try whose answer was lost.
_DUPLICATE = 0xB8
#: Messages kept that nobody asked for.
_STRAY_MAX = 32
_ZNP = "bridge.adapters.apsystems.znp_commands"

#: Configuration items (TI Z-Stack): start-up option, IEEE address, logical type, PAN, channels.
_STARTUP, _EXTADDR, _LOGICAL_TYPE, _PANID, _CHANLIST = 0x03, 0x01, 0x87, 0x83, 0x84
_CLEAR_ALL = b"\x03"
_AS_COORDINATOR = b"\x00"
#: Channel 16 alone: the one on which inverters are.
_CHANNEL_16 = (1 << 16).to_bytes(4, "little")


class Coordinator:
    """Made with `attached`. Methods raise LineLost, and RadioFault where they say so."""

    def __init__(self, line: Line, ecu: Ecu, clock: Clock) -> None:
        self.ecu = ecu
        #: Set while a restart that lets a USB port vanish may be under way.
        self.restarting = False
        self._line = line
        self._clock = clock
        self._decoder = MtDecoder()
        self._listeners: list[asyncio.Queue[Event | None]] = []
        self._taps: list[Callable[[MtFrame], None]] = []
        self._stray: deque[Heard] = deque(maxlen=_STRAY_MAX)
        self._lost: LineLost | None = None
        self._znp: Znp | None = None

    @classmethod
    async def attached(cls, line: Line, ecu: Ecu, clock: Clock) -> "Coordinator":
        """Attach to an open line; loads the radio library where that is still to do. Raises RadioFault."""
        if _ZNP not in sys.modules:
            await asyncio.to_thread(importlib.import_module, _ZNP)
        from bridge.adapters.apsystems.znp_commands import Znp, missing_seams

        if lacking := missing_seams():
            raise RadioFault(
                f"found a zigpy-znp without {', '.join(lacking)}, expected release 1.1: install the one this "
                "version was made for (pip install --force-reinstall inverter-bridge)"
            )
        coordinator = cls(line, ecu, clock)
        coordinator._znp = Znp(line.port, line.write, coordinator._happened, clock)
        return coordinator

    async def listen(self) -> None:
        """Take what arrives until the line is lost; raises LineLost."""
        try:
            while True:
                data = await self._line.read()
                for frame in self._decoder.receive(data, self._clock.monotonic()):
                    for tap in tuple(self._taps):
                        tap(frame)
                    self._library.feed(frame)
        except LineLost as lost:
            self._lost = lost
            raise
        finally:
            self._lost = self._lost or LineLost(self._line.port, "closed by the bridge")
            self._library.close()
            for queue in self._listeners:
                queue.put_nowait(None)

    @property
    def port(self) -> str:
        """The line's port, for messages."""
        return self._line.port

    @property
    def damaged(self) -> int:
        """Frames that arrived damaged or could not be read."""
        return self._decoder.damaged + self._library.unknown

    # -- start -------------------------------------------------------------------------------------------

    async def start(self, wire: Reset | None, *, soft: bool = False, normal: bool = True) -> Firmware:
        """Reset it, configure it, and wait until it is up; `normal` also tells the inverters.

        soft: no reset that lets a USB port vanish. Raises RadioFault.
        """
        if wire is not None:
            await wire.pulse(self._line, self._clock)
        await self.wake()
        firmware = await self._restart(wired=wire is not None, soft=soft)
        if (firmware.major, firmware.minor) < (2, 7):
            raise WrongFirmware(self._line.port, firmware)
        ecu, write = self.ecu, self._library.write_configuration
        for step, item, value in (
            ("its IEEE address", _EXTADDR, ecu.ieee_wire),
            ("its role as coordinator", _LOGICAL_TYPE, _AS_COORDINATOR),
            ("its PAN", _PANID, ecu.pan_wire),
            ("channel 16", _CHANLIST, _CHANNEL_16),
        ):
            await self._step(step, partial(write, item, value, ANSWER_WITHIN_S))
        await self._step("its endpoint", lambda: self._library.register(ANSWER_WITHIN_S), also=_DUPLICATE)
        await self._come_up()
        if normal:
            await self.broadcast_normal()
        return firmware

    async def wake(self) -> bool:
        """Ask whether it listens, and call it out of its boot loader where it does not."""
        for attempt in range(TRIES):
            if await self.ping():
                return True
            if attempt == 0:
                self._line.write(_FORCE_RUN)
                with self.events() as happened:
                    await self._event(happened, ResetIndication, _BOOTS_WITHIN_S)
        return False

    async def ping(self) -> bool:
        """True when it answers at all."""
        try:
            await self._answered(lambda: self._library.ping(ANSWER_WITHIN_S))
        except TimeoutError:
            return False
        return True

    async def broadcast_normal(self) -> int:
        """Tell all inverters that the ECU is at work; returns the status of the request."""
        status = await self.send(EVERYBODY, 1, normal_operation(self.ecu))
        return -1 if status is None else status

    async def _restart(self, *, wired: bool, soft: bool) -> Firmware:
        """Clear what it remembers and restart it; returns what it says of itself."""
        write = self._library.write_configuration
        self.restarting = not soft
        try:
            for _ in range(_RESETS):
                with contextlib.suppress(TimeoutError):
                    await self._answered(lambda: write(_STARTUP, _CLEAR_ALL, ANSWER_WITHIN_S))
                with self.events() as happened:
                    await self._library.reset(soft=soft)
                    found = await self._event(happened, ResetIndication, _BOOTS_WITHIN_S)
                    if found is None:
                        self._line.write(_FORCE_RUN)
                        found = await self._event(happened, ResetIndication, _BOOTS_WITHIN_S)
                if isinstance(found, ResetIndication):
                    return found.firmware
        finally:
            if self._lost is None:
                self.restarting = False
        raise RadioSilent(self._line.port, wired=wired)

    async def _step(self, step: str, ask: Callable[[], Awaitable[int]], also: int = 0) -> None:
        """Do one step of the start, again where its answer is lost. Raises RadioRefused, RadioSilent."""
        for attempt in range(TRIES):
            with contextlib.suppress(TimeoutError):
                status = await self._answered(ask)
                if status and not (attempt and status == also):
                    raise RadioRefused(self._line.port, step, status)
                return
        raise RadioSilent(self._line.port, wired=True)

    async def _come_up(self) -> None:
        """Start the network and wait for state 09: before it every message is refused with C2."""
        due = self._clock.monotonic() + _UP_WITHIN_S
        state: int | None = None
        with self.events() as happened:
            with contextlib.suppress(TimeoutError):
                await self._answered(lambda: self._library.start(ANSWER_WITHIN_S))
            while self._clock.monotonic() < due:
                change = await self._event(happened, StateChange, _ASK_STATE_EVERY_S)
                if isinstance(change, StateChange):
                    state = change.state
                    if state != _UP:
                        continue
                health = await self.health()
                state = health.state if health.answered else state
                if health.well:
                    return
        raise NotStarted(self._line.port, state, _UP_WITHIN_S)

    # -- health ------------------------------------------------------------------------------------------

    async def health(self) -> Health:
        """Ask who it is and whether it is up."""
        try:
            info = await self._answered(lambda: self._library.device_info(ANSWER_WITHIN_S))
        except TimeoutError:
            return Health(answered=False, text=f"port {self._line.port}: no answer, expected state 09")
        wanted = (self.ecu.ieee, _COORDINATOR_TYPE, _UP)
        found = (info.ieee, info.device_type, info.state)
        said = [
            f"{what} {form(have)}, expected {form(want)}"
            for what, have, want, form in (
                ("IEEE address", info.ieee, self.ecu.ieee, str),
                ("type", info.device_type, _COORDINATOR_TYPE, "{:02X}".format),
                ("state", info.state, _UP, "{:02X}".format),
            )
            if have != want
        ]
        text = f"found {'; '.join(said)}: a whole start is needed" if said else "well: coordinator, up"
        return Health(
            answered=True,
            ieee=info.ieee,
            device_type=info.device_type,
            state=info.state,
            well=found == wanted,
            text=text,
        )

    # -- messages ----------------------------------------------------------------------------------------

    async def send(self, short: int, tsn: int, data: bytes) -> int | None:
        """Send to one inverter; returns the status of the request, None when the radio said nothing."""
        return await self._sent(
            lambda: self._library.send(short, COMMAND_CLUSTER, tsn, data, ANSWER_WITHIN_S)
        )

    async def send_inter_pan(self, cluster: int, tsn: int, data: bytes) -> int | None:
        """Send to everybody in every PAN; returns the status, None when the radio said nothing."""
        return await self._sent(lambda: self._library.send_inter_pan(cluster, tsn, data, ANSWER_WITHIN_S))

    @contextlib.contextmanager
    def events(self) -> Iterator["asyncio.Queue[Event | None]"]:
        """Hear everything that happens from here on."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            yield queue
        finally:
            self._listeners.remove(queue)

    def strays(self) -> tuple[Heard, ...]:
        """Return, and forget, messages that came while nobody listened."""
        found = tuple(self._stray)
        self._stray.clear()
        return found

    @contextlib.asynccontextmanager
    async def tapped(self, tap: Callable[[MtFrame], None]) -> AsyncIterator[Callable[[bytes], None]]:
        """Hear every frame as it is; yields what writes bytes as they are."""
        self._taps.append(tap)
        try:
            yield self._line.write
        finally:
            self._taps.remove(tap)

    async def next_event(self, happened: "asyncio.Queue[Event | None]", due: float) -> Event | None:
        """Wait for whatever happens next, until monotonic `due`; None when nothing did."""
        event: Event | None = None
        if happened.empty():
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(due - self._clock.monotonic()):
                    event = await happened.get()
        else:
            event = happened.get_nowait()
        if event is None and self._lost is not None:
            raise self._lost
        return event

    async def _event(
        self, happened: "asyncio.Queue[Event | None]", kind: type[Event], within_s: float
    ) -> Event | None:
        """Wait for the next event of a kind; others are let pass."""
        due = self._clock.monotonic() + within_s
        while (event := await self.next_event(happened, due)) is not None:
            if isinstance(event, kind):
                return event
        return None

    async def _sent(self, ask: Callable[[], Awaitable[int]]) -> int | None:
        try:
            return await self._answered(ask)
        except TimeoutError:
            return None

    async def _answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Await an answer; a line lost meanwhile cancels it inside the library, which is LineLost here."""
        if self._lost is not None:
            raise self._lost
        try:
            return await ask()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._lost is not None and (task is None or not task.cancelling()):
                raise self._lost from None
            raise

    def _happened(self, event: Event) -> None:
        if not self._listeners and isinstance(event, Heard):
            self._stray.append(event)
        for queue in self._listeners:
            queue.put_nowait(event)

    @property
    def _library(self) -> "Znp":
        if self._znp is None:
            raise RadioDown(f"port {self._line.port}: the radio is not attached yet")
        return self._znp
