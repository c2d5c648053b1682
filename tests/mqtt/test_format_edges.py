"""The message format at its edges: what is left out, what just fits, what one byte or number more makes of it."""

import json
from collections.abc import Callable

import pytest

from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.values import Identity, LinkState, Outcome
from bridge.exchange.about import About, decode_about
from bridge.exchange.command import Command, CommandReply, decode_command, decode_reply
from bridge.exchange.fields import LONGEST, ExchangeFault, decoded, encoded
from bridge.exchange.report import Ask, DeviceReport, Report, decode_ask, decode_report
from bridge.exchange.topics import Topics

Decode = Callable[[bytes], object]


def content(message: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(message.encode())  # type: ignore[attr-defined]
    assert found.pop("v") == 1
    return found


# -- what stands on the wire -------------------------------------------------------------------------

PLAIN = {"path": "/A"}
WRITTEN: list[tuple[PointSpec, dict[str, object]]] = [
    (PointSpec("/A"), {}),
    (PointSpec("/A", "V"), {"unit_of_measure": "V"}),
    (PointSpec("/A", text=True), {"text": True}),
    (PointSpec("/A", writable=True), {"writable": True}),
    (PointSpec("/A", nonvolatile=True), {"nonvolatile": True}),
    (PointSpec("/A", self_clearing=True), {"self_clearing": True}),
    (PointSpec("/A", after_restart=True), {"after_restart": True}),
    (PointSpec("/A", heartbeat=True), {"heartbeat": True}),
    (PointSpec("/A", minimum=0.0, maximum=0.0), {"minimum": 0.0, "maximum": 0.0}),
    (PointSpec("/A", refresh_s=5.0), {"refresh_s": 5.0}),
    (PointSpec("/A", minimum_from="/L", maximum_from="/H"), {"minimum_from": "/L", "maximum_from": "/H"}),
    (PointSpec("/A", choices={}), {"choices": {}}),
    (PointSpec("/A", choices={-1: "a", 2: "b"}), {"choices": {"-1": "a", "2": "b"}}),
    (PointSpec("/A", accept={0: 4}), {"accept": {"0": 4}}),
    (PointSpec("/A", step=0.5), {"step": 0.5}),
    (PointSpec("/A", off=0), {"off": 0}),
    (PointSpec("/A", off="off"), {"off": "off"}),
    (PointSpec("/A", lease=Lease(60, Safe.RELEASE)), {"lease": {"seconds": 60, "word": "release"}}),
    (PointSpec("/A", lease=Lease(60, Safe.HOLD)), {"lease": {"seconds": 60, "word": "hold"}}),
    (PointSpec("/A", lease=Lease(0.5, 0)), {"lease": {"seconds": 0.5, "value": 0}}),
    (PointSpec("/A", confirm_s=0.5), {"confirm_s": 0.5}),
    (PointSpec("/A", confirm_s=0.4), {}),
]


@pytest.mark.parametrize(("spec", "more"), WRITTEN, ids=[str(more) for _, more in WRITTEN])
def test_only_what_differs_from_a_plain_point_is_written(spec: PointSpec, more: dict[str, object]) -> None:
    message = About((spec,))
    assert content(message)["points"] == [PLAIN | more]
    assert decode_about(message.encode()).points == (spec,)


def test_an_about_in_full() -> None:
    who = Identity("S1", "p", 0xA330, "IP22", "3.5")
    message = About((PointSpec("/A"),), who, "vebus")
    found = content(message)
    assert found.keys() == {"digest", "map", "identity", "points"}
    assert (found["map"], found["points"]) == ("vebus", [PLAIN])
    assert found["identity"] == {name: getattr(who, name) for name in Identity.__slots__}
    assert len(str(found["digest"])) == 12
    assert content(About(()))["identity"] is None
    others = (About((PointSpec("/B"),), who, "vebus"), About((PointSpec("/A"),), None, "vebus"))
    assert len({message.digest, *(o.digest for o in others), About((PointSpec("/A"),), who).digest}) == 4


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (Report("s", 0, 1.23456), {"session": "s", "n": 0, "at": 1.235}),
        (Report("s", 1, 2.0, whole=True), {"session": "s", "n": 1, "at": 2.0, "whole": True}),
        (
            Report("s", 1, 2.0, {"a": DeviceReport("d", LinkState.ONLINE, False)}),
            {
                "session": "s",
                "n": 1,
                "at": 2.0,
                "devices": {"a": {"about": "d", "link": LinkState.ONLINE.value, "alive": False}},
            },
        ),
        (
            Report("s", 1, 2.0, {"a": DeviceReport("d", LinkState.NIGHT, True, {3: None}, (4,), "w")}),
            {
                "session": "s",
                "n": 1,
                "at": 2.0,
                "devices": {
                    "a": {
                        "about": "d",
                        "link": LinkState.NIGHT.value,
                        "alive": True,
                        "words": "w",
                        "values": {"3": None},
                        "stale": [4],
                    }
                },
            },
        ),
        (Ask(whole=False), {"whole": False}),
        (Command("i", {"/A": 1}, "s", 0.0), {"id": "i", "changes": {"/A": 1}, "session": "s", "before": 0.0}),
        (Command("i", {"/A": 1}, until=5.5), {"id": "i", "changes": {"/A": 1}, "until": 5.5}),
        (
            Command("i", {"/A": 1}, until=5.5, sender="me"),
            {"id": "i", "changes": {"/A": 1}, "until": 5.5, "from": "me"},
        ),
        (
            CommandReply("i", "s", 1.23456, {"/A": Outcome.BUSY}, {"/A": 2}),
            {"id": "i", "session": "s", "at": 1.235, "outcomes": {"/A": "busy"}, "values": {"/A": 2}},
        ),
        (
            CommandReply("i", "s", 1.0, {}, reason="why"),
            {"id": "i", "session": "s", "at": 1.0, "outcomes": {}, "values": {}, "reason": "why"},
        ),
    ],
    ids=lambda case: type(case).__name__,
)
def test_what_is_written(message: object, wanted: dict[str, object]) -> None:
    assert content(message) == wanted


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_both_ways(outcome: Outcome) -> None:
    message = CommandReply("i", "s", 1.0, {"/A": outcome}, {})
    assert decode_reply(message.encode()) == message


# -- what is read ------------------------------------------------------------------------------------

AT = {"session": "s", "n": 1, "at": 1}
DEVICE = {"about": "d", "link": 1, "alive": True}
COMMAND = {"id": "i", "changes": {"/A": 1}, "until": 1}
REPLY = {"id": "i", "session": "s", "at": 1}


def changes(count: int) -> dict[str, int]:
    return {f"/{n}": n for n in range(count)}


@pytest.mark.parametrize(
    ("decode", "fields"),
    [
        (decode_command, {**COMMAND, "id": "i" * 100}),
        (decode_command, {**COMMAND, "changes": changes(256)}),
        (decode_command, {"id": "i", "changes": {"/A": 1}, "session": "s", "before": 0}),
        (decode_command, {**COMMAND, "session": None, "before": None, "from": "x"}),
        (decode_report, {**AT, "devices": {"a": {"about": "d", "link": 1}}}),
        (decode_report, {**AT, "n": 0, "at": -0.5, "devices": {}}),
        (decode_reply, REPLY),
        (decode_ask, {}),
        (decode_about, {}),
        (decode_about, {"points": [{"path": "/"}]}),
        (decode_about, {"points": [{"path": "/A", "lease": {"seconds": 0.001, "value": 1}}]}),
    ],
)
def test_what_is_just_taken(decode: Decode, fields: dict[str, object]) -> None:
    assert decode(encoded(fields)) is not None


@pytest.mark.parametrize(
    ("decode", "fields", "said"),
    [
        (decode_command, {**COMMAND, "id": "i" * 101}, "found an 'id' of 101 characters"),
        (decode_command, {**COMMAND, "id": 5}, "found no text 'id'"),
        (decode_command, {**COMMAND, "changes": changes(257)}, "found 257 changes"),
        (decode_command, {**COMMAND, "changes": [1]}, "found no object 'changes'"),
        (decode_command, {**COMMAND, "changes": {"/A": None}}, "found a value that is neither"),
        (decode_command, {**COMMAND, "changes": {"/A": [1]}}, "found a value that is neither"),
        (decode_command, {**COMMAND, "until": True}, "found no finite number in 'until'"),
        (decode_command, {**COMMAND, "until": "1"}, "found no finite number in 'until'"),
        (decode_command, {**COMMAND, "from": 1}, "found no text 'from'"),
        (decode_command, {"id": "i", "changes": {"/A": 1}, "session": "s"}, "found no end of its time"),
        (decode_command, {"id": "i", "changes": {"/A": 1}, "before": 1}, "found no end of its time"),
        (decode_reply, {**REPLY, "outcomes": {"/A": "done"}}, "found the unknown outcome 'done'"),
        (decode_reply, {**REPLY, "values": {"/A": True}}, "found a value that is neither"),
        (decode_reply, {**REPLY, "at": None}, "found no number 'at'"),
        (decode_report, {**AT, "n": True}, "found no whole number 'n'"),
        (decode_report, {**AT, "whole": 1}, "found neither true nor false in 'whole'"),
        (decode_report, {**AT, "devices": {"a": 1}}, "found no object 'a'"),
        (decode_report, {**AT, "devices": {"a": {**DEVICE, "link": 99}}}, "found an unknown state of a link"),
        (decode_report, {**AT, "devices": {"a": {**DEVICE, "link": True}}}, "found no whole number 'link'"),
        (decode_report, {**AT, "devices": {"a": {**DEVICE, "values": {"x": 1}}}}, "a point that is no number"),
        (decode_report, {**AT, "devices": {"a": {**DEVICE, "stale": {}}}}, "found no list 'stale'"),
        (decode_about, {"points": {}}, "found no list 'points'"),
        (decode_about, {"points": [1]}, "found a point that is no object"),
        (decode_about, {"points": [{}]}, "found no text 'path'"),
        (decode_about, {"map": 1}, "found neither text nor null in 'map'"),
        (decode_about, {"points": [{**PLAIN, "text": 1}]}, "found neither true nor false in 'text'"),
        (decode_about, {"points": [{**PLAIN, "minimum_from": 1}]}, "found no text 'minimum_from'"),
        (decode_about, {"points": [{**PLAIN, "choices": {"x": "a"}}]}, "found the key 'x'"),
        (decode_about, {"points": [{**PLAIN, "choices": {"1": 1}}]}, "found no text '1'"),
        (decode_about, {"points": [{**PLAIN, "accept": {"1": "a"}}]}, "found no finite number in '1'"),
        (decode_about, {"points": [{**PLAIN, "off": True}]}, "found a value that is neither"),
        (decode_about, {"points": [{**PLAIN, "lease": {"word": "hold"}}]}, "found no number 'seconds'"),
        (decode_about, {"points": [{**PLAIN, "lease": {"seconds": 0, "value": 1}}]}, "found a lease of 0 s"),
        (decode_about, {"points": [{**PLAIN, "lease": {"seconds": -1, "word": "hold"}}]}, "a lease of -1 s"),
        (decode_about, {"points": [{**PLAIN, "lease": {"seconds": 1}}]}, "found a value that is neither"),
        (decode_about, {"points": [{**PLAIN, "lease": {"seconds": 1, "word": "x"}}]}, "an unknown end of a lease"),
    ],
)  # fmt: skip
def test_what_is_just_not_taken(decode: Decode, fields: dict[str, object], said: str) -> None:
    with pytest.raises(ExchangeFault, match=said.replace("(", r"\(")):
        decode(encoded(fields))


@pytest.mark.parametrize(
    ("decode", "longest"),
    [(decode_ask, 1024), (decode_command, 64 << 10), (decode_report, LONGEST), (decode_about, LONGEST)],
)
def test_the_longest_message_and_one_byte_more(decode: Decode, longest: int) -> None:
    assert LONGEST == 4 << 20
    fields = {**AT, **COMMAND, "at": 1}
    written = encoded(fields)
    assert decode(written + b" " * (longest - len(written))) is not None
    with pytest.raises(ExchangeFault, match=f"found {longest + 1} bytes, expected at most {longest}"):
        decode(written + b" " * (longest - len(written) + 1))


def test_what_is_read_of_a_command() -> None:
    found = decode_command(encoded({**COMMAND, "from": "x" * 120, "session": "s", "before": 7}))
    assert found == Command("i", {"/A": 1}, "s", 7, 1, "x" * 100)


def test_what_is_read_of_a_report() -> None:
    device = {**DEVICE, "values": {"0": 1.5, "2": None, "3": "x"}, "stale": [1, "no", 4], "words": "w"}
    found = decode_report(encoded({**AT, "devices": {"a": device, "b": {"about": "e", "link": 0}}}))
    assert found == Report(
        "s",
        1,
        1,
        {
            "a": DeviceReport("d", LinkState(1), True, {0: 1.5, 2: None, 3: "x"}, (1, 4), "w"),
            "b": DeviceReport("e", LinkState(0), False),
        },
    )


def test_letters_go_as_they_are_and_half_a_letter_never() -> None:
    assert encoded({"a": "é"}) == '{"v":1,"a":"é"}'.encode()
    assert decoded(b'{"v":1,"a":"\\u00e9"}')["a"] == "é"
    assert decoded(b'{"v":1,"a":"\\ud83d\\ude00"}')["a"] == "\N{GRINNING FACE}"
    with pytest.raises(ExchangeFault):
        decoded(b'{"v":1,"a":"\\ud83d"}')


# -- topics ------------------------------------------------------------------------------------------


def test_every_topic() -> None:
    topics = Topics("r")
    assert (topics.bridge, topics.live, topics.ask) == (
        *("r/bridge/availability", "r/bridge/live", "r/bridge/ask"),
    )
    assert (topics.all_about, topics.all_commands, topics.all_sets) == (
        "r/+/about",
        "r/+/command",
        "r/+/set/#",
    )
    assert (topics.about("d"), topics.command("d")) == ("r/d/about", "r/d/command")
    assert (topics.availability("d"), topics.availability("bridge")) == ("r/d/availability", "r/bridge/link")
    assert (topics.point("d", "/P/Q"), topics.set_point("d", "/P/Q")) == ("r/d/P/Q", "r/d/set/P/Q")
    assert topics.reply("me") == "r/bridge/reply/me"


@pytest.mark.parametrize(
    ("topic", "about", "command", "to_set"),
    [
        ("r/d/about", "d", None, None),
        ("r/d/command", None, "d", None),
        ("r/d/set/P", None, None, ("d", "/P")),
        ("r/d/set/P/Q", None, None, ("d", "/P/Q")),
        ("r/d/set", None, None, None),
        ("r/d/sets/P", None, None, None),
        ("r/d/about/x", None, None, None),
        ("r/d/command/x", None, None, None),
        ("r/about", None, None, None),
        ("rr/d/about", None, None, None),
        ("/d/about", None, None, None),
        ("r", None, None, None),
    ],
)
def test_whose_topic(
    topic: str, about: str | None, command: str | None, to_set: tuple[str, str] | None
) -> None:
    topics = Topics("r")
    found = topics.about_whom(topic), topics.commanded(topic), topics.to_set(topic)
    assert found == (about, command, to_set)
