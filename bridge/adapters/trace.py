"""Traces: every byte of a line as text, one line a chunk, `time direction hex`.

    # inverter-bridge trace
    # started 2026-01-31T12:00:00.000000Z
    # port /dev/ttyUSB0
    # settings 19200 8N1
    0.013370 < 0d0a5049440930784133333400
    0.512004 > 3a3746304544303037310a

The time is in seconds since the start of the recording, `<` comes from the device and `>` goes to it.
Lines that begin with `#` are comments.
"""

import datetime
import logging
import math
import os
import queue
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from bridge.datastore.clock import Clock
from bridge.datastore.durable import sync_folder

_log = logging.getLogger(__name__)

#: Chunks waiting for the disk: minutes of a busy line, at most 16 MiB of a very fast one.
QUEUE_MAX = 4_096
#: A forgotten recording ends here, in bytes; at 19200 Bd that takes two days.
FILE_MAX = 1 << 30
#: Longest line that is read, in characters; a recorded chunk has at most 4096 bytes.
_LINE_MAX = 1 << 16
#: How long closing waits for a disk that does not answer.
_CLOSE_WITHIN_S = 5.0
_TITLE = "# inverter-bridge trace"
_ENTRY = re.compile(
    r"(?P<time>\d{1,12}(?:\.\d{1,9})?)\s+(?P<direction>[<>])\s+(?P<hex>[0-9A-Fa-f][0-9A-Fa-f\s]*)"
)
_BEGINNING = re.compile(rb"\s*(#|[0-9.]+[ \t]+[<>])")

Direction = Literal["<", ">"]
FROM_DEVICE: Direction = "<"
TO_DEVICE: Direction = ">"


class TraceError(Exception):
    """A trace file that cannot be written, read or understood; the text says where and what to do."""


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One chunk: seconds since the start, `<` from or `>` to the device, and its bytes."""

    time_s: float
    direction: Direction
    data: bytes

    def __str__(self) -> str:
        return f"{self.time_s:.6f} {self.direction} {self.data.hex()}"


class TraceWriter:
    """Records a line into a new file, from a thread of its own; hand it to `open_line` as its tap.

    It counts from its making, and keeps what passes before `open`. A slow or full disk never harms the
    line: what cannot be written is counted and named in the file, and `fault` says why a recording has
    ended early.
    """

    def __init__(self, path: Path, port: str, settings: object, clock: Clock) -> None:
        self.path = path
        self.chunks = 0
        self.bytes_received = 0
        #: Why nothing is recorded any more, None while all is well.
        self.fault: str | None = None
        self._port = port
        self._settings = settings
        self._clock = clock
        self._began = clock.now()
        self._started = clock.monotonic()
        self._entries: queue.Queue[TraceEntry | None] = queue.Queue(QUEUE_MAX)
        self._missed = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def open(self) -> None:
        """Make the file and begin to write; blocks.

        Raises TraceError when it is there already or cannot be made.
        """
        try:
            file = self.path.open("x", encoding="ascii", errors="backslashreplace")
        except FileExistsError as fault:
            raise TraceError(
                f"{self.path}: is there already: choose another name, or remove it first"
            ) from fault
        except OSError as fault:
            raise TraceError(
                f"{self.path}: cannot be written ({fault.strerror}): choose another place"
            ) from fault
        started = datetime.datetime.fromtimestamp(self._began, datetime.UTC).replace(tzinfo=None)
        header = (
            _TITLE,
            f"# started {started.isoformat(timespec='microseconds')}Z",
            f"# port {' '.join(self._port.split())}",
            f"# settings {self._settings}",
        )
        self._thread = threading.Thread(target=self._write, args=(file, header), name="trace", daemon=True)
        self._thread.start()

    def received(self, data: bytes) -> None:
        """Record bytes that came from the device."""
        self.bytes_received += len(data)
        self._put(FROM_DEVICE, data)

    def sent(self, data: bytes) -> None:
        """Record bytes that left for the device."""
        self._put(TO_DEVICE, data)

    def close(self) -> None:
        """Write what is waiting and end. Blocks: call it in a thread where a loop runs."""
        self._closed = True
        if self._thread is None:
            return
        try:
            self._entries.put(None, timeout=_CLOSE_WITHIN_S)
        except queue.Full:
            self.fault = self.fault or "the disk does not answer"
        else:
            self._thread.join(_CLOSE_WITHIN_S)
        self._thread = None

    def _put(self, direction: Direction, data: bytes) -> None:
        if self._closed or self.fault is not None:
            return
        try:
            self._entries.put_nowait(
                TraceEntry(self._clock.monotonic() - self._started, direction, bytes(data))
            )
        except queue.Full:
            self._missed += 1
        else:
            self.chunks += 1

    def _write(self, file: IO[str], header: tuple[str, ...]) -> None:
        try:
            with file:
                size = file.write("\n".join(header) + "\n")
                reported = 0
                while True:
                    entry = self._entries.get()
                    missed = self._missed
                    if missed > reported:
                        size += file.write(
                            f"# {missed - reported} chunks lost here: the disk did not keep up\n"
                        )
                        reported = missed
                    if entry is None:
                        file.flush()
                        os.fsync(file.fileno())
                        sync_folder(self.path.parent)
                        return
                    size += file.write(f"{entry}\n")
                    if size > FILE_MAX:
                        file.write("# the recording ends here: the file has reached its greatest size\n")
                        raise OSError(f"the file has reached {FILE_MAX} bytes")
                    if self._entries.empty():
                        file.flush()
        except OSError as fault:
            self.fault = fault.strerror or str(fault)
            _log.error('trace=%s ended early: "%s"', self.path, self.fault)


def is_trace(path: Path) -> bool:
    """True when a file begins like a trace, False for raw bytes. Raises TraceError when unreadable."""
    try:
        with path.open("rb") as file:
            return _BEGINNING.match(file.read(256)) is not None
    except OSError as fault:
        raise _unreadable(path, fault) from fault


def read_trace(path: Path) -> Iterator[TraceEntry]:
    """Yield the entries of a trace, in order. Raises TraceError naming file and line."""
    before = 0.0
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(_LINE_MAX):
                number += 1
                entry = _entry(raw, before, f"{path}:{number}")
                if entry is not None:
                    before = entry.time_s
                    yield entry
    except OSError as fault:
        raise _unreadable(path, fault) from fault


def _entry(raw: bytes, before: float, where: str) -> TraceEntry | None:
    """Read one line; None for comments and empty ones. Raises TraceError."""
    text = raw.decode("ascii", errors="replace").strip()
    if not text or text.startswith("#"):
        return None
    found = _ENTRY.fullmatch(text)
    if found is None:
        shown = text if len(text) <= 40 else text[:40] + ".."
        raise TraceError(
            f"{where}: found {shown!r}, expected `SECONDS < HEX` or `SECONDS > HEX`, as `0.013370 < 0d0a`"
        )
    time_s = float(found["time"])
    if time_s < before or not math.isfinite(time_s):
        raise TraceError(
            f"{where}: found time {time_s:.6f} after {before:.6f}, expected times that do not run backwards"
        )
    digits = "".join(found["hex"].split())
    if len(digits) % 2:
        raise TraceError(f"{where}: found {len(digits)} hexadecimal digits, expected two for each byte")
    return TraceEntry(time_s, FROM_DEVICE if found["direction"] == "<" else TO_DEVICE, bytes.fromhex(digits))


def _unreadable(path: Path, fault: OSError) -> TraceError:
    return TraceError(f"{path}: cannot be read ({fault.strerror}): expected a trace or a file of raw bytes")
