"""A real bus is opened here; tests put another `open_bus` in its place."""

import asyncio
from typing import TYPE_CHECKING

from bridge.adapters.can.bus import BusLine
from bridge.adapters.can.faults import bus_name
from bridge.adapters.can.options import CanOptions
from bridge.adapters.opening import open_apart
from bridge.datastore.clock import Clock

if TYPE_CHECKING:
    from bridge.adapters.can.threaded_bus import ThreadedBus


async def open_bus(options: CanOptions, clock: Clock) -> BusLine:
    """Open a bus of python-can for this process.

    Raises PortMissing (also for one that hangs), PortBusy, PortDenied, PortUnusable.
    """
    loop = asyncio.get_running_loop()

    def opened() -> "ThreadedBus":
        # python-can is loaded when a bus is opened, and in this thread: other sites start without it, and its
        # loading takes a small computer long enough to be felt on the loop
        from bridge.adapters.can import threaded_bus

        return threaded_bus.opened(options, loop)

    return await open_apart(bus_name(options), opened, lambda bus: bus.abandon(), clock)
