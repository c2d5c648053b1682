"""The thread behind the audit: in order, bounded, and telling once what is wrong with the disk."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.outlets import line_writer
from bridge.outlets.line_file import LineFile
from bridge.outlets.line_writer import LineWriter

PATIENCE_S = 20.0


class Disk(LineFile):
    """A file whose disk can be made to refuse, to hang, and counts how often it was synced."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 1 << 20, 5)
        self.fault: OSError | None = None
        self.refused = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.held = threading.Event()
        self.synced: list[bytes] = []
        self.written = threading.Event()
        self.wanted = 0

    def append(self, line: bytes) -> None:
        self.held.set()
        assert self.free.wait(PATIENCE_S)
        if self.fault is not None:
            self.refused.set()
            raise self.fault
        super().append(line)
        if self.path.read_bytes().count(b"\n") >= self.wanted:
            self.written.set()

    def sync(self) -> None:
        super().sync()
        if self.path.exists():
            self.synced.append(self.path.read_bytes())

    def await_lines(self, count: int) -> list[bytes]:
        """Return the file once it has so many lines."""
        self.wanted = count
        self.written.clear()
        if not self.path.exists() or self.path.read_bytes().count(b"\n") < count:
            assert self.written.wait(PATIENCE_S)
        return self.path.read_bytes().splitlines()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "a.log")


@pytest.fixture
def writer(disk: Disk) -> Iterator[LineWriter]:
    writer = LineWriter("audit", disk, lambda lines: b"lost %d\n" % lines, retry_s=0.01)
    writer.start()
    yield writer
    disk.free.set()
    disk.fault = None
    writer.close()


def test_lines_arrive_in_order_and_are_synced_at_the_end(disk: Disk, writer: LineWriter) -> None:
    wanted = [b"%d" % number for number in range(1000)]
    for text in wanted:
        writer.put(text + b"\n")
    writer.close()
    assert disk.path.read_bytes().splitlines() == wanted
    assert disk.synced[-1].splitlines() == wanted
    assert len(disk.synced) <= 5  # in batches


def test_lines_are_synced_while_more_may_come(
    disk: Disk, writer: LineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_writer, "SYNC_S", 0.01)
    synced = threading.Event()
    sync = disk.sync

    def telling() -> None:
        sync()
        synced.set()

    monkeypatch.setattr(disk, "sync", telling)
    writer.put(b"one\n")
    assert synced.wait(PATIENCE_S)
    assert disk.synced[-1] == b"one\n"


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_full_disk_is_told_once_and_nothing_is_lost(
    disk: Disk, writer: LineWriter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    disk.fault = OSError(28, "No space left on device")
    writer.put(b"one\n")
    for _ in range(3):  # it tries, and tries again
        disk.refused.clear()
        assert disk.refused.wait(PATIENCE_S)
    writer.put(b"two\n")
    assert told(caplog) == [
        f"audit={disk.path} cannot be written (No space left on device): running on, keeping 8192 lines, "
        "trying on; make room on its disk"
    ]
    disk.fault = None
    assert disk.await_lines(2) == [b"one", b"two"]
    writer.close()
    assert told(caplog)[1:] == [f"audit={disk.path} can be written again"]


def test_a_disk_that_hangs_costs_bounded_memory_and_what_is_dropped_is_told(
    disk: Disk, writer: LineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_writer, "LINES_MAX", 10)
    disk.free.clear()
    writer.put(b"first\n")
    assert disk.held.wait(PATIENCE_S)
    for number in range(25):
        writer.put(b"%d\n" % number)  # returns at once
    disk.free.set()
    kept = [b"first", *(b"%d" % number for number in range(10))]
    assert disk.await_lines(11) == kept
    writer.put(b"next\n")
    assert disk.await_lines(13) == [*kept, b"lost 15", b"next"]


def test_what_was_dropped_last_is_told_at_the_end(
    disk: Disk, writer: LineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_writer, "LINES_MAX", 2)
    disk.free.clear()
    writer.put(b"first\n")
    assert disk.held.wait(PATIENCE_S)
    for number in range(5):
        writer.put(b"%d\n" % number)
    disk.free.set()
    writer.close()
    assert disk.path.read_bytes().splitlines() == [b"first", b"0", b"1", b"lost 3"]


def test_a_stop_on_a_full_disk_does_not_wait_for_it(
    disk: Disk, writer: LineWriter, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fault = OSError(13, "Permission denied")
    for _ in range(3):
        writer.put(b"line\n")
    assert disk.refused.wait(PATIENCE_S)
    writer.close()
    assert "let this user write it, and its directory" in told(caplog)[0]
    assert "unwritten" in told(caplog)[-1]
    assert not [thread for thread in threading.enumerate() if thread.name == "audit"]


def test_a_file_that_cannot_be_put_aside_is_told_once(
    disk: Disk, writer: LineWriter, caplog: pytest.LogCaptureFixture
) -> None:
    disk.rotation_fault = OSError(1, "Operation not permitted")
    for _ in range(3):
        writer.put(b"line\n")
    disk.await_lines(3)
    writer.close()
    assert len(told(caplog)) == 1
    assert "cannot be put aside" in told(caplog)[0]


def test_the_loop_is_never_held_up(writer: LineWriter) -> None:
    from blockbuster import blockbuster_ctx

    async def much() -> None:
        for _ in range(100):
            writer.put(b"line\n")

    import asyncio

    with blockbuster_ctx("bridge"):
        asyncio.run(much())
