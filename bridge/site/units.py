"""Which unit shows which device by which map, judged listener by listener."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.register_maps.format import Kind
from bridge.register_maps.positions import Node, Problem
from bridge.site.automations import SURPLUS_CHARGING
from bridge.site.checked import at, did_you_mean
from bridge.site.maps import MapFacts, MapShelf, is_file_name
from bridge.site.models import AnyListener, ServedUnit
from bridge.site.points import point_name
from bridge.site.sections import NOT_YET, Draft, PlacedDevice

#: Tells a device's learnt product class from the state directory and the device's name, None before that.
Learnt = Callable[[Path, str], str | None]
#: The unit of the bridge itself.
BRIDGE_UNIT = 247


@dataclass(frozen=True, slots=True)
class _Wish:
    """A unit that the site file asks for; `map_node` is where its map is chosen, None for a native one."""

    unit: int
    device: str
    map: str | None
    node: Node
    map_node: Node | None
    listeners: tuple[str, ...] | None = None
    reply_within: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


class UnitPlan:
    """Works out every unit of every listener, and what stands in its way."""

    def __init__(self, draft: Draft, shelf: MapShelf, problems: list[Problem]) -> None:
        self._draft = draft
        self._shelf = shelf
        self._problems = problems
        self._facts: dict[str, MapFacts | None] = {}
        self.warnings: list[Problem] = []

    def units(self, state: Path, learnt: Learnt) -> tuple[ServedUnit, ...]:
        """Return the units in the order of the listeners, then of their ids."""
        wishes = [*self._of_devices(state, learnt), *self._of_automations(), *self._of_views()]
        served: list[ServedUnit] = []
        for wish in wishes:
            self._check_map(wish)
            self._check_sources(wish, lambda device: learnt(state, device))
        heard = set()
        for placed in self._draft.listeners:
            here: dict[int, _Wish] = {}
            for wish in wishes:
                if not self._on(wish, placed.listener):
                    continue
                heard.add(id(wish))
                first = here.setdefault(wish.unit, wish)
                if first is wish:
                    served.append(self._served(wish, placed.listener))
                else:
                    self._clash(wish, first, placed.listener)
            self._unheard_units(placed.listener, placed.node, here)
        if self._draft.listeners:
            for wish in wishes:
                if id(wish) not in heard:
                    self._nowhere(wish)
        self._only_sources(wishes)
        self._shown_twice(wishes)
        return tuple(sorted(served, key=lambda unit: (self._rank(unit.listener), unit.unit)))

    def _of_devices(self, state: Path, learnt: Learnt) -> Iterator[_Wish]:
        for device in self._draft.devices:
            unit = device.options.unit
            if unit is None:
                continue
            place = at(device.node, ["unit"])
            chosen = device.options.map
            if chosen is not None:
                yield _Wish(unit, device.name, chosen, place, at(device.node, ["map"]))
            else:
                yield _Wish(unit, device.name, self._native(device, learnt(state, device.name)), place, None)
                for behind, name in device.family.further_units(device.options).items():
                    if unit + behind < BRIDGE_UNIT:
                        yield _Wish(unit + behind, device.name, name, place, None)
                    else:
                        self._beyond(device.name, unit + behind, place)

    def _beyond(self, device: str, unit: int, place: Node) -> None:
        expected = f"expected at most {BRIDGE_UNIT - 1}"
        message = f"found a unit of device '{device}' that would have to be {unit}, {expected}"
        self._problems.append(place.problem(message, "begin with a lower unit"))

    def _native(self, device: PlacedDevice, learnt: str | None) -> str | None:
        """Return the family's map for a device, of the class it was found to be where that is open."""
        options = device.options
        if getattr(options, "product", None) == "auto" and learnt is not None:
            if learnt in device.family.later:
                self.warnings.append(
                    device.node.problem(
                        f"device '{device.name}' is of the class '{learnt}', which {NOT_YET}",
                        "its unit answers 0B",
                    )
                )
            options = options.model_copy(update={"product": learnt})
        return device.family.native_map(options, None)

    def _of_views(self) -> Iterator[_Wish]:
        for placed in self._draft.views:
            view = placed.view
            yield _Wish(
                view.unit,
                view.device,
                view.map,
                at(placed.node, ["unit"]),
                at(placed.node, ["map"]),
                view.listeners,
                view.reply_within,
                view.sources,
            )

    def _of_automations(self) -> Iterator[_Wish]:
        for placed in self._draft.automations:
            own = placed.surplus
            if own.unit is not None:
                yield _Wish(own.unit, own.name, SURPLUS_CHARGING, at(placed.node, ["unit"]), None)

    def _fact(self, name: str) -> MapFacts | None:
        if name not in self._facts:
            facts = self._shelf.facts(name)
            self._facts[name] = facts
            self._problems += () if facts is None else facts.problems
        return self._facts[name]

    def _check_map(self, wish: _Wish) -> None:
        if wish.map is None or wish.map_node is None:
            return
        facts = self._fact(wish.map)
        if facts is None:
            self._problems.append(self._unknown_map(wish.map, wish.map_node))
        elif facts.kind is Kind.BRIDGE:
            message = f"found the map '{wish.map}', which serves unit {BRIDGE_UNIT} alone"
            self._problems.append(wish.map_node.problem(message, "choose the map of a device"))
        elif facts.methods is not None:
            self._check_methods(wish, wish.map_node, facts.methods)

    def _check_sources(self, wish: _Wish, learnt: Callable[[str], str | None]) -> None:
        """Report the entries of a chosen map that no point of its devices can feed, as far as known now."""
        if wish.map is None or wish.map_node is None or self._fact(wish.map) is None:
            return
        devices = {device.name: device for device in self._draft.devices}

        def declared(name: str) -> frozenset[str] | None:
            device = devices[name]
            product = getattr(device.options, "product", "")
            return device.family.declared(learnt(name) if product == "auto" else product)

        def has(named: str | None, path: str) -> bool:
            name = wish.device if named is None else wish.sources.get(named, named)
            if name not in devices:
                return False
            paths = declared(name)
            return paths is None or path in paths

        if wish.device in devices:
            own = declared(wish.device) or ()
            self._problems += self._shelf.unknown_sources(wish.map, has, own)

    def _unknown_map(self, name: str, place: Node) -> Problem:
        if is_file_name(name):
            return place.problem(f"found no map file {name}", "a relative path begins at the site file")
        hint = did_you_mean(name, self._shelf.names()) or "`maps list` shows them all"
        message = (
            f"found the unknown map '{name}', expected a shipped one, or ./mine.yaml beside the site file"
        )
        return place.problem(message, hint)

    def _check_methods(self, wish: _Wish, place: Node, methods: frozenset[str]) -> None:
        """A persona serves only where its readers look for it."""
        wanted = [
            placed.listener
            for placed in self._draft.listeners
            if wish.listeners is None or _named(placed.listener, wish.listeners)
        ]
        wrong = [listener for listener in wanted if listener.method not in methods]
        if wrong and (wish.listeners is not None or len(wrong) == len(wanted)):
            found = f"found the persona '{wish.map}' on {wrong[0].url}, but its readers look for it on"
            self._problems.append(
                place.problem(f"{found} {', '.join(sorted(methods))} only", "choose other listeners")
            )

    def _on(self, wish: _Wish, listener: AnyListener) -> bool:
        if wish.listeners is not None and not _named(listener, wish.listeners):
            return False
        facts = None if wish.map is None else self._fact(wish.map)
        if facts is not None and facts.methods is not None and listener.method not in facts.methods:
            return False
        return listener.serves(wish.unit)

    def _served(self, wish: _Wish, listener: AnyListener) -> ServedUnit:
        facts = None if wish.map is None else self._fact(wish.map)
        role = None if facts is None else facts.role
        return ServedUnit(
            listener.url, wish.unit, wish.device, wish.map, role, wish.reply_within, wish.sources or None
        )

    def _clash(self, wish: _Wish, first: _Wish, listener: AnyListener) -> None:
        where = f"device '{first.device}' has it ({first.node.file}:{first.node.line})"
        self._problems.append(
            wish.node.problem(
                f"found unit {wish.unit} again on {listener.url}, {where}", "choose another unit"
            )
        )

    def _nowhere(self, wish: _Wish) -> None:
        message = f"unit {wish.unit} of device '{wish.device}' is on no listener"
        self.warnings.append(wish.node.problem(message, "look at the listeners' units"))

    def _unheard_units(self, listener: AnyListener, node: Node, here: Mapping[int, _Wish]) -> None:
        for number, unit in enumerate(listener.units or ()):
            if unit not in here and unit != BRIDGE_UNIT:
                message = f"found unit {unit}, which no device of this site has on {listener.url}"
                self.warnings.append(
                    at(node, ["units", number]).problem(message, "remove it, or add its device")
                )

    def _only_sources(self, wishes: list[_Wish]) -> None:
        used = {name for wish in wishes for name in (wish.device, *wish.sources.values())}
        used |= {point_name(point).device for placed in self._draft.links for point in placed.link.sources}
        for automation in self._draft.automations:
            used |= {point_name(point).device for point in automation.surplus.grid_power}
            used |= {charger.device for charger in automation.surplus.charger}
        for device in self._draft.devices:
            if device.name not in used:
                message = f"device '{device.name}' has no unit and no view: it is read, but nothing serves it"
                self.warnings.append(device.node.problem(message, "add unit: 1 to 246"))

    def _shown_twice(self, wishes: list[_Wish]) -> None:
        """Warn of a source in two personas: a stock GX would count it twice."""
        personas = [wish for wish in wishes if wish.map is not None and self._is_persona(wish.map)]
        for second, wish in enumerate(personas):
            for first in personas[:second]:
                shared = {wish.device, *wish.sources.values()} & {first.device, *first.sources.values()}
                if shared:
                    names = " and ".join(f"'{name}'" for name in sorted(shared))
                    message = (
                        f"found {names} as {wish.map} of unit {wish.unit}, and as {first.map} of unit "
                        f"{first.unit} ({first.node.file}:{first.node.line}): "
                        "a GX that reads both counts it twice"
                    )
                    place = wish.node if wish.map_node is None else wish.map_node
                    self.warnings.append(place.problem(message, "serve it by one of them"))
                    break

    def _is_persona(self, name: str) -> bool:
        facts = self._fact(name)
        return facts is not None and facts.kind is Kind.PERSONA

    def _rank(self, url: str) -> int:
        return next(n for n, placed in enumerate(self._draft.listeners) if placed.listener.url == url)


def _named(listener: AnyListener, names: tuple[str, ...]) -> bool:
    return listener.url in names or (listener.name is not None and listener.name in names)
