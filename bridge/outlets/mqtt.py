"""The MQTT outlet: tells points and reports to a broker, and takes commands from there."""

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.spec import PointSpec
from bridge.datastore.store import Datastore
from bridge.datastore.values import Outcome, Path, Value
from bridge.exchange.broker import BrokerFault, Connection, Message, connection, together
from bridge.exchange.broker_options import BrokerOptions
from bridge.exchange.command import Command, CommandReply, decode_command
from bridge.exchange.fields import ExchangeFault
from bridge.exchange.report import decode_ask
from bridge.exchange.topics import OFFLINE, ONLINE, Topics
from bridge.outlets.mqtt_commands import FURTHEST_S, CommandRoom
from bridge.outlets.mqtt_discovery import discovery
from bridge.outlets.mqtt_points import PointTopics
from bridge.outlets.mqtt_rpi_ecu import Form, RpiEcu
from bridge.outlets.mqtt_stream import MapOf, Stream

_log = logging.getLogger(__name__)

#: A report goes out at least this often, so that others know that nothing has changed.
BEAT_S = 1.0
#: How long a good-bye may take.
_GOOD_BYE_S = 2.0
#: Pauses before connecting again; each is shortened by chance, so that many bridges do not come at once.
_RETRY_FIRST_S, _RETRY_CAP_S, _JITTER = 0.3, 5.0, 0.5
#: Messages being answered at once; more are dropped, and their senders ask again.
_ANSWERING_MOST = 200


@dataclass(frozen=True, slots=True)
class MqttPlan:
    """What a site wants of the outlet. `directory` is where relative names of files begin."""

    broker: BrokerOptions
    directory: FilePath
    topic: str
    write: bool
    interval_s: float
    points: bool
    bridges: bool
    home_assistant: str | None
    forms: tuple[Form, ...]


class Mqtt:
    """The outlet. `run` keeps the connection until cancelled; `close` then lets go of the devices."""

    def __init__(self, plan: MqttPlan, datastore: Datastore, clock: Clock, map_of: MapOf) -> None:
        self._plan = plan
        self._clock = clock
        self._topics = Topics(plan.topic)
        self._datastore = datastore
        self._identifier = secrets.token_hex(8)
        self._stream = Stream(datastore, clock, map_of)
        self._points = PointTopics(datastore, clock, self._topics)
        self._forms = [RpiEcu(form, datastore, self._stream.stirred.set) for form in plan.forms]
        self._room = CommandRoom(datastore, clock)
        self._down = False
        self._pause_s = _RETRY_FIRST_S

    async def run(self) -> None:
        """Connect, tell and listen, for ever."""
        while True:
            try:
                await self._talk()
            except BrokerFault as fault:
                if not self._down:
                    self._down = True
                    _log.warning("outlet=mqtt %s", fault)
            await self._clock.sleep(self._pause_s * (1 - _JITTER * random.random()))
            self._pause_s = min(_RETRY_CAP_S, 2 * self._pause_s)

    async def close(self) -> None:
        """Listen to the devices no more, and wait for no command."""
        self._stream.close()
        self._points.close()
        for form in self._forms:
            form.close()
        await self._room.close()

    async def _talk(self) -> None:
        will = self._topics.bridge, OFFLINE
        plan = self._plan
        async with connection(plan.broker, plan.directory, self._identifier, will=will) as made:
            try:
                await self._greet(made)
                await together(self._listen(made), self._report(made), self._tell_points(made))
            finally:
                with contextlib.suppress(BrokerFault, TimeoutError):
                    async with asyncio.timeout(_GOOD_BYE_S):
                        await made.publish(self._topics.bridge, OFFLINE, sure=True, retain=True)

    async def _greet(self, made: Connection) -> None:
        topics = self._topics
        await made.subscribe(topics.bridge, topics.ask, topics.all_commands, topics.all_sets)
        self._points.everything()
        await self._tell_abouts(made, every=True)
        await made.publish(topics.bridge, ONLINE, sure=True, retain=True)
        if self._down:
            _log.info("outlet=mqtt the broker is back")
        self._down, self._pause_s = False, _RETRY_FIRST_S

    # -- telling -----------------------------------------------------------------------------------

    async def _tell_abouts(self, made: Connection, *, every: bool = False) -> None:
        plan = self._plan
        for name, about in tuple(self._stream.abouts(every=every)):
            if plan.bridges:
                await made.publish(self._topics.about(name), about.encode(), sure=True, retain=True)
            if plan.home_assistant is not None:
                for told in discovery(plan.home_assistant, self._topics, name, about):
                    await made.publish(told.topic, told.payload, retain=True)

    async def _report(self, made: Connection) -> None:
        """Report changes soon after they come, and no more often than is wanted."""
        while True:
            began = self._clock.monotonic()
            await self._tell_abouts(made)
            if self._plan.bridges:
                await made.publish(self._topics.live, self._stream.changes().encode())
            else:
                self._stream.stirred.clear()
            await self._clock.sleep(began + self._plan.interval_s - self._clock.monotonic())
            await event_or_time(self._clock, self._stream.stirred, began + max(BEAT_S, self._plan.interval_s))

    async def _tell_points(self, made: Connection) -> None:
        while True:
            if self._plan.points:
                for told in tuple(self._points.due()):
                    await made.publish(told.topic, told.payload, retain=True)
            for form in self._forms:
                for one in tuple(form.due()):
                    await made.publish(one.topic, one.payload, retain=one.retain)
            await self._clock.sleep(self._plan.interval_s)

    # -- listening ---------------------------------------------------------------------------------

    async def _listen(self, made: Connection) -> None:
        answering: set[asyncio.Task[None]] = set()
        try:
            async for message in made.messages():
                if message.topic == self._topics.bridge:
                    if message.payload != ONLINE.encode():  # the will of a connection that we had lost
                        await made.publish(self._topics.bridge, ONLINE, sure=True, retain=True)
                elif message.retained:
                    _log.warning(
                        "outlet=mqtt topic=%s retained: not done, nobody knows how old", message.topic[:100]
                    )
                elif len(answering) < _ANSWERING_MOST:
                    task = asyncio.create_task(self._answer(made, message))
                    answering.add(task)
                    task.add_done_callback(answering.discard)
        finally:
            for task in answering:
                task.cancel()
            await asyncio.gather(*answering, return_exceptions=True)

    async def _answer(self, made: Connection, message: Message) -> None:
        try:
            payload = await self._answer_to(message)
        except ExchangeFault as fault:
            _log.warning("outlet=mqtt topic=%s %s: not done", message.topic[:100], fault)
            return
        topic = message.response_topic
        if topic is not None and topic and not set(topic) & set("+#"):
            sure = message.topic != self._topics.ask
            with contextlib.suppress(BrokerFault):  # whoever asked will ask again
                await made.publish(topic, payload, sure=sure, correlation=message.correlation)

    async def _answer_to(self, message: Message) -> bytes:
        if message.topic == self._topics.ask:
            return self._stream.answer(whole=decode_ask(message.payload).whole).encode()
        to_set = self._topics.to_set(message.topic)
        if to_set is not None:
            device, path = to_set
            command = self._plain(device, path, message)
        else:
            device, command = self._topics.commanded(message.topic) or "", decode_command(message.payload)
        reply = await self._do(device, command)
        if reply.reason:
            _log.warning("outlet=mqtt device=%s command refused: %s", device[:40], reply.reason)
        return reply.encode()

    async def _do(self, device: str, command: Command) -> CommandReply:
        session = self._stream.session
        if not self._plan.write:
            reason = "found `write: false` of the outlet mqtt in the site file: it takes no commands"
            outcomes = dict.fromkeys(command.changes, Outcome.REFUSED)
            return CommandReply(command.id, session, self._clock.monotonic(), outcomes, reason=reason)
        return await self._room.apply(device, command, session)

    def _plain(self, device: str, path: Path, message: Message) -> Command:
        """Return the command that a plain value stands for. Raises ExchangeFault.

        One with correlation data is known by that when it comes again.
        """
        found = self._datastore.devices.get(device)
        if found is None or not found.has(path):
            raise ExchangeFault(f"found no point {device[:40]}:{path[:100]}")
        value = _value(found.spec(path), message.payload)
        name = message.correlation.hex() or secrets.token_hex(8)
        before = self._clock.monotonic() + FURTHEST_S
        return Command(f"set {path} {name}", {path: value}, self._stream.session, before)


def _value(spec: PointSpec, payload: bytes) -> Value:
    """Read a plain value: a number, a name of the point's choices, or text. Raises ExchangeFault."""
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        raise ExchangeFault(f"found bytes that are no text for {spec.path}") from None
    if spec.text:
        return text
    numbers: Mapping[str, int] = {word.lower(): one for one, word in (spec.choices or {}).items()}
    if text.lower() in numbers:
        return numbers[text.lower()]
    try:
        found = float(text)
    except ValueError:
        expected = f"a number or one of {', '.join(numbers)}" if numbers else "a number"
        raise ExchangeFault(f"found {text[:40]!r} for {spec.path}, expected {expected}") from None
    return int(found) if found.is_integer() else found
