"""A connection to an MQTT 5 broker. Each begins clean: nothing is queued for us while we are away."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
from paho.mqtt.client import error_string
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.exchange.broker_options import BrokerOptions

#: A broker that hears nothing for one and a half of these tells the last will.
KEEPALIVE_S = 10
#: The longest that a connection, a publication or a good-bye may take, in seconds.
WITHIN_S = 5.0
#: Bytes that the broker's machine has not acknowledged for this long end the connection, in milliseconds.
_UNACKNOWLEDGED_MS = 10_000
#: How long whoever ends waits for an attempt to connect to end too, in seconds.
_LET_GO_S = 2.0
#: Messages kept while we are busy; beyond it the newest are dropped, which a gap in numbers shows.
_QUEUED_MOST = 2_000
#: A thread's message on this logger tells what the library does; ours tell what has happened.
_QUIET = logging.getLogger("bridge.exchange.mqtt")
_QUIET.setLevel(logging.ERROR)


class BrokerFault(Exception):
    """The broker cannot be reached, or has gone; the text says what was found and what to do."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came. retained: the broker has kept it, nobody knows how long."""

    topic: str
    payload: bytes
    retained: bool = False
    response_topic: str | None = None
    correlation: bytes = b""


class Connection:
    """An open connection. Its methods raise BrokerFault once it is lost."""

    def __init__(self, client: aiomqtt.Client, name: str) -> None:
        self._client = client
        self._name = name

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
        """Publish; returns when it is written to the socket or, where it must be `sure`, with the broker."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if correlation:
            properties.CorrelationData = correlation
        if response_topic is not None:
            properties.ResponseTopic = response_topic
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        with self._told(), _heeding():
            await self._client.publish(topic, payload, int(sure), retain, properties)

    async def subscribe(self, *topics: str) -> None:
        """Hear topics from now on, and first what the broker has kept of them."""
        with self._told(), _heeding():
            granted = await self._client.subscribe([(topic, 1) for topic in topics])
        refused = [topic for topic, code in zip(topics, granted, strict=False) if _failed(code)]
        if refused:
            raise BrokerFault(
                f"{self._name}: found no right to subscribe to {', '.join(refused)}: mend the broker's "
                "access list"
            )

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what comes, until the connection is lost, which raises BrokerFault."""
        with self._told():
            async for one in self._client.messages:
                payload = one.payload if isinstance(one.payload, bytes) else str(one.payload).encode()
                properties = one.properties
                yield Message(
                    one.topic.value,
                    payload,
                    bool(one.retain),
                    getattr(properties, "ResponseTopic", None),
                    getattr(properties, "CorrelationData", b""),
                )

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (aiomqtt.MqttError, ValueError, OSError) as fault:
            raise BrokerFault(f"{self._name}: {_words(fault)}") from fault


@contextlib.contextmanager
def _heeding() -> Iterator[None]:
    """End with CancelledError where the block was cancelled and went on.

    Python 3.11's `asyncio.wait_for`, by which the library waits, forgets a cancellation that comes together
    with what was waited for.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    yield
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError


async def together(*parts: Coroutine[None, None, None]) -> None:
    """Run all until one of them ends, then end the others; raises what that one raised.

    No TaskGroup: that of Python 3.11 leaves its task marked as cancelled.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


@contextlib.asynccontextmanager
async def connection(
    options: BrokerOptions, directory: Path, identifier: str, *, will: tuple[str, str] | None = None
) -> AsyncIterator[Connection]:
    """Connect for as long as the block runs. Raises BrokerFault.

    directory: where relative names of files begin. identifier: with the same one again the broker takes the
    former connection for lost at once. will: topic and payload that the broker publishes, retained, when we
    are lost.
    """
    name = f"broker={options.broker_host}:{options.broker_port}"
    context = await asyncio.to_thread(_tls, options, directory, name)
    client = aiomqtt.Client(
        options.broker_host,
        options.broker_port,
        username=options.username,
        password=options.password,
        identifier=f"inverter-bridge-{identifier}",
        protocol=aiomqtt.ProtocolVersion.V5,
        will=None if will is None else aiomqtt.Will(*will, qos=1, retain=True),
        timeout=WITHIN_S,
        keepalive=KEEPALIVE_S,
        clean_start=True,
        max_queued_incoming_messages=_QUEUED_MOST,
        tls_context=context,
        logger=_QUIET,
        socket_options=(
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS),
        ),
    )
    try:
        await _enter(client)
    except (aiomqtt.MqttError, OSError, ValueError) as fault:
        raise BrokerFault(f"{name}: {_words(fault)}") from fault
    try:
        yield Connection(client, name)
    finally:
        with contextlib.suppress(aiomqtt.MqttError), _heeding():
            await client.__aexit__(None, None, None)


async def _enter(client: aiomqtt.Client) -> None:
    """Connect. Who fails, or is cancelled meanwhile, leaves no half-open connection behind."""
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(entering)
    except BaseException:
        leaving = asyncio.ensure_future(_let_go(client, entering))
        await asyncio.wait((leaving,), timeout=_LET_GO_S)
        raise


async def _let_go(client: aiomqtt.Client, entering: "asyncio.Future[aiomqtt.Client]") -> None:
    """Close what an attempt still opens; it lasts for ever where a name server never answers."""
    with contextlib.suppress(aiomqtt.MqttError, OSError, ValueError):
        await entering
    with contextlib.suppress(aiomqtt.MqttError, OSError, ValueError):
        await client.__aexit__(None, None, None)


class _Socket(ssl.SSLSocket):
    """One that is closed where the library would leave it open: when nobody shakes hands."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except Exception:
            self.close()
            raise


def _tls(options: BrokerOptions, directory: Path, name: str) -> ssl.SSLContext | None:
    if not options.encrypted:
        return None
    files = [options.ca, options.certificate, options.key]
    ca, certificate, key = (None if one is None else str(directory / Path(one).expanduser()) for one in files)
    try:
        context = ssl.create_default_context(cafile=ca)
        context.sslsocket_class = _Socket
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError, RuntimeError) as fault:
        shown = ", ".join(one for one in (ca, certificate, key) if one is not None)
        raise BrokerFault(
            f"{name}: {fault} in {shown or 'the system'}: expected readable certificates in PEM"
        ) from fault
    return context


def _failed(code: object) -> bool:
    """True for a subscription that was refused; reason codes of 0x80 and above (MQTT 5, section 3.9.3)."""
    found = getattr(code, "value", code)
    return isinstance(found, int) and found >= 0x80


def _words(fault: Exception) -> str:
    code = getattr(fault, "rc", None)
    shown = getattr(code, "getName", None)
    said = shown() if callable(shown) else str(fault) or type(fault).__name__
    if isinstance(code, MQTTErrorCode):
        said = error_string(code)
    text = " ".join(str(said).split())
    return f"{text[:1].lower()}{text[1:]}: is the broker running, and are address, name and password right?"
