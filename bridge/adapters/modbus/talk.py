"""Talking with one unit on a bus: retries, and a patience learnt from how fast the device answers."""

import asyncio
from collections import deque
from collections.abc import Callable

from bridge.adapters.modbus.bus import NoAnswer, Reply, Seat
from bridge.adapters.modbus.options import ModbusOptions
from bridge.adapters.modbus.queue import Demand, Urgency
from bridge.adapters.modbus.requests import Answer, Code, Refused, Request

#: The wait for a reply is this many times the slowest of the newest replies, as with the stock client.
_LATENCY_FACTOR = 4.0
_REMEMBERED = 8
#: Shorter waits only find faults of the network in between.
_SHORTEST_S = 0.1
#: A first look at a device that may not be there: most that are answer within this.
_QUICK_S = 0.3
#: A reply can come this many times later than the longest wait: what takes longer is set up wrongly.
_LATE_FACTOR = 2.0
#: Exceptions by which a gateway says that the device behind it did not answer.
GATEWAY_SILENT = frozenset({Code.NO_PATH, Code.NO_RESPONSE})


class GivenUp(Exception):
    """What was asked for is no longer wanted."""


class Patience:
    """How long to wait for a reply: a few times what the device takes, never beyond what the site says."""

    def __init__(self, longest_s: float, shortest_s: float) -> None:
        self.longest_s = max(longest_s, shortest_s)
        self._shortest_s = shortest_s
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)

    def wait_s(self, *, quick: bool = False) -> float:
        """Return the wait for the next reply."""
        if quick:
            return min(self.longest_s, max(self._shortest_s, _QUICK_S))
        if not self._latencies:
            return self.longest_s
        return min(self.longest_s, max(self._shortest_s, _LATENCY_FACTOR * max(self._latencies)))

    def heard(self, latency_s: float) -> None:
        """Take note of how long a reply took."""
        self._latencies.append(latency_s)

    def missed(self) -> None:
        """Forget how fast it was: until it answers again it is given all the time there is."""
        self._latencies.clear()


class Talk:
    """The requests of one device, each with its retries. Each retry waits for its turn on the bus anew."""

    def __init__(self, seat: Seat, options: ModbusOptions, shortest_s: float | None, pause_s: float) -> None:
        self._seat = seat
        self._unit = options.remote_unit
        self._tries = 1 + options.retries
        self._pause_s = max(options.pause, pause_s)
        self.patience = Patience(options.timeout, _SHORTEST_S if shortest_s is None else shortest_s)

    @property
    def reopened(self) -> asyncio.Event:
        """Set when the line was opened anew: whoever is behind it now must be found first (LineDown)."""
        return self._seat.reopened

    async def ask(
        self,
        request: Request,
        urgency: Urgency,
        *,
        tries: int | None = None,
        quick: bool = False,
        unwanted: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """Return the device's answer. Raises NoAnswer, LineDown, and GivenUp before a try that is `unwanted`.

        quick: waits only as long as a device takes that is well.

        A gateway's word that the device does not answer counts as no answer, and so costs no more waiting.
        """
        missing: NoAnswer | None = None
        for _ in range(self._tries if tries is None else tries):
            if unwanted():
                raise GivenUp
            try:
                reply = await self._try(request, urgency, self.patience.wait_s(quick=quick))
            except NoAnswer as fault:
                missing = fault
                self.patience.missed()
                continue
            if isinstance(reply.answer, Refused) and reply.answer.code in GATEWAY_SILENT:
                no_path = reply.answer.code == Code.NO_PATH
                missing = NoAnswer(f"unit {self._unit}: the gateway says {reply.answer}", no_path=no_path)
                if no_path:
                    break
                continue
            self.patience.heard(reply.latency_s)
            return reply.answer
        raise missing or NoAnswer(f"unit {self._unit} was not asked")

    async def _try(self, request: Request, urgency: Urgency, timeout_s: float) -> Reply:
        late_s = _LATE_FACTOR * self.patience.longest_s
        return await self._seat.ask(
            Demand(self._seat.device, self._unit, request, urgency, timeout_s, self._pause_s, late_s)
        )
