"""One device on its bus: found, identified, polled, found again.

A device that does not answer is asked ever more rarely, and only in time that the living leave on the bus.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace

from bridge.adapters.modbus.bus import NoAnswer
from bridge.adapters.modbus.identity import Identification, WrongDevice
from bridge.adapters.modbus.options import ModbusOptions
from bridge.adapters.modbus.plan import Island, Plan, plan_of
from bridge.adapters.modbus.points import INFO, alive_when, groups_of, stale_after_s
from bridge.adapters.modbus.queue import Urgency
from bridge.adapters.modbus.quirks import Quirk
from bridge.adapters.modbus.requests import Answer, Code, Data, Read, Refused
from bridge.adapters.modbus.talk import Talk
from bridge.adapters.reconnect import Backoff
from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.device import Device
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import LinkState, Path, Value
from bridge.register_maps.format import RegisterMap

_log = logging.getLogger(__name__)

#: How often a device that does not answer, or is another, is looked for: soon at first, then rarely.
_LOOK_FIRST_S, _LOOK_CAP_S = 1.0, 15.0
#: Islands in a row without an answer after which the device counts as gone.
_MISSES = 2
#: An island that alone is not answered is asked for ever more rarely, up to this pause in seconds.
_MISSED_CAP_S = 60.0
#: What an exception says of an address for good; other codes are of the moment.
_NOT_THERE = frozenset({Code.FUNCTION, Code.ADDRESS, Code.VALUE})


def planned(loaded: RegisterMap, options: ModbusOptions, quirk: Quirk) -> Plan:
    """Return how a device is read before anything is known of what it refuses."""
    return plan_of(loaded, options.poll, options.way, options.read_max, quirk.makes)


class Session:
    """What one device is asked, from finding it until the bus is lost. `specs` are its declared points."""

    def __init__(
        self,
        device: Device,
        clock: Clock,
        loaded: RegisterMap,
        options: ModbusOptions,
        talk: Talk,
        quirk: Quirk,
        specs: Mapping[Path, PointSpec],
    ) -> None:
        self._device = device
        self._clock = clock
        self._map = loaded
        self._options = options
        self._talk = talk
        self._quirk = quirk
        self._specs = specs
        self._identification = Identification(device, loaded, options)
        self._plan = Plan((), ())
        self._due: dict[Island, float] = {}
        self._missed: dict[Island, int] = {}
        self._misses = 0
        self._answered_at = -math.inf
        self._absent: set[Path] = set()
        self._quick = True
        self._awake = False
        #: True while the device answers.
        self.found = False

    @property
    def plan(self) -> Plan:
        """The reads as they stand, with what the device refuses cut out."""
        return self._plan

    async def run(self) -> None:
        """Find the device and poll it until cancelled; raises LineDown."""
        while True:
            self._adopt(planned(self._map, self._options, self._quirk))
            await self._find()
            self.found, self._misses = True, 0
            try:
                await self._poll()
            finally:
                self.found = False

    def publish(self, group: str, values: Mapping[Path, Value | None]) -> None:
        """Publish what one read has brought, as the product's quirks see it."""
        self._device.publish(group, self._quirk.heard(values))

    # -- finding -----------------------------------------------------------------------------------

    async def _find(self) -> None:
        """Look for the device until it answers and is the one meant."""
        pauses = Backoff(_LOOK_FIRST_S, _LOOK_CAP_S)
        told = False
        self._quick = True
        while True:
            try:
                if await self._is_found():
                    return
            except NoAnswer:
                if not told:
                    told = True
                    self._device.count_error()
                self._quick = False
            pause_ends = self._clock.monotonic() + pauses.pause()
            await event_or_time(self._clock, self._talk.reopened, pause_ends)

    async def _is_found(self) -> bool:
        """Ask the device who it is; raises NoAnswer."""
        identification = self._identification
        self._awake = False
        try:
            if identification.read is not None:
                identification.model_is(await self._look(identification.read))
            values = await self._info()
            identification.serial_is(values.get("/Serial"))
        except WrongDevice as wrong:
            self._device.forget()
            self._device.set_link(LinkState.WRONG_DEVICE)
            if identification.is_news(wrong):
                _log.error("device=%s wrong device: %s", self._device.name, wrong)
            return False
        if identification.read is None and not self._plan.info and self._plan.islands:
            await self._look(self._plan.islands[0].read)
        known = identification.learn(values)
        zeros: dict[Path, Value | None] = {p: 0 for p, spec in self._specs.items() if spec.self_clearing}
        self.publish(INFO, {p: v for p, v in {**zeros, **known}.items() if p in self._specs})
        return True

    async def _look(self, read: Read) -> Answer:
        """Ask once, in time that nobody living needs; raises NoAnswer also where the device is busy."""
        urgency = Urgency.POLL if self._awake else Urgency.PROBE
        answer = await self._talk.ask(read, urgency, tries=1, quick=self._quick)
        self._awake = True
        if isinstance(answer, Refused) and answer.code not in _NOT_THERE:
            raise NoAnswer(str(answer))
        return answer

    async def _info(self) -> dict[Path, Value | None]:
        """Read what is read once; a device that refuses an island is asked for its parts."""
        values: dict[Path, Value | None] = {}
        pending = list(self._plan.info)
        while pending:
            island = pending.pop(0)
            answer = await self._look(island.read)
            if isinstance(answer, Data):
                values.update(island.values(answer.data))
                continue
            parts = island.cut()
            if parts[0].refused:
                values.update(island.absent())
                self._note_absent(island, answer)
            else:
                pending[:0] = parts
        return values

    # -- polling -----------------------------------------------------------------------------------

    async def _poll(self) -> None:
        """Read every island when it is due, until the device does not answer any more."""
        now = self._clock.monotonic()
        self._due = dict.fromkeys(self._plan.islands, now)
        self._missed.clear()
        self._answered_at = now
        while self._due:
            island = min(self._due, key=self._due.__getitem__)
            await event_or_time(self._clock, self._talk.reopened, self._due[island])
            began = self._clock.monotonic()
            try:
                answer = await self._talk.ask(island.read, Urgency.POLL)
            except NoAnswer as missing:
                self._device.count_error()
                if self._is_gone(missing):
                    return
                self._ask_rarely(island, missing, began)
                continue
            self._misses, self._answered_at = 0, began
            self._missed.pop(island, None)
            self._due[island] = max(began, self._due[island] + island.period_s)
            self._take(island, answer)
        await event_or_time(self._clock, self._talk.reopened, self._clock.monotonic() + _LOOK_CAP_S)

    def _is_gone(self, missing: NoAnswer) -> bool:
        """True when the device counts as gone. One part of a GX that is not installed is no such sign."""
        if missing.no_path and self._clock.monotonic() - self._answered_at < stale_after_s(
            self._options.poll
        ):
            return False
        self._misses += 1
        return self._misses >= min(_MISSES, len(self._plan.islands))

    def _ask_rarely(self, island: Island, missing: NoAnswer, began: float) -> None:
        """Let an island wait that is not answered; one to whose part there is no way is asked in parts."""
        parts = island.cut()
        if missing.no_path and not parts[0].refused:
            self._exchange(island, parts)
            return
        missed = self._missed[island] = self._missed.get(island, 0) + 1
        self._due[island] = began + min(_MISSED_CAP_S, island.period_s * 2**missed)

    def _take(self, island: Island, answer: Answer) -> None:
        """Publish what an island has brought, or learn from its refusal."""
        if isinstance(answer, Data):
            if island.refused:
                self._exchange(island, (replace(island, refused=False, period_s=self._options.poll),))
                self._absent.difference_update(island.absent())
                _log.info("device=%s %s answers now", self._device.name, island.name)
            self.publish(island.name, island.values(answer.data))
        elif isinstance(answer, Refused) and answer.code in _NOT_THERE:
            if not island.refused:
                self._exchange(island, island.cut())
            part = next((p for p in self._plan.islands if p.refused and p.entries == island.entries), None)
            if part is not None:
                self._note_absent(island, answer)
                self._device.publish(part.name, part.absent())
        else:
            self._device.count_error()

    def _exchange(self, island: Island, instead: tuple[Island, ...]) -> None:
        del self._due[island]
        now = self._clock.monotonic()
        for part in instead:
            self._due[part] = now + part.period_s if part.refused else now
        self._adopt(self._plan.exchanged(island, instead))

    def _adopt(self, plan: Plan) -> None:
        """Make a plan the one in force, and its groups those of the device."""
        self._plan = plan
        self._device.declare(self._specs.values(), groups_of(plan), alive_when(plan))

    def _note_absent(self, island: Island, answer: Answer) -> None:
        fresh = [path for path in island.absent() if path not in self._absent]
        self._absent.update(fresh)
        if fresh:
            _log.info(
                "device=%s %s: %s, the device does not have %s",
                self._device.name, island.name, answer, ", ".join(fresh),
            )  # fmt: skip
