"""Frames of a master: both framings against vectors, noise, foreign replies and any bytes at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.modbus.codec import Codec, MbapCodec, RtuCodec
from bridge.adapters.modbus.requests import Answer, Data, Read, Refused, Request, WriteCoil, WriteRegisters
from bridge.register_maps.format import Table

VECTORS = json.loads((Path(__file__).parents[2] / "data/modbus/series607-vectors.json").read_text())
MODEL = Read(Table.HOLDING, 0x05A0, 1)
REQUESTS: dict[str, tuple[Request, Answer]] = {
    "model": (MODEL, Data(bytes.fromhex("17b8"))),
    "data: 25.9 V, 230 V, raw 100, 230 W, on, inverting": (
        Read(Table.HOLDING, 0x3001, 6),
        Data(bytes.fromhex("652c00e6006400e600020009")),
    ),
    "alarms, all clear": (Read(Table.HOLDING, 0x3010, 4), Data(bytes(8))),
    "switch off": (WriteRegisters(0x3005, b"\x00\x04"), Data()),
    "read of an absent register, refused": (Read(Table.HOLDING, 0x4000, 1), Refused(2)),
}
REPLY = bytes.fromhex("2a030217b893c0")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["what"])
@pytest.mark.parametrize("piece", [1, 3, 256])
def test_rtu_vectors(vector: dict[str, str], piece: int) -> None:
    request, expected = REQUESTS[vector["what"]]
    codec = RtuCodec()
    assert codec.ask(42, request).hex() == vector["request"]
    reply = bytes.fromhex(vector["reply"])
    answers = [codec.receive(reply[i : i + piece]) for i in range(0, len(reply), piece)]
    assert answers[-1] == expected
    assert set(answers[:-1]) <= {None}


@pytest.mark.parametrize(
    ("request_", "pdu", "reply", "answer"),
    [
        (Read(Table.COILS, 3, 10), "010003000a", "0102cd01", Data(b"\xcd\x01")),
        (Read(Table.DISCRETE, 0, 1), "0200000001", "020101", Data(b"\x01")),
        (Read(Table.INPUT, 0, 2), "0400000002", "040440500000", Data(b"\x40\x50\0\0")),
        (WriteCoil(4700, True), "05125cff00", "05125cff00", Data()),
        (WriteCoil(0, False), "0500000000", "0500000000", Data()),
        (WriteRegisters(1, b"\0\x02\0\x03"), "1000010002040002" + "0003", "1000010002", Data()),
        (WriteRegisters(1, b"\0\x02", many=True), "10000100010200" + "02", "1000010001", Data()),
        (WriteRegisters(1, b"\0\x02"), "0600010002", "8606", Refused(6)),
    ],
)
def test_every_function_on_tcp(request_: Request, pdu: str, reply: str, answer: Answer) -> None:
    codec = MbapCodec()
    frame = codec.ask(7, request_)
    assert frame.hex() == f"00010000{len(pdu) // 2 + 1:04x}07{pdu}"
    assert codec.receive(bytes.fromhex(f"00010000{len(reply) // 2 + 1:04x}07{reply}")) == answer


@pytest.mark.parametrize(
    "noise",
    [
        "00",
        "ff00ff",
        "2b0302000050d4",  # a good reply of unit 43
        "2a",
        "2a03",
        "2a030417b893c0",  # ours by its beginning, another length
        "2a830200000000",  # an exception with a broken CRC
        "2a030217b893c1",  # our reply with a broken CRC
    ],
)
def test_rtu_finds_the_reply_behind_noise(noise: str) -> None:
    codec = RtuCodec()
    codec.ask(42, MODEL)
    assert codec.receive(bytes.fromhex(noise) + REPLY) == Data(bytes.fromhex("17b8"))


def test_what_nobody_asked_for_is_nothing() -> None:
    for codec in (RtuCodec(), MbapCodec(), MbapCodec(datagrams=True)):
        assert codec.receive(REPLY) is None


def test_a_late_reply_under_another_transaction_is_skipped() -> None:
    codec = MbapCodec()
    first, second = codec.ask(1, MODEL), None
    codec.done()
    second = codec.ask(1, MODEL)
    assert first[:2] != second[:2]
    late = first[:2] + bytes.fromhex("000000050103021111")
    assert codec.receive(late) is None
    assert codec.receive(second[:2] + bytes.fromhex("000000050103022222")) == Data(b"\x22\x22")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("0001000000050203021111", "another unit"),
        ("000100000005010402" + "1111", "another function"),
        ("00010000000701030411111111", "another length"),
        ("000200000005010302" + "1111", "another transaction"),
        ("000100010005010302" + "1111", "no Modbus"),
    ],
)
def test_replies_to_something_else(reply: str, why: str) -> None:
    codec = MbapCodec()
    codec.ask(1, MODEL)
    assert codec.receive(bytes.fromhex(reply)) is None, why
    assert codec.receive(bytes.fromhex("0001000000050103022222")) == Data(b"\x22\x22")


def test_a_half_frame_holds_up_one_request_only() -> None:
    codec = MbapCodec()
    codec.ask(1, MODEL)
    codec.receive(bytes.fromhex("00010000005001"))  # promises 80 bytes that never come
    codec.done()
    codec.ask(1, MODEL)
    codec.done()
    frame = codec.ask(1, MODEL)
    assert codec.receive(frame[:2] + bytes.fromhex("000000050103022222")) == Data(b"\x22\x22")


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_reply_behind_noise_is_found_wherever_it_is_cut(cut: int) -> None:
    codec = MbapCodec()
    reply = bytes.fromhex("ffffffffffffff") + codec.ask(1, MODEL)[:2] + bytes.fromhex("000000050103022222")
    answers = [codec.receive(reply[:cut]), codec.receive(reply[cut:])]
    assert Data(b"\x22\x22") in answers


def test_datagrams_stand_alone() -> None:
    codec = MbapCodec(datagrams=True)
    codec.ask(1, MODEL)
    assert codec.receive(bytes.fromhex("0001000000")) is None
    assert codec.receive(bytes.fromhex("0001000000050103022222")) == Data(b"\x22\x22")


def test_transaction_ids_never_are_zero_and_come_round() -> None:
    codec = MbapCodec()
    seen = {int.from_bytes(codec.ask(1, MODEL)[:2], "big") for _ in range(70_000)}
    assert seen == set(range(1, 0x10000))


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(0, 2))
def test_any_bytes_raise_nothing_and_the_next_good_frame_is_found(pieces: list[bytes], kind: int) -> None:
    """Invariant: no input raises, and the request after it is answered by its own reply."""
    codec: Codec = (RtuCodec(), MbapCodec(), MbapCodec(datagrams=True))[kind]
    codec.ask(42, MODEL)
    for piece in pieces:
        codec.receive(piece)
    answer = None
    for _ in range(3):  # what was left of them may spoil one reply, and be noticed at the next
        codec.done()
        frame = codec.ask(42, MODEL)
        reply = REPLY if kind == 0 else frame[:2] + bytes.fromhex("000000052a030217b8")
        answer = codec.receive(reply)
        if answer is not None:
            break
    assert answer == Data(bytes.fromhex("17b8"))
