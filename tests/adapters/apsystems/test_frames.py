"""MT frames: captured ones both ways, and what a bad line makes of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.apsystems.frames import GAP_S, MtDecoder, MtFrame
from tests.adapters.apsystems.vectors import FRAMES, frames, mt

HEALTH = frames("D03")[1]
REPLY = frames("D10")[-1]
LONG = 10.0


@pytest.mark.parametrize(("name", "raw"), FRAMES)
def test_captured_frames_both_ways(name: str, raw: bytes) -> None:
    found = mt(raw)
    assert found.encode() == raw
    assert found.command == int.from_bytes(raw[2:4], "big")


def test_a_stream_byte_by_byte_is_the_stream_at_once() -> None:
    stream = b"".join(raw for _, raw in FRAMES)
    decoder = MtDecoder()
    slowly = [one for byte in stream for one in decoder.receive(bytes((byte,)), 0.0)]
    assert slowly == MtDecoder().receive(stream, 0.0)
    assert [one.encode() for one in slowly] == [raw for _, raw in FRAMES]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"\xf8" + HEALTH + b"\x4e\xf8" + REPLY, [HEALTH, REPLY]),
        (REPLY[:60] + b"\xff" + REPLY[60:] + HEALTH, [HEALTH]),
        (REPLY[:-1] + bytes((REPLY[-1] ^ 1,)) + HEALTH, [HEALTH]),
        (b"\xfe" + HEALTH, [HEALTH]),
        (b"\xfe\xfe\xfe" + HEALTH, [HEALTH]),
        (b"\xfe\x05\x00\x00" + HEALTH, [HEALTH]),
    ],
    ids=["filler", "surplus FF", "wrong sum", "stray FE", "tail of a payload", "no such type"],
)
def test_noise_costs_the_damaged_frame_alone(line: bytes, expected: list[bytes]) -> None:
    assert [one.encode() for one in MtDecoder().receive(line, 0.0)] == expected


def test_a_cut_frame_swallows_nothing_after_a_pause() -> None:
    decoder = MtDecoder()
    assert decoder.receive(REPLY[:60], 0.0) == []
    assert [one.encode() for one in decoder.receive(HEALTH, GAP_S + 0.1)] == [HEALTH]
    assert decoder.damaged == 1


def test_a_frame_that_comes_late_in_two_pieces_is_whole() -> None:
    decoder = MtDecoder()
    assert decoder.receive(REPLY[:60], 0.0) == []
    assert [one.encode() for one in decoder.receive(REPLY[60:] + HEALTH, LONG)] == [REPLY, HEALTH]


@pytest.mark.parametrize("length", [0, 1, 250])
def test_every_length_both_ways(length: int) -> None:
    frame = MtFrame(0x4481, b"\xfe" * length)
    assert mt(frame.encode()) == frame


def test_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="found 251 bytes"):
        MtFrame(0x2401, bytes(251)).encode()


@settings(max_examples=150, deadline=None)
@given(noise=st.lists(st.binary(max_size=150), max_size=4))
def test_after_any_bytes_and_a_pause_the_next_frame_is_found(noise: list[bytes]) -> None:
    decoder = MtDecoder()
    for piece in noise:
        decoder.receive(piece, 0.0)
    # Noise may be the beginning of a frame that the first one happens to complete; the second is found.
    found = decoder.receive(HEALTH, LONG) + decoder.receive(HEALTH, 2 * LONG)
    assert found[-1].encode() == HEALTH
