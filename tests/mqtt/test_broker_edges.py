"""How a connection begins and ends, byte for byte before a broker that only says what a test tells it to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from bridge.exchange import broker as exchange
from bridge.exchange.broker import BrokerFault, Connection, connection, together
from bridge.exchange.broker_options import BrokerOptions

from .broker import PATIENCE_S, free_port

_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK, _DISCONNECT = 1, 2, 3, 4, 8, 9, 14


class Scripted:
    """Takes MQTT 5 packets of one connection and answers them; `connack` and `suback` are reason codes."""

    def __init__(self, connack: int = 0, suback: tuple[int, ...] = (1,)) -> None:
        self.packets: list[tuple[int, int, bytes]] = []
        self.connack, self.suback = connack, suback
        self.ended = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                head = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await self._length(reader))
                self.packets.append((head >> 4, head & 0x0F, body))
                match head >> 4:
                    case 1:
                        writer.write(bytes((_CONNACK << 4, 3, 0, self.connack, 0)))
                    case 3 if head & 0x06:
                        topic = int.from_bytes(body[:2], "big")
                        writer.write(bytes((_PUBACK << 4, 2)) + body[2 + topic : 4 + topic])
                    case 8:
                        codes = bytes(self.suback)
                        writer.write(bytes((_SUBACK << 4, 3 + len(codes))) + body[:2] + b"\0" + codes)
                await writer.drain()
        writer.close()
        self.ended.set()

    async def _length(self, reader: asyncio.StreamReader) -> int:
        length = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return length
            shift += 7

    def of(self, kind: int) -> list[tuple[int, bytes]]:
        return [(flags, body) for found, flags, body in self.packets if found == kind]


@contextlib.asynccontextmanager
async def scripted(connack: int = 0, suback: tuple[int, ...] = (1,)) -> AsyncIterator[Scripted]:
    made = Scripted(connack, suback)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield made
    finally:
        server.close()


@contextlib.asynccontextmanager
async def connected(
    broker: Scripted, will: tuple[str, str] | None = None, **options: str
) -> AsyncIterator[Connection]:
    made = BrokerOptions(url=f"mqtt://127.0.0.1:{broker.port}", **options)
    async with connection(made, Path(), "boat", will=will) as found:
        yield found


def text(body: bytes, at: int) -> tuple[bytes, int]:
    """A text of a packet, and where it ends."""
    length = int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : at + 2 + length], at + 2 + length


@pytest.mark.parametrize(
    ("will", "options", "flags"),
    [
        (None, {}, 0b0000_0010),  # nothing but a clean start
        (("t/w", "offline"), {}, 0b0010_1110),  # the will at QoS 1, retained
        (None, {"username": "boat"}, 0b1000_0010),
        (None, {"username": "boat", "password": "secret"}, 0b1100_0010),
    ],
)
async def test_how_a_connection_begins(
    will: tuple[str, str] | None, options: dict[str, str], flags: int
) -> None:
    async with scripted() as broker:
        async with connected(broker, will, **options):
            pass
        await broker.ended.wait()
        ((_, body),) = broker.of(_CONNECT)
        assert len(broker.of(_DISCONNECT)) == 1
    assert body[:7] == b"\0\4MQTT\5"
    assert body[7] == flags
    assert int.from_bytes(body[8:10], "big") == 10
    identifier, at = text(body, 11 + body[10])
    assert identifier == b"inverter-bridge-boat"
    if will is not None:
        topic, at = text(body, at + 1 + body[at])
        payload, at = text(body, at)
        assert (topic, payload) == (b"t/w", b"offline")
    for word in options.values():
        found, at = text(body, at)
        assert found == word.encode()
    assert at == len(body)


@pytest.mark.parametrize(
    ("sure", "retain", "flags"),
    [(False, False, 0), (True, False, 0b0010), (False, True, 0b0001), (True, True, 0b0011)],
)
async def test_how_a_message_goes_out(sure: bool, retain: bool, flags: int) -> None:
    async with scripted() as broker, connected(broker) as here:
        await here.publish(
            "a/b", b"x", sure=sure, retain=retain, correlation=b"c1", response_topic="r", expiry_s=7
        )
        await here.publish("plain", "y", sure=True)
        (found, body), (usual, plain) = broker.of(_PUBLISH)
    assert (found, usual) == (flags, 0b0010)
    topic, at = text(body, 0)
    assert topic == b"a/b"
    at += 2 * sure
    properties, payload = body[at + 1 : at + 1 + body[at]], body[at + 1 + body[at] :]
    assert payload == b"x"
    assert properties == b"\x02\0\0\0\x07" + b"\x08\0\x01r" + b"\x09\0\x02c1"
    assert plain[-2:] == b"\0y"  # no properties


async def test_topics_are_heard_at_least_once() -> None:
    async with scripted(suback=(1, 1)) as broker, connected(broker) as here:
        await here.subscribe("a", "b/#")
        ((flags, body),) = broker.of(_SUBSCRIBE)
    assert flags == 2
    assert body[2:] == b"\0" + b"\0\x01a\x01" + b"\0\x03b/#\x01"


@pytest.mark.parametrize("code", [0x80, 0x87, 0x8F, 0xA2])
async def test_a_topic_that_may_not_be_heard_is_named(code: int) -> None:
    async with scripted(suback=(1, code)) as broker, connected(broker) as here:
        with pytest.raises(BrokerFault, match="no right to subscribe to b/#: mend") as fault:
            await here.subscribe("a", "b/#")
        assert str(fault.value).startswith(f"broker=127.0.0.1:{broker.port}: ")


@pytest.mark.parametrize("code", [0, 1, 2])
async def test_a_topic_that_is_granted(code: int) -> None:
    async with scripted(suback=(code,)) as broker, connected(broker) as here:
        await here.subscribe("a")


async def test_what_the_broker_says_to_a_stranger() -> None:
    async with scripted(connack=0x86) as broker:
        with pytest.raises(BrokerFault, match="bad user name or password: is the broker running"):
            async with connected(broker):
                raise AssertionError("nobody was let in")


async def test_nobody_listens() -> None:
    options = BrokerOptions(url=f"mqtt://127.0.0.1:{free_port()}")
    with pytest.raises(BrokerFault, match=r"^broker=127\.0\.0\.1:\d+: .*refused.*: is the broker running"):
        async with connection(options, Path(), "boat"):
            raise AssertionError("nobody was there")


@pytest.mark.parametrize("files", [{"ca": "nowhere.pem"}, {"certificate": "a.pem", "key": "b.key"}])
async def test_certificates_that_cannot_be_read(tmp_path: Path, files: dict[str, str]) -> None:
    options = BrokerOptions(url="mqtts://127.0.0.1:1", **files)
    with pytest.raises(BrokerFault, match="expected readable certificates in PEM") as fault:
        async with connection(options, tmp_path, "boat"):
            raise AssertionError("nobody was there")
    for name in files.values():
        assert str(tmp_path / name) in str(fault.value)


@pytest.mark.parametrize(
    ("code", "failed"),
    [
        (0, False), (2, False), (0x7F, False), (0x80, True), (0xFF, True), ("0x80", False), (None, False),
        (ReasonCode(PacketTypes.SUBACK, "Granted QoS 1"), False),
        (ReasonCode(PacketTypes.SUBACK, "Unspecified error"), True),
        (ReasonCode(PacketTypes.SUBACK, "Not authorized"), True),
    ],
)  # fmt: skip
def test_which_codes_are_a_refusal(code: object, failed: bool) -> None:
    assert exchange._failed(code) is failed


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (aiomqtt.MqttError("Lost  it\nall"), "lost it all"),
        (OSError(), "oSError"),
        (ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused"),
        (aiomqtt.MqttCodeError(MQTTErrorCode.MQTT_ERR_NO_CONN), "the client is not currently connected."),
        (
            aiomqtt.MqttCodeError(ReasonCode(PacketTypes.CONNACK, "Not authorized")),
            "not authorized",
        ),
    ],
)
def test_the_words_for_what_went_wrong(fault: Exception, said: str) -> None:
    wanted = f"{said}: is the broker running, and are address, name and password right?"
    assert exchange._words(fault) == wanted


# -- parts that run together -------------------------------------------------------------------------


async def test_the_first_that_ends_ends_all() -> None:
    ended: list[str] = []

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("long")

    async def short() -> None:
        await asyncio.sleep(0)

    async with asyncio.timeout(PATIENCE_S):
        await together(long(), short(), long())
    assert ended == ["long", "long"]


async def test_what_the_first_raises_is_raised() -> None:
    async def long() -> None:
        await asyncio.Event().wait()

    async def fails() -> None:
        raise BrokerFault("lost")

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(BrokerFault, match="lost"):
            await together(long(), fails())


async def test_who_is_cancelled_ends_its_parts() -> None:
    ended = asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(together(long()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended.is_set()
    assert task.cancelled()
