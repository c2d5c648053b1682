"""Two bridges joined by a broker in memory: a head-end shows devices that the bridge in the storm has.

The head-end is judged by the same simulators as the bridge at the equipment, a broker and a bridge further away.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.adapters.remote.options import FAMILY
from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Value
from bridge.exchange.broker import BrokerFault, Message
from bridge.exchange.broker_options import BrokerOptions
from bridge.outlets.mqtt import MqttPlan
from tests.storm.member import Member
from tests.storm.truth import Held, Rule

TOPIC = "t/storm"
#: How long the head-end believes what it was told.
STALE_AFTER_S = 8.0
#: The longest that the broker takes for a message; how long one was on its way is known from question and answer.
SLOWEST_S = 1.5
_QUEUED_MOST = 2000


class MemoryBroker:
    """As much of MQTT as bridges use: retained messages, wildcards, last wills. `cut` ends all connections."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._retained: dict[str, bytes] = {}
        self._open: list[MemoryConnection] = []
        self.up = True
        #: Seconds that every message takes.
        self.delay_s = 0.01

    @contextlib.asynccontextmanager
    async def connection(
        self, _: BrokerOptions, __: Path, ___: str, *, will: tuple[str, str] | None = None
    ) -> AsyncIterator["MemoryConnection"]:
        """Stand in for `bridge.exchange.broker.connection`."""
        await self._clock.sleep(self.delay_s)
        if not self.up:
            raise BrokerFault("broker=memory: connection refused")
        made = MemoryConnection(self, self._clock, will)
        self._open.append(made)
        try:
            yield made
        finally:
            if made in self._open:
                self._open.remove(made)

    def cut(self) -> None:
        """Go down: what was kept is lost, as with a broker that keeps nothing over a restart."""
        self.up = False
        self._retained.clear()
        lost, self._open = self._open, []
        for one in lost:
            one.lose()

    def mend(self) -> None:
        """Come back."""
        self.up = True

    def pass_on(
        self, topic: str, payload: bytes, response: str | None, correlation: bytes, *, retain: bool
    ) -> None:
        """Hand a message to all who hear its topic."""
        if retain:
            self._retained[topic] = payload
        for one in tuple(self._open):
            if any(_fits(pattern, topic) for pattern in one.patterns):
                one.arrive(Message(topic, payload, False, response, correlation), self.delay_s)

    def kept(self, pattern: str) -> Iterator[Message]:
        """Give what is kept of a topic."""
        for topic, payload in tuple(self._retained.items()):
            if payload and _fits(pattern, topic):
                yield Message(topic, payload, True)


class MemoryConnection:
    """One client's connection."""

    def __init__(self, broker: MemoryBroker, clock: ManualClock, will: tuple[str, str] | None) -> None:
        self._broker, self._clock, self._will = broker, clock, will
        self.patterns: list[str] = []
        self._lost = False
        self._due: asyncio.Queue[tuple[float, Message | None]] = asyncio.Queue(_QUEUED_MOST)

    async def publish(
        self,
        topic: str,
        payload: bytes | str,
        *,
        sure: bool = False,
        retain: bool = False,
        correlation: bytes = b"",
        response_topic: str | None = None,
        expiry_s: int | None = None,
    ) -> None:
        """Publish."""
        self._check()
        data = payload.encode() if isinstance(payload, str) else payload
        self._broker.pass_on(topic, data, response_topic, correlation, retain=retain)

    async def subscribe(self, *topics: str) -> None:
        """Hear topics, and first what is kept of them."""
        self._check()
        self.patterns += topics
        for topic in topics:
            for message in self._broker.kept(topic):
                self.arrive(message, self._broker.delay_s)

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what comes until the connection is lost."""
        while True:
            due, message = await self._due.get()
            await self._clock.sleep(due - self._clock.monotonic())
            if message is None:
                raise BrokerFault("broker=memory: connection lost")
            yield message

    def arrive(self, message: Message, delay_s: float) -> None:
        """Let a message come, unless too many wait."""
        with contextlib.suppress(asyncio.QueueFull):
            self._due.put_nowait((self._clock.monotonic() + delay_s, message))

    def lose(self) -> None:
        """End it without a word; the broker then tells the will."""
        self._lost = True
        while self._due.full():
            self._due.get_nowait()
        self._due.put_nowait((0.0, None))

    def _check(self) -> None:
        if self._lost:
            raise BrokerFault("broker=memory: connection lost")


class FarMember(Member):
    """A device of the bridge in the storm, as the head-end has it."""

    family = FAMILY

    def __init__(self, clock: ManualClock, near: Member, unit: int) -> None:
        super().__init__(
            clock, f"far_{near.name}", near.unit_map, unit,
            url="mqtt://memory", topic=TOPIC, device=near.name, stale_after=STALE_AFTER_S, map=near.unit_map,
        )  # fmt: skip
        self.near = near
        self.writes = near.writes
        self.essential_s = near.essential_s + STALE_AFTER_S + 2 * SLOWEST_S
        self.rules = {
            path: Rule(rule.window_s + STALE_AFTER_S, rule.within, rule.share, rule.leap, rule.between)
            for path, rule in near.rules.items()
        }

    @property
    def damaging(self) -> bool:  # type: ignore[override]
        """True while the line of the device itself damages bytes."""
        return self.near.damaging

    def watch(self) -> None:
        """Let the device's own member note what is true."""
        self.near.watch()

    def held(self) -> Mapping[str, Held]:
        """Nothing of its own."""
        return {}

    def true_since(self, path: str, since: float) -> Iterator[Held]:
        """Yield what the device itself held."""
        return self.near.true_since(path, since)

    def did(self, path: str, value: Value, since: float, step: float) -> bool:
        """Ask the device itself."""
        return self.near.did(path, value, since, step)

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Nothing lives behind it."""
        return []


def plan() -> MqttPlan:
    """What the bridge in the storm tells the broker."""
    return MqttPlan(
        BrokerOptions(url="mqtt://memory"), Path("/"), TOPIC, write=True, interval_s=0.2, points=False,
        bridges=True, home_assistant=None, forms=(),
    )  # fmt: skip


def _fits(pattern: str, topic: str) -> bool:
    """True where a subscription hears a topic (MQTT 5, section 4.7)."""
    wanted, found = pattern.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(found) or level not in ("+", found[place]):
            return False
    return len(wanted) == len(found)
