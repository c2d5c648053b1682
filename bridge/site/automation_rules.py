"""What the automations of a site mean together: free names, points that there are, chargers of one alone."""

from collections.abc import Iterator

from bridge.register_maps.measures import unit_of_measure
from bridge.register_maps.positions import Node
from bridge.site.checked import at
from bridge.site.known_points import PointBook
from bridge.site.points import point_name
from bridge.site.rules import known_name
from bridge.site.sections import Draft, PlacedAutomation

_WATTS = "W"


class AutomationRules:
    """Checks all automations of a draft."""

    def __init__(self, draft: Draft, book: PointBook) -> None:
        self._draft = draft
        self._book = book
        self._problems = book.problems
        self._taken: dict[str, Node] = {device.name: device.node for device in draft.devices}
        self._steered: dict[str, Node] = {}
        fed = (point_name(target) for placed in draft.links for target in placed.link.targets)
        self._fed = {point.device: point for point in fed}

    def check(self) -> None:
        """Report every problem."""
        for placed in self._draft.automations:
            self._check_name(placed)
            self._check_meter(placed)
            self._check_chargers(placed)

    def _check_name(self, placed: PlacedAutomation) -> None:
        name = placed.surplus.name
        node = at(placed.node, ["name"])
        first = self._taken.setdefault(name, placed.node)
        if first is not placed.node:
            message = f"found the name '{name}', which {first.file}:{first.line} has already"
            self._problems.append(node.problem(message, "give it a 'name' of its own"))

    def _check_meter(self, placed: PlacedAutomation) -> None:
        for number, written in enumerate(placed.surplus.grid_power):
            point, node = point_name(written), at(placed.node, ["grid_power", number])
            known = self._book.mapped(point, node)
            unit = unit_of_measure(point.path)
            if (known is not None and known.text) or unit not in ("", _WATTS):
                message = f"found {point} in {unit or 'words'}, expected a power in W"
                self._problems.append(node.problem(message, "positive when the house takes from the grid"))

    def _check_chargers(self, placed: PlacedAutomation) -> None:
        for number, use in enumerate(placed.surplus.charger):
            node = at(placed.node, ["charger", number])
            known_name(at(node, ["device"]), use.device, "device", self._devices(), self._problems)
            first = self._steered.setdefault(use.device, node)
            if first is not node:
                message = (
                    f"found the charger '{use.device}' again, {first.file}:{first.line} steers it already"
                )
                self._problems.append(node.problem(message, "name it once"))
            if use.device in self._fed:
                message = f"found the charger '{use.device}', whose {self._fed[use.device].path} a link feeds"
                self._problems.append(node.problem(message, "let the link or the automation go"))
            for low, high, place in self._ranges(placed, number):
                if low is not None and high is not None and low > high:
                    message = f"found a minimum_current of {low:g} A above the maximum_current of {high:g} A"
                    self._problems.append(place.problem(message, "exchange them"))

    def _ranges(
        self, placed: PlacedAutomation, number: int
    ) -> Iterator[tuple[float | None, float | None, Node]]:
        """Yield the range of a charger as it will be, with the place to mend it."""
        whole, use = placed.surplus, placed.surplus.charger[number]
        low = whole.minimum_current if use.minimum_current is None else use.minimum_current
        high = whole.maximum_current if use.maximum_current is None else use.maximum_current
        own = at(placed.node, ["charger", number])
        yield low, high, at(own if use.minimum_current is not None else placed.node, ["minimum_current"])

    def _devices(self) -> frozenset[str]:
        return frozenset(device for device in self._draft.device_names if device not in self._own_names())

    def _own_names(self) -> set[str]:
        return {placed.surplus.name for placed in self._draft.automations} - {
            device.name for device in self._draft.devices
        }
