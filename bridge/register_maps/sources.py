"""The `source:` of a register: which points feed it.

Forms: `/Path`, `device:/Path`, `[/First, /Alternative]`, `{path: .., negate: true}`,
`{sum: [/P, "device:/P"], missing: fail|zero|hold}`.
"""

from bridge.register_maps.fields import Faults, Fields, choice, path
from bridge.register_maps.format import Missing, Source, SourcePoint
from bridge.register_maps.measures import unit_of_measure
from bridge.register_maps.positions import Node

_POINT_KEYS = ("path", "negate")
_SUM_KEYS = ("sum", "missing")


def is_energy(name: str) -> bool:
    """True for paths that hold counted energy, which must never step back."""
    return unit_of_measure(name) == "kWh"


def read_source(node: Node, faults: Faults, published: str | None) -> Source | None:
    """Read a source; `published` is the path it feeds. None after a fault."""
    if isinstance(node.value, dict) and "sum" in node.value:
        return _sum(node, faults, published)
    points = _points(node, faults)
    return Source(tuple(points)) if points else None


def _points(node: Node, faults: Faults) -> list[SourcePoint]:
    """Read a point or a list of alternatives."""
    if isinstance(node.value, list):
        if not node.value:
            faults.at(node, "source: found an empty list, expected at least one path")
        return [point for item in node.value for point in _points_of_item(item, faults)]
    return _points_of_item(node, faults)


def _points_of_item(node: Node, faults: Faults) -> list[SourcePoint]:
    if isinstance(node.value, list):
        faults.at(node, "source: found a list in a list, expected a path")
        return []
    if not isinstance(node.value, dict):
        point = _named(node, faults)
        return [] if point is None else [point]
    fields = Fields(node, faults, "source", _POINT_KEYS)
    inner = fields.get("path")
    if inner is None:
        faults.at(node, "source: found no 'path', expected one")
        return []
    negate = fields.boolean("negate")
    named = [_named(item, faults) for item in (inner.value if isinstance(inner.value, list) else [inner])]
    return [SourcePoint(p.path, p.device, negate) for p in named if p is not None]


def _named(node: Node, faults: Faults) -> SourcePoint | None:
    """Read `/Path` or `device:/Path`."""
    device, colon, rest = node.text.partition(":")
    if isinstance(node.value, dict | list) or not colon or not device or device.startswith("/"):
        found = path(node, faults, "source")
        return None if found is None else SourcePoint(found)
    found = path(Node(rest, node.line, node.column, rest), faults, "source")
    return None if found is None else SourcePoint(found, device)


def _sum(node: Node, faults: Faults, published: str | None) -> Source | None:
    fields = Fields(node, faults, "source", _SUM_KEYS)
    points = [point for item in fields.items("sum") for point in _points_of_item(item, faults)]
    energy = is_energy(published or "") or any(is_energy(point.path) for point in points)
    missing = Missing.HOLD if energy else Missing.FAIL
    if (wish := fields.get("missing")) is not None:
        word = choice(wish, faults, "missing", tuple(Missing))
        if word == Missing.ZERO and energy:
            faults.at(
                wish,
                f"missing: found zero for the energy {published}, which would step back",
                "leave it out: energies hold their last sum",
            )
        missing = Missing(word) if word is not None else missing
    if not points:
        faults.at(node, "source: found a sum of nothing, expected at least one path")
        return None
    return Source(tuple(points), total=True, missing=missing)
