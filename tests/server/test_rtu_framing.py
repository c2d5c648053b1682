"""RTU frames in a stream of bytes.

Invariant: any bytes, in any cutting, raise nothing and keep little; and after a silence the next request of
ours is found whatever came before.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.server.rtu import FRAME_MAX, SILENCE_S, Kind, RtuFraming, crc16, with_crc
from tests.server.bus import adu, crc
from tests.server.plant import UNIT, read, registers, write, write_many

OURS = {UNIT, 21}


def framing() -> RtuFraming:
    return RtuFraming(OURS.__contains__)


@given(st.binary(max_size=300))
def test_the_crc_is_that_of_an_independent_slave(data: bytes) -> None:
    assert with_crc(data) == data + crc(data)
    assert crc16(data + crc(data)) == 0


@pytest.mark.parametrize(
    "pdu",
    [
        read(0, 1),
        read(0, 1, 1),
        read(0x0300, 1),  # as long as a reply of three bytes, which registers never make
        read(0x03FF, 125, 4),
        read(0x0300, 1, 1),  # as long as a reply of three bytes, which bits do make
        read(0x03FF, 20, 2),
        write(1, 2),
        write(0, 0xFF00, 5),
        bytes.fromhex("08 0000 5555"),
        bytes.fromhex("0f 0000 0009 02 0101"),
        write_many(0, 1, 2, 3),
        bytes.fromhex("16 3011 0000 0014"),
        bytes.fromhex("17 0003 0002 3011 0001 02 0014"),
        bytes.fromhex("2b 0e 01 00"),
        b"\x07",
        b"\x11",
        bytes.fromhex("18 0000"),
        bytes([100]) + bytes(200),
        bytes.fromhex("08 0000") + bytes(40),
    ],
    ids=lambda pdu: f"FC{pdu[0]}",
)
def test_requests_whole_and_byte_by_byte(pdu: bytes) -> None:
    for unit, kind in ((UNIT, Kind.REQUEST), (0, Kind.BROADCAST), (5, Kind.FOREIGN)):
        if len(pdu) > 30 and unit != UNIT:
            continue  # frames of no known length are of interest only when they are ours
        frame = adu(pdu, unit)
        whole = framing().receive(frame, 0.0)
        assert [(heard.kind, heard.frame, heard.last) for heard in whole] == [(kind, frame[:-2], True)]
        one, found = framing(), []
        for byte in frame:
            found += one.receive(bytes([byte]), 0.0)
        assert found == whole


@pytest.mark.parametrize(
    "pdu",
    [registers(1, 2, 3), b"\x83\x02", b"\x0f\0\0\0\x09", b"\x10\0\0\0\x09", registers(1, 2, function=23)],
)
def test_replies_under_our_own_unit_are_not_requests(pdu: bytes) -> None:
    assert [heard.kind for heard in framing().receive(adu(pdu), 0.0)] == [Kind.FOREIGN]


def test_only_the_newest_of_several_is_the_last() -> None:
    frames = adu(read(0, 1)) + adu(read(0, 1), 5) + adu(read(1, 1))
    assert [(h.kind, h.last) for h in framing().receive(frames, 0.0)] == [
        (Kind.REQUEST, False),
        (Kind.FOREIGN, False),
        (Kind.REQUEST, True),
    ]
    assert [h.last for h in framing().receive(adu(read(0, 1)) + b"\0", 0.0)] == [False]


def test_a_silence_ends_half_a_frame() -> None:
    frame = adu(read(0, 1))
    for pause, complete in ((SILENCE_S, True), (SILENCE_S + 0.01, False)):
        one = framing()
        assert one.receive(frame[:5], 10.0) == []
        assert bool(one.receive(frame[5:], 10.0 + pause)) is complete


parts = st.one_of(
    st.binary(max_size=40),
    st.builds(
        adu, st.sampled_from([read(0, 1), write(1, 2), registers(1, 2), b"\x83\x02"]), st.integers(0, 255)
    ),
    st.builds(
        lambda frame, cut: frame[:cut], st.just(adu(write_many(0, *range(60)), 5)), st.integers(0, 120)
    ),
    st.builds(lambda unit, function, size: bytes((unit, function, size)), *[st.integers(0, 255)] * 3),
)


@given(st.lists(parts, max_size=12), st.lists(st.integers(1, 700), max_size=8))
def test_any_bytes(stream: list[bytes], cuts: list[int]) -> None:
    data, one = b"".join(stream), framing()
    while data:
        cut = cuts.pop() if cuts else len(data)
        one.receive(data[:cut], 0.0)
        data = data[cut:]
        assert len(one._buffer) <= FRAME_MAX
        assert len(one._candidates) + len(one._open) <= 3 * FRAME_MAX
    own = adu(read(7, 1))
    found = one.receive(own, 1.0)
    assert [(heard.kind, heard.frame) for heard in found] == [(Kind.REQUEST, own[:-2])]
