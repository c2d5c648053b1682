"""A device on a channel that only notes what it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from bridge.adapters.can.channel import Seat, seat_on
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions
from bridge.adapters.line_faults import LineFault
from bridge.datastore.clock import Clock

#: Longest that a test waits in real time for what must come; no test asserts how soon it does.
PATIENCE_S = 20.0


@dataclass
class Guest:
    """What a device on the channel is told."""

    frames: list[CanFrame] = field(default_factory=list)
    faults: list[LineFault] = field(default_factory=list)
    restored: int = 0
    errors: int = 0

    def well(self) -> None:
        self.restored += 1

    def erred(self, count: int) -> None:
        self.errors += count


@contextlib.asynccontextmanager
async def seated(options: CanOptions, clock: Clock, name: str = "pack") -> AsyncIterator[tuple[Guest, Seat]]:
    guest = Guest()
    async with seat_on(
        options,
        clock,
        name,
        heard=guest.frames.append,
        lost=guest.faults.append,
        restored=guest.well,
        erred=guest.erred,
    ) as seat:
        yield guest, seat


async def until(true: Callable[[], bool]) -> None:
    """Wait in real time until something is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.005)
