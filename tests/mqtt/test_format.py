"""The message format, both ways: what is written is read again, and nothing of others makes it fall over."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.values import Identity, LinkState, Outcome
from bridge.exchange.about import About, decode_about
from bridge.exchange.command import Command, CommandReply, decode_command, decode_reply
from bridge.exchange.fields import ExchangeFault, encoded
from bridge.exchange.report import Ask, DeviceReport, Report, decode_ask, decode_report
from bridge.exchange.topics import Topics

FULL = PointSpec(
    "/Settings/Limit", "A", writable=True, minimum=0.5, maximum=30, minimum_from="/Low", maximum_from="/High",
    accept={0: 4}, step=0.1, nonvolatile=True, off=0, self_clearing=True, refresh_s=10, after_restart=True,
    confirm_s=2.0, heartbeat=True,
)  # fmt: skip
CASES = [
    (About((PointSpec("/Dc/0/Voltage", "V"),)), decode_about),
    (About((FULL, PointSpec("/Mode", choices={1: "on", 4: "off"}, writable=True))), decode_about),
    (About((PointSpec("/A", lease=Lease(60, Safe.RELEASE)), PointSpec("/B", lease=Lease(5, 2.5)))), decode_about),
    (About((PointSpec("/Name", text=True),), Identity("S1", "p", 0xA330, "IP22", "3.5"), "vebus"), decode_about),
    (Report("ab", 3, 12.345), decode_report),
    (
        Report(
            "ab", 4, 1.5,
            {"a": DeviceReport("d1", LinkState.NIGHT, True, {0: 1, 2: None, 3: "é", 4: -2.5}, (1, 5), "until 07:42")},
            whole=True,
        ),
        decode_report,
    ),
    (Ask(whole=True), decode_ask),
    (Command("id1", {"/Mode": 4, "/Name": "x"}, "ab", 12.5, sender="head"), decode_command),
    (Command("id1", {"/Mode": 4}, until=1.7e9), decode_command),
    (CommandReply("id1", "ab", 2.5, {"/Mode": Outcome.ADJUSTED}, {"/Mode": None}, "why"), decode_reply),
]  # fmt: skip


@pytest.mark.parametrize(("message", "decode"), CASES)
def test_what_is_written_is_read_again(message: object, decode: Callable[[bytes], object]) -> None:
    assert decode(message.encode()) == message  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("decode", "content", "said"),
    [
        (decode_report, b"\xff", "found no JSON, expected an object"),
        (decode_report, b"[" * 100_000, "found no JSON, expected an object"),
        (decode_report, b'{"v":1,"session":"\\ud800"}', "found no JSON, expected an object"),  # half a character
        (decode_report, b'{"v":1,"session":"\xed\xa0\x80"}', "found no JSON, expected an object"),  # the same
        (decode_report, b"[]", "found JSON of another kind, expected an object"),
        (decode_report, b'{"v":2}', "found version 2, expected 'v': 1"),
        (decode_report, b'{"v":true}', "found version True, expected 'v': 1"),
        (decode_report, encoded({"n": 1, "at": 1}), "found no text 'session'"),
        (decode_report, encoded({"session": "a", "n": 1.5, "at": 1}), "found no whole number 'n'"),
        (decode_report, b'{"v":1,"session":"a","n":1,"at":NaN}', "found no finite number in 'at'"),
        (decode_report, encoded({"session": "a", "n": 1, "at": 10**400}), "found no finite number in 'at'"),
        (
            decode_command,
            encoded({"id": "a", "changes": {"/A": 10**400}, "until": 1}),
            "found a value that is neither a finite number nor text",
        ),
        (decode_command, encoded({"id": "a", "changes": {}}), "found 0 changes, expected 1 to 256"),
        (decode_command, encoded({"id": "", "changes": {"/A": 1}}), "found an 'id' of 0 characters, expected 1 to 100"),
        (
            decode_command,
            encoded({"id": "a", "changes": {"/A": 1}}),
            "found no end of its time, expected 'until', or 'session' and 'before'",
        ),
        (
            decode_command,
            encoded({"id": "a", "changes": {"/A": True}, "until": 1}),
            "found a value that is neither a finite number nor text",
        ),
        (decode_command, b" " * 70_000, "found 70000 bytes, expected at most 65536"),
        (decode_about, encoded({"points": [{"path": "A"}]}), "found the path 'A', expected one that begins with /"),
        (decode_about, encoded({"points": [{"path": "/A"}, {"path": "/A"}]}), "found a point twice in 'points'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(decode: Callable[[bytes], object], content: bytes, said: str) -> None:
    with pytest.raises(ExchangeFault) as fault:
        decode(content)
    assert str(fault.value) == said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
WORDS = (
    "v session n at devices whole about link alive values stale words points path choices accept lease seconds "
    "id changes before until from outcomes reason map identity"
)
KEYS = st.sampled_from(WORDS.split())


@given(st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=4), max_size=8))
def test_no_message_does_more_than_raise_the_fault(content: dict[str, object]) -> None:
    for decode in (decode_about, decode_report, decode_command, decode_reply, decode_ask):
        try:
            decode(json.dumps({**content, "v": 1}).encode())
        except ExchangeFault:
            continue


def test_an_about_of_another_content_has_another_digest() -> None:
    one, two = About((PointSpec("/A", "V"),)), About((PointSpec("/A", "A"),))
    assert one.digest != two.digest
    assert one.digest == decode_about(one.encode()).digest


def test_topics() -> None:
    topics = Topics("bridges/boat")
    assert topics.point("charger", "/Dc/0/Voltage") == "bridges/boat/charger/Dc/0/Voltage"
    assert topics.to_set("bridges/boat/charger/set/Dc/0/Voltage") == ("charger", "/Dc/0/Voltage")
    assert topics.commanded("bridges/boat/charger/command") == "charger"
    assert topics.commanded("bridges/boats/charger/command") is None
    assert topics.about_whom("bridges/boat/charger/about") == "charger"
    assert topics.about_whom("bridges/boat/charger/Mode") is None
