"""Framing: appended LEDs, noise, lost bytes, pauses; and no single fault that gives a wrong value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.vebus_mk3 import codec, messages
from bridge.adapters.vebus_mk3.frames import (
    LONGEST,
    Frame,
    FrameDecoder,
    FrameError,
    Reason,
    encode,
    encode_with_leds,
)

DC = bytes.fromhex("0f20f300c8020ca10500000028000088b2")
AC = bytes.fromhex("0f200101ca0908aa58ab00aa589a00c3e8")
AC_L2 = bytes.fromhex("0f200101ca0907005a3601005a6600c3e1")
CONFIG = bytes.fromhex("0d4110050000945e00f401630077dc")
LEDS = bytes.fromhex("06ff4c03000000ac")
POWER = bytes.fromhex("09ff58858b0238fc2d012c")
INFO = bytes.fromhex("08ff598e57788f0001b3")
#: What an interface says by itself once a second.
VERSION = encode(bytes((0xFF, 0x56, *(1170216).to_bytes(4, "little"), 0)))
FRAMES = [DC, AC, AC_L2, CONFIG, LEDS, POWER, INFO, VERSION]


def split(*parts: bytes, at: float = 0.0) -> list[Frame | FrameError]:
    decoder, found = FrameDecoder(), []
    for part in parts:
        found += decoder.receive(part, at)
    return found


def frames(found: list[Frame | FrameError]) -> list[bytes]:
    return [f.data for f in found if isinstance(f, Frame)]


@pytest.mark.parametrize("portion", [1, 3, 1000])
def test_frames_in_any_portions(portion: int) -> None:
    stream = b"".join(FRAMES)
    parts = [stream[i : i + portion] for i in range(0, len(stream), portion)]
    assert frames(split(*parts)) == [frame[1:-1] for frame in FRAMES]


def test_appended_leds_are_taken_off() -> None:
    (frame,) = split(encode_with_leds(DC[1:-1], 0x09, 0x08))
    assert frame == Frame(DC[1:-1], (0x09, 0x08))


def test_the_field_frame_that_was_taken_for_corruption() -> None:
    (frame,) = split(bytes.fromhex("87ff588634811f1fa9"))
    assert frame == Frame(bytes.fromhex("ff58863481"), None)  # 1F 1F: no LED data
    assert codec.parse(frame.data) == messages.SlotReply("X", 0x86, b"\x34\x81")


@pytest.mark.parametrize("stray", ["00", "ff", "20", "05", "14", "94", "0000", "0f20", "ff00ff"])
def test_stray_bytes_before_a_frame(stray: str) -> None:
    decoder = FrameDecoder()
    found = decoder.receive(bytes.fromhex(stray) + DC, 0.0)
    found += decoder.receive(b"", 0.4)  # what still waits for its rest is looked through
    assert frames(found) == [DC[1:-1]]


def test_a_partial_frame_ends_by_its_pause() -> None:
    decoder = FrameDecoder()
    assert decoder.receive(DC[:9], 0.0) == []
    assert decoder.receive(DC, 0.35) == [FrameError(Reason.PAUSE), Frame(DC[1:-1])]


def test_a_shorter_pause_is_part_of_the_frame() -> None:
    decoder = FrameDecoder()
    assert decoder.receive(DC[:9], 0.0) == []
    assert decoder.receive(DC[9:], 0.34) == [Frame(DC[1:-1])]


def test_a_stretch_of_noise_is_one_error() -> None:
    assert split(bytes(50) + DC) == [FrameError(Reason.LENGTH), Frame(DC[1:-1])]


def test_a_frame_that_borrowed_a_byte_is_voided() -> None:
    """A 07 is lost from an L2 frame; the version frame behind it lends its length, 07, as the sum."""
    assert AC_L2[6] == VERSION[0] == 7
    found = split(AC_L2[:6] + AC_L2[7:] + VERSION)
    assert isinstance(found[0], Frame)
    assert found[1] == FrameError(Reason.LENGTH, voids=True)


def test_noise_long_after_a_frame_does_not_void_it() -> None:
    decoder = FrameDecoder()
    assert decoder.receive(DC, 0.0) == [Frame(DC[1:-1])]
    assert decoder.receive(b"\xff", 0.1) == [FrameError(Reason.LENGTH)]


def believed(stream: bytes) -> list[messages.Message]:
    """The messages a session would believe: those that no later byte voids."""
    heard: list[messages.Message] = []
    decoder = FrameDecoder()
    for found in (*decoder.receive(stream, 0.0), *decoder.receive(b"", 0.4)):
        if isinstance(found, Frame):
            heard.append(codec.parse(found.data))
        elif found.voids:
            heard.pop()
    return heard


def tells(message: messages.Message) -> bool:
    """True for messages that bring a value."""
    return not isinstance(message, messages.Unknown | messages.Boot | messages.StateTaken)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.hex())
@pytest.mark.parametrize("next_frame", [VERSION, encode_with_leds(VERSION[1:-1], 1, 0), CONFIG, b""])
def test_no_single_fault_gives_a_wrong_value(frame: bytes, next_frame: bytes) -> None:
    right = {repr(m) for m in believed(frame + next_frame)}
    spoilt = [frame[:i] + frame[i + 1 :] for i in range(len(frame))]
    spoilt += [
        frame[:i] + bytes((frame[i] ^ 1 << bit,)) + frame[i + 1 :]
        for i in range(len(frame))
        for bit in range(8)
    ]
    for bad in spoilt:
        wrong = [m for m in believed(bad + next_frame) if tells(m) and repr(m) not in right]
        assert not wrong, f"{bad.hex()} gives {wrong}"


@given(st.lists(st.binary(max_size=40), max_size=6), st.sampled_from(FRAMES))
def test_any_bytes_and_the_next_good_frame_is_found(noise: list[bytes], frame: bytes) -> None:
    """Invariant: no exception on any bytes, whole or in pieces, and the next good frame is found."""
    decoder, now = FrameDecoder(), 0.0
    for part in noise:
        for found in decoder.receive(part, now):
            if isinstance(found, Frame):
                codec.parse(found.data)
        now += 0.1
    decoder.receive(b"", now + 0.4)
    assert not decoder.partial
    assert frame[1:-1] in frames(decoder.receive(frame, now + 0.5))


@given(st.binary(min_size=1, max_size=LONGEST))
def test_whatever_is_encoded_is_decoded(data: bytes) -> None:
    assert split(encode(data)) == [Frame(data)]


@given(st.binary(min_size=1, max_size=LONGEST))
def test_any_data_makes_a_message(data: bytes) -> None:
    codec.parse(data)


@pytest.mark.parametrize("kind", range(0x05, 0x0C))
def test_phases_and_kinds(kind: int) -> None:
    message = codec.parse(AC[1:6] + bytes((kind,)) + AC[7:-1])
    assert isinstance(message, messages.Ac)
    assert (message.phase, message.phases) == {
        5: (4, 0),
        6: (3, 0),
        7: (2, 0),
        8: (1, 1),
        9: (1, 2),
        10: (1, 3),
        11: (1, 4),
    }[kind]


def test_old_firmware_junk_in_the_state_is_kept() -> None:
    message = codec.parse(AC[1:5] + b"\xb7" + AC[6:-1])
    assert isinstance(message, messages.Ac)
    assert message.state == 0xB7
