"""One question to one inverter, its confirmation, its answer, and when to ask again.

Messages are matched by their sender and serial number, never by their order: an inverter can answer when the
next one is asked already.
"""

import asyncio
import itertools

from bridge.adapters.apsystems.codec import reply_serial
from bridge.adapters.apsystems.coordinator import Coordinator
from bridge.adapters.apsystems.coordinator_events import Confirm, Event, Route
from bridge.adapters.apsystems.ecu import COORDINATOR
from bridge.adapters.apsystems.messages import Answer, Delivery, Heard
from bridge.datastore.clock import Clock

#: A confirmation comes within a second; no route is told after up to 4 s.
CONFIRM_WITHIN_S = 5.0
#: After it, the answer usually comes within a second; programs of the field wait 2 s, and half a second more.
ANSWER_WITHIN_S = 2.5
#: Lower ones belong to broadcasts, whose confirmations may still be under way.
_TSNS = range(0x10, 0x100)
_SUCCESS, _NO_ROUTE, _NO_ACK = 0x00, 0xCD, 0xE9
_CONFIRMED = {_SUCCESS: Delivery.NO_ANSWER, _NO_ROUTE: Delivery.NO_ROUTE, _NO_ACK: Delivery.NO_ACK}
#: Worth a second try: a marginal radio, weak light, and a line that lost a byte.
_AGAIN = frozenset({Delivery.NO_ACK, Delivery.NO_ANSWER, Delivery.DEAD})


class Questions:
    """Questions over one coordinator, one after the other. Raises LineLost."""

    def __init__(self, coordinator: Coordinator, clock: Clock) -> None:
        self._coordinator = coordinator
        self._clock = clock
        self._tsns = itertools.cycle(_TSNS)

    async def ask(self, short: int, serial: str, data: bytes, tries: int) -> Answer:
        """Ask, again where that helps, and return the outcome of the last try."""
        others = list(self._coordinator.strays())
        for attempt in range(1, tries + 1):
            answer = await self._once(short, serial, data, attempt, others)
            if answer.delivery not in _AGAIN:
                break
        return answer

    async def _once(self, short: int, serial: str, data: bytes, attempt: int, others: list[Heard]) -> Answer:
        """Ask once, with a TSN of its own, so that a late confirmation is not taken for this one's."""
        tsn = next(self._tsns)
        relays: tuple[int, ...] | None = None
        confirmed: int | None = None
        heard: Heard | None = None
        delivery = Delivery.UNCONFIRMED
        with self._coordinator.events() as happened:
            status = await self._coordinator.send(short, tsn, data)
            if status is None:
                return Answer(Delivery.DEAD, others=tuple(others), attempts=attempt)
            if status:
                return Answer(Delivery.REFUSED, others=tuple(others), attempts=attempt, status=status)
            due = self._clock.monotonic() + CONFIRM_WITHIN_S
            while heard is None:
                event = await self._coordinator.next_event(happened, due)
                if event is None:
                    break
                if isinstance(event, Confirm) and event.tsn == tsn:
                    confirmed = event.status
                    delivery = _CONFIRMED.get(confirmed, Delivery.UNCONFIRMED)
                    if delivery is not Delivery.NO_ANSWER:
                        break
                    due = self._clock.monotonic() + ANSWER_WITHIN_S
                elif isinstance(event, Route) and event.destination == short:
                    relays = event.relays
                elif isinstance(event, Heard):
                    if _answers(event, short, serial):
                        heard, delivery = event, Delivery.ANSWERED
                    elif event.source != COORDINATOR:  # not a broadcast of ours, repeated by a neighbour
                        others.append(event)
            others += _left(happened)
        return Answer(delivery, heard, relays, tuple(others), attempt, confirmed)


def _answers(heard: Heard, short: int, serial: str) -> bool:
    return heard.source == short and reply_serial(heard.data) == serial


def _left(happened: "asyncio.Queue[Event | None]") -> list[Heard]:
    """Return messages that came together with what ended the wait."""
    found = []
    while not happened.empty():
        event = happened.get_nowait()
        if isinstance(event, Heard):
            found.append(event)
    return found
