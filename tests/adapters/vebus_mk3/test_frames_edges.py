"""Frames at their edges: appended LEDs, pauses, and which damage voids what."""

import pytest

from bridge.adapters.vebus_mk3.frames import (
    LONGEST,
    NO_LEDS,
    PAUSE_S,
    SETTLE_S,
    Frame,
    FrameDecoder,
    FrameError,
    Reason,
    encode,
    encode_with_leds,
)

LINES = encode(b"\xffH\x05")
DATA = Frame(b"\xffH\x05")
SUM_WRONG = LINES[:-1] + bytes((LINES[-1] ^ 1,))


@pytest.mark.parametrize("length", [0, LONGEST + 1])
def test_no_frame_carries_that(length: int) -> None:
    with pytest.raises(ValueError, match=f"found {length} bytes"):
        encode(bytes(length))


def test_the_longest_frame_and_one_more() -> None:
    longest = encode(bytes(range(1, LONGEST + 1)))
    assert FrameDecoder().receive(longest, 0.0) == [Frame(longest[1:-1])]
    more = bytes((LONGEST + 1, *range(0x80, 0x80 + LONGEST + 1)))
    assert FrameDecoder().receive(more, 0.0)[0] == FrameError(Reason.LENGTH)


@pytest.mark.parametrize(
    ("on", "blink", "leds"),
    [
        (0x1F, 0x1F, None),
        (0x1F, 0x00, (0x1F, 0x00)),
        (0x00, 0x1F, (0x00, 0x1F)),
        (0x00, 0x00, (0x00, 0x00)),
        (0xFF, 0xFE, (0xFF, 0xFE)),
    ],
)
def test_appended_leds(on: int, blink: int, leds: tuple[int, int] | None) -> None:
    assert NO_LEDS == (0x1F, 0x1F)
    wire = encode_with_leds(b"\xff", on, blink)
    assert wire[0] == 0x83
    assert sum(wire) & 0xFF == 0
    assert FrameDecoder().receive(wire, 0.0) == [Frame(b"\xff", leds)]


@pytest.mark.parametrize("head", [0x80, 0x81, 0x82])
def test_leds_are_no_frame_by_themselves(head: int) -> None:
    body = bytes(head & 0x7F)
    lone = bytes((head, *body, -head & 0xFF))
    found = FrameDecoder().receive(lone, 0.0)
    assert found[0] == FrameError(Reason.LENGTH)
    assert not [f for f in found if isinstance(f, Frame) and f.data == body]


@pytest.mark.parametrize(
    ("wire", "ended"),
    [
        (SUM_WRONG, True),  # nothing behind it: the sender waits for the next request
        (SUM_WRONG + b"\x14", False),
        (SUM_WRONG + LINES, False),
    ],
)
def test_a_wrong_sum_tells_whether_its_sender_is_done(wire: bytes, ended: bool) -> None:
    found = FrameDecoder().receive(wire, 0.0)
    assert found[0] == FrameError(Reason.SUM, ended=ended)


@pytest.mark.parametrize(
    ("after_s", "voids"),
    [(0.0, True), (SETTLE_S, True), (SETTLE_S + 0.001, False), (1.0, False)],
)
def test_only_what_follows_at_once_voids_a_frame(after_s: float, voids: bool) -> None:
    decoder = FrameDecoder()
    assert decoder.receive(LINES, 0.0) == [DATA]
    assert decoder.receive(b"\xff", after_s) == [FrameError(Reason.LENGTH, voids=voids)]


def test_one_frame_is_voided_once() -> None:
    decoder = FrameDecoder()
    decoder.receive(LINES, 10.0)
    assert decoder.receive(b"\xff\xff\xff", 10.0) == [FrameError(Reason.LENGTH, voids=True)]
    assert decoder.receive(b"\xff", 10.0 + SETTLE_S + 0.01) == [FrameError(Reason.LENGTH)]


def test_what_was_dropped_stands_between_a_frame_and_what_follows() -> None:
    """A byte voids only the frame that it follows: not one with other damage in between."""
    decoder = FrameDecoder()
    assert decoder.receive(LINES, 10.0) == [DATA]
    assert decoder.receive(SUM_WRONG[:-1], 10.0) == []
    first, *others = decoder.receive(SUM_WRONG[-1:] + b"\xff", 10.001)
    assert first == FrameError(Reason.SUM)
    assert not [found for found in others if isinstance(found, FrameError) and found.voids]


def test_a_frame_before_the_first_is_never_voided() -> None:
    assert FrameDecoder().receive(b"\xff", 0.0) == [FrameError(Reason.LENGTH)]


@pytest.mark.parametrize(
    ("pause_s", "told"),
    [(0.0, 1), (SETTLE_S, 1), (SETTLE_S + 0.001, 2), (1.0, 2)],
)
def test_the_damage_of_another_reply_is_told_again(pause_s: float, told: int) -> None:
    decoder = FrameDecoder()
    found = decoder.receive(b"\xff", 0.0) + decoder.receive(b"\xff", pause_s)
    assert found == [FrameError(Reason.LENGTH)] * told


def test_the_damage_of_one_reply_is_told_once_at_any_time_of_day() -> None:
    decoder = FrameDecoder()
    assert decoder.receive(b"\xff", 5000.0) == [FrameError(Reason.LENGTH)]
    assert decoder.receive(b"\xff", 5000.0) == []


def test_damage_behind_a_good_frame_is_told_again() -> None:
    found = FrameDecoder().receive(b"\xff" + LINES + b"\xff", 0.0)
    assert found == [FrameError(Reason.LENGTH), DATA, FrameError(Reason.LENGTH, voids=True)]


@pytest.mark.parametrize(("pause_s", "over"), [(PAUSE_S - 0.01, False), (PAUSE_S + 0.01, True)])
def test_a_pause_ends_a_frame_from_its_last_byte_on(pause_s: float, over: bool) -> None:
    decoder = FrameDecoder()
    decoder.receive(LINES[:1], 10.0)
    decoder.receive(LINES[1:2], 10.3)
    assert decoder.partial
    assert decoder.receive(b"", 10.3 + pause_s) == ([FrameError(Reason.PAUSE)] if over else [])
    assert decoder.partial is not over
    if not over:
        assert decoder.receive(LINES[2:], 10.3 + pause_s) == [DATA]


def test_asking_does_not_put_the_pause_off() -> None:
    decoder = FrameDecoder()
    decoder.receive(LINES[:2], 10.0)
    for tenths in (1, 2, 3):
        assert decoder.receive(b"", 10.0 + tenths / 10) == []
    assert decoder.receive(b"", 10.36) == [FrameError(Reason.PAUSE)]


def test_what_is_abandoned_is_looked_through() -> None:
    decoder = FrameDecoder()
    assert decoder.receive(b"\x14" + LINES, 10.0) == []
    assert decoder.abandon() == [FrameError(Reason.PAUSE), DATA]
    assert not decoder.partial
    assert decoder.abandon() == []
    decoder.receive(LINES[:2], 10.01)
    assert decoder.abandon() == [FrameError(Reason.PAUSE)]
    assert decoder.receive(b"\xff", 10.01) == [FrameError(Reason.LENGTH)]  # told anew after abandoning


def test_figures_are_those_of_the_protocol() -> None:
    assert (LONGEST, PAUSE_S, SETTLE_S) == (20, 0.35, 0.03)
    assert [reason.value for reason in Reason] == ["length", "sum", "pause"]
