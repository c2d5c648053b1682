"""What writers and links have given, and how old each of it is."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bridge.adapters.can_bms.phases import Source
from bridge.datastore.values import Path, Value


@dataclass(slots=True)
class _Given:
    value: Value
    at: float  # monotonic; of a writer's last write


class Supply:
    """The newest value of each point with its age.

    A written value ages from its last write and is fresh for its lease; a linked one ages from the moment
    its source was read (`fed_at`, None for a point no link feeds) and is fresh for `linked_fresh_s`.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        fed_at: Callable[[Path], float | None],
        lease_s: Callable[[Path], float],
        linked_fresh_s: float,
    ) -> None:
        self._monotonic = monotonic
        self._fed_at = fed_at
        self._lease_s = lease_s
        self._linked_fresh_s = linked_fresh_s
        self._given: dict[Path, _Given] = {}
        self._heartbeat: Value | None = None

    def take(self, changes: Mapping[Path, Value]) -> None:
        """Take a batch at once."""
        now = self._monotonic()
        for path, value in changes.items():
            self._given[path] = _Given(value, now)

    def beat(self, value: Value) -> None:
        """Take a heartbeat: one that has changed renews what was written and is fresh still.

        The first one heard differs from nothing. What a link feeds lives by its source alone.
        """
        changed = self._heartbeat is not None and self._heartbeat != value
        self._heartbeat = value
        if not changed:
            return
        now = self._monotonic()
        for path, given in self._given.items():
            if self.source(path).overdue_s <= 0:
                given.at = now

    def value(self, path: Path) -> Value | None:
        """Return what was given last, however old; None for nothing."""
        given = self._given.get(path)
        return None if given is None else given.value

    def number(self, path: Path) -> float | None:
        """Return a number that was given, however old."""
        value = self.value(path)
        return float(value) if isinstance(value, int | float) else None

    def has(self, path: Path) -> bool:
        """True once anything was given for a point."""
        return path in self._given

    def source(self, path: Path) -> Source:
        """Return the age of what was given for a point, and until when it is fresh."""
        given = self._given.get(path)
        now = self._monotonic()
        fed_at = self._fed_at(path)
        if given is None:
            return Source(None, 0.0)
        if fed_at is not None:
            return Source(max(0.0, now - fed_at), self._linked_fresh_s)
        return Source(now - given.at, self._lease_s(path))

    def within(self, path: Path, overdue_s: float) -> float | None:
        """Return a number that is not overdue by more than so many seconds, None else."""
        return self.number(path) if self.source(path).overdue_s <= overdue_s else None

    def forget(self, paths: Iterable[Path] | None = None) -> None:
        """Drop what was given for some points, or all."""
        for path in tuple(self._given) if paths is None else tuple(paths):
            self._given.pop(path, None)
