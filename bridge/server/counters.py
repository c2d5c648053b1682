"""What the server counts: plain integers in the hot path, points of device `bridge` once a second."""

from collections.abc import Mapping

from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Path, Value

#: Attribute of `Counters` -> the point that shows it.
_POINTS: Mapping[str, Path] = {
    "connections": "/Server/Connections",
    "connections_refused": "/Server/ConnectionsRefused",
    "requests": "/Server/Requests",
    "exceptions": "/Server/Exceptions",
    "writes_refused": "/Server/WritesRefused",
    "broadcasts": "/Server/Broadcasts",
}
#: The points are u32 registers of unit 247, as far as its map shows them.
_WRAP = 1 << 32

#: Group of device `bridge` in which the counters are published.
GROUP = GroupSpec("server", stale_after_s=None)
SPECS = tuple(PointSpec(path) for path in _POINTS.values())


class Counters:
    """Counts over all listeners of a bridge since its start.

    connections: open now. connections_refused: closed, and datagrams dropped, for access or because of
    the cap. requests: well-framed requests answered. exceptions: those of them answered by an exception.
    writes_refused: writes without the right to write. broadcasts: frames to unit 0 on RTU lines, which
    nobody answers.
    """

    __slots__ = (
        "broadcasts",
        "connections",
        "connections_refused",
        "exceptions",
        "requests",
        "writes_refused",
    )

    def __init__(self) -> None:
        self.connections = 0
        self.connections_refused = 0
        self.requests = 0
        self.exceptions = 0
        self.writes_refused = 0
        self.broadcasts = 0

    def snapshot(self) -> dict[Path, Value]:
        """Return the points of `GROUP` as they are to be published."""
        return {path: getattr(self, name) % _WRAP for name, path in _POINTS.items()}
