"""A bus in memory whose devices are pymodbus's own server: requests in, replies out, on a manual clock."""

import asyncio
from collections.abc import Mapping
from typing import Any

from pymodbus.exceptions import NoSuchIdException
from pymodbus.pdu import DecodePDU

from bridge.adapters.modbus import adapter as adapter_module
from bridge.adapters.modbus.adapter import ModbusAdapter
from bridge.adapters.modbus.bus import LineDown, NoAnswer, Reply
from bridge.adapters.modbus.options import ModbusOptions
from bridge.adapters.modbus.queue import Demand
from bridge.adapters.modbus.requests import answer_of
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteRequest
from tests.adapters.modbus.field import BOUND_S, Field


class ServedSeat:
    """A seat on a bus that has no line: each demand is answered by the field at once, or in its time not."""

    def __init__(self, clock: ManualClock, field: Field) -> None:
        self.device = "device"
        self.up, self.reopened = asyncio.Event(), asyncio.Event()
        self.up.set()
        self.field = field
        #: False while the line is away.
        self.open = True
        #: What was asked, in order.
        self.demands: list[Demand] = []
        self._clock = clock
        self._decode = DecodePDU(is_server=True)

    async def __aenter__(self) -> "ServedSeat":
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def begin(self) -> None:
        self.reopened.clear()

    async def ask(self, demand: Demand) -> Reply:
        self.demands.append(demand)
        if not self.open:
            self.up.clear()
            raise LineDown("bus")
        try:
            request = self._decode.decode(demand.request.pdu)
            assert request is not None
            reply = await request.datastore_update(self.field, demand.unit)  # type: ignore[arg-type]
        except NoSuchIdException:
            await self._clock.sleep(demand.timeout_s)
            raise NoAnswer("silent") from None
        answer = answer_of(demand.request, bytes((reply.function_code,)) + reply.encode())
        assert answer is not None
        return Reply(answer, 0.01)


class ServedHouse:
    """One device on such a bus, found and polled by the real adapter for as long as the block runs."""

    def __init__(self, monkeypatch: Any, map_name: str, field: Field, **options: Any) -> None:
        self.clock = ManualClock()
        self.field = field
        self.seat = ServedSeat(self.clock, field)
        self.datastore = Datastore(self.clock, StateStore(None))
        wanted = {"timeout": 0.5, "retries": 1, "poll": 60, **options}
        made = ModbusOptions(adapter="modbus", host="127.0.0.1:502", map=map_name, **wanted)
        self.device = self.datastore.add("device", made.wear.limits(), made.leases())
        self.adapter = ModbusAdapter(self.device, made, self.clock)
        monkeypatch.setattr(adapter_module, "seat_on", lambda *_: self.seat)
        self._tasks: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> "ServedHouse":
        self._tasks = [
            asyncio.create_task(run)
            for run in (self.datastore.run(), self.device.run(self.adapter), self.adapter.run())
        ]
        async with asyncio.timeout(BOUND_S):  # the map is loaded by a thread, in real time
            while not self.seat.demands:
                for task in self._tasks:
                    assert not task.done(), task.result()
                await asyncio.sleep(0.002)
        await self.clock.advance(0.1)
        self.field.writes.clear()
        self.seat.demands.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                raise AssertionError(f"a task ended with {outcome!r}")  # noqa: TRY004

    def begin(self, changes: Mapping[str, Value]) -> "asyncio.Task[dict[str, Outcome]]":
        """Write without waiting for the outcome."""
        return asyncio.create_task(self.device.write(WriteRequest(changes, Origin("modbus", "test"))))

    async def told(
        self, task: "asyncio.Task[dict[str, Outcome]]", within_s: float = 20.0
    ) -> dict[str, Outcome]:
        """Let time pass until the outcomes are known."""
        await self.clock.advance(0)
        for _ in range(int(within_s / 0.05)):
            if task.done():
                return task.result()
            await self.clock.advance(0.05)
        raise AssertionError(f"no outcome after {within_s} s")

    async def write(self, changes: Mapping[str, Value]) -> list[Outcome]:
        """Write and let time pass until the outcomes are known; return them in the order of the changes."""
        told = await self.told(self.begin(changes))
        return [told[path] for path in changes]

    @property
    def written(self) -> list[tuple[int, int, list[int]]]:
        """What was written: function, address, words."""
        return [(function, address, words) for _, function, address, words in self.field.writes]
