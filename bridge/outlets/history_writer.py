"""The thread that writes the history, so that no disk, however slow, full or gone, holds the loop up."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from bridge.outlets.energy_book import Position
from bridge.outlets.history_batch import Batch
from bridge.outlets.history_file import HistoryFault, HistoryFile, is_damage

_log = logging.getLogger(__name__)

#: How often what the disk did not take is tried again, in seconds.
RETRY_S = 30.0
#: The longest that a stop waits for the disk, in seconds.
CLOSE_S = 10.0

Positions = Mapping[tuple[str, str], Position]


class HistoryWriter:
    """Writes batches from `start` to `close`.

    open_file: opens the file, and is tried until it succeeds. opened: called once it does, from the
    thread, with the counters' positions. now: wall time. written: called after each commit, for tests.
    """

    def __init__(
        self,
        name: str,
        open_file: Callable[[], HistoryFile],
        opened: Callable[[Positions], None],
        now: Callable[[], float],
        *,
        written: Callable[[], None] = lambda: None,
        retry_s: float = RETRY_S,
    ) -> None:
        self._name = name
        self._open_file = open_file
        self._opened = opened
        self._now = now
        self._written = written
        self._retry_s = retry_s
        self._outbox = Batch()
        self._asked: list[tuple[Callable[[HistoryFile], object], Future[object]]] = []
        self._stirred = threading.Condition()
        self._stopping = False
        self._failing = False
        self._file: HistoryFile | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Hand a batch over. Never blocks for the disk."""
        with self._stirred:
            self._outbox.merge(batch)
            self._stirred.notify()

    def ask(self, change: Callable[[HistoryFile], object]) -> "Future[object]":
        """Have something done to the file after all that was put; raises in the future what it raises."""
        answer: Future[object] = Future()
        with self._stirred:
            if self._thread is None:
                answer.set_exception(HistoryFault("the history has ended"))
                return answer
            self._asked.append((change, answer))
            self._stirred.notify()
        return answer

    def close(self) -> None:
        """Write what waits and stop. Blocks, but no longer than a disk may take."""
        thread = self._thread
        if thread is None:
            return
        with self._stirred:
            self._stopping = True
            self._thread = None
            self._stirred.notify()
        thread.join(CLOSE_S)
        if thread.is_alive():
            _log.error("history=%s disk does not answer: left without the newest values", self._name)

    # -- in the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        retry_at = 0.0
        while True:
            with self._stirred:
                while not self._stopping and not self._asked and not self._due(retry_at):
                    self._stirred.wait(max(0.01, retry_at - time.monotonic()) if self._failing else None)
                last = self._stopping
                batch, self._outbox = self._outbox, Batch()
                asked, self._asked = self._asked, []
            if not self._wrote(batch):
                retry_at = time.monotonic() + self._retry_s
                with self._stirred:
                    batch.merge(self._outbox)
                    self._outbox = batch
            for change, answer in asked:
                self._answer(change, answer)
            if last:
                if self._file is not None:
                    self._file.close()
                return

    def _due(self, retry_at: float) -> bool:
        if self._failing:
            return time.monotonic() >= retry_at
        return bool(self._outbox) or self._file is None

    def _wrote(self, batch: Batch) -> bool:
        """Write a batch; False where the disk did not take it."""
        try:
            if self._file is None:
                self._file = self._open_file()
                self._opened(self._file.positions())
            if batch:
                self._file.write(batch, self._now())
                self._written()
        except (sqlite3.Error, OSError, HistoryFault) as fault:
            if not self._failing:
                self._failing = True
                _log.error(
                    "history=%s cannot be written (%s): running on, keeping what comes, trying on; "
                    "make room on its disk, or let this user write there",
                    self._name, fault,
                )  # fmt: skip
            if isinstance(fault, sqlite3.Error) and is_damage(fault) and self._file is not None:
                self._file.close()  # opened again, it is put aside
                self._file = None
            return False
        if self._failing:
            self._failing = False
            _log.warning("history=%s can be written again", self._name)
        if batch.dropped:
            _log.error("history=%s samples=%d were lost meanwhile; no energy was", self._name, batch.dropped)
            batch.dropped = 0
        return True

    def _answer(self, change: Callable[[HistoryFile], object], answer: "Future[object]") -> None:
        if self._file is None or self._failing:
            answer.set_exception(HistoryFault("the history cannot be written now: see the log"))
            return
        try:
            answer.set_result(change(self._file))
        except HistoryFault as fault:
            answer.set_exception(fault)
        except (sqlite3.Error, OSError) as fault:
            answer.set_exception(HistoryFault(f"the history cannot be written ({fault}): see its disk"))
