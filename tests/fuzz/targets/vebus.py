"""VE.Bus: the frames of an MK3 interface, and what they say."""

import json
from collections.abc import Iterator

from bridge.adapters.vebus_mk3 import codec
from bridge.adapters.vebus_mk3.frames import (
    LONGEST,
    PAUSE_S,
    Frame,
    FrameDecoder,
    FrameError,
    encode,
    encode_with_leds,
)
from bridge.adapters.vebus_mk3.messages import Ac, Config, SlotReply
from bridge.adapters.vebus_mk3.settings import setting_info
from bridge.adapters.vebus_mk3.variables import info_from
from tests.fuzz.target import ROOT, Target
from tests.fuzz.targets.streams import StreamPromise, stream

_VECTORS = ROOT / "tests" / "data" / "vebus" / "victron-mk3-exchanges.json"
_DC = bytes.fromhex("0f20f300c8020ca10500000028000088b2")
_FRAMES = (
    _DC,
    *map(
        bytes.fromhex,
        (
            "0f200101ca0908aa58ab00aa589a00c3e8",
            "0f200101ca0907005a3601005a6600c3e1",
            "0d4110050000945e00f401630077dc",
            "06ff4c03000000ac",
            "09ff58858b0238fc2d012c",
            "08ff598e57788f0001b3",
            "87ff588634811f1fa9",
        ),
    ),
)


def _compare(found: Frame | FrameError) -> object:
    # whether a sender seems to be done depends on how its bytes came
    return (found.reason, found.voids) if isinstance(found, FrameError) else found


def _sound(found: Frame | FrameError) -> None:
    if isinstance(found, FrameError):
        return
    assert 0 < len(found.data) <= LONGEST
    wire = encode(found.data) if found.leds is None else encode_with_leds(found.data, *found.leds)
    assert FrameDecoder().receive(wire, 0.0) == [found]
    message = codec.parse(found.data)
    match message:
        case Ac():
            assert 1 <= message.phase <= 4
            assert 0 <= message.phases <= 4
        case Config():
            assert 0 <= message.actual_da <= 0xFFFF
        case SlotReply():
            assert all(len(word) == 2 for word in message.words())
            for variable in range(17):
                info = info_from(variable, message.data)
                if info is not None:
                    for raw in (b"\0\0", b"\xff\xff", b"\xff\x7f", b"\0\x80", b"\xff", b"\xff\xff\xff"):
                        assert abs(info.value(raw)) < 1e15
                    assert all((info.frequency(byte) or 1.0) > 0 for byte in range(0, 256, 15))
            setting_info(message.data)


PROMISE = StreamPromise(
    make=FrameDecoder,
    compare=_compare,
    sound=_sound,
    held=lambda decoder: len(decoder._buffer),
    held_most=LONGEST + 2,
    good=_DC,
    wanted=(Frame(_DC[1:-1]),),
    quiet_s=PAUSE_S + 0.1,
)


def _seeds() -> Iterator[bytes]:
    yield b"\0" + b"".join(_FRAMES)
    for number, frame in enumerate(_FRAMES):
        yield bytes((number,)) + frame[:7] + frame + _DC
    for number, step in enumerate(json.loads(_VECTORS.read_text())):
        replies = [reply for exchange in step["exchanges"][:12] for reply in exchange["replied"]]
        yield bytes((number % 256,)) + bytes.fromhex("".join(replies))[:255]


TARGETS = (
    Target(
        "vebus",
        "any bytes, however cut: no exception, sound frames, and the next good one is found after a pause",
        stream(PROMISE),
        256,
        _seeds,
        (b"\xff", b"\x0f\x20", b"\x8e", b"\x8f", b"\x85", b"\x06\xffL", b"\x07\xffV", b"\x1f\x1f"),
    ),
)
