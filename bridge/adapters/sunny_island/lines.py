"""How many lines a cluster has: as the site says, or as their voltages have shown."""

from typing import Literal

from bridge.adapters.sunny_island.points import LINES
from bridge.adapters.sunny_island.readings import Lines, phases_seen
from bridge.datastore.state import Memory

#: How often in a row a further line must show voltage before it counts as one of the island's.
_FRAMES = 3
_KEY = "phases"


class LineCount:
    """The lines of one island. Learnt ones are remembered, and none is unlearnt: one may be dead for long."""

    def __init__(self, wanted: int | Literal["auto"], memory: Memory) -> None:
        self._fixed = wanted != "auto"
        self._memory = memory
        saved = memory.get(_KEY)
        known = saved if isinstance(saved, int) and saved in LINES else LINES[0]
        self.count: int = known if wanted == "auto" else wanted
        #: Frames in a row that showed voltage on a line not known yet, by id: AC2 may have fewer lines.
        self._further: dict[int, int] = {}

    def heard(self, frame_id: int, voltages: Lines) -> bool:
        """Take the voltages of a frame; True when a further line has been learnt by them."""
        seen = phases_seen(voltages)
        if self._fixed or seen <= self.count:
            self._further.pop(frame_id, None)
            return False
        self._further[frame_id] = self._further.get(frame_id, 0) + 1
        if self._further[frame_id] < _FRAMES:
            return False
        self._further.clear()
        self.count = seen
        self._memory.put(_KEY, seen)
        return True
