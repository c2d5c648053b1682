"""The connection to one far bridge, shared by all devices that come from it."""

import asyncio
import contextlib
import logging
import secrets
import weakref
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Protocol

from bridge.adapters.reconnect import Backoff, supervise
from bridge.adapters.remote.far_bridge import FarBridge
from bridge.adapters.remote.options import RemoteOptions
from bridge.datastore.clock import Clock, event_or_time
from bridge.exchange.about import decode_about
from bridge.exchange.broker import BrokerFault, Connection, Message, connection, together
from bridge.exchange.command import Command, CommandReply, decode_reply
from bridge.exchange.fields import ExchangeFault
from bridge.exchange.report import Ask, decode_report
from bridge.exchange.topics import Topics

_log = logging.getLogger(__name__)

#: How often the far clock is asked for, and a question that was not answered is repeated, in seconds.
_ASK_EVERY_S, _ASK_AGAIN_S = 10.0, 1.0
#: A question nobody heard in this time is not delivered any more.
_ASK_EXPIRY_S = 2
#: Questions under way that are remembered.
_ASKED_MOST = 32
#: Pauses before connecting again: a restarted broker is back within a second.
_RETRY_FIRST_S, _RETRY_CAP_S = 0.3, 5.0


class Guest(Protocol):
    """A device that comes from the far bridge."""

    def told(self, changed: Mapping[str, Collection[int]]) -> None:
        """Look at what the far bridge has said; `changed` names what is new, by device and place."""

    def cut(self) -> None:
        """Know that there is no connection to the broker now."""

    def replied(self, reply: CommandReply) -> None:
        """Hear what became of a command, perhaps of another device."""


class FarLink:
    """One connection to the broker for one far bridge. `run` keeps it until cancelled."""

    def __init__(self, options: RemoteOptions, clock: Clock) -> None:
        self.bridge = FarBridge()
        self.guests: list[Guest] = []
        self._options = options
        self._clock = clock
        self._topics = Topics(options.topic)
        self._identifier = secrets.token_hex(8)
        self._reply = self._topics.reply(self._identifier)
        self._connection: Connection | None = None
        self._asked: dict[bytes, float] = {}
        self._stirred = asyncio.Event()
        self._down = False
        self._faulty: set[str] = set()

    @property
    def connected(self) -> bool:
        """True while the broker hears us."""
        return self._connection is not None

    async def run(self) -> None:
        """Connect, listen and ask, for ever."""
        backoff = Backoff(_RETRY_FIRST_S, _RETRY_CAP_S)
        while True:
            try:
                await self._talk(backoff)
            except BrokerFault as fault:
                if not self._down:
                    self._down = True
                    _log.warning("topic=%s %s", self._options.topic, fault)
            finally:
                self._connection = None
                self.bridge.lost()
            for guest in tuple(self.guests):
                guest.cut()
            await self._clock.sleep(backoff.pause())

    async def send(self, device: str, command: Command, expiry_s: int) -> bool:
        """Publish a command; False where nobody could take it."""
        if self._connection is None:
            return False
        try:
            await self._connection.publish(
                self._topics.command(device),
                command.encode(),
                sure=True,
                correlation=command.id.encode(),
                response_topic=self._reply,
                expiry_s=expiry_s,
            )
        except BrokerFault:
            return False
        return True

    async def _talk(self, backoff: Backoff) -> None:
        async with connection(self._options, Path("/"), self._identifier) as made:
            topics = self._topics
            await made.subscribe(topics.live, self._reply, topics.all_about)
            self._connection = made
            if self._down:
                _log.info("topic=%s the broker is back", self._options.topic)
            self._down = False
            backoff.reset()
            await together(self._listen(made), self._ask(made))

    async def _ask(self, made: Connection) -> None:
        while True:
            self._stirred.clear()
            whole = not self.bridge.whole
            name = secrets.token_bytes(8)
            self._asked[name] = self._clock.monotonic()
            while len(self._asked) > _ASKED_MOST:
                del self._asked[next(iter(self._asked))]
            await made.publish(
                self._topics.ask,
                Ask(whole).encode(),
                correlation=name,
                response_topic=self._reply,
                expiry_s=_ASK_EXPIRY_S,
            )
            if whole:  # the answer may be lost with a broker or a bridge: not before its time, but soon
                await self._clock.sleep(_ASK_AGAIN_S)
            else:
                due = self._clock.monotonic() + _ASK_EVERY_S
                await event_or_time(self._clock, self._stirred, due)

    async def _listen(self, made: Connection) -> None:
        async for message in made.messages():
            try:
                self._hear(message)
            except ExchangeFault as fault:
                self._tell_fault(message.topic, fault)
            else:
                self._faulty.discard(message.topic)

    def _hear(self, message: Message) -> None:
        topic, now = message.topic, self._clock.monotonic()
        name = self._topics.about_whom(topic)
        if topic == self._topics.live and not message.retained:
            self._told(self.bridge.reported(decode_report(message.payload), now))
        elif topic == self._reply and message.correlation in self._asked:
            asked_at = self._asked.pop(message.correlation)
            self._told(self.bridge.answered(decode_report(message.payload), asked_at))
        elif topic == self._reply:
            reply = decode_reply(message.payload)
            for guest in tuple(self.guests):
                guest.replied(reply)
        elif name is not None:
            self.bridge.take_about(name, decode_about(message.payload) if message.payload else None)
            self._told({})

    def _told(self, changed: Mapping[str, Collection[int]] | None) -> None:
        if changed is None:
            self._stirred.set()
        for guest in tuple(self.guests):
            guest.told(changed or {})

    def _tell_fault(self, topic: str, fault: ExchangeFault) -> None:
        """Log a message that cannot be read, once until that topic has a good one again."""
        if topic not in self._faulty and len(self._faulty) < _ASKED_MOST:
            self._faulty.add(topic)
            _log.error("topic=%s cannot be read: %s; is the far bridge of the same version?", topic, fault)


_links: "weakref.WeakKeyDictionary[Clock, dict[object, tuple[FarLink, asyncio.Task[None]]]]" = (
    weakref.WeakKeyDictionary()
)


@contextlib.asynccontextmanager
async def link_for(guest_of: Guest, options: RemoteOptions, clock: Clock) -> AsyncIterator[FarLink]:
    """Join a device to its far bridge for as long as the block runs; the first guest opens the connection."""
    shelf = _links.setdefault(clock, {})
    key = (
        options.topic, options.url, options.username, options.password, options.ca, options.certificate,
        options.key,
    )  # fmt: skip
    if key not in shelf:
        made = FarLink(options, clock)
        name = f"far bridge {options.topic}"
        shelf[key] = made, asyncio.create_task(supervise(name, clock, made.run), name=name)
    link, task = shelf[key]
    link.guests.append(guest_of)
    try:
        yield link
    finally:
        link.guests.remove(guest_of)
        if not link.guests:
            del shelf[key]
            task.cancel()
            await asyncio.wait([task])
