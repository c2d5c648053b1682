"""The VE.Direct codec against byte-exact vectors, both ways."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.vedirect.codec import HexError, HexFrame, TextBlock, TextError, VeDirectDecoder
from bridge.adapters.vedirect.hex import (
    Command,
    encode,
    encode_app_version,
    encode_get,
    encode_ping,
    encode_product_id,
    encode_register,
    encode_set,
)
from bridge.adapters.vedirect.reason import Reason
from bridge.adapters.vedirect.registers import E8, NUMBERS, S16, S32, U8, U16, U32, Number, pack, unpack
from bridge.adapters.vedirect.text import encode_block

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "vedirect" / "vectors.json").read_text(encoding="ascii")
)


def vectors(kind):
    chosen = [vector for vector in VECTORS if vector["kind"] == kind]
    return pytest.mark.parametrize("vector", chosen, ids=[vector["name"] for vector in chosen])


def expected_frame(frame):
    """A frame as a vector writes it."""
    command, flags = int(frame["cmd"], 16), frame.get("flags")
    if "reg" not in frame:
        return HexFrame(command, None, None, b"", bytes.fromhex(frame["payload"]))
    register, value = int(frame["reg"], 16), bytes.fromhex(frame["value"])
    return HexFrame(command, register, flags, value, register.to_bytes(2, "little") + bytes([flags]) + value)


def test_every_kind_of_vector_is_run():
    assert {vector["kind"] for vector in VECTORS} == {"stream", "encode"}
    assert len(VECTORS) == 22


@pytest.mark.parametrize("portion", [1, 7, 100_000])
@vectors("stream")
def test_stream(vector, portion):
    data = bytes.fromhex(vector["hex_bytes"])
    decoder, messages = VeDirectDecoder(), []
    for start in range(0, len(data), portion):
        messages += decoder.receive(data[start : start + portion], 0.0)
    wanted = vector["expected"]
    assert [dict(m.fields) for m in messages if isinstance(m, TextBlock)] == wanted["text"]
    assert [m for m in messages if isinstance(m, HexFrame)] == [expected_frame(f) for f in wanted["hex"]]
    assert sum(isinstance(m, TextError) for m in messages) == wanted["text_errors"]
    assert sum(isinstance(m, HexError) for m in messages) == wanted["hex_errors"]


@vectors("encode")
def test_encode(vector):
    wanted = vector["expected"]
    if wanted["cmd"] == "1":
        made = encode_ping()
    elif wanted["cmd"] == "7":
        made = encode_get(int(wanted["reg"], 16))
    else:
        number = Number(NUMBERS[wanted["type"]].size, divisor=round(1 / wanted.get("scale", 1)))
        made = encode_set(int(wanted["reg"], 16), number.pack(wanted["value"]))
    assert made == bytes.fromhex(vector["hex_bytes"])


@pytest.mark.parametrize("amperes", [0, 0.9, 1.5, 9.7, 10, 11, 11.2, 25.5, 25.6, 30, 36, 59.9, 60])
def test_current_limit_frame(amperes):
    """The currents at which the script in circulation dies or sends something else."""
    raw = round(amperes * 10)
    low, high = raw & 0xFF, raw >> 8
    check = (0x70 - low - high) & 0xFF
    wanted = f":8F0ED00{low:02X}{high:02X}{check:02X}\n".encode()
    assert encode_set(0xEDF0, Number(2, divisor=10).pack(amperes)) == wanted


BOTH_WAYS = [
    (encode_ping(), b":154\n", HexFrame(1, None, None, b"", b"")),
    (encode_app_version(), b":352\n", HexFrame(3, None, None, b"", b"")),
    (encode_product_id(), b":451\n", HexFrame(4, None, None, b"", b"")),
    (encode(Command.PONG, b"\x16\x41"), b":51641F9\n", HexFrame(5, None, None, b"", b"\x16\x41")),
    (encode(Command.PRODUCT_ID, b"\xaa\xaa"), b":4AAAAFD\n", HexFrame(4, None, None, b"", b"\xaa\xaa")),
    (encode_get(0x0200), b":70002004C\n", HexFrame(7, 0x0200, 0, b"", b"\x00\x02\x00")),
    (encode_set(0x0200, b"\x04"), b":80002000447\n", HexFrame(8, 0x0200, 0, b"\x04", b"\x00\x02\x00\x04")),
    (
        encode_register(Command.SET, 0x1000, b"\x01\x00", flags=4),
        b":8001004010038\n",
        HexFrame(8, 0x1000, 4, b"\x01\x00", b"\x00\x10\x04\x01\x00"),
    ),
    (
        encode_register(Command.ASYNC, 0xED8C, b"\x7a\x1c\x00\x00"),
        b":A8CED007A1C00003C\n",
        HexFrame(0xA, 0xED8C, 0, b"\x7a\x1c\x00\x00", b"\x8c\xed\x00\x7a\x1c\x00\x00"),
    ),
    (encode_block({"V": "12800"}), b"\r\nV\t12800\r\nChecksum\t\x3c", TextBlock({"V": "12800"})),
]


@pytest.mark.parametrize(("made", "wire", "message"), BOTH_WAYS, ids=[str(case[1]) for case in BOTH_WAYS])
def test_both_ways(made, wire, message):
    assert made == wire
    assert VeDirectDecoder().receive(wire, 0.0) == [message]


@pytest.mark.parametrize(
    "make",
    [
        lambda: encode(Command.BOOT),
        lambda: encode(Command.BOOT, b"\x00" * 8),
        lambda: encode(Command.RESTART),
        lambda: encode_get(0x0004),
        lambda: encode_set(0x0004, b""),
        lambda: encode_set(0x0004, b"\x01"),
        lambda: encode(Command.SET, b"\x04\x00\x00"),
        lambda: encode_set(0x0200, b"\xfd"),
        lambda: encode_set(0x0200, b"\xfd\x00"),
        lambda: encode(Command.SET, b"\x00\x02\x00\xfd"),
        lambda: encode(16),
        lambda: encode(-1),
        lambda: encode_get(0x10000),
        lambda: encode_set(0x0100, b"\x00" * 200),
    ],
)
def test_frames_that_cannot_be_made(make):
    with pytest.raises(ValueError, match=r"VE\.Direct"):
        make()


@pytest.mark.parametrize(
    ("number", "value", "wire"),
    [
        (U8, 4, "04"),
        (E8, 255, "FF"),
        (U16, 0x1234, "3412"),
        (S16, -2, "FEFF"),
        (U32, 100_000, "A0860100"),
        (S32, -6032, "70E8FFFF"),
        (Number(2, divisor=10), 12.5, "7D00"),
        (Number(2, divisor=10), 25.6, "0001"),
        (Number(2, signed=True, divisor=100), -0.01, "FFFF"),
        (Number(4, signed=True, divisor=1000), 7.29, "7A1C0000"),
        (Number(4, signed=True, divisor=1000), 0.001, "01000000"),
    ],
)
def test_numbers_both_ways(number, value, wire):
    assert number.pack(value) == bytes.fromhex(wire)
    assert number.unpack(bytes.fromhex(wire)) == value


@pytest.mark.parametrize(
    ("kind", "wire", "raw"),
    [
        ("u8", "FF", None),
        ("u16", "FFFF", None),
        ("s16", "FF7F", None),
        ("s16", "FFFF", -1),
        ("u32", "FFFFFFFF", None),
        ("s32", "FFFFFF7F", None),
        ("e8", "FF", 255),
        ("u16", "", None),
        ("u16", "05000000", 5),  # u32 on old firmware
        ("u32", "0500", 5),
        ("u32", "FFFF", None),
        ("text", "48513232000000", "HQ22"),
        ("text", "", None),
        ("text", "FFFE48", "H"),
    ],
)
def test_unpack_by_the_length_received(kind, wire, raw):
    assert unpack(kind, bytes.fromhex(wire)) == raw


@pytest.mark.parametrize(
    ("kind", "raw"),
    [("u8", 255), ("u8", -1), ("u8", 256), ("u16", 0xFFFF), ("s16", 0x7FFF), ("s16", -0x8001), ("e8", 256)],
)
def test_pack_refuses_what_the_register_cannot_say(kind, raw):
    with pytest.raises(ValueError, match="expected"):
        pack(kind, raw)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 7000.0])
def test_pack_refuses_impossible_quantities(value):
    with pytest.raises(ValueError, match="expected 0 to 6553"):
        Number(2, divisor=10).pack(value)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b":8F0ED0012C044\n", Reason.CHECKSUM),
        (b":\n", Reason.LENGTH),
        (b":1\n", Reason.LENGTH),
        (b":70002004\n", Reason.LENGTH),
        (b":70004A\n", Reason.LENGTH),
        (b":70002004c\n", Reason.BYTE),
        (b":7000200\xfe", Reason.BYTE),
        (b":70002004C\r", Reason.BYTE),
        (b":" + b"0" * 257, Reason.LENGTH),
    ],
)
def test_bad_hex_frames(wire, reason):
    decoder = VeDirectDecoder()
    (error,) = decoder.receive(wire, 0.0)
    assert isinstance(error, HexError)
    assert error.reason is reason
    assert decoder.receive(b"\n:154\n", 0.0) == [HexFrame(1, None, None, b"", b"")]
