"""The contract of an open bus.

A `BusLine` hands over on the event loop, and takes frames without ever blocking it. `ThreadedBus` makes one
of a blocking bus; the simulated bus is one by itself, so that tests need neither threads nor time.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.line_faults import LineFault

#: Sets of frames that wait for the adapter; more of them are older than any inverter wants to hear.
UNSENT_SETS_MAX = 8


class BusEars(Protocol):
    """Who is told what happens on a bus; always called on the event loop."""

    def frame(self, frame: CanFrame) -> None:
        """Take a data frame with an 11-bit id."""

    def ignored(self) -> None:
        """Take note of a 29-bit, remote or FD frame."""

    def error(self, bus_off: bool | None) -> None:
        """Take note of an error frame; bus_off is True or False where it tells of that."""

    def garbled(self) -> None:
        """Take note of something that was no frame."""

    def lost(self, fault: LineFault) -> None:
        """Take note that the bus is gone; nothing follows."""


class BusLine(Protocol):
    """An open bus."""

    def listen(self, ears: BusEars) -> None:
        """Begin to hand over; called once."""

    def send(self, frames: Sequence[CanFrame]) -> "asyncio.Future[int]":
        """Queue a set of frames; never blocks. The answer comes with how many the adapter has taken.

        When too many sets wait, the oldest is dropped.
        """

    async def close(self) -> None:
        """Give the bus back; sets that still wait are dropped. `lost` is not called any more."""
