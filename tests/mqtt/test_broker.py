"""What stands on the broker for foreign clients, and what their messages do."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import jinja2
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.datastore.clock import SystemClock
from bridge.datastore.values import Outcome

from .broker import Broker, Person, Relay, person, running, until
from .rig import CURRENT, LIMIT, MODE, NAME, Field, told

VOLTAGE_TOPIC = "t/boat/charger/Dc/0/Voltage"


def shown(some: Person, topic: str) -> Any:
    payload = some.heard.get(topic)
    return None if not payload else json.loads(payload)


async def test_points_are_kept_by_the_broker_with_quality_and_age(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), told(field, broker.port), person(broker.port, "t/boat/#") as some:
        await until(lambda: some.heard.get("t/boat/charger/availability") == b"online")
        found = await until(lambda: shown(some, VOLTAGE_TOPIC))
        assert (found["value"], found["unit_of_measure"], found["status"]) == (27.12, "V", "ok")
        assert found["age_s"] >= 0
        async with person(broker.port, VOLTAGE_TOPIC) as late:
            await until(lambda: late.all)
            assert late.all[0].retain
        field.measure(None)
        await until(lambda: shown(some, VOLTAGE_TOPIC)["status"] == "absent")
        assert shown(some, VOLTAGE_TOPIC)["value"] is None
        field.device.forget()
        await until(lambda: shown(some, VOLTAGE_TOPIC)["status"] == "stale")
        await until(lambda: some.heard["t/boat/charger/availability"] == b"offline")


async def test_a_point_that_goes_and_a_device_that_goes_leave_nothing_behind(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), told(field, broker.port), person(broker.port, "t/boat/#") as some:
        await until(lambda: shown(some, VOLTAGE_TOPIC))
        field.datastore.remove("charger")
        await until(lambda: some.heard[VOLTAGE_TOPIC] == b"")
        assert some.heard["t/boat/charger/availability"] == b"offline"


async def test_an_orderly_end_and_a_lost_connection_are_both_told(broker: Broker) -> None:
    field = Field(SystemClock())
    async with person(broker.port, "t/boat/bridge/availability") as some, Relay(lambda: broker.port) as relay:
        online = lambda: some.heard.get("t/boat/bridge/availability") == b"online"  # noqa: E731
        async with told(field, relay.port):
            await until(online)
            relay.cut(refuse=True)  # the broker tells the last will
            await until(lambda: not online())
            relay.mend()
            await until(online)
        await until(lambda: not online())


async def test_another_word_about_the_bridge_is_put_right(broker: Broker) -> None:
    """As when the last will of a connection that had been lost comes after the new one's greeting."""
    field = Field(SystemClock())
    topic = "t/boat/bridge/availability"
    async with told(field, broker.port), person(broker.port, topic) as some:
        await until(lambda: some.heard.get(topic) == b"online")
        await some.client.publish(topic, b"offline", 1, True)
        await until(lambda: [one.payload for one in some.all][-2:] == [b"offline", b"online"])


async def ask(some: Person, topic: str, payload: bytes | str, correlation: bytes = b"c1", **more: Any) -> Any:
    """Ask with a response topic; returns the reply."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic, properties.CorrelationData = "answers", correlation
    before = len(some.all)
    await some.client.publish(topic, payload, 1, properties=properties, **more)

    def answer() -> Any:
        return next((one for one in some.all[before:] if one.topic.value == "answers"), None)

    found = await until(answer)
    assert found.properties.CorrelationData == correlation
    return json.loads(found.payload)


@pytest.mark.parametrize(
    ("path", "payload", "done"),
    [
        (LIMIT, "12.5", 12.5), (LIMIT, " 12 ", 12), (MODE, "off", 4), (MODE, "OFF", 4), (MODE, "1", 1), (NAME, "Barge", "Barge"),
    ],
)  # fmt: skip
async def test_a_plain_value_is_a_command(broker: Broker, path: str, payload: str, done: object) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), told(field, broker.port), person(broker.port, "answers", "t/boat/#") as some:
        await until(lambda: some.heard.get("t/boat/bridge/availability") == b"online")
        reply = await ask(some, f"t/boat/charger/set{path}", payload)
        assert reply["outcomes"] == {path: "confirmed"}
        assert reply["values"] == {path: done}
        assert field.equipment.done == [(path, done)]


async def test_a_plain_value_under_one_correlation_is_done_once(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), told(field, broker.port), person(broker.port, "answers", "t/boat/#") as some:
        await until(lambda: some.heard.get("t/boat/bridge/availability") == b"online")
        for _ in range(3):
            assert (await ask(some, f"t/boat/charger/set{LIMIT}", "20"))["outcomes"] == {LIMIT: "confirmed"}
        assert field.equipment.done == [(LIMIT, 20)]
        await ask(some, f"t/boat/charger/set{LIMIT}", "20", b"c2")
        assert field.equipment.done == [(LIMIT, 20)] * 2


async def test_a_batch_is_answered_and_a_bad_one_says_why(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), told(field, broker.port), person(broker.port, "answers", "t/boat/#") as some:
        live = await until(lambda: shown(some, "t/boat/bridge/live"))
        head = {"v": 1, "session": live["session"], "before": live["at"] + 50, "from": "person"}
        batch = {**head, "id": "a", "changes": {LIMIT: 20, MODE: 4}}
        for _ in range(2):
            reply = await ask(some, "t/boat/charger/command", json.dumps(batch))
            assert reply["outcomes"] == {LIMIT: "confirmed", MODE: "confirmed"}
        bad = {**head, "id": "b", "changes": {LIMIT: 31}}
        reply = await ask(some, "t/boat/charger/command", json.dumps(bad))
        assert reply["outcomes"] == {LIMIT: "refused"}
        assert reply["reason"] == "/Limit: found 31, expected 0 to 30 A"
        assert sorted(field.equipment.done) == [(LIMIT, 20), (MODE, 4)]


async def test_a_kept_command_is_not_done(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with person(broker.port, "answers", "t/boat/#") as some, field.living():
        await some.client.publish(f"t/boat/charger/set{LIMIT}", b"20", 1, True)
        async with told(field, broker.port):
            await until(lambda: some.heard.get("t/boat/bridge/availability") == b"online")
            reply = await ask(some, f"t/boat/charger/set{MODE}", "off")  # comes after the kept one
            assert reply["outcomes"] == {MODE: "confirmed"}
            assert field.equipment.done == [(MODE, 4)]


async def test_nobody_writes_where_the_site_says_so(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with (
        field.living(),
        told(field, broker.port, write=False),
        person(broker.port, "answers", "t/boat/#") as some,
    ):
        await until(lambda: some.heard.get("t/boat/bridge/availability") == b"online")
        reply = await ask(some, f"t/boat/charger/set{LIMIT}", "20")
        assert reply["outcomes"] == {LIMIT: "refused"}
        assert "write: false" in reply["reason"]
        assert field.equipment.done == []


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("t/boat/charger/set/Nothing", b"1"),
        (f"t/boat/charger/set{LIMIT}", b"much"),
        (f"t/boat/charger/set{LIMIT}", b"\xff"),
        ("t/boat/charger/command", b"{}"),
        ("t/boat/bridge/ask", b"[[["),
        ("t/boat/pump/command", b'{"v":1,"id":"a","changes":{"/A":1},"until":1}'),
    ],
)
async def test_nonsense_does_nothing_and_the_bridge_goes_on(
    broker: Broker, topic: str, payload: bytes
) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), told(field, broker.port), person(broker.port, "answers", "t/boat/#") as some:
        await until(lambda: some.heard.get("t/boat/bridge/availability") == b"online")
        await some.client.publish(topic, payload, 1)
        reply = await ask(some, f"t/boat/charger/set{MODE}", "off")
        assert reply["outcomes"] == {MODE: "confirmed"}
        assert field.equipment.done == [(MODE, 4)]


async def test_after_a_restart_of_the_broker_all_is_told_again(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), told(field, broker.port):
        async with person(broker.port, "t/boat/#") as some:
            await until(lambda: shown(some, VOLTAGE_TOPIC))
        broker.stop()
        broker.start()
        async with person(broker.port, "t/boat/#") as some:
            await until(lambda: shown(some, VOLTAGE_TOPIC))
            await until(lambda: shown(some, "t/boat/charger/about"))
            await until(lambda: some.heard.get("t/boat/bridge/availability") == b"online")


async def test_a_login_is_needed_and_given(tmp_path: Path) -> None:
    """The file of names and passwords was made by `mosquitto_passwd -b`: boat, secret."""
    names = tmp_path / "names"
    names.write_text((Path(__file__).parents[1] / "data" / "mqtt" / "passwords").read_text())
    field = Field(SystemClock())
    with running(tmp_path, f"allow_anonymous false\npassword_file {names}") as guarded:
        known = {"username": "boat", "password": "secret"}
        async with person(guarded.port, "t/boat/bridge/availability", **known) as some:
            async with told(field, guarded.port, username="boat", password="wrong") as outlet:
                await until(lambda: outlet._down)
                assert some.heard == {}
            async with told(field, guarded.port, **known):
                await until(lambda: some.heard.get("t/boat/bridge/availability") == b"online")


TLS = Path(__file__).parents[1] / "data" / "tls"
GUARDED = (
    f"cafile {TLS / 'authority.pem'}\ncertfile {TLS / 'bridge.pem'}\nkeyfile {TLS / 'bridge.key'}\n"
    "require_certificate true\nallow_anonymous true"
)


@pytest.mark.parametrize(("name", "well"), [("operator", True), ("stranger", False), (None, False)])
async def test_certificates_on_both_sides(tmp_path: Path, name: str | None, well: bool) -> None:
    field = Field(SystemClock())
    own = {} if name is None else {"certificate": str(TLS / f"{name}.pem"), "key": str(TLS / f"{name}.key")}
    with running(tmp_path, GUARDED) as guarded:
        context = ssl.create_default_context(cafile=str(TLS / "authority.pem"))
        context.load_cert_chain(TLS / "viewer.pem", TLS / "viewer.key")
        async with person(guarded.port, "t/boat/bridge/availability", tls_context=context) as some:
            url = f"mqtts://127.0.0.1:{guarded.port}"
            async with told(field, guarded.port, url=url, ca=str(TLS / "authority.pem"), **own) as outlet:
                await until(lambda: some.heard if well else outlet._down)
                assert bool(some.heard) is well


async def test_a_broker_of_an_unknown_authority_is_not_told_anything(tmp_path: Path) -> None:
    field = Field(SystemClock())
    with running(
        tmp_path, GUARDED.replace("require_certificate true", "require_certificate false")
    ) as guarded:
        async with told(field, guarded.port, url=f"mqtts://127.0.0.1:{guarded.port}") as outlet:
            await until(lambda: outlet._down)


# -- Home Assistant --------------------------------------------------------------------------------


def template(text: str, value: Any) -> str:
    """What Home Assistant makes of a message: its templates are jinja2 with `value_json`."""
    return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text).render(value_json=value)


async def test_home_assistant_finds_every_point(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with (
        field.living(),
        told(field, broker.port, home_assistant="homeassistant"),
        person(broker.port, "homeassistant/#", "t/boat/#") as some,
    ):
        prefix = "t_boat/charger_"
        names = {
            f"homeassistant/sensor/{prefix}Dc_0_Voltage/config": "V",
            f"homeassistant/sensor/{prefix}Dc_0_Current/config": "A",
            f"homeassistant/select/{prefix}Mode/config": None,
            f"homeassistant/number/{prefix}Limit/config": "A",
            f"homeassistant/text/{prefix}CustomName/config": None,
        }
        await until(lambda: names.keys() <= some.heard.keys() and shown(some, VOLTAGE_TOPIC))
        configs = {name: shown(some, name) for name in names}
        assert {name: one.get("unit_of_measurement") for name, one in configs.items()} == names
        assert len({one["unique_id"] for one in configs.values()}) == len(names)
        voltage, mode, limit = (configs[name] for name in list(names)[:1] + list(names)[2:4])
        assert (voltage["device_class"], voltage["state_class"]) == ("voltage", "measurement")
        assert template(voltage["value_template"], shown(some, voltage["state_topic"])) == "27.12"
        state = await until(lambda: shown(some, mode["state_topic"]))
        assert template(mode["value_template"], state) == "on"
        assert mode["options"] == ["on", "off"]
        assert (limit["min"], limit["max"], limit["step"]) == (0, 30, 0.1)
        for one in configs.values():
            assert one["device"]["serial_number"] == "HQ2205ABCDE"
            for entry in one["availability"]:
                await until(lambda entry=entry: entry["topic"] in some.heard)
                payload = some.heard[entry["topic"]].decode()
                text = entry.get("value_template")
                assert (template(text, json.loads(payload)) if text else payload) == "online"
        await some.client.publish(mode["command_topic"], "off", 1)
        await until(lambda: field.equipment.done == [(MODE, 4)])


async def test_a_value_that_is_stale_is_unavailable_there(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with (
        field.living(),
        told(field, broker.port, home_assistant="homeassistant"),
        person(broker.port, "homeassistant/#", "t/boat/#") as some,
    ):
        name = "homeassistant/sensor/t_boat/charger_Dc_0_Current/config"
        config = await until(lambda: shown(some, name))
        topic = f"t/boat/charger{CURRENT}"
        field.device.forget()
        await until(lambda: (shown(some, topic) or {}).get("status") == "stale")
        text = config["availability"][-1]["value_template"]
        assert template(text, shown(some, topic)) == "offline"


# -- a busy equipment ------------------------------------------------------------------------------


async def test_a_slow_command_holds_up_no_other(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    on = asyncio.Event()

    async def wait() -> None:
        if not field.equipment.done:
            field.equipment.done.append(("waiting", 1))
            await on.wait()

    field.equipment.before = wait
    async with field.living(), told(field, broker.port), person(broker.port, "answers", "t/boat/#") as some:
        await until(lambda: some.heard.get("t/boat/bridge/availability") == b"online")
        await some.client.publish(f"t/boat/charger/set{LIMIT}", "20", 1)
        await until(lambda: field.equipment.done)
        reply = await ask(some, f"t/boat/charger/set{MODE}", "off")  # switching off waits for nobody
        assert reply["outcomes"] == {MODE: Outcome.CONFIRMED.word}
        on.set()
        await until(lambda: (LIMIT, 20) in field.equipment.done)
