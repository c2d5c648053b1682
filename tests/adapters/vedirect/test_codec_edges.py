"""The edges of the VE.Direct decoder: one byte more or less, and what each place says of it."""

import pytest

from bridge.adapters.vedirect.codec import GAP_S, HexError, HexFrame, TextBlock, TextError, VeDirectDecoder
from bridge.adapters.vedirect.hex import (
    FRAME_MAX,
    FRAMING_ERROR,
    Command,
    Flags,
    encode,
    encode_register,
    encode_set,
)
from bridge.adapters.vedirect.reason import Reason
from bridge.adapters.vedirect.text import FIELDS_MAX, LABEL_MAX, VALUE_MAX, TextParser, encode_block

FIELDS = {"PID": "0xA334", "V": "28790"}
BLOCK = encode_block(FIELDS)
GOOD = TextBlock(FIELDS)
PING = b":154\n"
PONG = HexFrame(1, None, None, b"", b"")


def decode(data):
    """What comes of these bytes, whole and one at a time, which must be the same."""
    whole = VeDirectDecoder().receive(data, 0.0)
    single = VeDirectDecoder()
    assert [m for byte in data for m in single.receive(bytes([byte]), 0.0)] == whole
    return whole


def summed(block):
    """These bytes, ended by the checksum byte that makes them a block by their sum."""
    return block + bytes([-sum(block) & 0xFF])


@pytest.mark.parametrize("place", range(1, len(BLOCK)))
def test_nothing_of_a_block_given_up_gets_into_the_next(place):
    decoder = VeDirectDecoder()
    decoder.receive(BLOCK[:place], 0.0)
    *errors, block, again = decoder.receive(BLOCK + BLOCK, GAP_S)
    assert (block, again) == (GOOD, GOOD)
    assert errors == ([] if place == 1 else [TextError(Reason.GAP)])


@pytest.mark.parametrize(
    ("begun", "inside"),
    [
        (b"", False),
        (b"noise", False),
        (b"\r", True),
        (BLOCK[:5], True),
        (BLOCK[:-1], True),
        (BLOCK, False),
        (PING[:1], True),
        (PING[:-1], True),
        (PING, False),
        (BLOCK[:5] + PING, True),
    ],
)
def test_inside(begun, inside):
    decoder = VeDirectDecoder()
    decoder.receive(begun, 0.0)
    assert decoder.inside is inside


@pytest.mark.parametrize(
    ("begun", "inside"), [(b"", False), (b"\r", True), (BLOCK[:-1], True), (BLOCK, False)]
)
def test_inside_a_text(begun, inside):
    parser = TextParser()
    assert parser.feed(begun, 0, lambda message: None) == len(begun)
    assert parser.inside is inside


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (b"\r" + BLOCK, [GOOD]),  # the CR before was noise
        (b"\r\r\r" + BLOCK, [GOOD]),
        (b"\rX" + BLOCK, [GOOD]),
        (b"\rX" + BLOCK[1:] + BLOCK, [TextError(Reason.CHECKSUM), GOOD]),  # no block begins with CR X
        (summed(b"\r\nV\t1\rX\nChecksum\t") + BLOCK, [TextError(Reason.BYTE), GOOD]),
        (summed(b"\r\nV\t1\rX\r\nChecksum\t") + BLOCK, [TextError(Reason.BYTE), GOOD]),
        (summed(b"\r\nV\t1\r\r\nChecksum\t") + BLOCK, [TextError(Reason.BYTE), GOOD]),
        (summed(b"\r\nV\t1\r\nVPV\r\nChecksum\t") + BLOCK, [TextError(Reason.BYTE), GOOD]),
        (summed(b"\r\nVPV\r\nV\t1\r\nChecksum\t") + BLOCK, [TextError(Reason.BYTE), GOOD]),
        (summed(b"\r\nV\t1\r\n\t2\r\nChecksum\t") + BLOCK, [TextError(Reason.BYTE), GOOD]),
        (summed(b"\r\nV\t1\r\nP\x80\t2\r\nChecksum\t") + BLOCK, [TextError(Reason.BYTE), GOOD]),
        (summed(b"\r\nV\t1\n\r\nChecksum\t") + BLOCK, [TextError(Reason.BYTE), GOOD]),
        (summed(b"\r\nChecksum\t") + BLOCK, [TextError(Reason.CHECKSUM), GOOD]),
    ],
)
def test_what_cannot_stand_there(data, messages):
    """With a sum that is right: only its place speaks against the byte."""
    assert decode(data) == messages


@pytest.mark.parametrize("off", [1, 2, 0x80, 0xFF])
def test_only_one_sum_is_right(off):
    wrong = BLOCK[:-1] + bytes([BLOCK[-1] + off & 0xFF])
    assert decode(wrong + BLOCK) == [TextError(Reason.CHECKSUM), GOOD]


def test_a_wrong_sum_of_any_byte_costs_one_block():
    for byte in sorted(set(range(256)) - {BLOCK[-1]}):
        messages = decode(BLOCK[:-1] + bytes([byte]) + BLOCK + BLOCK)
        assert (messages[0], messages.count(GOOD)) == (TextError(Reason.CHECKSUM), 2), byte


def test_a_lost_checksum_byte_costs_no_other_block():
    assert decode(BLOCK[:-1] + BLOCK) == [TextError(Reason.CHECKSUM), GOOD]


def test_the_next_block_of_a_lost_end_is_whole():
    """Its first record is told as such, also where it is the only one, and the sum counts from its CR."""
    for fields in ({"V": "1"}, {"V": "1", "I": "2"}):
        lost = encode_block({**fields, "P": "3"})
        cut = lost.index(b"\r\nChecksum")
        messages = decode(lost[:cut] + encode_block(fields) + BLOCK)
        assert messages == [TextError(Reason.RESTART), TextBlock(fields), GOOD]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"L" * LABEL_MAX: "1" * VALUE_MAX}, None),
        ({"L" * (LABEL_MAX + 1): "1"}, Reason.LENGTH),
        ({"V": "1" * (VALUE_MAX + 1)}, Reason.LENGTH),
        ({f"L{n}": "1" for n in range(FIELDS_MAX)}, None),
        ({f"L{n}": "1" for n in range(FIELDS_MAX + 1)}, Reason.LENGTH),
    ],
)
def test_the_widest_block_and_one_more(fields, message):
    told = decode(encode_block(fields) + BLOCK + BLOCK)
    assert told == [TextError(message) if message else TextBlock(fields), GOOD, GOOD]


@pytest.mark.parametrize("portion", [7, 1000])
def test_a_value_without_an_end_takes_no_room(portion):
    parser, told = TextParser(), []
    parser.feed(b"\r\nV\t", 0, told.append)
    for _ in range(100):
        parser.feed(b"1" * portion, 0, told.append)
        assert len(parser._token) <= VALUE_MAX
    assert told == []


def test_the_first_reason_is_told():
    spoilt = summed(b"\r\nV\x80\t" + b"1" * (VALUE_MAX + 1) + b"\r\nChecksum\t")
    assert decode(spoilt) == [TextError(Reason.BYTE)]


@pytest.mark.parametrize("character", [" ", "!", "9", ";", "~"])
def test_all_that_can_be_printed_stands_in_labels_and_values(character):
    fields = {f"a{character}": character, character: ""}
    assert decode(encode_block(fields)) == [TextBlock(fields)]


# -- HEX ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behind", "reason", "raw"),
    [
        (b"\r", Reason.BYTE, FRAME_MAX),
        (b"\n", Reason.LENGTH, FRAME_MAX),
        (b":", Reason.RESTART, FRAME_MAX),
        (b"0", Reason.LENGTH, FRAME_MAX),
        (b"00000", Reason.LENGTH, FRAME_MAX),
    ],
)
def test_the_longest_frame(behind, reason, raw):
    """A reader that waits for the end of a frame for ever would take all text for digits."""
    digits = b"0123456789ABCDEF" * (FRAME_MAX // 16)
    first, *others = decode(b":" + digits + behind)
    assert first == HexError(reason, digits[:raw])
    assert others == []
    assert decode(b":" + digits + behind + b"\n" + BLOCK + BLOCK + PING)[-2:] == [GOOD, PONG]


@pytest.mark.parametrize("portion", [1, 100, 255, 256, 257])
def test_the_longest_frame_in_portions(portion):
    decoder, messages = VeDirectDecoder(), []
    data = b":" + b"7" * (FRAME_MAX + 1)
    for start in range(0, len(data), portion):
        messages += decoder.receive(data[start : start + portion], 0.0)
    assert messages == [HexError(Reason.LENGTH, b"7" * FRAME_MAX)]
    assert not decoder.inside


@pytest.mark.parametrize("digit", b"0123456789ABCDEF")
def test_every_digit_may_begin_a_frame(digit):
    command = int(chr(digit), 16)
    value = b"\x00\x02\x00\x05"
    check = (0x55 - command - sum(value)) & 0xFF
    (frame,) = decode(b":%c%s%02X\n" % (digit, value.hex().upper().encode(), check))
    assert isinstance(frame, HexFrame)
    assert (frame.command, frame.payload) == (command, value)
    if command in (7, 8, 0xA):
        assert (frame.register, frame.flags, frame.value) == (0x0200, 0, b"\x05")
    else:
        assert (frame.register, frame.flags, frame.value) == (None, None, b"")


@pytest.mark.parametrize("byte", [b"/", b"@", b"G", b"a", b"f", b"g", b" ", b"\x00", b"\xff"])
def test_what_is_no_digit_ends_a_frame_and_is_given_back(byte):
    assert decode(b":15" + byte + BLOCK + PING) == [HexError(Reason.BYTE, b"15"), GOOD, PONG]


def test_what_is_given_back_may_begin_a_block():
    assert decode(b":15" + BLOCK) == [HexError(Reason.BYTE, b"15"), GOOD]


@pytest.mark.parametrize(
    ("digits", "message"),
    [
        (b"", HexError(Reason.LENGTH, b"")),
        (b"5", HexError(Reason.LENGTH, b"5")),
        (b"55", HexError(Reason.LENGTH, b"55")),
        (b"154", PONG),
        (b"1540", HexError(Reason.LENGTH, b"1540")),
        (b"7004E", HexError(Reason.LENGTH, b"7004E")),
        (b"700024C", HexError(Reason.LENGTH, b"700024C")),
        (b"70002004C", HexFrame(7, 0x0200, 0, b"", b"\x00\x02\x00")),
        (b"155", HexError(Reason.CHECKSUM, b"155")),
        (b"153", HexError(Reason.CHECKSUM, b"153")),
    ],
)
def test_the_shortest_frames(digits, message):
    assert decode(b":" + digits + b"\n") == [message]


def test_a_gap_of_a_frame_tells_what_had_come():
    decoder = VeDirectDecoder()
    assert decoder.receive(PING[:-1], 0.0) == []
    assert decoder.receive(b"\n" + PING, GAP_S) == [HexError(Reason.GAP, b"154"), PONG]
    assert decoder.receive(b"", 2 * GAP_S) == []


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: encode(-1), "command: found -0x1"),
        (lambda: encode(0x10), "command: found 0x10"),
        (lambda: encode_register(Command.GET, -1), "register: found -0x1"),
        (lambda: encode_register(Command.GET, 0x10000), "register: found 0x10000"),
        (lambda: encode(Command.BOOT), "command 0 would stop"),
        (lambda: encode(Command.RESTART), "command 6 would stop"),
        (lambda: encode_register(Command.GET, 0x0004), "0x0004 restores"),
        (lambda: encode_set(0x0200, b"\xfd"), "0xFD hibernates"),
        (lambda: encode_register(Command.SET, 0x0200, b"\xfd", Flags.PARAMETER), "0xFD hibernates"),
        (lambda: encode_register(Command.GET, 0x0004, flags=1), "0x0004 restores"),
        (lambda: encode(Command.GET, b"\x04\x00"), "0x0004 restores"),
        (lambda: encode(Command.ASYNC, bytes(127)), "found 257 characters, expected at most 256"),
    ],
)
def test_why_a_frame_is_not_made(make, found):
    with pytest.raises(ValueError, match=found):
        make()


@pytest.mark.parametrize(
    ("made", "wire"),
    [
        (lambda: encode(0xF), b":F46\n"),
        (lambda: encode_register(Command.GET, 0xFFFF), b":7FFFF0050\n"),
        (lambda: encode_register(Command.GET, 0x0000), b":70000004E\n"),
        (lambda: encode_set(0x0200, b"\xfc"), b":8000200FC4F\n"),
        (lambda: encode_set(0x0201, b"\xfd"), b":8010200FD4D\n"),
        (lambda: encode_register(Command.ASYNC, 0x0200, b"\xfd"), b":A000200FD4C\n"),
        (lambda: encode_register(Command.ASYNC, 0x0004), b":A04000047\n"),
        (lambda: encode_register(Command.GET, 0x0200, b"\xfd"), b":7000200FD4F\n"),
        (lambda: encode(Command.ASYNC, bytes(126)), b":A" + b"00" * 126 + b"4B\n"),
    ],
)
def test_the_neighbours_of_what_is_never_made(made, wire):
    assert made() == wire
    (frame,) = decode(wire)
    assert isinstance(frame, HexFrame)


def test_codes_and_figures_are_those_of_the_protocol():
    """Victron "VE.Direct Protocol" 3.33; the largest sizes and the gap are our own, wider than it asks for."""
    assert {code.name: code.value for code in Command} == {
        "BOOT": 0,
        "PING": 1,
        "APP_VERSION": 3,
        "PRODUCT_ID": 4,
        "PONG": 5,
        "RESTART": 6,
        "GET": 7,
        "SET": 8,
        "ASYNC": 10,
    }
    assert [Flags.OK, Flags.UNKNOWN_ID, Flags.NOT_SUPPORTED, Flags.PARAMETER] == [0, 1, 2, 4]
    assert FRAMING_ERROR == b"\xaa\xaa"
    assert (LABEL_MAX, VALUE_MAX, FIELDS_MAX, FRAME_MAX, GAP_S) == (16, 64, 64, 256, 0.5)
