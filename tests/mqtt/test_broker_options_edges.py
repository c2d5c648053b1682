"""What a site may say of a broker: addresses, topics, and who we are there."""

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.exchange.broker_options import BrokerOptions, topic_name


@pytest.mark.parametrize(
    ("url", "host", "port", "encrypted"),
    [
        ("mqtt://hub", "hub", 1883, False),
        ("mqtt://hub/", "hub", 1883, False),
        ("mqtt://hub:1", "hub", 1, False),
        ("mqtt://hub:65535", "hub", 65535, False),
        ("mqtts://hub", "hub", 8883, True),
        ("mqtts://hub.example:8884", "hub.example", 8884, True),
        ("mqtt://[::1]:1884", "::1", 1884, False),
        ("mqtt://192.168.1.5", "192.168.1.5", 1883, False),
    ],
)
def test_addresses(url: str, host: str, port: int, encrypted: bool) -> None:
    options = BrokerOptions(url=url)
    assert (options.broker_host, options.broker_port, options.encrypted) == (host, port, encrypted)


@pytest.mark.parametrize(
    "url",
    [
        *("", "hub", "hub:1883", "http://hub", "mqtt:hub", "mqtt://", "mqtt://:1883", "MQTTX://hub"),
        *("mqtt://hub:0", "mqtt://hub:65536", "mqtt://hub:x", "mqtt://[::1", "mqtt://hub/path"),
        *("mqtt://hub?x=1", "mqtt://hub#x", "mqtt://me@hub", "mqtt://hüb", "mqtt://h ub", "mqtt://h\tub"),
        *("mqtt://hub\n", "mqtt://hub\x7f"),
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValidationError, match="expected an address such as") as found:
        BrokerOptions(url=url)
    assert [error["loc"] for error in found.value.errors()] == [("url",)]


@pytest.mark.parametrize("topic", ["a", "a/b", "BOX/deck", "a$b", "a b", "x" * 200, "é" * 100])
def test_topics(topic: str) -> None:
    assert topic_name(topic) == topic


@pytest.mark.parametrize(
    "topic",
    ["", "/", "/a", "a/", "a//b", "+", "a/+", "#", "a/#", "a+b", "$SYS", "a\nb", "x" * 201, "é" * 101],
)
def test_what_is_no_topic(topic: str) -> None:
    with pytest.raises(ValueError, match="expected a topic such as"):
        topic_name(topic)


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "b"},
        {"username": "boat", "password": ""},
        {"url": "mqtts://hub", "ca": "a"},
        {"url": "mqtts://hub", "certificate": "a", "key": "b"},
    ],
)
def test_who_we_are(fields: dict[str, Any]) -> None:
    options = BrokerOptions(**{"url": "mqtt://hub", **fields})
    assert {name: getattr(options, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "x"}, "expected 'username' beside the password"),
        ({"password": ""}, "expected 'username' beside the password"),
        ({"url": "mqtts://hub", "certificate": "a"}, "expected 'certificate' and 'key' together"),
        ({"url": "mqtts://hub", "key": "a"}, "expected 'certificate' and 'key' together"),
        ({"ca": "a"}, "begins with mqtts://"),
        ({"certificate": "a", "key": "b"}, "begins with mqtts://"),
        ({"username": ""}, "at least 1 character"),
        ({"ca": ""}, "at least 1 character"),
        ({"certificate": "", "key": "b"}, "at least 1 character"),
        ({"certificate": "a", "key": ""}, "at least 1 character"),
        ({"nonsense": 1}, "Extra inputs"),
    ],
)
def test_what_does_not_go_together(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        BrokerOptions(**{"url": "mqtt://hub", **fields})


def test_options_do_not_change() -> None:
    options = BrokerOptions(url="mqtt://hub")
    with pytest.raises(ValidationError, match="frozen"):
        options.url = "mqtt://other"
