"""What comes over MQTT, to a bridge that takes commands and to one that has a far bridge's devices."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.adapters.remote.link import FarLink
from bridge.adapters.remote.options import RemoteOptions
from bridge.datastore.clock import ManualClock
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Identity, LinkState
from bridge.exchange.about import About
from bridge.exchange.broker import Message
from bridge.exchange.broker_options import BrokerOptions
from bridge.exchange.command import Command, decode_reply
from bridge.exchange.fields import ExchangeFault
from bridge.exchange.report import Ask, DeviceReport, Report, decode_report
from bridge.outlets.mqtt import Mqtt, MqttPlan
from tests.fuzz.target import Target
from tests.fuzz.targets.served_plant import Loop
from tests.mqtt.rig import LIMIT, MODE, NAME, Field

_ROOT = "t/boat"
_TOPICS = (
    f"{_ROOT}/charger/command",
    f"{_ROOT}/charger/set{MODE}",
    f"{_ROOT}/charger/set{LIMIT}",
    f"{_ROOT}/charger/set{NAME}",
    f"{_ROOT}/bridge/ask",
    f"{_ROOT}/nobody/command",
    f"{_ROOT}/charger/set",
    "",
)
_SESSION = b"@session"


class _Heard:
    """A connection that keeps what is published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []

    async def publish(self, topic: str, payload: bytes | str, **_: Any) -> None:
        self.published.append((topic, payload if isinstance(payload, bytes) else payload.encode()))


class Outlet:
    """The outlet with a device behind it. The first byte picks a topic, or says that one comes in the input."""

    def __init__(self) -> None:
        self._loop = Loop()
        self._clock = ManualClock()
        self._field = Field(self._clock)
        self._clock.jump(100)
        self._living = self._field.living()
        self._loop.run(self._begin())

    async def _begin(self) -> None:
        await self._living.__aenter__()
        await asyncio.sleep(0)

    async def _end(self) -> None:
        await self._living.__aexit__(None, None, None)

    def close(self) -> None:
        """Let the device go."""
        self._loop.close(self._end())

    def __call__(self, data: bytes) -> None:
        """Hold one message to all that is promised."""
        self._loop.run(self._session(data))

    async def _session(self, data: bytes) -> None:
        self._field.whole()
        done = self._field.equipment.done
        done.clear()
        broker = BrokerOptions(url="mqtt://127.0.0.1:1")
        plan = MqttPlan(broker, Path("/"), _ROOT, True, 1.0, True, True, None, ())
        outlet = Mqtt(plan, self._field.datastore, self._clock, lambda _: "bluesmart_charger")
        topic, payload = _parted(data)
        payload = payload.replace(_SESSION, outlet._stream.session.encode())
        message = Message(topic, payload, False, "back", data[:8])
        heard = _Heard()
        answering = asyncio.ensure_future(outlet._answer(heard, message))  # type: ignore[arg-type]
        for _ in range(60):
            await asyncio.sleep(0)
            if answering.done():
                break
        assert answering.done(), "a message waits for ever"
        answering.result()
        await outlet.close()
        for back, reply in heard.published:
            assert back == "back"
            (decode_report if topic == f"{_ROOT}/bridge/ask" else decode_reply)(reply)
        _only_asked(topic, payload, done)


def _parted(data: bytes) -> tuple[str, bytes]:
    kind = data[0] if data else 0
    topic = _TOPICS[kind % len(_TOPICS)]
    if topic:
        return topic, data[1:]
    written, _, payload = data[1:].partition(b"\n")
    return written.decode("utf-8", "replace"), payload


def _only_asked(topic: str, payload: bytes, done: list[tuple[str, Any]]) -> None:
    """Whatever was done was named by the message, with that value."""
    if not done:
        return
    if topic.endswith("/command"):
        asked: Mapping[str, Any] = json.loads(payload)["changes"]
        assert all(path in asked for path, _ in done)
        assert all(asked[path] == value for path, value in done if path != LIMIT)
    else:
        assert topic.startswith(f"{_ROOT}/charger/set/")
        assert [path for path, _ in done] == [topic.removeprefix(f"{_ROOT}/charger/set")]
    for path, value in done:
        assert path in (MODE, LIMIT, NAME)
        assert path != MODE or value in (1, 4)
        assert path != LIMIT or 0 <= value <= 30


def _outlet_seeds() -> Iterator[bytes]:
    for command in (
        Command("a", {MODE: 4}, "@session", 1003.0, None, "me"),
        Command("b", {LIMIT: 12.5, NAME: "é"}, "@session", 1003.0),
        Command("c", {MODE: 4}, until=1_700_000_130.0),
        Command("d", {MODE: 9}, "@session", 1003.0),
        Command("e", {"/Dc/0/Voltage": 1}, "@session", 1003.0),
    ):
        yield b"\0" + command.encode()
    yield b"\1off"
    yield b"\1" + b"4"
    yield b"\2" + b"12.5"
    yield b"\2nan"
    yield b"\3Boat"
    yield b"\4" + Ask(True).encode()
    yield b"\7t/boat/charger/set/Mode\n4"
    yield b"\7t/boat/charger/command\n{}"


class Guest:
    """The devices of a far bridge, as its messages tell them; each line of the input is one message."""

    def __call__(self, data: bytes) -> None:
        """Hold a row of messages to all that is promised."""
        clock = ManualClock()
        options = {"adapter": "remote", "url": "mqtt://127.0.0.1:1", "topic": _ROOT, "device": "charger"}
        link = FarLink(RemoteOptions.model_validate(options), clock)
        link._asked = {b"asked": 990.0}
        topics = (
            f"{_ROOT}/bridge/live",
            link._reply,
            f"{_ROOT}/charger/about",
            f"{_ROOT}/bridge/about",
            f"{_ROOT}/x",
        )
        for line in data.split(b"\n")[:30]:
            if not line:
                continue
            kind = line[0]
            correlation = b"asked" if kind & 0x40 else b""
            message = Message(topics[kind % 5], line[1:], bool(kind & 0x80), None, correlation)
            try:
                link._hear(message)
            except ExchangeFault as fault:
                link._tell_fault(message.topic, fault)
            bridge = link.bridge
            assert bridge.believed_until(1.0) <= clock.monotonic() + 1.0
            assert len(bridge.devices) <= 1000
        link.bridge.lost()


def _guest_seeds() -> Iterator[bytes]:
    about = About((PointSpec("/A", "V"), PointSpec("/B", writable=True)), Identity("S1", "p"), "vebus")
    told = DeviceReport(about.digest, LinkState.ONLINE, True, {0: 1.5, 1: None}, (1,), "w")
    whole = Report("s", 1, 5.0, {"charger": told, "bridge": told}, whole=True)
    row = [
        b"\x02" + about.encode(),
        b"\x41" + whole.encode(),
        b"\x00" + Report("s", 2, 5.5, {"charger": told}).encode(),
        b"\x00" + Report("s", 4, 6.0, {"charger": told}).encode(),
        b"\x00" + Report("t", 1, 1.0).encode(),
        b"\x02",
    ]
    yield b"\n".join(row)
    yield from row


_TOKENS = (
    *(f'"{word}"'.encode() for word in ("v", "changes", "before", "until", "session", "at", "n")),
    b'{"v":1,"id":"x","changes":{"/Mode":4},"session":"@session","before":1003}',
    b"/Mode",
    b"/Limit",
    b"\\ud800",
    b"1e400",
    b"9" * 30,
    b"@session",
    b"\xed\xa0\x80",
)

TARGETS = (
    Target(
        "mqtt_commands",
        "any topic and payload: answered or refused in words, and nothing done that was not asked for",
        Outlet,
        800,
        _outlet_seeds,
        _TOKENS,
    ),
    Target(
        "mqtt_far_bridge",
        "any row of messages of a far bridge: taken or refused in words, and never believed into the future",
        Guest,
        3000,
        _guest_seeds,
        _TOKENS,
    ),
)
