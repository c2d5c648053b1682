"""The serial frames of a zigbee coordinator as the simulator and the probe read them."""

import json
from collections.abc import Iterator

from bridge.adapters.apsystems.frames import GAP_S, LENGTH_MAX, MtDecoder, MtFrame
from tests.fuzz.target import ROOT, Target
from tests.fuzz.targets.streams import StreamPromise, stream

_VECTORS = ROOT / "tests" / "data" / "apsystems" / "vectors.json"
_GOOD = MtFrame(0x4481, bytes(range(20)) + b"\xfe\xfe")


def _sound(frame: MtFrame) -> None:
    assert len(frame.data) <= LENGTH_MAX
    assert frame.command >> 13 in (1, 2, 3)
    assert MtDecoder().receive(frame.encode(), 1.0) == [frame]


PROMISE = StreamPromise(
    make=MtDecoder,
    compare=lambda frame: frame,
    sound=_sound,
    held=lambda decoder: len(decoder._buffer),
    held_most=LENGTH_MAX + 5,
    good=_GOOD.encode(),
    wanted=(_GOOD,),
    quiet_s=2 * GAP_S,
    times=2,
)


def _seeds() -> Iterator[bytes]:
    for number, frame in enumerate((_GOOD, MtFrame(0x2101), MtFrame(0x6102, b"\0\2\0\2\7"))):
        yield bytes((number,)) + frame.encode() + b"\xfe\xfe" + frame.encode()
    for number, vector in enumerate(json.loads(_VECTORS.read_text())):
        yield bytes((number % 256,)) + bytes.fromhex("".join(vector.get("frames", [])))


TARGETS = (
    Target(
        "znp_frames",
        "any bytes, however cut: no exception, sound frames, and the next good one is found after a pause",
        stream(PROMISE),
        700,
        _seeds,
        (b"\xfe", b"\xfe\xfa", b"\x44\x81", b"\xfe\x00\x21\x01\x20", b"\x61\x02"),
    ),
)
