"""The frame that starts or stops a Sunny Island, as two public drivers send it.

UNVERIFIED beyond them: it stands in no document of SMA's. Its id is that of Pylontech's flags as well, whose
two low bits are never set. Neither family reads or makes the other's frame.
"""

import enum

from bridge.adapters.can.frames import CanFrame

#: PolyndriverVenus and SMAVenusDriver: four bytes, the first one says what, the others are 0.
_ID, _LENGTH = 0x35C, 4


class IslandCommand(enum.IntEnum):
    """What the first byte asks for."""

    START = 1
    STOP = 2


def island_command(command: IslandCommand) -> CanFrame:
    """Return the frame that asks for it."""
    return CanFrame(_ID, bytes((command,)).ljust(_LENGTH, b"\0"))


def asked_for(frame: CanFrame) -> IslandCommand | None:
    """Return what a frame asks of a Sunny Island, None for every other frame."""
    if frame.id != _ID or len(frame.data) != _LENGTH or any(frame.data[1:]):
        return None
    return IslandCommand(frame.data[0]) if frame.data[0] in IslandCommand.__members__.values() else None
