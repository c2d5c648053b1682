"""One change of one point on its way to the device, and the book of those that are with the adapter."""

import asyncio
import math

from bridge.datastore.values import Origin, Outcome, Path, Value


class Change:
    """One change of one point, from submission to outcome."""

    __slots__ = (
        "as_of",
        "batch",
        "origin",
        "outcome",
        "overtaken",
        "path",
        "ready_at",
        "substitute",
        "value",
    )

    def __init__(
        self, path: Path, value: Value, origin: Origin, batch: int, as_of: float | None = None
    ) -> None:
        self.path = path
        self.value = value
        self.origin = origin
        self.batch = batch
        #: Monotonic time at which the value was true at its source; None for one that is nobody's reading.
        self.as_of = as_of
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        #: Monotonic time before which the wear budget does not let it go.
        self.ready_at = -math.inf
        #: What is sent instead of `value` when the wear budget allows nothing but switching off.
        self.substitute: Value | None = None
        #: True once a newer change of the point was handed over while this one was with the adapter.
        self.overtaken = False

    @property
    def ended(self) -> bool:
        """True once its outcome is known."""
        return self.outcome.done()

    @property
    def sent(self) -> Value:
        """The value the adapter is given."""
        return self.value if self.substitute is None else self.substitute

    def finish(self, outcome: Outcome) -> None:
        """Tell everybody who waits; later calls change nothing."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class Wire:
    """The changes that are with the adapter, oldest first per point.

    Only a change that switches off joins one that is there already. When it comes back before the
    one it overtook, it stays in the book as the newest until that is back too: else the old one would
    look like the newest wish again and be sent once more.
    """

    def __init__(self) -> None:
        self._changes: dict[Path, list[Change]] = {}
        self._away: set[Change] = set()

    def enter(self, change: Change) -> None:
        """Hand a change over."""
        there = self._changes.setdefault(change.path, [])
        there[:] = [older for older in there if older in self._away]
        for older in there:
            older.overtaken = True
        there.append(change)
        self._away.add(change)

    def leave(self, change: Change) -> None:
        """Take a change back."""
        self._away.discard(change)
        there = self._changes.get(change.path, [])
        newest = there[-1:]
        there[:] = [c for c in there if c in self._away or c in newest]
        if not any(c in self._away for c in there):
            self._changes.pop(change.path, None)

    def newest(self, path: Path) -> Change | None:
        """Return the newest change handed over while any of the point is with the adapter."""
        there = self._changes.get(path)
        return there[-1] if there else None

    def clear(self) -> list[Change]:
        """Take everything back; return what was with the adapter."""
        away = [c for there in self._changes.values() for c in there if c in self._away]
        self._changes.clear()
        self._away.clear()
        return away
