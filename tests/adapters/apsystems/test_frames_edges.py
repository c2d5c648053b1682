"""MT frames at their edges: what is skipped, what is given up, what is waited for."""

import pytest

from bridge.adapters.apsystems.frames import GAP_S, LENGTH_MAX, MtDecoder, MtFrame, checksum

PING = MtFrame(0x2101)
GOOD = PING.encode()


def counted(*parts: tuple[bytes, float]) -> tuple[int, int, int]:
    """Frames found, frames given up, bytes skipped."""
    decoder = MtDecoder()
    found = [frame for data, now in parts for frame in decoder.receive(data, now)]
    assert set(found) <= {PING}
    return len(found), decoder.damaged, decoder.skipped


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([(GOOD, 0.0)], (1, 0, 0)),
        ([(GOOD * 3, 0.0)], (3, 0, 0)),
        ([(b"\x01\x02" + GOOD, 0.0)], (1, 0, 2)),
        ([(b"\x01\x02", 0.0)], (0, 0, 2)),
        ([(b"\xfe" + GOOD, 0.0)], (1, 0, 1)),
        ([(GOOD[:-1] + b"\x00" + GOOD, 0.0)], (1, 1, 4)),  # its LEN, command and FCS are skipped
        ([(b"\xfe\xfb" + GOOD, 0.0)], (1, 0, 2)),  # longer than any
        ([(b"\xfe\xfa\x21", 0.0)], (0, 0, 0)),  # as long as the longest: waited for
        ([(b"\xfe\x00\x1f\x00" + GOOD, 0.0)], (1, 0, 4)),  # type 0
        ([(b"\xfe\x00\x80\x00" + GOOD, 0.0)], (1, 0, 4)),  # type 4
        ([(b"\xfe\x09\x21", 0.0), (GOOD, GAP_S)], (0, 0, 0)),
        ([(b"\xfe\x09\x21", 0.0), (GOOD, GAP_S + 0.1)], (1, 1, 2)),
        ([(b"\xfe", 0.0), (GOOD[1:], GAP_S + 0.1)], (1, 0, 0)),
        ([(GOOD[:2], 0.0), (b"", 9.0), (GOOD[2:], 9.0)], (1, 0, 0)),
        ([(GOOD[:2], 0.0), (GOOD[2:3], 0.4), (GOOD[3:], 0.8)], (1, 0, 0)),
        ([(b"\xfe\x09\x21", 0.0), (b"\x01", 0.4), (GOOD, 0.8)], (0, 0, 0)),
        ([(b"\xfe\x09\x21", 0.0), (b"", 9.0)], (0, 0, 0)),
        ([(b"\xfe\x09\x21", 0.0), (b"\x01", 9.0), (GOOD, 9.0)], (1, 1, 3)),
    ],
)
def test_what_a_bad_line_costs(parts: list[tuple[bytes, float]], wanted: tuple[int, int, int]) -> None:
    assert counted(*parts) == wanted


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_each_type_of_frame(kind: int) -> None:
    frame = MtFrame(kind << 13 | 0x0102, b"\x07")
    assert frame.encode() == bytes((0xFE, 1, kind << 5 | 1, 2, 7, 1 ^ (kind << 5 | 1) ^ 2 ^ 7))
    assert MtDecoder().receive(frame.encode(), 0.0) == [frame]


def test_the_longest_frame_and_one_more() -> None:
    assert (LENGTH_MAX, GAP_S) == (250, 0.5)
    longest = MtFrame(0x2101, bytes(250))
    assert MtDecoder().receive(longest.encode(), 0.0) == [longest]
    with pytest.raises(ValueError, match="found 251 bytes of data, expected at most 250"):
        MtFrame(0x2101, bytes(251)).encode()


def test_the_sum_of_a_frame() -> None:
    assert [checksum(part) for part in (b"", b"\x05", b"\x05\x05", b"\x01\x02\x04")] == [0, 5, 0, 7]
