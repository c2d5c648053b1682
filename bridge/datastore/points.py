"""Points and the groups they are published in: what is known, and until when it may be believed."""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Path, Quality, Reading, Value

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """Points that are heard together: stale when not heard for `stale_after_s` (None: never stale)."""

    name: str
    stale_after_s: float | None = 5.0


class Group:
    """One group's age. `stale` is what listeners were told; `stale_at` is the truth at a moment."""

    __slots__ = ("spec", "stale", "updated")

    def __init__(self, spec: GroupSpec) -> None:
        self.spec = spec
        self.updated: float | None = None
        self.stale = True

    @property
    def deadline(self) -> float:
        """Monotonic time at which the group becomes stale; -inf when it is, or was never heard."""
        if self.updated is None or self.stale:
            return -math.inf
        return math.inf if self.spec.stale_after_s is None else self.updated + self.spec.stale_after_s

    def stale_at(self, now: float) -> bool:
        """True when nothing it brought may be believed, whether or not anybody was told yet."""
        return self.stale or self.deadline <= now


class Point:
    """One quantity: its declaration, newest value (None is absent) and the group that brought it."""

    __slots__ = ("group", "spec", "value")

    def __init__(self, spec: PointSpec) -> None:
        self.spec = spec
        self.value: Value | None = None
        self.group: Group | None = None

    def stale_at(self, now: float) -> bool:
        """True when the value may not be believed."""
        return self.group is None or self.group.stale_at(now)


class PointTable:
    """The points of one device, with their groups; tells which points a publication changed."""

    def __init__(self, device: str = "") -> None:
        self.points: dict[Path, Point] = {}
        self._device = device
        self._groups: dict[str, Group] = {}
        self._alive_when: tuple[tuple[Group, ...], ...] = ()
        self._mistyped: set[Path] = set()
        #: Monotonic time until which the essential groups prove the device alive.
        self.alive_until = -math.inf

    def declare(
        self,
        specs: Iterable[PointSpec],
        groups: Iterable[GroupSpec],
        alive_when: Iterable[Iterable[str]],
    ) -> None:
        """Set what may be published; values of points declared again are kept.

        alive_when: the device lives while every clause has a group that is not stale. No clause at
        all means that the device is always alive (the bridge itself). Raises KeyError for a clause
        that names a group which was never declared.
        """
        kept = self.points
        self.points = {}
        for spec in specs:
            point = kept.get(spec.path)
            if point is None or point.spec.text != spec.text:
                point = Point(spec)
            point.spec = spec
            self.points[spec.path] = point
        for group in groups:
            known = self._groups.get(group.name)
            if known is None:
                self._groups[group.name] = Group(group)
            else:
                known.spec = group
        self._alive_when = tuple(tuple(self._groups[name] for name in clause) for clause in alive_when)
        self._judge_alive()

    def retire(self, kept: Iterable[Path]) -> list[Path]:
        """Make all points but `kept` stale for good; return those whose quality this changed."""
        keep = frozenset(kept)
        lost = [path for path, p in self.points.items() if path not in keep and _believed(p)]
        for path in lost:
            self.points[path].group = None
        return lost

    def is_essential(self, group_name: str) -> bool:
        """True when hearing the group proves something about the device being alive."""
        group = self._groups[group_name]
        return not self._alive_when or any(group in clause for clause in self._alive_when)

    def publish(self, group_name: str, values: Mapping[Path, Value | None], now: float) -> list[Path]:
        """Take one batch; return the paths whose value or quality changed.

        Numbers that are not finite are absent, and so, with an error in the log, are values of the
        wrong type. What a stale group brought in former times stays stale unless the batch brings it
        again. Raises KeyError for a group or path that was not declared; then nothing was taken.
        """
        group = self._groups[group_name]
        batch = [(path, self.points[path], value) for path, value in values.items()]
        revived = group.stale_at(now)
        changed = self._leave_behind(group, values) if revived else []
        for path, point, new in batch:
            value = self._usable(point, new)
            believed = not revived if point.group is group else not point.stale_at(now)
            if not believed or point.value != value or type(point.value) is not type(value):
                changed.append(path)
            point.value = value
            point.group = group
        group.updated = now
        group.stale = False
        self._judge_alive()
        return changed

    def expire(self, now: float) -> list[Path]:
        """Mark every group whose time is over; return the paths that became stale."""
        over = {group for group in self._groups.values() if not group.stale and group.deadline <= now}
        if not over:
            return []
        for group in over:
            group.stale = True
        return [path for path, point in self.points.items() if point.group in over]

    def disbelieve(self) -> list[Path]:
        """Let every group that can become stale be so at once; return what was believed. Ages go on."""
        over = {g for g in self._groups.values() if not g.stale and g.spec.stale_after_s is not None}
        for group in over:
            group.stale = True
        self._judge_alive()
        return [path for path, point in self.points.items() if point.group in over]

    def forget(self) -> list[Path]:
        """Drop every value, as when another device is found on the port; return what was believed."""
        lost = [path for path, point in self.points.items() if _believed(point)]
        for point in self.points.values():
            point.group = point.value = None
        for group in self._groups.values():
            group.updated = None
            group.stale = True
        self._judge_alive()
        return lost

    def next_deadline(self) -> float:
        """Monotonic time of the next group to become stale, inf when there is none."""
        return min((g.deadline for g in self._groups.values() if not g.stale), default=math.inf)

    def reading(self, path: Path, now: float) -> Reading:
        """The point now; raises KeyError for one not declared."""
        point = self.points[path]
        group = point.group
        if group is None or group.updated is None:
            return Reading(None, Quality.STALE, None)
        if group.stale_at(now):
            return Reading(None, Quality.STALE, now - group.updated)
        quality = Quality.ABSENT if point.value is None else Quality.OK
        return Reading(point.value, quality, now - group.updated)

    def values(self, paths: Iterable[Path], now: float) -> list[Value | None]:
        """Values of declared points that may be believed now, None for each that may not or is absent."""
        points = self.points
        return [
            None if (group := (point := points[path]).group) is None or group.stale_at(now) else point.value
            for path in paths
        ]

    def alive_age(self, now: float) -> float | None:
        """Seconds since the essential groups were last heard, None when never (or never needed)."""
        newest = [
            max((g.updated for g in clause if g.updated is not None), default=None)
            for clause in self._alive_when
        ]
        if not newest or any(heard is None for heard in newest):
            return None
        return now - min(heard for heard in newest if heard is not None)

    def _leave_behind(self, group: Group, values: Mapping[Path, Value | None]) -> list[Path]:
        """Part a reviving group from the points its batch does not bring; return those now seen as stale."""
        behind = [path for path, p in self.points.items() if p.group is group and path not in values]
        for path in behind:
            self.points[path].group = None
        return [] if group.stale else behind

    def _usable(self, point: Point, value: Value | None) -> Value | None:
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return None
        if point.spec.text == isinstance(value, str):
            return int(value) if isinstance(value, bool) else value
        if point.spec.path not in self._mistyped:
            self._mistyped.add(point.spec.path)
            _log.error(
                "device=%s point=%s published %r, expected %s: served as absent",
                self._device, point.spec.path, value, "text" if point.spec.text else "a number",
            )  # fmt: skip
        return None

    def _judge_alive(self) -> None:
        self.alive_until = min(
            (max((g.deadline for g in clause), default=-math.inf) for clause in self._alive_when),
            default=math.inf,
        )


def _believed(point: Point) -> bool:
    """True when listeners take the point for fresh or absent."""
    return point.group is not None and not point.group.stale
