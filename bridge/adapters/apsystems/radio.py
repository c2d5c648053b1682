"""The radio as its owner sees it: there or not, asked one question at a time, cured when it freezes.

A `Radio` lives as long as its adapter; `session` gives it a line, each time there is one. States go
NO_LINE -> STARTING -> READY, and READY -> STARTING when it is cured; FAILED is a start that did not work,
and lasts until one does.
"""

import asyncio
import contextlib
import enum
import logging
from collections.abc import AsyncIterator, Callable

from bridge.adapters.apsystems.coordinator import Coordinator
from bridge.adapters.apsystems.ecu import Ecu
from bridge.adapters.apsystems.inverter_frames import poll_request
from bridge.adapters.apsystems.messages import Answer, Delivery, Firmware, Health, PairingStep
from bridge.adapters.apsystems.pairing import ROUNDS, pair
from bridge.adapters.apsystems.questions import Questions
from bridge.adapters.apsystems.radio_console import listen_raw, read_raw
from bridge.adapters.apsystems.radio_faults import RadioDown, RadioFault
from bridge.adapters.apsystems.reset import Reset
from bridge.adapters.line import Line, LineLost, SerialSettings
from bridge.adapters.reconnect import Backoff
from bridge.datastore.clock import Clock, event_or_time

_log = logging.getLogger(__name__)

#: 115200 Bd, 8N1, no flow control.
SERIAL_SETTINGS = SerialSettings(baudrate=115200)
#: A question of five bytes that stays on the serial line: asked often, so that a freeze is short.
HEALTH_EVERY_S = 30.0
#: A frame cut by noise can swallow the answer, so one missed answer proves nothing.
HEALTH_TRIES, HEALTH_AGAIN_S = 3, 0.7
_START_AGAIN_S, _START_AGAIN_CAP_S = 5.0, 60.0


class RadioState(enum.Enum):
    """Whether inverters can be asked now."""

    NO_LINE = "no_line"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


class Radio:
    """The coordinator of one site. `changed` is called after every change of `state`."""

    def __init__(
        self,
        name: str,
        ecu: Ecu,
        clock: Clock,
        reset: Reset | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.ecu = ecu
        self.state = RadioState.NO_LINE
        #: Why it is FAILED, None in other states.
        self.fault: RadioFault | None = None
        #: What it said of itself at its last start.
        self.firmware: Firmware | None = None
        #: How often it was found frozen or unwell and started again.
        self.cures = 0
        self._name = name
        self._clock = clock
        self._reset = reset
        self._changed = changed
        self._coordinator: Coordinator | None = None
        self._questions: Questions | None = None
        self._turn = asyncio.Lock()
        self._trouble = asyncio.Event()
        self._ready = asyncio.Event()
        self._soft = False

    # -- its life ----------------------------------------------------------------------------------------

    async def session(self, line: Line) -> None:
        """Start it on an open line and keep it well until the line is lost; raises LineLost."""
        coordinator = self._coordinator = await Coordinator.attached(line, self.ecu, self._clock)
        self._questions = Questions(coordinator, self._clock)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(coordinator.listen())
                group.create_task(self._keep(coordinator))
        except* LineLost as lost:
            # A restart that lets its USB port vanish would do so for ever.
            self._soft = self._soft or coordinator.restarting
            raise lost.exceptions[0] from None
        finally:
            self._coordinator = self._questions = None
            self._become(RadioState.NO_LINE)

    async def ready(self) -> None:
        """Wait until inverters can be asked."""
        await self._ready.wait()

    async def _keep(self, coordinator: Coordinator) -> None:
        await self._begin(coordinator)
        while True:
            self._trouble.clear()
            await event_or_time(self._clock, self._trouble, self._clock.monotonic() + HEALTH_EVERY_S)
            if await self._well(coordinator):
                continue
            self.cures += 1
            await self._begin(coordinator)

    async def _well(self, coordinator: Coordinator) -> bool:
        """Ask for its health, several times before believing the worst."""
        async with self._turn:
            for attempt in range(HEALTH_TRIES):
                if attempt:
                    await self._clock.sleep(HEALTH_AGAIN_S)
                health = await coordinator.health()
                if health.well:
                    return True
            _log.warning('device=%s radio=unwell text="%s; it is started again"', self._name, health.text)
            return False

    async def _begin(self, coordinator: Coordinator) -> None:
        """Start it until it works."""
        backoff = Backoff(_START_AGAIN_S, _START_AGAIN_CAP_S)
        while True:
            with contextlib.suppress(RadioFault):
                async with self._turn:
                    await self._start(coordinator)
                return
            await self._clock.sleep(backoff.pause())
            if self.state is RadioState.READY:  # a person was quicker
                return

    async def _start(self, coordinator: Coordinator, *, normal: bool = True) -> Firmware:
        """Start it once; tells of a fault when it is another one than before. Raises RadioFault."""
        before = self.fault
        if before is None:
            self._become(RadioState.STARTING)
        try:
            firmware = await coordinator.start(self._reset, soft=self._soft, normal=normal)
        except RadioFault as fault:
            if before is None or str(before) != str(fault):
                _log.warning('device=%s fault=%s reason="%s"', self._name, fault.word, fault)
            self._become(RadioState.FAILED, fault)
            self._trouble.set()
            raise
        if firmware != self.firmware and not firmware.tried:
            _log.warning(
                'device=%s radio=untried firmware="%s" expected="product 2, release 2.7.2" where no inverter '
                "ever answers, flash the community's coordinator firmware for APsystems inverters",
                self._name,
                firmware,
            )
        self.firmware = firmware
        _log.info('device=%s radio=ready firmware="%s" cures=%d', self._name, firmware, self.cures)
        self._become(RadioState.READY)
        return firmware

    def _become(self, state: RadioState, fault: RadioFault | None = None) -> None:
        self.state, self.fault = state, fault
        if state is RadioState.READY:
            self._ready.set()
        else:
            self._ready.clear()
        self._changed()

    # -- inverters ---------------------------------------------------------------------------------------

    async def poll(self, short: int, serial: str) -> Answer:
        """Ask one inverter for its measurements. A radio that is not READY is Delivery.DEAD."""
        return await self.ask(short, serial, poll_request(self.ecu))

    async def ask(self, short: int, serial: str, data: bytes, *, tries: int = 2) -> Answer:
        """Ask one inverter anything, a second time where the radio is marginal or the answer missing.

        A message is the answer when it comes from that address and begins with that serial number.
        """
        if not self.ecu.may_be_inverter(short):
            return Answer(Delivery.UNPAIRED)
        async with self._turn:
            questions = self._questions
            if questions is None or self.state is not RadioState.READY:
                return Answer(Delivery.DEAD)
            try:
                answer = await questions.ask(short, serial, data, tries)
            except LineLost:
                return Answer(Delivery.DEAD)
        if answer.delivery in (Delivery.DEAD, Delivery.REFUSED):
            self._trouble.set()
        return answer

    async def broadcast_normal(self) -> int:
        """Tell all inverters that the ECU is at work; returns the status. Raises RadioFault."""
        async with self._conversation() as coordinator:
            return await coordinator.broadcast_normal()

    async def pair(self, serial: str, rounds: int = ROUNDS) -> AsyncIterator[PairingStep]:
        """Pair one inverter on a freshly started coordinator, and put it back to work. Raises RadioFault.

        Holds the radio: polls wait. Close the iterator when leaving early (`contextlib.aclosing`).
        """
        async with self._conversation() as coordinator:
            await self._start(coordinator, normal=False)
            try:
                async for step in pair(coordinator, self._clock, serial, rounds):
                    yield step
            finally:
                with contextlib.suppress(LineLost):
                    await coordinator.broadcast_normal()

    # -- console -----------------------------------------------------------------------------------------

    async def health(self) -> Health:
        """Ask the coordinator for its health now; never raises RadioFault."""
        try:
            async with self._conversation() as coordinator:
                return await coordinator.health()
        except RadioFault as fault:
            return Health(answered=False, text=str(fault))

    async def restart(self) -> Firmware:
        """Start it anew, as a person asked. Raises RadioFault."""
        async with self._conversation() as coordinator:
            return await self._start(coordinator)

    async def raw(self, text: str) -> list[str]:
        """Send one MT command, `FE00270027` or `2700`, and return the frames that came within 2 s.

        Raises ValueError for what is no command, RadioFault where there is no radio.
        """
        frame = read_raw(text)
        async with self._conversation() as coordinator:
            return await listen_raw(coordinator, self._clock, frame)

    @contextlib.asynccontextmanager
    async def _conversation(self) -> AsyncIterator[Coordinator]:
        """Have the radio for oneself, in whatever state it is; a lost line is a RadioDown."""
        async with self._turn:
            coordinator = self._coordinator
            if coordinator is None:
                raise RadioDown("the radio's port is not open: expected it to be plugged in and free")
            try:
                yield coordinator
            except LineLost as lost:
                raise RadioDown(f"{lost}: the radio went away meanwhile") from lost
