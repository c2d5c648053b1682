"""How often somebody may try a password: ever more seldom for one address, and not endlessly for all."""

import ipaddress
from collections import OrderedDict

from bridge.datastore.clock import Clock

#: Wrong passwords that cost one address nothing, then the pause after the next, which doubles.
FREE, FIRST_S, LONGEST_S = 5, 2.0, 900.0
#: Tries of all addresses together: so many at once, then one in so many seconds.
BURST, EVERY_S = 30, 2.0
#: Addresses that are remembered.
_ADDRESSES_MAX = 1024
#: An IPv6 host has a whole /64 of addresses to try from.
_V6_PREFIX = 64


class Throttle:
    """Counts wrong passwords by address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._left = float(BURST)
        self._filled = clock.monotonic()

    def wait_s(self, address: str) -> float:
        """Return how long an address must wait before it may try, 0 for not at all. Counts nothing."""
        now = self._clock.monotonic()
        count, last = self._wrong.get(_network(address), (0, now))
        pause = min(LONGEST_S, FIRST_S * 2.0 ** min(count - FREE, 30)) if count >= FREE else 0.0
        return max(0.0, last + pause - now, (1 - self._refilled(now)) * EVERY_S)

    def tried(self, address: str) -> None:
        """Count a try as wrong until it turns out to be right: tries at the same time are many."""
        now, key = self._clock.monotonic(), _network(address)
        self._left = self._refilled(now) - 1
        self._filled = now
        count, _ = self._wrong.pop(key, (0, now))
        self._wrong[key] = count + 1, now
        while len(self._wrong) > _ADDRESSES_MAX:
            self._wrong.popitem(last=False)

    def right(self, address: str) -> None:
        """Forget the wrong passwords of an address: it has found the right one."""
        self._wrong.pop(_network(address), None)
        self._left = min(float(BURST), self._left + 1)

    def _refilled(self, now: float) -> float:
        return min(float(BURST), self._left + (now - self._filled) / EVERY_S)


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, _V6_PREFIX), strict=False))
