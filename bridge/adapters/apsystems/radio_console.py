"""The radio's console: one MT command as a person types it, and what comes back."""

import re

from bridge.adapters.apsystems.coordinator import Coordinator
from bridge.adapters.apsystems.frames import LENGTH_MAX, SOF, MtFrame, checksum
from bridge.datastore.clock import Clock

LISTEN_S = 2.0
_FRAMED_MIN, _BARE_MIN = 5, 2
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def read_raw(text: str) -> MtFrame:
    """Read a whole frame (`FE00270027`) or a command and its data (`2700`); raises ValueError."""
    plain = re.sub(r"[\s:]", "", text)
    if not _HEX.fullmatch(plain):
        raise ValueError(f"found {text!r}, expected hexadecimal bytes such as FE00270027 or 2700")
    data = bytes.fromhex(plain)
    if data[0] != SOF:
        if not _BARE_MIN <= len(data) <= LENGTH_MAX + _BARE_MIN:
            raise ValueError(f"found {len(data)} bytes, expected a command of 2 bytes and its data")
        return MtFrame(int.from_bytes(data[:2], "big"), data[2:])
    if len(data) < _FRAMED_MIN or len(data) != data[1] + _FRAMED_MIN or data[1] > LENGTH_MAX:
        raise ValueError(
            f"found a frame of {len(data)} bytes, expected FE, a length, two bytes of command, as many of "
            "data as the length says, and the sum"
        )
    if checksum(data[1:-1]) != data[-1]:
        raise ValueError(
            f"found sum {data[-1]:02X}, expected {checksum(data[1:-1]):02X}: mend it, or leave out FE, "
            "length and sum"
        )
    return MtFrame(int.from_bytes(data[2:4], "big"), data[4:-1])


async def listen_raw(coordinator: Coordinator, clock: Clock, frame: MtFrame) -> list[str]:
    """Send a frame and return those that came within 2 s, as hexadecimal text. Raises LineLost."""
    heard: list[str] = []
    async with coordinator.tapped(lambda one: heard.append(one.encode().hex().upper())) as write:
        write(frame.encode())
        await clock.sleep(LISTEN_S)
    return heard
