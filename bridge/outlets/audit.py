"""The audit: who wrote what to which device, and what became of it, one line of JSON for each attempt.

{"event": "write", "time", "device", "origin", "unit", "address", "path", "old", "new", "outcome",
 "exception_code", "duration_s", "reason"}
{"event": "operation", "time", "device", "operation", "arguments"}
{"event": "turned_away", "time", "listener", "peer", "times", "reason"}
{"event": "lost", "time", "lines"}

Times are ISO 8601 in UTC; that of a write is its beginning. Lines stand in the order of the ends.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bridge.datastore.clock import Clock
from bridge.datastore.values import Outcome, Value, WriteAttempt
from bridge.outlets.line_file import LineFile
from bridge.outlets.line_writer import LineWriter

#: The longest text that a line holds, so that a client cannot make it as long as it likes.
_TEXT_MAX = 1000


class Audit:
    """Writes the audit file from `start` to `close`; neither method below blocks or raises."""

    def __init__(self, path: Path, size_max: int, keep: int, clock: Clock) -> None:
        self._clock = clock
        self._writer = LineWriter("audit", LineFile(path, size_max, keep), self._lost)

    def start(self) -> None:
        """Begin to write. A file that cannot be written is told in the log and tried on."""
        self._writer.start()

    def close(self) -> None:
        """Write what waits and stop. Blocks, but not for long."""
        self._writer.close()

    def wrote(self, attempt: WriteAttempt) -> None:
        """Take down the end of an attempt to write.

        What a link carries and its target takes is left out: it comes every second, and would push out of
        the file what people and programs have done.
        """
        if attempt.origin.kind == "link" and attempt.outcome is Outcome.CONFIRMED:
            return
        self._writer.put(
            _line(
                {
                    "event": "write",
                    "time": _stamp(attempt.time),
                    "device": attempt.device,
                    "origin": str(attempt.origin),
                    "unit": attempt.unit,
                    "address": attempt.address,
                    "path": attempt.path,
                    "old": _value(attempt.old),
                    "new": _value(attempt.new),
                    "outcome": attempt.outcome.word,
                    "exception_code": attempt.exception_code,
                    "duration_s": round(attempt.duration_s, 6),
                    "reason": attempt.reason,
                }
            )
        )

    def operated(self, device: str, operation: str, arguments: Mapping[str, object]) -> None:
        """Take down that a person asked for an operation: of a device, or of the bridge itself ("")."""
        self._writer.put(
            _line(
                {
                    "event": "operation",
                    "time": _stamp(self._clock.now()),
                    "device": device,
                    "operation": operation,
                    "arguments": {name: str(value)[:_TEXT_MAX] for name, value in arguments.items()},
                }
            )
        )

    def turned_away(self, listener: str, peer: str, times: int, reason: str) -> None:
        """Take down that a listener let a peer in no further than its door, `times` times."""
        self._writer.put(
            _line(
                {
                    "event": "turned_away",
                    "time": _stamp(self._clock.now()),
                    "listener": listener,
                    "peer": peer,
                    "times": times,
                    "reason": reason,
                }
            )
        )

    def _lost(self, lines: int) -> bytes:
        return _line({"event": "lost", "time": _stamp(self._clock.now()), "lines": lines})


def _line(fields: Mapping[str, object]) -> bytes:
    """Return one line, in ASCII: nothing in a text can end it early."""
    cut = {key: text[:_TEXT_MAX] if isinstance(text, str) else text for key, text in fields.items()}
    return json.dumps(cut, allow_nan=False).encode("ascii") + b"\n"


def _value(value: Value | None) -> Value | None:
    """Return what JSON has a form for: an infinite number becomes its name."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _stamp(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
