"""VE.Direct: text blocks and HEX frames out of one stream."""

import contextlib
import json
from collections.abc import Iterator

from bridge.adapters.vedirect.codec import (
    GAP_S,
    HexError,
    HexFrame,
    Message,
    TextBlock,
    TextError,
    VeDirectDecoder,
)
from bridge.adapters.vedirect.hex import FRAME_MAX, encode
from bridge.adapters.vedirect.text import FIELDS_MAX, LABEL_MAX, VALUE_MAX, encode_block
from tests.fuzz.target import ROOT, Target
from tests.fuzz.targets.streams import StreamPromise, stream

_DATA = ROOT / "tests" / "data" / "vedirect"
_FIELDS = {"PID": "0xA334", "V": "28790", "I": "-5100", "T": "---"}
_FRAME = b":A8CED007A1C00003C\n"


def _sound(message: Message) -> None:
    match message:
        case TextBlock(fields):
            assert 0 < len(fields) <= FIELDS_MAX + 1
            for label, value in fields.items():
                assert 0 < len(label) <= LABEL_MAX
                assert len(value) <= VALUE_MAX
                assert (label + value).isascii()
            assert VeDirectDecoder().receive(encode_block(fields), 0.0) == [message]
        case HexFrame(command, register, flags, value, payload):
            assert 0 <= command <= 0xF
            assert (register is None) == (flags is None)
            assert register is None or 0 <= register <= 0xFFFF
            assert payload.endswith(value)
            with contextlib.suppress(ValueError):  # what no bridge may send
                assert VeDirectDecoder().receive(encode(command, payload), 0.0) == [message]
        case HexError():
            assert len(message.raw) <= FRAME_MAX
        case TextError():
            pass


def _held(decoder: VeDirectDecoder) -> int:
    text, frame = decoder._text, decoder._hex
    assert len(text._fields) <= FIELDS_MAX + 1
    return len(text._token) + len(frame._digits)


PROMISE = StreamPromise(
    make=VeDirectDecoder,
    compare=lambda message: message,
    sound=_sound,
    held=_held,
    held_most=VALUE_MAX + FRAME_MAX,
    good=encode_block(_FIELDS) + _FRAME,
    wanted=(TextBlock(_FIELDS), HexFrame(0xA, 0xED8C, 0, b"\x7a\x1c\0\0", bytes.fromhex("8ced007a1c0000"))),
    quiet_s=2 * GAP_S,
)


def _seeds() -> Iterator[bytes]:
    capture = (_DATA / "ip22-a334-stream.bin").read_bytes()
    yield b"\0" + PROMISE.good + PROMISE.good
    for number, start in enumerate(range(0, 4000, 700)):
        yield bytes((number,)) + capture[start : start + 700]
    for number, vector in enumerate(json.loads((_DATA / "vectors.json").read_text())):
        yield bytes((number % 256,)) + bytes.fromhex(vector.get("hex_bytes", ""))


TARGETS = (
    Target(
        "vedirect",
        "any bytes, however cut: no exception, sound messages, and the next good block and frame are found",
        stream(PROMISE),
        1024,
        _seeds,
        (b"\r\n", b"\t", b"Checksum\t", b":", b"\n", b"\r\nV\t", b":7", b":A", b"SER#"),
    ),
)
