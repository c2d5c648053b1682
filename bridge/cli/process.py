"""The process itself: the streams that it begins with, and an end for which no thread is waited for ever."""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

#: How long threads may still take once all else has ended in order, in seconds.
LEFT_WITHIN_S = 5.0


def keep_streams() -> None:
    """Put nothing in the place of standard streams that are closed.

    The next file that is opened would have a stream's number, and what is said would be written into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the system gives the lowest number that is free
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")


def end_within(seconds: float, left: threading.Event, status: int = 0) -> None:
    """End the process unless `left` is set in time: a thread may wait for a name server for ever."""

    def leave() -> None:
        if not left.wait(seconds):
            os._exit(status)

    threading.Thread(target=leave, name="leaving", daemon=True).start()


def leave_threads(status: int) -> int:
    """Return `status` once no thread would keep the process from ending; end it here where one goes on."""
    ends = time.monotonic() + LEFT_WITHIN_S
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread():
            thread.join(max(0.0, ends - time.monotonic()))
            if thread.is_alive():
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    sys.stdout.flush()
                os._exit(status)
    return status
