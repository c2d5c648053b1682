"""The thread that writes lines to a file, so that no disk, however slow or full, holds the loop up."""

import contextlib
import errno
import logging
import queue
import threading
import time
from collections.abc import Callable

from bridge.outlets.line_file import LineFile

_log = logging.getLogger(__name__)

#: Lines that may wait for the disk, of some 300 bytes each; what comes beyond them is counted and dropped.
LINES_MAX = 8192
#: The disk is told to keep what was written after this many lines, or this many seconds after the first.
SYNC_LINES, SYNC_S = 256, 1.0
#: How often a line that the disk did not take is tried again, in seconds.
RETRY_S = 5.0
#: The longest that a stop waits for the disk, in seconds.
CLOSE_S = 5.0

_CURES = {
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "make room in this user's quota",
    errno.EROFS: "put it on a disk that is not read-only",
    errno.EACCES: "let this user write it, and its directory",
    errno.EPERM: "let this user write it, and its directory",
    errno.EISDIR: "name a file instead of a directory",
    errno.ENOTDIR: "name a directory before the file",
}


class LineWriter:
    """Takes lines from the loop and writes them in order; `lost` makes the line that counts dropped ones."""

    def __init__(
        self, name: str, file: LineFile, lost: Callable[[int], bytes], *, retry_s: float = RETRY_S
    ) -> None:
        self._name = name
        self._file = file
        self._lost = lost
        self._retry_s = retry_s
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._dropped = 0
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._failing = False
        self._rotation_failing = False
        self._unsynced = 0
        self._unsynced_since = 0.0

    def start(self) -> None:
        """Begin to write."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue a line. Never blocks; beyond `LINES_MAX` waiting ones it is dropped, which is told later."""
        if self._lines.qsize() >= LINES_MAX:
            self._dropped += 1
            return
        self._tell_dropped()
        self._lines.put(line)

    def close(self) -> None:
        """Write what waits, sync, and stop. Blocks, but no longer than a disk may take."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._tell_dropped()
        self._lines.put(None)
        self._stopping.set()
        thread.join(CLOSE_S)
        if thread.is_alive():
            _log.error("%s=%s disk does not answer: left without the newest lines", self._name, self._path)

    @property
    def _path(self) -> str:
        return str(self._file.path)

    def _tell_dropped(self) -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._lines.put(self._lost(dropped))

    def _run(self) -> None:
        """Write until told to stop. A line that the disk refuses is tried again before any later one."""
        while True:
            try:
                line = self._lines.get(timeout=self._until_sync())
            except queue.Empty:
                self._sync()
                continue
            if line is None or not self._written(line):
                break
            if self._unsynced >= SYNC_LINES or self._until_sync() == 0:
                self._sync()
        self._sync()
        self._file.close()

    def _written(self, line: bytes) -> bool:
        """Write one line, however long the disk takes; False when the bridge stops before it does."""
        while True:
            last = self._stopping.is_set()
            try:
                self._file.append(line)
            except OSError as fault:
                self._tell_failing(fault)
                if last:
                    left = self._lines.qsize()  # this one more, the end of the queue one less
                    _log.error("%s=%s stopped with %d lines unwritten", self._name, self._path, left)
                    return False
                self._stopping.wait(self._retry_s)
                continue
            if self._failing:
                self._failing = False
                _log.warning("%s=%s can be written again", self._name, self._path)
            self._tell_rotation()
            self._unsynced += 1
            if self._unsynced == 1:
                self._unsynced_since = time.monotonic()
            return True

    def _until_sync(self) -> float | None:
        if not self._unsynced:
            return None
        return max(0.0, self._unsynced_since + SYNC_S - time.monotonic())

    def _sync(self) -> None:
        if self._unsynced:
            self._unsynced = 0
            try:
                self._file.sync()
            except OSError as fault:
                self._tell_failing(fault)

    def _tell_failing(self, fault: OSError) -> None:
        self._unsynced = 0
        with contextlib.suppress(OSError):
            self._file.close()
        if not self._failing:
            self._failing = True
            cure = _CURES.get(fault.errno or 0, "name a file that this user may write, on a sound disk")
            _log.error(
                "%s=%s cannot be written (%s): running on, keeping %d lines, trying on; %s",
                self._name, self._path, fault.strerror or fault, LINES_MAX, cure,
            )  # fmt: skip

    def _tell_rotation(self) -> None:
        fault = self._file.rotation_fault
        if fault is not None and not self._rotation_failing:
            _log.error(
                "%s=%s cannot be put aside at its full size (%s): it grows; let this user write there",
                self._name, self._path, fault.strerror or fault,
            )  # fmt: skip
        self._rotation_failing = fault is not None
