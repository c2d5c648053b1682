"""Frames at the ends of what their lengths can be, one byte more and one byte less."""

import pytest

from bridge.server.mbap import data_reply, exception_reply, frame_end, head
from bridge.server.rtu import FRAME_MAX, SILENCE_S, Heard, Kind, RtuFraming, mbap_of, rtu_of, with_crc
from tests.server.bus import adu
from tests.server.plant import UNIT, read, write

OTHER = 5


def framing() -> RtuFraming:
    return RtuFraming({UNIT}.__contains__)


def heard(data: bytes) -> list[tuple[Kind, int]]:
    """The frames in bytes that come at once, with their lengths."""
    return [(frame.kind, len(frame.frame) + 2) for frame in framing().receive(data, 0.0)]


@pytest.mark.parametrize("before", [b"", b"\xff\xff\xff"])
@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        ("1234 0000 0002", 8),
        ("1234 0000 0006", 12),
        ("1234 0000 00FE", 260),
        ("1234 0000 0001", None),
        ("1234 0000 0000", None),
        ("1234 0000 00FF", None),
        ("1234 0000 0106", None),
        ("1234 0000 8006", None),
        ("1234 0001 0006", None),
        ("1234 0100 0006", None),
    ],
)
def test_where_an_mbap_frame_ends(before: bytes, prefix: str, end: int | None) -> None:
    found = frame_end(before + bytes.fromhex(prefix), len(before))
    assert found == (-1 if end is None else len(before) + end)


def test_replies_have_their_own_heads() -> None:
    assert exception_reply(0x1234, 20, 3, 2) == bytes.fromhex("1234 0000 0003 14 83 02")
    assert data_reply(0x1234, 20, 4, b"\1\2\3\4") == bytes.fromhex("1234 0000 0007 14 04 04 01020304")
    assert head(bytes.fromhex("1234 0000 0006 14 03 0000 0001")) == (0x1234, 20, 3)
    assert mbap_of(b"\x14\x03\0\0\0\1")[4:] == bytes.fromhex("0006 14 03 0000 0001")
    assert rtu_of(bytes.fromhex("0000 0000 0003 14 83 02")) == with_crc(b"\x14\x83\x02")


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (adu(bytes([17, 251]) + bytes(251), OTHER), Kind.FOREIGN),  # 256 bytes, the longest there is
        (adu(bytes([3, 250]) + bytes(250), OTHER), Kind.FOREIGN),
        (adu(b"\x63"), Kind.REQUEST),  # 4 bytes, the shortest
        (adu(b"\x63\x80"), Kind.REQUEST),
        (adu(b"\x06\x00"), Kind.REQUEST),  # cut short by its sender: answered, as 03
        (adu(b"\x03\x00\x00\x00"), Kind.REQUEST),
        (adu(b"\x83\x02"), Kind.FOREIGN),
        (adu(b"\x86\x02", OTHER), Kind.FOREIGN),
        (adu(b"\x07", 0), Kind.BROADCAST),
    ],
)
def test_a_frame_on_its_own(frame: bytes, kind: Kind) -> None:
    assert heard(frame) == [(kind, len(frame))]


@pytest.mark.parametrize(
    "pdu",
    [
        *(bytes([function]) + bytes(4) for function in (1, 2, 3, 4, 5, 6, 8)),
        *(bytes([function]) for function in (7, 11, 12, 17)),
        *(bytes([function, 0x40, 0x40, 0, 1, 3, 1, 2, 3]) for function in (15, 16)),
        *(bytes([function, 7, 6, 0, 4, 0, 1, 0, 2]) for function in (20, 21)),
        bytes.fromhex("16 4040 4040 4040"),
        bytes.fromhex("17 4040 0001 4040 0001 02 4141"),
        bytes.fromhex("18 4040"),
        bytes.fromhex("2B 0E 01 00"),
        *(bytes([function, 4, 0x40, 0x40, 0x40, 0x40]) for function in (1, 2, 3, 4, 12, 17, 20, 21, 23)),
        *(bytes([function, 0x40, 0x40, 0x40, 0x40]) for function in (5, 6, 8, 11, 15, 16)),
        bytes.fromhex("07 40"),
    ],
    ids=lambda pdu: pdu.hex(),
)
def test_what_passes_between_others_is_known_by_its_length(pdu: bytes) -> None:
    own = adu(write(0x4040, 0x4141))
    assert heard(adu(pdu, OTHER) + own) == [(Kind.FOREIGN, len(pdu) + 3), (Kind.REQUEST, 8)]


@pytest.mark.parametrize(
    "frame",
    [
        adu(bytes([17, 252]) + bytes(252), OTHER),  # a byte too long
        adu(b"\xe3\x01"),  # an exception of a function nobody knows
        adu(b"\x63", OTHER),
        adu(b"\x63")[:-1],
    ],
)
def test_what_is_no_frame_for_anybody(frame: bytes) -> None:
    assert heard(frame) == []


def test_an_odd_request_needs_a_quiet_line_before_it() -> None:
    assert heard(b"\xff" + adu(b"\x63\x01")) == []
    assert heard(adu(write(1, 2)) + adu(b"\x63\x01")) == [(Kind.REQUEST, 8), (Kind.REQUEST, 5)]


def test_frames_that_come_together_are_all_found() -> None:
    frames = (
        adu(write(1, 2)) + adu(write(3, 4)) + adu(write(5, 6), OTHER) + adu(write(7, 8)) + adu(read(0, 1))
    )
    assert [kind for kind, _ in heard(frames)] == [
        Kind.REQUEST,
        Kind.REQUEST,
        Kind.FOREIGN,
        Kind.REQUEST,
        Kind.REQUEST,
    ]


def test_a_frame_is_found_behind_two_frames_worth_of_noise_that_came_with_it() -> None:
    own = adu(write(1, 2))
    assert heard(b"\xff" * (2 * FRAME_MAX + 3) + own) == [(Kind.REQUEST, 8)]


def test_nothing_is_heard_in_nothing() -> None:
    one = framing()
    assert one.receive(b"", 0.0) == []
    assert one.passed == 0


def test_bytes_since_the_last_frame_are_counted() -> None:
    one = framing()
    one.receive(b"\xff" * 300, 0.0)
    assert one.passed == 300
    one.receive(b"\xff" * 10, 0.0)
    assert one.passed == 310
    one.receive(adu(write(1, 2)) + b"\xff\xff\xff", 0.0)
    assert one.passed == 3


@pytest.mark.parametrize(("pause", "complete"), [(SILENCE_S, True), (SILENCE_S + 2**-20, False)])
def test_the_silence_that_ends_a_frame_is_longer_than_its_time(pause: float, complete: bool) -> None:
    one, frame = framing(), adu(read(0, 1))
    one.receive(frame[:3], 0.0)
    assert bool(one.receive(frame[3:], pause)) is complete


def test_each_place_is_weighed_once_however_slowly_the_bytes_come() -> None:
    one = framing()
    noise = bytes([UNIT, 6, UNIT, 16, 0, 3, 0, 0x83, 1, 15]) * 20
    for byte in noise:
        one.receive(bytes([byte]), 0.0)
        assert len(set(one._candidates)) == len(one._candidates)
        assert len(set(one._open)) == len(one._open)


def test_the_last_byte_of_a_frame_completes_it_and_no_other() -> None:
    one, frame = framing(), adu(bytes.fromhex("10 0001 0002 04 0001 0002"))
    found: list[list[Heard]] = [one.receive(bytes([byte]), 0.0) for byte in frame]
    assert [len(each) for each in found] == [0] * (len(frame) - 1) + [1]
    assert one._candidates == []
    assert one._open == []
    assert len(one._buffer) == 0


def test_no_frame_is_lost_beside_another_that_came_with_it() -> None:
    for value in range(0x4040, 0x4080):  # bytes that are no function codes, so that nothing else is tried
        one = RtuFraming({0x50}.__contains__)
        assert len(one.receive(adu(write(0x4040, value), 0x50) * 3, 0.0)) == 3


@pytest.mark.parametrize("known", [2, 5, 6])
def test_a_frame_whose_length_comes_later_is_found_behind_one_that_is_whole(known: int) -> None:
    long, own = adu(bytes.fromhex("10 4040 0001 02 4141"), OTHER), adu(write(0x4040, 0x4141))
    one = framing()
    assert [frame.kind for frame in one.receive(own + long[:known], 0.0)] == [Kind.REQUEST]
    assert [frame.kind for frame in one.receive(long[known:] + own, 0.0)] == [Kind.FOREIGN, Kind.REQUEST]


def test_of_two_frames_in_one_place_the_one_that_begins_first_is_heard() -> None:
    inner = adu(write(1, 2), OTHER)
    outer = adu(bytes.fromhex("10 0000 0004 08") + inner)
    assert heard(outer) == [(Kind.REQUEST, len(outer))]


def test_after_noise_a_frame_or_a_silence_makes_the_line_clean_again() -> None:
    odd = adu(b"\x63\x01")
    assert heard(b"\xff" * 300 + odd) == []
    assert heard(b"\xff" * 300 + adu(write(1, 2)) + odd) == [(Kind.REQUEST, 8), (Kind.REQUEST, 5)]
    one = framing()
    one.receive(b"\xff" * 300, 0.0)
    assert [frame.kind for frame in one.receive(odd, 1.0)] == [Kind.REQUEST]
