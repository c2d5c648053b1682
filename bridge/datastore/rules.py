"""The rules a batch of changes must keep, the same for every writer."""

from collections.abc import Collection, Mapping

from bridge.datastore.points import Point
from bridge.datastore.refusals import NotWritable, ValueRefused
from bridge.datastore.values import Path, Value, WriteRequest


def checked(
    device: str, points: Mapping[Path, Point], fed: Collection[Path], request: WriteRequest
) -> dict[Path, Value]:
    """Return the batch with accepted alternatives replaced.

    All points are judged before any value, as Modbus judges addresses before values. Raises NotWritable
    or ValueRefused for the first offender.
    """
    for path in request.changes:
        point = points.get(path)
        if point is None or not point.spec.writable:
            raise NotWritable(path, f"{path} of {device} is read-only or unknown: expected a writable point")
        if path in fed and request.origin.kind != "link":
            raise NotWritable(path, f"{path} of {device} is fed by a link, which refuses other writers")
    changes: dict[Path, Value] = {}
    for path, wish in request.changes.items():
        spec = points[path].spec
        value = spec.normalise(wish)
        fault = spec.fault(value, _limit(points, spec.minimum_from), _limit(points, spec.maximum_from))
        if fault is not None:
            raise ValueRefused(path, fault)
        changes[path] = value
    return changes


def _limit(points: Mapping[Path, Point], path: Path | None) -> float | None:
    """Return a limit as last learnt: while the device is silent it stands, rather than none at all."""
    point = None if path is None else points.get(path)
    value = None if point is None else point.value
    return None if value is None or isinstance(value, str) else float(value)
