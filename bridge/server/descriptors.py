"""How many files this process may still open. The last are kept from clients: lines and disks need them."""

import contextlib
import resource
from pathlib import Path

#: Descriptors that no connection takes, for ports that come back, files that are written and look-ups.
RESERVE = 16
#: More than any house needs; some systems grant a thousand millions, which some libraries would try to close.
_WANTED = 65_536
#: With more than these no listener can take them all, whatever its cap, and nobody need count.
_SELDOM_SHORT = 16_384


def raise_limit() -> None:
    """Take as many as the system grants this process, which is often far more than it begins with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def few_left() -> int:
    """Return how many files this process may open where only RESERVE of them are left, else 0."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > _SELDOM_SHORT:
        return 0
    try:
        used = sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1  # one is the folder's own
    except FileNotFoundError:  # no /proc
        return 0
    except OSError:  # not even one for the folder
        return soft
    return soft if used > soft - RESERVE else 0
