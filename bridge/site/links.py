"""What the links of a site mean together: points that there are, that fit, and that lead in no circle.

A family may not tell beforehand what points its devices have; what cannot be judged here is judged when the
devices are known, and told in the log.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.register_maps.measures import unit_of_measure
from bridge.register_maps.positions import Node
from bridge.site.checked import at
from bridge.site.known_points import PointBook
from bridge.site.maps import MappedPoint
from bridge.site.models import LinkedPoint
from bridge.site.points import PointName, point_name
from bridge.site.sections import Draft, PlacedLink


@dataclass(frozen=True, slots=True)
class _PlacedPoint:
    """One point that feeds one other, with the places of both."""

    linked: LinkedPoint
    source_node: Node
    target_node: Node


class LinkPlan:
    """Takes the links apart into pairs of points, and reports what is wrong with them."""

    def __init__(self, draft: Draft, book: PointBook) -> None:
        self._draft = draft
        self._book = book
        self._problems = book.problems
        self._warnings = book.warnings

    def links(self) -> tuple[LinkedPoint, ...]:
        """Return all pairs in the order of the file."""
        placed = [pair for link in self._draft.links for pair in self._pairs(link)]
        fed: dict[PointName, _PlacedPoint] = {}
        for pair in placed:
            self._check_names(pair)
            first = fed.setdefault(pair.linked.target, pair)
            if first is pair:
                self._check_loop(pair, fed)
            else:
                where = f"{first.target_node.file}:{first.target_node.line}"
                message = f"found {pair.linked.target} again, which {where} feeds already"
                self._problems.append(pair.target_node.problem(message, "remove one of the two links"))
        return tuple(pair.linked for pair in placed)

    def _pairs(self, placed: PlacedLink) -> Iterator[_PlacedPoint]:
        link = placed.link
        if len(link.sources) != len(link.targets):
            message = (
                f"found {len(link.targets)} in 'to', expected {len(link.sources)}: as many as 'from' names"
            )
            self._problems.append(at(placed.node, ["to"]).problem(message, "each point feeds one other"))
            return
        for number, (source, target) in enumerate(zip(link.sources, link.targets, strict=True)):
            linked = LinkedPoint(point_name(source), point_name(target), link.factor, link.offset)
            yield _PlacedPoint(linked, at(placed.node, ["from", number]), at(placed.node, ["to", number]))

    def _check_names(self, pair: _PlacedPoint) -> None:
        """Check that both points exist and fit each other, as far as that is known."""
        found = len(self._problems)
        source = self._book.mapped(pair.linked.source, pair.source_node)
        target = self._book.mapped(pair.linked.target, pair.target_node)
        if len(self._problems) == found:
            self._check_fit(pair, source, target)

    def _check_fit(self, pair: _PlacedPoint, source: MappedPoint | None, target: MappedPoint | None) -> None:
        linked, place = pair.linked, pair.target_node
        texts = (None if source is None else source.text, None if target is None else target.text)
        units = (unit_of_measure(linked.source.path), unit_of_measure(linked.target.path))
        if None not in texts and texts[0] != texts[1]:
            kinds = ("a number", "text")
            takes, gets = kinds[texts[1] is True], kinds[texts[0] is True]
            message = f"found {linked.target}, which takes {takes}, fed by {linked.source}, which is {gets}"
            self._problems.append(place.problem(message, "link other points"))
        elif True in texts and (linked.factor, linked.offset) != (1.0, 0.0):
            message = f"found a factor or an offset for {linked.source}, which is text"
            self._problems.append(place.problem(message, "remove 'factor' and 'offset'"))
        elif all(units) and units[0] != units[1] and linked.factor == 1.0:
            message = f"found {linked.target} in {units[1]}, fed by {linked.source} in {units[0]}"
            self._problems.append(
                place.problem(
                    f"{message}, expected the same unit of measure", "or add a 'factor' that converts it"
                )
            )
        if target is not None and not target.writable:
            message = f"found {linked.target}, which its map shows as read-only"
            if self._book.map_decides(linked.target.device):
                self._problems.append(place.problem(f"{message}, expected a writable point", "link another"))
            else:
                self._warnings.append(place.problem(message, "the link works only if the device takes it"))

    def _check_loop(self, pair: _PlacedPoint, fed: Mapping[PointName, _PlacedPoint]) -> None:
        """Report a link whose source is fed, over whatever other points, by its own target."""
        point = pair.linked.source
        seen = set()
        while point != pair.linked.target and point in fed and point not in seen:
            seen.add(point)
            point = fed[point].linked.source
        if point == pair.linked.target:
            message = f"found {pair.linked.source}, which {pair.linked.target} feeds in its turn"
            if not seen:
                message = f"found {pair.linked.source}, which would feed itself"
            self._problems.append(pair.source_node.problem(message, "break the circle"))
