"""What is known beforehand of the points of a site's devices: from their families, and from their maps."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bridge.register_maps.positions import Node, Problem
from bridge.site.checked import did_you_mean
from bridge.site.maps import MappedPoint, MapShelf
from bridge.site.points import PointName
from bridge.site.rules import known_name
from bridge.site.sections import Draft, PlacedDevice

#: Tells a device's learnt product class by its name, None before that.
LearntOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class _KnownPoints:
    """A device's points as known now: those `shown` by its map, and `all_` there are, None where unknown."""

    shown: Mapping[str, MappedPoint]
    all_: Collection[str] | None
    #: True where the map itself says what may be written.
    map_decides: bool


class PointBook:
    """Looks points up for links and automations, and reports those that there are not."""

    def __init__(
        self,
        draft: Draft,
        shelf: MapShelf,
        learnt: LearntOf,
        problems: list[Problem],
        warnings: list[Problem],
    ) -> None:
        self._draft = draft
        self._shelf = shelf
        self._learnt = learnt
        self.problems = problems
        self.warnings = warnings
        self._devices = {device.name: device for device in draft.devices}
        self._known: dict[str, _KnownPoints] = {}

    def mapped(self, point: PointName, place: Node) -> MappedPoint | None:
        """Return what a map says of a point, None for nothing; report one that does not exist."""
        known_name(place, point.device, "device", self._draft.device_names, self.problems)
        device = self._devices.get(point.device)
        if device is None:
            return None
        known = self._points_of(device)
        if point.path not in known.shown and (known.all_ is None or point.path not in known.all_):
            names = known.all_ or known.shown.keys()
            hint = did_you_mean(point.path, names) if names else ""
            message = f"found {point.path}, which device '{point.device}'"
            if known.all_ is not None:
                self.problems.append(place.problem(f"{message} does not have", hint))
            elif names:
                message = f"{message} may not have: its map does not show it"
                self.warnings.append(place.problem(message, hint))
        return known.shown.get(point.path)

    def _points_of(self, device: PlacedDevice) -> _KnownPoints:
        if device.name not in self._known:
            options, family = device.options, device.family
            product = getattr(options, "product", "")
            if product == "auto":
                product = self._learnt(device.name)
                if product is not None:
                    options = options.model_copy(update={"product": product})
            name = family.native_map(options, None)
            shown, whole = ({}, False) if name is None else self._shelf.points(name)
            declared = family.declared(product)
            all_ = declared if declared is not None else shown.keys() if whole else None
            self._known[device.name] = _KnownPoints(shown, all_, whole)
        return self._known[device.name]

    def map_decides(self, device: str) -> bool:
        """True where a device's map itself says what may be written to it."""
        return self._points_of(self._devices[device]).map_decides
