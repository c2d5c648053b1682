import asyncio
import os
from pathlib import Path

import pytest

from bridge.adapters import replay as replay_module
from bridge.adapters.line import LineLost
from bridge.adapters.replay import Comparison, ReplayPort, entries_of, play, replay
from bridge.adapters.trace import TraceEntry, TraceError
from bridge.datastore.clock import ManualClock, SystemClock
from tests.adapters.far_ends import BOUND_S, opened, read_exactly, until

CAPTURE = Path(__file__).parent.parent / "data" / "vedirect" / "ip22-a334-stream.bin"

TRACE = [
    TraceEntry(0.5, "<", b"one"),
    TraceEntry(0.6, ">", b"asked"),
    TraceEntry(2.0, "<", b"two"),
    TraceEntry(2.0, "<", b"three"),
]


async def sent_at(entries, speed=1.0, lateness=0.0):
    """Play on a clock that is advanced in small steps; returns when each chunk was sent."""
    clock, sent = ManualClock(monotonic=0.0), []

    async def send(data: bytes) -> None:
        sent.append((round(clock.monotonic(), 6), data))
        await clock.sleep(lateness)

    playing = asyncio.create_task(play(entries, clock, send, speed=speed))
    while not playing.done():
        await clock.advance(0.05)
    assert playing.result() == sum(len(data) for _, data in sent)
    return sent


@pytest.mark.parametrize(
    ("speed", "lateness", "expected"),
    [
        (1.0, 0.0, [(0.5, b"one"), (2.0, b"two"), (2.0, b"three")]),
        (4.0, 0.0, [(0.125, b"one"), (0.5, b"two"), (0.5, b"three")]),
        (0.5, 0.0, [(1.0, b"one"), (4.0, b"two"), (4.0, b"three")]),
        (1.0, 1.0, [(0.5, b"one"), (2.0, b"two"), (3.0, b"three")]),
        (1.0, 3.0, [(0.5, b"one"), (3.5, b"two"), (6.5, b"three")]),
    ],
)
async def test_the_devices_chunks_go_out_at_their_times(speed, lateness, expected):
    assert await sent_at(TRACE, speed, lateness) == expected


@pytest.mark.parametrize(("baudrate", "lasts"), [(19200, 12.2422), (2400, 97.9375), (115200, 2.0404)])
async def test_raw_bytes_go_out_at_the_pace_of_the_line(baudrate, lasts):
    content = CAPTURE.read_bytes()
    sent = await sent_at(entries_of(CAPTURE, baudrate))
    assert b"".join(data for _, data in sent) == content
    assert sent[-1][0] == pytest.approx(lasts, abs=0.001)
    arrived = 0
    for time, data in sent:  # never faster than ten bits a byte, and in pieces as an adapter brings them
        arrived += len(data)
        assert arrived * 10 / baudrate <= time + 1e-6
        assert len(data) * 10 / baudrate <= 0.01


async def test_a_file_is_a_trace_or_raw_by_its_beginning_or_as_told(tmp_path):
    path = tmp_path / "f"
    path.write_text("1.0 < 4142\n")
    assert [entry.data for entry in entries_of(path, 19200)] == [b"AB"]
    assert b"".join(entry.data for entry in entries_of(path, 19200, raw=True)) == b"1.0 < 4142\n"
    with pytest.raises(TraceError, match="cannot be read"):
        list(entries_of(tmp_path, 19200, raw=True))


@pytest.mark.parametrize(
    ("sent", "difference"),
    [
        ([b"as", b"ked"], None),
        (
            [b"as", b"kep"],
            "byte 4 of those sent to the device: found 70, expected 64 (5 bytes sent, 5 in the trace)",
        ),
        (
            [b"ask"],
            "byte 3 of those sent to the device: found the end, expected 65 64 "
            "(3 bytes sent, 5 in the trace)",
        ),
        (
            [b"asked", bytes(20)],
            "byte 5 of those sent to the device: found 00 00 00 00 00 00 00 00 .., expected the end "
            "(25 bytes sent, 5 in the trace)",
        ),
    ],
)
def test_what_is_sent_is_compared_with_what_was(sent, difference):
    comparison = Comparison(TRACE)
    for data in sent:
        comparison.take(data)
    assert comparison.difference() == difference


@pytest.fixture
def port(tmp_path):
    heard = bytearray()
    port = ReplayPort(SystemClock(), tmp_path / "link", heard.extend)
    port.heard = heard
    port.open()
    yield port
    port.close()


async def test_a_capture_arrives_whole_through_a_pty(port, tmp_path):
    """Played faster than any line, so that the reader's pace and not the time decides."""
    playing = asyncio.create_task(replay(port, lambda: entries_of(CAPTURE, 19200), SystemClock(), speed=1000))
    await asyncio.sleep(0)
    line = await opened(str(tmp_path / "link"))
    content = CAPTURE.read_bytes()
    assert await read_exactly(line, len(content)) == content
    async with asyncio.timeout(BOUND_S):
        assert await playing == len(content)
    line.close()


async def test_the_end_waits_for_a_slow_reader(port, tmp_path, monkeypatch):
    monkeypatch.setattr(replay_module, "_LINGER_S", 10 * BOUND_S)
    line = await opened(str(tmp_path / "link"))
    line._loop.remove_reader(line._descriptor)  # the reader is busy elsewhere
    playing = asyncio.create_task(replay(port, lambda: TRACE, SystemClock(), speed=1000))
    await until(lambda: port._untaken() == 11)
    assert not playing.done()
    line._loop.add_reader(line._descriptor, line._readable)
    assert await read_exactly(line, 11) == b"onetwothree"
    async with asyncio.timeout(BOUND_S):
        await playing
    line.close()


async def test_what_the_reader_sends_is_heard_also_at_the_very_end(port, tmp_path):
    line = await opened(str(tmp_path / "link"))
    line.write(b"asked")
    async with asyncio.timeout(BOUND_S):
        await replay(port, lambda: TRACE, SystemClock(), speed=1000)
    assert port.heard == b"asked"
    line.close()


async def test_bytes_without_a_reader_are_lost_as_on_a_wire(port, tmp_path):
    line = await opened(str(tmp_path / "link"))
    line.close()
    await until(lambda: not port.has_reader)
    await port.send(b"to nobody")
    line = await opened(str(tmp_path / "link"))
    await port.send(b"to somebody")
    assert await read_exactly(line, 11) == b"to somebody"
    line.close()


async def test_one_chunk_larger_than_a_terminal_holds_arrives_whole(port, tmp_path):
    line = await opened(str(tmp_path / "link"))
    chunk = os.urandom(300_000)
    sending = asyncio.create_task(port.send(chunk))
    assert await read_exactly(line, len(chunk)) == chunk
    await sending
    line.close()


async def test_again_and_again_until_cancelled(port, tmp_path):
    line = await opened(str(tmp_path / "link"))
    playing = asyncio.create_task(replay(port, lambda: TRACE, SystemClock(), speed=10_000, again=True))
    assert await read_exactly(line, 1100) == (b"onetwothree" * 200)[:1100]
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    line.close()


async def test_closing_unplugs_the_reader_and_takes_the_link_away(port, tmp_path):
    line = await opened(str(tmp_path / "link"))
    port.close()
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(LineLost):
            await line.read()
    assert not (tmp_path / "link").is_symlink()
    line.close()


def test_an_old_link_is_replaced_and_a_successors_link_is_left(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("/dev/pts/gone")
    first = ReplayPort(SystemClock(), link, bytearray().extend)
    first.open()
    assert str(link.readlink()) == first.path
    second = ReplayPort(SystemClock(), link, bytearray().extend)
    second.open()
    first.close()
    assert str(link.readlink()) == second.path
    second.close()


@pytest.mark.parametrize("place", ["file", "no/link"])
def test_a_link_that_cannot_be_made_is_named(tmp_path, place):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(TraceError, match=f"link {tmp_path / place}: .*: expected a new name or a link"):
        ReplayPort(SystemClock(), tmp_path / place, bytearray().extend).open()
    assert (tmp_path / "file").read_text() == "precious"
