"""A two-wire line in miniature: a master, the bridge on a PTY, and an independent slave of unit 5.

What the master and the slave send passes the bridge at the line's pace; what the bridge sends reaches both.
The slave is made of a CRC computed bit by bit and nothing of ours.
"""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from bridge.adapters.line import LineFault, SerialSettings, open_line
from bridge.adapters.pty import PtyLine
from bridge.adapters.reconnect import Backoff
from bridge.datastore.clock import SystemClock
from bridge.server.rtu_line import RtuListener, SerialPort
from bridge.server.terms import Terms
from tests.server.plant import PATIENCE_S, UNIT, Plant, running

FOREIGN = 5
#: Longer than the silence that ends half frames, and a time in which a wrong reply would have come.
QUIET_S = 0.35


def crc(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def adu(pdu: bytes, unit: int = UNIT) -> bytes:
    return bytes([unit]) + pdu + crc(bytes([unit]) + pdu)


class Bus:
    """The wire and who is on it beside the bridge."""

    def __init__(self, plant: Plant, line: PtyLine, heard: bytearray) -> None:
        self.plant = plant
        self.line = line
        #: What the bridge has sent and nobody has taken yet.
        self.heard = heard

    async def send(self, *frames: bytes) -> None:
        """Let bytes pass as they are, frames without a gap between them."""
        await self.line.send(b"".join(frames))

    async def reply(self, length: int) -> bytes:
        """Return the next bytes that the bridge sends."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.heard) < length:
                await asyncio.sleep(0.001)
        taken = bytes(self.heard[:length])
        del self.heard[:length]
        return taken

    async def ask(self, pdu: bytes, unit: int = UNIT) -> bytes:
        """Send a request and return the PDU of its reply, whose length follows from the function."""
        await self.send(adu(pdu, unit))
        head = await self.reply(3)
        length = 5 if head[1] & 0x80 else 5 + head[2] if head[1] in (1, 2, 3, 4, 23) else len(pdu) + 3
        if head[1] in (15, 16):
            length = 8
        frame = head + await self.reply(length - 3)
        assert frame[-2:] == crc(frame[:-2])
        assert frame[0] == unit
        return frame[1:-2]

    async def foreign(self, pdu: bytes, reply: bytes) -> None:
        """Let the master ask the other slave, which answers."""
        await self.send(adu(pdu, FOREIGN))
        await asyncio.sleep(0.01)
        await self.send(adu(reply, FOREIGN))

    async def silent(self) -> None:
        """Make sure that the bridge says nothing."""
        await asyncio.sleep(QUIET_S)
        assert bytes(self.heard) == b""


@asynccontextmanager
async def on_a_line(
    folder: Path, baudrate: int, *, write: bool = True, reply_within_s: float = 0.3
) -> AsyncIterator[Bus]:
    """A plant that serves RTU on a PTY."""
    clock, heard, link = SystemClock(), bytearray(), folder / "line"
    async with PtyLine(clock, heard.extend, link, baudrate / 10) as line:
        settings = SerialSettings(baudrate)

        def make(terms: Terms) -> RtuListener:
            opener = partial(open_line, str(link), settings, clock)
            return RtuListener(SerialPort(str(link), baudrate, opener, LineFault, Backoff(0.01, 0.05)), terms)

        async with running(clock=clock, make=make, write=write, reply_within_s=reply_within_s) as plant:
            bus = Bus(plant, line, heard)
            await plant.until(lambda: plant.listener.open)
            yield bus


def in_pieces(data: bytes, *cuts: int) -> list[bytes]:
    return [data[a:b] for a, b in itertools.pairwise((0, *cuts, len(data)))]
