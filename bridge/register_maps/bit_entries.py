"""Entries of `coils:` and `discrete_inputs:`."""

from bridge.register_maps.fields import Faults, Fields, integer
from bridge.register_maps.format import ADDRESS_MAX, Coil, Source, SourcePoint, Switch, Table
from bridge.register_maps.positions import Node
from bridge.register_maps.sources import read_source

KEYS = {
    Table.COILS: frozenset({"address", "path", "source", "on", "off", "mirror", "write"}),
    Table.DISCRETE: frozenset({"address", "path", "source", "on", "off"}),
}
_VALUE_MAX = (1 << 31) - 1


def read_bits(nodes: list[Node], table: Table, faults: Faults) -> list[Coil]:
    """Return the entries of a list that could be read."""
    what = "coil" if table is Table.COILS else "discrete input"
    found = []
    for node in nodes:
        fields = Fields(node, faults, what, KEYS[table])
        if isinstance(node.value, dict) and (coil := _bit(fields, table, faults)) is not None:
            found.append(coil)
    return found


def _bit(fields: Fields, table: Table, faults: Faults) -> Coil | None:
    node = fields.node
    for key in ("address", "path"):
        if key not in fields:
            faults.at(node, f"found no '{key}', expected one")
    address = fields.integer("address", 0, ADDRESS_MAX)
    path = fields.path("path")
    mirror = fields.integer("mirror", 0, ADDRESS_MAX)
    write = table is Table.COILS and ("write" not in fields or fields.boolean("write"))
    written = fields.get("source")
    if written is None:
        source = None if path is None else Source((SourcePoint(path),))
    else:
        source = read_source(written, faults, path)
    if source is not None and source.total:
        faults.at(fields.key("source"), "source: found a sum, which no bit can show")
    switch = _coil_switch(fields, faults) if table is Table.COILS else _input_switch(fields, faults)
    if address is None or path is None or source is None:
        return None
    return Coil(table, address, path, source, switch, write, mirror, node.line, node.column)


def _coil_switch(fields: Fields, faults: Faults) -> Switch:
    on = fields.integer("on", -_VALUE_MAX, _VALUE_MAX) if "on" in fields else 1
    off = fields.integer("off", -_VALUE_MAX, _VALUE_MAX) if "off" in fields else 0
    if on is not None and on == off:
        faults.at(fields.node, f"coil: found {on} for on and for off, expected two different values")
    return Switch((1 if on is None else on,), off)


def _input_switch(fields: Fields, faults: Faults) -> Switch:
    """Read `on`, one value or several, or `off`; with `off` the input reads 0 at that value only."""
    node = fields.get("on")
    items = [] if node is None else node.value if isinstance(node.value, list) else [node]
    on = tuple(n for item in items if (n := integer(item, faults, "on", -_VALUE_MAX, _VALUE_MAX)) is not None)
    if node is not None and isinstance(node.value, list) and not items:
        faults.at(node, "on: found an empty list, expected at least one value")
    off = fields.integer("off", -_VALUE_MAX, _VALUE_MAX) if "off" in fields else None
    if off is not None and off in on:
        faults.at(
            fields.node, f"discrete input: found {off} for on and for off, expected two different values"
        )
    return Switch(on or (1,), 0 if node is None and off is None else off)
