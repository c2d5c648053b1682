"""Why a batch is refused before anything is done.

WriteRefusal
    NotWritable   the point is read-only, unknown, or fed by a link   (Modbus 02)
    ValueRefused  outside range, enumeration or live limits           (Modbus 03)
"""

from bridge.datastore.values import Path


class WriteRefusal(Exception):
    """A batch that breaks a rule; `path` is the first offender, the text says what was expected."""

    exception_code = 0x04

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path


class NotWritable(WriteRefusal):
    """The point takes no writes from this origin."""

    exception_code = 0x02


class ValueRefused(WriteRefusal):
    """The value is outside what the point takes."""

    exception_code = 0x03
