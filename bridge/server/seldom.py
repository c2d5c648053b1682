"""Log lines that a busy or hostile client must not be able to repeat at will."""

from collections import OrderedDict
from collections.abc import Hashable

from bridge.datastore.clock import Clock

#: How many keys are remembered; the oldest is forgotten first.
_REMEMBERED = 256


class Seldom:
    """Says whether an event of one key is to be told now: the first at once, then one in `every_s`."""

    def __init__(self, clock: Clock, every_s: float) -> None:
        self._clock = clock
        self._every_s = every_s
        self._told: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def due(self, key: Hashable) -> int:
        """Return how many events of the key this one stands for; 0 when it is to be kept quiet."""
        now = self._clock.monotonic()
        told_at, quiet = self._told.pop(key, (None, 0))
        if told_at is not None and now - told_at < self._every_s:
            self._told[key] = (told_at, quiet + 1)
            return 0
        self._told[key] = (now, 0)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return quiet + 1
