"""What an inverter of the Pylontech or Victron kind sends to its battery: that it is there.

On a Sunny Island's bus the same ids are telemetry (`island_frames`). Source: captures of a Victron GX; the
keep-alive of Deye, Sofar and Sol-Ark as their documents have it.
"""

from bridge.adapters.can.frames import CanFrame

KEEPALIVE_ID = 0x305
IDENT_ID = 0x307
#: How often an inverter says that it is there, in seconds.
KEEPALIVE_PERIOD_S = 1.0

KEEPALIVE = CanFrame(KEEPALIVE_ID, bytes(8))
#: A GX sends 306 beside 305 while it has a battery.
GX_KEEPALIVE = CanFrame(0x306, bytes(8))
GX_IDENT = CanFrame(IDENT_ID, bytes.fromhex("1234567856494300"))

_IDENT_AT, _IDENT_LENGTH = 4, 4


def is_keepalive(frame: CanFrame) -> bool:
    """True for a 0x305, whatever it carries: some hybrids put values of their own into it."""
    return frame.id == KEEPALIVE_ID


def ident(frame: CanFrame) -> str | None:
    """Return who an inverter says it is (`VIC`), None for any other frame."""
    if frame.id != IDENT_ID or len(frame.data) < _IDENT_AT + 1:
        return None
    part = frame.data[_IDENT_AT : _IDENT_AT + _IDENT_LENGTH]
    return "".join(chr(byte) for byte in part if 0x20 <= byte < 0x7F).strip()
