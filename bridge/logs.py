"""Log lines: one an event, `time level key=value ...`, to standard error."""

import logging
import select
import sys
import time
from collections.abc import Mapping
from typing import TextIO

#: Bytes of a line; a pipe that has room takes 4096 at once (Linux, pipe(7)).
_LINE_MAX = 4000


class _Lines(logging.Formatter):
    """`2026-05-01T12:00:00.123+0000 INFO device=charger link=online`; a traceback only at debug level."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        """Return the record's time, in the machine's time zone."""
        moment = time.localtime(record.created)
        return (
            f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{record.msecs:03.0f}{time.strftime('%z', moment)}"
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; what an exception says joins it, its traceback follows at debug level only."""
        if record.exc_info and record.levelno > logging.DEBUG:
            fault = record.exc_info[1]
            record.exc_text = ""
            line = f"{super().format(record)} ({type(fault).__name__}: {fault})"
            return " ".join(line.split())
        return super().format(record)


class _NeverWaiting(logging.StreamHandler[TextIO]):
    """Writes lines that are taken at once; of others only the number is told, once somebody reads again.

    The bridge serves on while a terminal is stopped or the reader of a pipe sleeps.
    """

    lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or count it."""
        if not self._has_room():
            self.lost += 1
            return
        if self.lost:
            lost, self.lost = self.lost, 0
            told = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
            super().emit(
                logging.makeLogRecord({**told, "msg": f"log lines={lost} were lost: nobody read them"})
            )
            if not self._has_room():
                self.lost += 1
                return
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return a line that one page of a pipe has room for."""
        line = super().format(record)
        if record.exc_text or len(line) * 4 <= _LINE_MAX or len(line.encode(errors="replace")) <= _LINE_MAX:
            return line
        return line.encode(errors="replace")[:_LINE_MAX].decode(errors="ignore") + ".. (cut)"

    def _has_room(self) -> bool:
        try:
            asked = select.poll()
            asked.register(self.stream.fileno(), select.POLLOUT)
            return bool(asked.poll(0))
        except (AttributeError, OSError, ValueError):  # no file of the system's, or closed
            return True


class _PerDevice(logging.Filter):
    """Lets a line of a device through by that device's own level."""

    def __init__(self, level: int, devices: Mapping[str, int]) -> None:
        super().__init__()
        self._level = level
        self._devices = {f"device={name}": level for name, level in devices.items()}

    def set(self, level: int, device: str) -> None:
        """Change the level of one device's lines, or of all others ("")."""
        if device:
            self._devices[f"device={device}"] = level
        else:
            self._level = level

    @property
    def lowest(self) -> int:
        """The lowest level of any line that may pass."""
        return min([self._level, *self._devices.values()])

    def filter(self, record: logging.LogRecord) -> bool:
        """Judge by `device=NAME` at the line's start."""
        if self._devices:
            first = record.getMessage().partition(" ")[0]
            return record.levelno >= self._devices.get(first, self._level)
        return record.levelno >= self._level


_filter = _PerDevice(logging.INFO, {})
#: The levels there are, the most talkative first.
LEVELS: Mapping[str, int] = {
    name: logging.getLevelNamesMapping()[name.upper()] for name in ("debug", "info", "warning", "error")
}


def start_logging(level: str, devices: Mapping[str, str]) -> None:
    """Send the bridge's log to standard error; `devices` have levels of their own."""
    global _filter  # a process has one log
    _filter = _PerDevice(LEVELS[level], {name: LEVELS[word] for name, word in devices.items()})
    handler = _NeverWaiting(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(_filter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.raiseExceptions = False  # a log that cannot be written is no reason for a traceback
    root.setLevel(logging.WARNING)
    logging.getLogger("bridge").setLevel(_filter.lowest)


def set_level(level: str, device: str = "") -> None:
    """Change the level of the running log: of one device's lines, or of all that have none of their own."""
    _filter.set(LEVELS[level], device)
    logging.getLogger("bridge").setLevel(_filter.lowest)
