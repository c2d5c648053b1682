"""Starting and stopping a Sunny Island: one frame, said again until the output shows that it was heard.

The output's voltage is the only witness. An island that falls silent instead has confirmed nothing.
"""

import math
from collections.abc import Callable

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.sunny_island.command_frame import IslandCommand, island_command
from bridge.adapters.sunny_island.island import Island
from bridge.adapters.sunny_island.points import MODE, OFF, ON
from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.device import Device
from bridge.datastore.values import Outcome

#: How often the drivers send the frame while the output does not follow.
RESEND_S = 2.0
#: An island needs up to 10 s to follow what it is told; until then an output that has not changed yet says
#: nothing, where it was just told the opposite.
FOLLOWS_WITHIN_S = 10.0
#: How long after a command its opposite may still be under way.
_UNDER_WAY_S = 60.0
_COMMANDS = {ON: IslandCommand.START, OFF: IslandCommand.STOP}


class StartStop:
    """The commands of one island. `send` gives a frame to the bus, False while there is no bus."""

    def __init__(
        self, device: Device, clock: Clock, island: Island, send: Callable[[CanFrame], bool]
    ) -> None:
        self._device = device
        self._clock = clock
        self._island = island
        self._send = send
        self._told_at = dict.fromkeys(_COMMANDS, -math.inf)

    async def apply(self, mode: int, deadline: float) -> Outcome:
        """Send until the output has, or has lost, its voltage; confirmed by nothing else."""
        began = self._clock.monotonic()
        opposite_at = self._told_at[OFF if mode == ON else ON]
        believed_from = began + FOLLOWS_WITHIN_S if began - opposite_at < _UNDER_WAY_S else began
        while (now := self._clock.monotonic()) < deadline:
            if self._device.wanted(MODE) not in (mode, None):
                return Outcome.SUPERSEDED
            if not self._send(island_command(_COMMANDS[mode])):
                return Outcome.OFFLINE
            self._told_at[mode] = now
            if await self._shown(mode, believed_from, min(now + RESEND_S, deadline)):
                return Outcome.CONFIRMED
        return Outcome.TIMED_OUT

    async def _shown(self, mode: int, believed_from: float, until: float) -> bool:
        """Wait for a frame that shows the output as asked; False when none came by then."""
        told = self._island.output_told
        while self._clock.monotonic() < until:
            before = self._island.outputs_told
            told.clear()
            await event_or_time(self._clock, told, until)
            if self._device.wanted(MODE) not in (mode, None):
                return False
            shown = self._island.outputs_told > before and self._island.output_on is (mode == ON)
            if shown and self._clock.monotonic() >= believed_from:
                return True
        return False
