"""Map files: text to `RegisterMap`, or to every error in it with its place.

Any text gives a map or a list of errors; nothing else is raised.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from bridge.register_maps.bit_entries import read_bits
from bridge.register_maps.checks import check_map
from bridge.register_maps.device_entries import read_detect, read_device
from bridge.register_maps.entries import EntryReader
from bridge.register_maps.fields import Faults, Fields, MapError, path
from bridge.register_maps.format import Coil, Detect, Kind, Register, RegisterMap, Stale, Table
from bridge.register_maps.positions import Node, compose
from bridge.register_maps.types import Value

KEYS = frozenset(
    {
        *("name", "title", "kind", "extends", "device", "detect", "stale"),
        *("registers", "coils", "discrete_inputs", "constants"),
    }
)
#: Characters of a map file; the largest that fills all tables is far smaller.
FILE_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class MapLoad:
    """What reading a file gave: the map when there are no errors."""

    map: RegisterMap | None
    errors: tuple[MapError, ...] = ()


_Entry = TypeVar("_Entry", Register, Coil)
#: Gives the map of a name that a file extends.
Extend = Callable[[str], MapLoad]


def load_text(
    text: str,
    file: str,
    name: str,
    kind: Kind = Kind.NATIVE,
    extend: Extend | None = None,
    *,
    shipped: bool = False,
) -> MapLoad:
    """Read a map; `name` and `kind` are what its place says, `kind:` in the file wins.

    shipped: it is found by its name, so that a `name:` in the file must be the same.
    """
    if len(text) > FILE_MAX:
        return MapLoad(
            None, (MapError(file, 1, 1, f"found {len(text)} characters, expected at most {FILE_MAX}"),)
        )
    faults = Faults(file)
    node, problems = compose(text, file)
    faults.extend(problems)
    if node is None:
        return MapLoad(None, tuple(faults.sorted()))
    found = _MapReader(node, faults, name, kind, extend, shipped=shipped).read()
    check_map(found, faults)
    return MapLoad(None, tuple(faults.sorted())) if len(faults) else MapLoad(found)


class _MapReader:
    """Reads one file's top level."""

    def __init__(
        self, node: Node, faults: Faults, name: str, kind: Kind, extend: Extend | None, *, shipped: bool
    ) -> None:
        self._fields = Fields(node, faults, "map", KEYS)
        self._faults = faults
        self._name = name
        self._shipped = shipped
        self._kind = kind
        self._extend = extend

    def read(self) -> RegisterMap:
        fields, faults = self._fields, self._faults
        base = self._base()
        kind = fields.choice("kind", tuple(Kind))
        stale = fields.choice("stale", tuple(Stale))
        self._check_name()
        device = read_device(fields.get("device"), faults, base.device)
        own = tuple(EntryReader(faults, device.access).read(fields.items("registers")))
        bits = (
            *read_bits(fields.items("coils"), Table.COILS, faults),
            *read_bits(fields.items("discrete_inputs"), Table.DISCRETE, faults),
        )
        coils = (*_kept(base.coils, bits), *bits)
        mirrors = tuple(mirror for coil in coils if (mirror := coil.mirrored()) is not None)
        registers = (*_kept(base.registers, (*own, *mirrors)), *own, *mirrors)
        loaded = RegisterMap(
            name=self._name,
            title=fields.text("title") or base.title or self._name,
            kind=Kind(kind) if kind else self._kind,
            registers=tuple(sorted(registers, key=lambda r: (r.table, r.address))),
            coils=tuple(sorted(coils, key=lambda c: (c.table, c.address))),
            device=device,
            detect=read_detect(fields.get("detect"), faults) or self._inherited(base.detect),
            stale=Stale(stale) if stale else base.stale,
            constants=MappingProxyType({**base.constants, **self._constants()}),
            file=faults.file,
        )
        if not loaded.registers and not loaded.coils and not len(faults):
            faults.at(fields.node, "map: found no registers, expected `registers:` with at least one")
        if loaded.kind is Kind.PERSONA and (loaded.detect is None or not loaded.detect.methods):
            faults.at(
                fields.key("detect"),
                "detect: found no methods, a persona is served only by those its clients find it with",
                "add `detect: {address: .., type: .., values: .., methods: [tcp]}`",
            )
        return loaded

    def _inherited(self, detect: Detect | None) -> Detect | None:
        """Return it with a place in this file: what does not fit it is wrong here."""
        place = self._fields.key("extends")
        return detect and replace(detect, line=place.line, column=place.column)

    def _check_name(self) -> None:
        name = self._fields.text("name")
        if self._shipped and name is not None and name.rpartition("/")[2] != self._name.rpartition("/")[2]:
            self._faults.at(
                self._fields.get("name") or self._fields.node,
                f"name: found '{name}' in the file of '{self._name}', expected the file's own name",
                "rename one of them",
            )

    def _base(self) -> RegisterMap:
        """Return the map that this one extends, its entries placed at `extends`; an empty one without."""
        empty = RegisterMap("", "", self._kind, ())
        name = self._fields.text("extends")
        if name is None:
            return empty
        where = self._fields.get("extends") or self._fields.node
        load = MapLoad(None) if self._extend is None else self._extend(name)
        if load.map is None:
            reason = load.errors[0].message if load.errors else "it cannot be looked up here"
            hint = load.errors[0].hint if load.errors else ""
            self._faults.at(where, f"extends: found '{name}', which does not load: {reason}", hint)
            return empty
        return replace(
            load.map,
            registers=tuple(
                replace(r, line=where.line, column=where.column)
                for r in load.map.registers
                if r.switch is None
            ),
            coils=tuple(replace(c, line=where.line, column=where.column) for c in load.map.coils),
        )

    def _constants(self) -> dict[str, Value]:
        constants: dict[str, Value] = {}
        for key, value in self._fields.mapping("constants"):
            name = path(key, self._faults, "constants")
            if isinstance(value.value, bool | dict | list) or value.value is None:
                self._faults.at(value, f"constants: found {value.kind}, expected a number or a text")
            elif name is not None:
                constants[name] = value.value
        return constants


def _kept(base: tuple[_Entry, ...], own: tuple[Register, ...] | tuple[Coil, ...]) -> tuple[_Entry, ...]:
    """Return what remains of a base: an entry of the extending file replaces those at its address."""
    replaced = {(entry.table, entry.address) for entry in own}
    return tuple(entry for entry in base if (entry.table, entry.address) not in replaced)
