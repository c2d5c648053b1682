"""The contract of an open bus, and its opening in a thread of its own.

A `BusLine` hands over on the event loop, and takes frames without ever blocking it. `ThreadedBus` makes one
of a blocking bus; the simulated bus is one by itself, so that tests need neither threads nor time.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from bridge.adapters.can.faults import bus_name
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions
from bridge.adapters.line_faults import LineFault, PortMissing
from bridge.datastore.clock import Clock

_log = logging.getLogger(__name__)

#: Opening may take a slow USB stick a second or two, and socketcand three; beyond this it hangs.
OPEN_WITHIN_S = 10.0
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


class _RealBus(BusLine, Protocol):
    """A bus of python-can."""

    def abandon(self) -> None:
        """Close it without waiting, when nobody listens to it."""


#: Opens a bus. Raises PortMissing, PortBusy, PortDenied, PortUnusable.
OpenBus = Callable[[CanOptions, Clock], Awaitable[BusLine]]

#: Openings that were given up while the system still hangs in them; each blocks its bus's next one.
_hanging: dict[str, threading.Thread] = {}


async def open_bus(options: CanOptions, clock: Clock) -> BusLine:
    """Open a real bus, in a thread: a failing USB stick can hold the caller for long.

    Raises PortMissing (also for one that hangs), PortBusy, PortDenied, PortUnusable.
    """
    name = bus_name(options)
    earlier = _hanging.pop(name, None)
    if earlier is not None and earlier.is_alive():
        _hanging[name] = earlier
        raise PortMissing(name, _hung())
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[_RealBus] = loop.create_future()

    def deliver(bus: _RealBus | None, fault: Exception | None) -> None:
        if waiting.done():
            if bus is not None:
                bus.abandon()
        elif bus is not None:
            waiting.set_result(bus)
        elif fault is not None:
            waiting.set_exception(fault)

    def work() -> None:
        bus: _RealBus | None = None
        fault: Exception | None = None
        try:
            # python-can is loaded when a bus is opened, and here: other sites start without it, and its
            # loading takes a small computer long enough to be felt on the loop
            from bridge.adapters.can.threaded_bus import opened

            bus = opened(options, loop)
        except Exception as refusal:  # noqa: BLE001 - handed to the waiting caller, whatever it is
            fault = refusal
        try:
            loop.call_soon_threadsafe(deliver, bus, fault)
        except RuntimeError:  # the loop has closed meanwhile
            if bus is not None:
                bus.abandon()

    opening = threading.Thread(target=work, name=f"open {name}", daemon=True)
    opening.start()
    try:
        async with clock.timeout(OPEN_WITHIN_S):
            await asyncio.shield(waiting)
    except TimeoutError as fault:
        _give_up(waiting)
        _hanging[name] = opening
        raise PortMissing(name, _hung()) from fault
    except asyncio.CancelledError:
        _give_up(waiting)
        raise
    return waiting.result()


def _give_up(waiting: "asyncio.Future[_RealBus]") -> None:
    """Close what an opening nobody waits for any more has brought or will bring."""
    if not waiting.cancel() and waiting.exception() is None:
        waiting.result().abandon()


def _hung() -> str:
    return f"opening hangs for more than {OPEN_WITHIN_S:g} s: unplug the adapter and plug it in again"
