"""Making a finding small: pieces are left out and bytes made plain as long as the same promise breaks."""

from collections.abc import Callable

#: What a byte that does not matter is made.
_PLAIN = 0x30


def shrunk(data: bytes, breaks: Callable[[bytes], bool], until: Callable[[], bool]) -> bytes:
    """Return the smallest input found that still breaks, or `data` itself; ends early where `until` says."""
    best = data
    while not until():
        before = best
        best = _left_out(best, breaks, until)
        best = _plain(best, breaks, until)
        if best == before:
            break
    return best


def _left_out(data: bytes, breaks: Callable[[bytes], bool], until: Callable[[], bool]) -> bytes:
    size = max(1, len(data) // 2)
    while size:
        start = 0
        while start < len(data) and not until():
            less = data[:start] + data[start + size :]
            if breaks(less):
                data = less
            else:
                start += size
        size //= 2
    return data


def _plain(data: bytes, breaks: Callable[[bytes], bool], until: Callable[[], bool]) -> bytes:
    for place, byte in enumerate(data):
        if until():
            break
        if byte != _PLAIN:
            other = data[:place] + bytes((_PLAIN,)) + data[place + 1 :]
            if breaks(other):
                data = other
    return data
