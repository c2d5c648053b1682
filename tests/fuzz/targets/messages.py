"""Messages between bridges, commands over MQTT, and the topics they come by."""

from collections.abc import Callable, Iterator, Mapping

from bridge.adapters.remote.far_bridge import FarBridge, named
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.values import Identity, LinkState, Outcome
from bridge.exchange.about import About, decode_about
from bridge.exchange.command import Command, CommandReply, decode_command, decode_reply
from bridge.exchange.fields import ExchangeFault
from bridge.exchange.report import Ask, DeviceReport, Report, decode_ask, decode_report
from bridge.exchange.topics import Topics
from tests.fuzz.target import Run, Target

_TOPICS = Topics("inverter-bridge")
_WORDS = """
v id changes session before until from points path lease choices accept devices about link alive values stale whole at
n outcomes confirmed digest identity seconds word confirm_s step
"""
_DECODERS: tuple[Callable[[bytes], About | Command | CommandReply | Report | Ask], ...] = (
    decode_about,
    decode_command,
    decode_reply,
    decode_report,
    decode_ask,
)


def run(data: bytes) -> None:
    """Hold one message to all that is promised; its first byte says of which kind it is taken to be."""
    if not data:
        return
    decode = _DECODERS[data[0] % len(_DECODERS)]
    _topics(data)
    try:
        found = decode(data[1:])
    except ExchangeFault:
        return
    if isinstance(found, Report):
        _believed(found, data)
        return
    again = decode(found.encode())
    if isinstance(found, CommandReply):  # its time is told in milliseconds
        assert (again.id, again.outcomes, again.values) == (found.id, found.outcomes, found.values)  # type: ignore[union-attr]
    else:
        assert again == found


def _believed(report: Report, data: bytes) -> None:
    """A report comes back as it was, and a far bridge can be put together from any row of reports."""
    again = decode_report(report.encode())
    assert (again.session, again.number, again.devices) == (report.session, report.number, report.devices)
    far = FarBridge()
    about = About((PointSpec("/A"), PointSpec("/B", writable=True)))
    far.answered(report, 10.0)
    far.take_about("charger", about)
    far.reported(report, 11.0)
    far.reported(again, 12.0 + len(data))
    for device in far.devices.values():
        assert set(named(about, device.values)) <= {"/A", "/B"}
    far.lost()


def _topics(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for topic in (text, f"{_TOPICS.root}/{text}"):
        found = _TOPICS.to_set(topic)
        if found is not None:
            assert _TOPICS.set_point(*found) == topic
        device = _TOPICS.commanded(topic)
        assert device is None or _TOPICS.command(device) == topic
        whom = _TOPICS.about_whom(topic)
        assert whom is None or _TOPICS.about(whom) == topic


def _make() -> Run:
    return run


def _seeds() -> Iterator[bytes]:
    specs = (
        PointSpec("/Dc/0/Voltage", "V", minimum=0, maximum=60.5, step=0.1, refresh_s=10),
        PointSpec("/Mode", writable=True, choices={1: "on", 4: "off"}, accept={0: 4}, off=4, confirm_s=2.0),
        PointSpec("/Limit", "A", writable=True, nonvolatile=True, lease=Lease(60, Safe.RELEASE)),
        PointSpec("/Other", text=True, lease=Lease(5, 0.5), minimum_from="/Mode"),
    )
    device = DeviceReport("0123456789ab", LinkState.ONLINE, True, {0: 26.6, 1: 1, 2: None, 3: "x"}, (2,), "w")
    messages: Mapping[int, tuple[bytes, ...]] = {
        0: (
            About(specs, Identity("HQ1", "charger", 0xA330, "Name", "3.4"), "m").encode(),
            About(()).encode(),
        ),
        1: (
            Command("id", {"/Mode": 4, "/Limit": 2.5}, "s", 12.5, None, "me").encode(),
            Command("id", {"/Name": "é"}, until=1.7e9).encode(),
        ),
        2: (CommandReply("id", "s", 1.5, {"/Mode": Outcome.CONFIRMED}, {"/Mode": None}, "why").encode(),),
        3: (Report("s", 7, 12.345, {"charger": device}, whole=True).encode(), Report("s", 8, 1).encode()),
        4: (Ask(True).encode(), Ask(False).encode()),
    }
    for kind, written in messages.items():
        for message in written:
            yield bytes((kind,)) + message
    yield b"\x00/set/Mode"
    yield b"\x01charger/command"


TARGETS = (
    Target(
        "exchange",
        "any message: taken whole or refused in words, and one that is taken comes back the same",
        _make,
        2048,
        _seeds,
        (
            *(f'"{word}"'.encode() for word in _WORDS.split()),
            *(b'{"v":1,', b"1e999", b"-1e308", b"true", b"null", b"\\ud800", b"1" * 40, b"NaN"),
        ),
    ),
)
