"""The life of a roof beside its radio: turns of polling, days and nights, until cancelled."""

import asyncio
import math

from bridge.adapters.apsystems.codec import InverterReading, Rejection
from bridge.adapters.apsystems.inverter import Inverter
from bridge.adapters.apsystems.messages import Answer, Delivery
from bridge.adapters.apsystems.night import Daytime, Phase
from bridge.adapters.apsystems.options import ApsystemsOptions
from bridge.adapters.apsystems.points import NIGHT_EVERY_S
from bridge.adapters.apsystems.polling import PAUSE_S, Turns
from bridge.adapters.apsystems.radio import Radio
from bridge.adapters.apsystems.roof import Roof
from bridge.adapters.apsystems.watch import Watch
from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.device import Device
from bridge.datastore.values import LinkState

#: How often sun, calendar and clock are looked at; never later than the night must be told anew.
_LOOK_EVERY_S = 30.0
#: A wall clock that has moved against the monotonic one by more than this has been set.
_CLOCK_SET_S = 5.0


class Session:
    """Polls one roof."""

    def __init__(
        self,
        device: Device,
        options: ApsystemsOptions,
        clock: Clock,
        roof: Roof,
        radio: Radio,
        daytime: Daytime,
        watch: Watch,
    ) -> None:
        self._device = device
        self._clock = clock
        self._roof = roof
        self._radio = radio
        self._daytime = daytime
        self._watch = watch
        self._night_told = -math.inf
        self.turns = Turns(clock, len(roof.inverters), options.poll)

    async def run(self) -> None:
        """Live until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll())
            group.create_task(self._look())

    async def ask(self, inverter: Inverter) -> tuple[Answer, InverterReading | Rejection | None]:
        """Poll one inverter now, and show what came of it. UNPAIRED where it has no address."""
        address = self._roof.addresses.find(inverter.serial)
        if address is None:
            return Answer(Delivery.UNPAIRED), None
        answer = await self._radio.poll(address, inverter.serial)
        for other in answer.others:
            await self._roof.take(other, None)
        found: InverterReading | Rejection | None = None
        if answer.heard is not None:
            relays = None if answer.relays is None else len(answer.relays)
            found = await self._roof.take(answer.heard, relays)
        elif answer.delivery is not Delivery.DEAD and answer.delivery is not Delivery.REFUSED:
            self._roof.missed(inverter)
            self._watch.tell_of(inverter)
        self.look()
        return answer, found

    def look(self) -> None:
        """Judge the link, and tell the night anew while it is one.

        A radio in trouble goes before the night: then the night is not told, and a reader learns of it.
        """
        self._watch.judge()
        now = self._clock.monotonic()
        if self._device.link is not LinkState.NIGHT:
            self._night_told = -math.inf
        elif now - self._night_told >= NIGHT_EVERY_S:
            self._night_told = now
            self._roof.show_night()

    # -- polling -----------------------------------------------------------------------------------

    async def _poll(self) -> None:
        while True:
            await self._radio.ready()
            self.turns.stirred.clear()
            due = self._due()
            now = self._clock.monotonic()
            if due is None or due[1] > now:
                wake = now + _LOOK_EVERY_S if due is None else due[1]
                await event_or_time(self._clock, self.turns.stirred, min(wake, now + _LOOK_EVERY_S))
                continue
            inverter = self._roof.inverters[due[0]]
            answer, _ = await self.ask(inverter)
            if answer.delivery is Delivery.DEAD or answer.delivery is Delivery.REFUSED:
                await self._clock.sleep(1.0)  # the radio is being cured; its turn stays
                continue
            shown = inverter.shown
            unknown = answer.heard is not None and (shown is None or shown.powers is None)
            self.turns.polled(due[0], soon=unknown)
            await self._clock.sleep(PAUSE_S)

    def _due(self) -> tuple[int, float] | None:
        """Return whose turn is next and when; nobody's at night."""
        if self._daytime.phase(self._clock.now()) is Phase.NIGHT:
            return None
        self._watch.tell_unpaired()
        roof = self._roof
        paired = [n for n, i in enumerate(roof.inverters) if roof.addresses.find(i.serial) is not None]
        return self.turns.next_due(paired)

    # -- sun and calendar --------------------------------------------------------------------------

    async def _look(self) -> None:
        offset = self._clock.now() - self._clock.monotonic()
        while True:
            self.look()
            moved = self._clock.now() - self._clock.monotonic() - offset
            if abs(moved) > _CLOCK_SET_S:
                offset += moved
                await self._roof.clock_moved(moved)
            await self._roof.turn_day()
            now = self._clock.now()
            midnight = self._daytime.next_midnight(now) - now
            await self._clock.sleep(min(_LOOK_EVERY_S, max(1.0, midnight)))
