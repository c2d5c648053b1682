"""Equipment families: found by entry point, imported when a site uses them."""

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

from bridge.adapters.base import Family

GROUP = "inverter_bridge.adapters"
#: Families of the design, also those that this version does not have.
KNOWN = frozenset(
    {"vedirect", "vebus_mk3", "modbus", "can_battery", "can_bms", "sunny_island", "apsystems", "remote"}
)


class FamilyError(Exception):
    """An installed family cannot be loaded; the text says why."""


class InstalledFamilies(Mapping[str, Family]):
    """The families that entry points name. Looking one up imports its options, nothing else.

    Raises FamilyError for one that is installed but broken.
    """

    def __init__(self) -> None:
        self._points: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=GROUP)}
        self._loaded: dict[str, Family] = {}

    def __getitem__(self, name: str) -> Family:
        """Import a family's options."""
        if name not in self._loaded:
            point = self._points[name]
            try:
                family = point.load()
            except Exception as fault:  # a foreign package may fail in any way
                raise FamilyError(f"{point.value} cannot be loaded: {fault}") from fault
            if not isinstance(family, Family):
                raise FamilyError(f"{point.value} is no Family")
            self._loaded[name] = family
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._points

    def __iter__(self) -> Iterator[str]:
        """Name the families without importing them."""
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)
