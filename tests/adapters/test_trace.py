import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.adapters import trace as trace_module
from bridge.adapters.line import SerialSettings, open_line
from bridge.adapters.trace import TraceEntry, TraceError, TraceWriter, is_trace, read_trace
from bridge.datastore.clock import ManualClock, SystemClock
from tests.adapters.far_ends import SETTINGS, Terminal, read_exactly


def recorded(path, *chunks):
    """Record chunks of (pause before it, direction, bytes)."""
    clock = ManualClock(now=1_700_000_000.25)
    writer = TraceWriter(path, "/dev/ttyUSB0", SerialSettings(19200), clock)
    writer.open()

    async def pass_by() -> None:
        for pause, direction, data in chunks:
            await clock.advance(pause)
            (writer.received if direction == "<" else writer.sent)(data)

    asyncio.run(pass_by())
    writer.close()
    return writer


def test_a_recording_to_the_letter(tmp_path):
    writer = recorded(
        tmp_path / "t", (0.01337, "<", b"\r\nPID\t0xA334"), (0.5, ">", b":154\n"), (0, "<", b"\x00\xff")
    )
    assert (tmp_path / "t").read_text() == (
        "# inverter-bridge trace\n"
        "# started 2023-11-14T22:13:20.250000Z\n"
        "# port /dev/ttyUSB0\n"
        "# settings 19200 8N1\n"
        "0.013370 < 0d0a50494409307841333334\n"
        "0.513370 > 3a3135340a\n"
        "0.513370 < 00ff\n"
    )
    assert writer.fault is None
    assert (writer.chunks, writer.bytes_received) == (3, 14)


BOTH_WAYS = [
    ("0.000000 < 00", TraceEntry(0.0, "<", b"\x00")),
    ("0.013370 < 0d0a50", TraceEntry(0.01337, "<", b"\r\nP")),
    ("86400.000001 > 3a3135340a", TraceEntry(86400.000001, ">", b":154\n")),
]


@pytest.mark.parametrize(("text", "entry"), BOTH_WAYS)
def test_entries_both_ways(tmp_path, text, entry):
    assert str(entry) == text
    (tmp_path / "t").write_text(text + "\n")
    assert list(read_trace(tmp_path / "t")) == [entry]


@pytest.mark.parametrize(
    "text",
    ["1.5 < 0D0A", "1.5\t<\t0d 0a\r", "  1.500 < 0d0a", "# 9 < 00\n\n1.5 < 0d0a", "1.5 < 0d0a\n# the end"],
    ids=["capitals", "tabs, blanks, CR", "indented", "after a comment", "before a comment"],
)
def test_what_a_hand_may_write(tmp_path, text):
    (tmp_path / "t").write_text(text)
    assert list(read_trace(tmp_path / "t")) == [TraceEntry(1.5, "<", b"\r\n")]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"hello", 1, "found 'hello', expected `SECONDS < HEX`"),
        (b"# ok\n1.0 < 00\n1.0 = 00\n", 3, "found '1.0 = 00', expected `SECONDS < HEX`"),
        (b"1.0 <\n", 1, "expected `SECONDS < HEX`"),
        (b"1.0 < 0g\n", 1, "expected `SECONDS < HEX`"),
        (b"-1.0 < 00\n", 1, "expected `SECONDS < HEX`"),
        (b"nan < 00\n", 1, "expected `SECONDS < HEX`"),
        (b"1e3 < 00\n", 1, "expected `SECONDS < HEX`"),
        (b"\n1.0 < 0d0\n", 2, "found 3 hexadecimal digits, expected two for each byte"),
        (
            b"2.0 < 00\n1.0 < 00\n",
            2,
            "found time 1.000000 after 2.000000, expected times that",
        ),
        (b"\xff\xfe\x00\x01" * 50, 1, "expected `SECONDS < HEX`"),
    ],
)
def test_a_fault_in_a_trace_names_file_and_line(tmp_path, content, line, message):
    path = tmp_path / "t"
    path.write_bytes(content)
    with pytest.raises(TraceError) as fault:
        list(read_trace(path))
    assert str(fault.value).startswith(f"{path}:{line}: ")
    assert message in str(fault.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400) | st.text("0123456789.<> abcdef#\n\r", max_size=400).map(str.encode))
def test_any_file_gives_entries_or_one_clear_fault(tmp_path, content):
    """Invariant: whatever a file holds, reading it yields entries in order or raises TraceError."""
    path = tmp_path / "t"
    path.write_bytes(content)
    times = []
    with contextlib.suppress(TraceError):
        for entry in read_trace(path):
            assert entry.data
            times.append(entry.time_s)
    assert times == sorted(times)
    assert isinstance(is_trace(path), bool)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    chunks=st.lists(
        st.tuples(
            st.integers(0, 10**7).map(lambda us: us / 1e6), st.sampled_from("<>"), st.binary(min_size=1)
        )
    )
)
def test_what_is_recorded_is_what_is_read(tmp_path, chunks):
    """Invariant: a recording gives back every chunk, its direction, and its time to a microsecond."""
    path = tmp_path / "t"
    path.unlink(missing_ok=True)
    recorded(path, *chunks)
    elapsed = 0.0
    entries = list(read_trace(path))
    assert [(entry.direction, entry.data) for entry in entries] == [chunk[1:] for chunk in chunks]
    for entry, (pause, _, _) in zip(entries, chunks, strict=True):
        elapsed += pause
        assert entry.time_s == pytest.approx(elapsed, abs=2e-6)


@pytest.mark.parametrize(
    ("content", "trace"),
    [
        (b"# inverter-bridge trace\n", True),
        (b"0.0 < 00\n", True),
        (b"\n  12 > 00", True),
        (b":A0E2000011C\n\r\nPID\t0xA334", False),
        (b"\r\nPID\t0xA334", False),
        (b"", False),
        (b"\x00\x01", False),
    ],
)
def test_traces_are_told_from_raw_bytes(tmp_path, content, trace):
    (tmp_path / "f").write_bytes(content)
    assert is_trace(tmp_path / "f") is trace


@pytest.mark.parametrize("read", [lambda path: list(read_trace(path)), is_trace], ids=["read", "is_trace"])
def test_an_unreadable_file_is_named(tmp_path, read):
    with pytest.raises(
        TraceError, match=f"{tmp_path}: cannot be read .*expected a trace or a file of raw bytes"
    ):
        read(tmp_path)


def test_no_recording_is_overwritten(tmp_path):
    (tmp_path / "t").write_text("precious")
    with pytest.raises(TraceError, match="is there already: choose another name"):
        TraceWriter(tmp_path / "t", "p", None, ManualClock()).open()
    assert (tmp_path / "t").read_text() == "precious"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(TraceError, match=r"no/t: cannot be written .*choose another place"):
        TraceWriter(tmp_path / "no" / "t", "p", None, ManualClock()).open()


def test_chunks_a_slow_disk_missed_are_counted_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(trace_module, "QUEUE_MAX", 2)
    writer = TraceWriter(tmp_path / "t", "p", None, ManualClock())
    for byte in b"\x01\x02\x03\x04\x05":  # nothing is taken off the queue before the file is open
        writer.received(bytes([byte]))
    writer.open()
    writer.close()
    assert [entry.data for entry in read_trace(tmp_path / "t")] == [b"\x01", b"\x02"]
    assert "# 3 chunks lost here: the disk did not keep up" in (tmp_path / "t").read_text()


def test_a_recording_ends_at_its_greatest_size_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(trace_module, "FILE_MAX", 200)
    writer = recorded(tmp_path / "t", *[(0, "<", bytes(50))] * 5)
    assert writer.fault == "the file has reached 200 bytes"
    assert (
        (tmp_path / "t")
        .read_text()
        .endswith("# the recording ends here: the file has reached its greatest size\n")
    )
    assert list(read_trace(tmp_path / "t"))


async def test_a_line_is_recorded_from_its_opening(tmp_path):
    terminal, clock = Terminal(), SystemClock()
    writer = TraceWriter(tmp_path / "t", terminal.path, SETTINGS, clock)
    line = await open_line(terminal.path, SETTINGS, clock, writer)
    line.write(b":154\n")
    terminal.say(b":51641F9\n")
    await read_exactly(line, 9)
    writer.open()
    line.close()
    writer.close()
    writer.received(b"too late")
    entries = list(read_trace(tmp_path / "t"))
    assert b"".join(entry.data for entry in entries if entry.direction == ">") == b":154\n"
    assert b"".join(entry.data for entry in entries if entry.direction == "<") == b":51641F9\n"
    terminal.unplug()
