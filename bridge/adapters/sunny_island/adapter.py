"""The adapter of Sunny Islands: takes a seat on the bus, listens, and sends what is asked of the island."""

import asyncio
from collections.abc import Mapping

from bridge.adapters.base import Adapter
from bridge.adapters.can.channel import Seat, seat_on
from bridge.adapters.can.counters import PUBLISH_EVERY_S
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.line_faults import LineFault
from bridge.adapters.sunny_island.island import Island
from bridge.adapters.sunny_island.options import SunnyIslandOptions
from bridge.adapters.sunny_island.points import CAN, COMMAND_S, MODE
from bridge.adapters.sunny_island.start_stop import StartStop
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.spec import Safe
from bridge.datastore.values import LinkState, Outcome, Path, Value


class SunnyIslandAdapter(Adapter):
    """One Sunny Island, or one cluster, on a bus that others share."""

    command_deadline_s = COMMAND_S

    def __init__(self, device: Device, options: SunnyIslandOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock
        self._island = Island(device, options, clock)
        self._start_stop = StartStop(device, clock, self._island, self._send)
        self._seat: Seat | None = None

    async def run(self) -> None:
        """Listen until cancelled. Raises PortUnusable for a bus that others have with another bit rate."""
        seat_of = seat_on(
            self._options, self._clock, self._device.name,
            self._island.hear, self._lost, self._restored, self._device.count_error,
        )  # fmt: skip
        try:
            async with seat_of as seat, asyncio.TaskGroup() as group:
                self._seat = seat
                group.create_task(self._island.watch())
                group.create_task(self._count(seat))
        except LineFault:
            self._device.set_link(LinkState.PORT_MISSING)
            raise
        finally:
            self._seat = None
            self._island.energy.save()

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        """Start or stop the island; there is nothing else to be asked of it."""
        # a little before the deadline, so that the outcome is told and not cut off
        outcome = await self._start_stop.apply(int(changes[MODE]), deadline - 0.1)
        return dict.fromkeys(changes, outcome)

    async def expired(self, paths: tuple[Path, ...]) -> bool:
        """End a lease of /Mode by its safe value; the island itself has nothing to be handed back to."""
        lease = self._device.spec(MODE).lease
        if MODE not in paths or lease is None or isinstance(lease.safe, Safe):
            return True
        deadline = self._clock.monotonic() + self.command_deadline_s
        return (await self.command({MODE: lease.safe}, deadline))[MODE] is Outcome.CONFIRMED

    async def leave(self) -> None:
        """Leave the island as it is; only the counters are saved."""
        self._island.energy.save()

    async def _count(self, seat: Seat) -> None:
        """Show the counters of the bus."""
        while True:
            self._device.publish(CAN, seat.counters.values())
            await self._clock.sleep(PUBLISH_EVERY_S)

    def _send(self, frame: CanFrame) -> bool:
        """Give a frame to the bus; False while there is none."""
        if self._seat is None or not self._seat.up.is_set():
            return False
        self._seat.send((frame,))
        return True

    def _lost(self, _: LineFault) -> None:
        self._island.channel_lost()
        if self._device.link is not LinkState.PORT_MISSING:
            self._device.set_link(LinkState.PORT_MISSING)
            self._device.count_error()

    def _restored(self) -> None:
        if self._device.link is LinkState.PORT_MISSING:
            self._device.set_link(LinkState.STARTING)
