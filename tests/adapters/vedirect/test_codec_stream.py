"""The VE.Direct decoder on a stream: a real capture, frames cutting in, noise, gaps."""

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.adapters.vedirect.codec import GAP_S, HexError, HexFrame, TextBlock, TextError, VeDirectDecoder
from bridge.adapters.vedirect.hex import encode_register
from bridge.adapters.vedirect.reason import Reason
from bridge.adapters.vedirect.text import FIELDS_MAX, LABEL_MAX, VALUE_MAX, encode_block

CAPTURE = (Path(__file__).parents[2] / "data" / "vedirect" / "ip22-a334-stream.bin").read_bytes()

FIELDS = {"PID": "0xA334", "SER#": "HQ2230XY6XR", "V": "28790", "I": "-5100", "T": "---", "HC#": "1105659"}
BLOCK = encode_block(FIELDS)
GOOD_BLOCK = TextBlock(FIELDS)
FRAME = b":A8CED007A1C00003C\n"
GOOD_FRAME = HexFrame(0xA, 0xED8C, 0, b"\x7a\x1c\x00\x00", b"\x8c\xed\x00\x7a\x1c\x00\x00")


def decode(data, cuts=()):
    """Decode in portions that end at `cuts`."""
    decoder, messages, start = VeDirectDecoder(), [], 0
    for cut in (*sorted(cuts), len(data)):
        messages += decoder.receive(data[start:cut], 0.0)
        start = cut
    return messages


def portions(way):
    if way == "whole":
        return []
    if way == "bytewise":
        return range(1, len(CAPTURE))
    dice = random.Random(7)
    return [dice.randrange(len(CAPTURE)) for _ in range(1500)]


@pytest.mark.parametrize("way", ["whole", "bytewise", "random"])
def test_capture(way):
    messages = decode(CAPTURE, portions(way))
    blocks = [m for m in messages if isinstance(m, TextBlock)]
    frames = [m for m in messages if isinstance(m, HexFrame)]
    assert (len(blocks), len(frames), len(messages)) == (52, 1305, 52 + 1305)
    assert {tuple(block.fields) for block in blocks} == {
        ("PID", "FWE", "SER#", "V", "I", "T", "ERR", "CS", "HC#"),
    }
    assert {block.fields["SER#"] for block in blocks} == {"HQ2230XY6XR"}
    assert (blocks[0].fields["V"], blocks[0].fields["I"]) == ("28680", "9000")
    assert sum(frame.register == 0x200E for frame in frames) == 524


def block_ending_with(byte):
    """A block whose checksum byte is `byte`, found by its filling."""
    printable = [code for code in range(0x21, 0x7F) if code != ord(":")]
    for first, second, third in itertools.product(printable, printable, (0x21, 0x7E)):
        fields = {"V": "1", "XY": bytes([first, second, third]).decode("ascii")}
        block = encode_block(fields)
        if block[-1] == byte:
            return block, TextBlock(fields)
    raise AssertionError(f"no filling for {byte:#x}")


@pytest.mark.parametrize("byte", range(256))
def test_any_checksum_byte(byte):
    """Also colon, CR, LF, TAB and NUL; whatever follows directly is found too."""
    block, message = block_ending_with(byte)
    assert block[-1] == byte
    assert decode(block + block + FRAME + block, [len(block) - 1]) == [message, message, GOOD_FRAME, message]


@pytest.mark.parametrize("place", range(len(BLOCK)))
def test_frame_cuts_into_a_block(place):
    data = BLOCK[:place] + FRAME + BLOCK[place:] + BLOCK
    if place == len(BLOCK) - 1:
        # The one place where no device may cut in: there a colon is the checksum. The frame is not lost.
        wanted = [TextError(Reason.CHECKSUM), GOOD_FRAME, GOOD_BLOCK]
    else:
        wanted = [GOOD_FRAME, GOOD_BLOCK, GOOD_BLOCK]
    for cuts in ([], range(1, len(data))):
        assert decode(data, cuts) == wanted


@pytest.mark.parametrize("place", range(1, len(FRAME)))
def test_block_cuts_into_a_frame(place):
    """The frame is lost, the block is not."""
    *errors, block, frame = decode(FRAME[:place] + BLOCK + FRAME)
    assert errors == [HexError(Reason.BYTE, FRAME[1:place])]
    assert (block, frame) == (GOOD_BLOCK, GOOD_FRAME)


def test_several_frames_cut_into_every_record():
    data = BLOCK.replace(b"\t", FRAME + b"\t" + FRAME, 3).replace(b"\r\n", b"\r" + FRAME + b"\n", 3)
    messages = decode(data)
    assert messages == [GOOD_FRAME] * 9 + [GOOD_BLOCK]


def test_colon_restarts_a_frame():
    assert decode(FRAME[:6] + FRAME) == [HexError(Reason.RESTART, FRAME[1:6]), GOOD_FRAME]


@pytest.mark.parametrize("place", [*range(1, len(BLOCK))])
def test_a_lost_byte_costs_one_block(place):
    """Whichever byte is lost, a block later than the next is never the price."""
    messages = decode(BLOCK[:place] + BLOCK[place + 1 :] + BLOCK + BLOCK)
    assert messages[-1] == GOOD_BLOCK
    assert messages.count(GOOD_BLOCK) == 2
    assert all(isinstance(m, TextBlock | TextError) for m in messages)
    assert not [m for m in messages if isinstance(m, TextBlock) and m != GOOD_BLOCK]


@pytest.mark.parametrize("place", range(len(BLOCK)))
@pytest.mark.parametrize("bit", range(8))
def test_a_turned_bit_never_makes_a_wrong_block(place, bit):
    spoilt = bytearray(BLOCK)
    spoilt[place] ^= 1 << bit
    messages = decode(bytes(spoilt) + BLOCK + BLOCK)
    assert {m for m in map(str, messages) if "TextBlock" in m} == {str(GOOD_BLOCK)}
    assert messages[-1] == GOOD_BLOCK


def test_joining_in_the_middle_of_a_block():
    assert decode(BLOCK[20:] + BLOCK) == [TextError(Reason.CHECKSUM), GOOD_BLOCK]


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"V": "1" * (VALUE_MAX + 1)}, Reason.LENGTH),
        ({"L" * (LABEL_MAX + 1): "1"}, Reason.LENGTH),
        ({f"L{n}": "1" for n in range(FIELDS_MAX + 2)}, Reason.LENGTH),
        ({"": "1"}, Reason.BYTE),
        ({"V": "1\x002"}, Reason.BYTE),
        ({"V": "1\t2"}, Reason.BYTE),
        ({"V\n": "1"}, Reason.BYTE),
        ({}, Reason.CHECKSUM),
    ],
)
def test_blocks_no_device_sends(spoilt, reason):
    """Their sum is right, and they are refused; the next one is found."""
    messages = decode(encode_block(spoilt) + FRAME + BLOCK + BLOCK)
    assert messages[0] == TextError(reason)
    assert messages[-1] == GOOD_BLOCK
    assert GOOD_FRAME in messages


@pytest.mark.parametrize(
    "fields",
    [{"L" * LABEL_MAX: "1"}, {"V": "1" * VALUE_MAX}, {"HC#": ""}, {f"L{n}": "" for n in range(FIELDS_MAX)}],
)
def test_the_widest_blocks(fields):
    assert decode(encode_block(fields)) == [TextBlock(fields)]


def test_two_blocks_of_a_battery_monitor_stay_two():
    first, second = {"PID": "0xA381", "V": "26457"}, {"H1": "-6673", "H2": "0"}
    assert decode(encode_block(first) + encode_block(second)) == [TextBlock(first), TextBlock(second)]


@pytest.mark.parametrize(
    ("begun", "errors"),
    [
        (BLOCK[:40], [TextError(Reason.GAP)]),
        (BLOCK[:-1], [TextError(Reason.GAP)]),
        (FRAME[:-1], [HexError(Reason.GAP, FRAME[1:-1])]),
        (BLOCK[:40] + FRAME[:5], [HexError(Reason.GAP, FRAME[1:5]), TextError(Reason.GAP)]),
        (b"\r", []),
        (b"noise", []),
    ],
)
@pytest.mark.parametrize("asked", [True, False])
def test_a_gap_gives_up_what_had_begun(begun, errors, asked):
    decoder = VeDirectDecoder()
    assert decoder.receive(begun, 10.0) == []
    late = 10.0 + GAP_S
    told = decoder.receive(b"", late) if asked else []
    assert told + decoder.receive(BLOCK + FRAME, late) == [*errors, GOOD_BLOCK, GOOD_FRAME]


@pytest.mark.parametrize("place", range(1, len(BLOCK + FRAME)))
def test_a_pause_shorter_than_the_gap_means_nothing(place):
    decoder, data = VeDirectDecoder(), BLOCK + FRAME
    messages = decoder.receive(data[:place], 10.0) + decoder.receive(data[place:], 10.0 + GAP_S - 0.001)
    assert messages == [GOOD_BLOCK, GOOD_FRAME]


def test_a_long_silence_between_blocks_means_nothing():
    decoder = VeDirectDecoder()
    assert decoder.receive(BLOCK, 0.0) == [GOOD_BLOCK]
    assert not decoder.inside
    assert decoder.receive(b"", 60.0) == []
    assert decoder.receive(FRAME + BLOCK, 3600.0) == [GOOD_FRAME, GOOD_BLOCK]


FRAGMENTS = st.sampled_from(
    [
        b"\r\n",
        b"\t",
        b":",
        b"\n",
        b"\r",
        b"Checksum\t",
        b"V\t1",
        b"PID",
        BLOCK,
        BLOCK[:50],
        FRAME,
        FRAME[:7],
        b"A",
    ]
)
ANY_BYTES = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=40)), max_size=25).map(b"".join)


@given(data=ANY_BYTES, cuts=st.lists(st.integers(0, 600), max_size=20))
@example(data=b"\r\nChecksum\t:", cuts=[11])
@example(data=b"\r\nV\t1\r\nChecksum\t\r\nPID", cuts=[])
def test_any_bytes_in_any_portions(data, cuts):
    """Any bytes, in any split: no exception, the same messages, and what is good after a gap is found."""
    whole = VeDirectDecoder()
    expected = whole.receive(data, 0.0)
    split, messages, start = VeDirectDecoder(), [], 0
    for cut in (*sorted(cuts), len(data)):
        messages += split.receive(data[start:cut], 0.0)
        start = max(start, cut)
    assert messages == expected
    for decoder in (whole, split):
        *given_up, block, frame = decoder.receive(BLOCK + FRAME, GAP_S)
        assert (block, frame) == (GOOD_BLOCK, GOOD_FRAME)
        assert all(m in (TextError(Reason.GAP),) or isinstance(m, HexError) for m in given_up)


@given(register=st.integers(5, 0xFFFF), value=st.binary(max_size=60), flags=st.sampled_from([0, 1, 2, 4]))
def test_every_frame_that_can_be_made_is_read(register, value, flags):
    (frame,) = decode(encode_register(0xA, register, value, flags))
    assert isinstance(frame, HexFrame)
    assert (frame.command, frame.register, frame.flags, frame.value) == (0xA, register, flags, value)
