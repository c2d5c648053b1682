"""YAML for evcc: a `custom` meter, and a `custom` charger where the map can be switched.

Keys are those of docs.evcc.io/docs/devices/plugins and /docs/reference/modbus. evcc multiplies by `scale` in
both directions; its encodings ending in `nan` take the usual patterns for "no value" as 0.
"""

import json
from collections.abc import Iterator
from fractions import Fraction

from bridge.register_maps.format import Coil, RegisterMap, Table
from bridge.register_maps.snippets_values import (
    LICENCE,
    Readable,
    Target,
    decimal,
    device_name,
    readables,
    switches,
)
from bridge.register_maps.types import EnumType, FloatType, IntegerType, MappedType, RegisterType

#: evcc's encodings (util/modbus/register.go); types without one cannot be read by it.
_ENCODINGS = {
    "u16": "uint16nan",
    "s16": "int16nan",
    "u32b": "uint32nan",
    "u32l": "uint32s",
    "s32b": "int32nan",
    "s32l": "int32s",
    "u64b": "uint64nan",
    "s64b": "int64",
    "f32b": "float32",
    "f32l": "float32s",
}
#: Where power is found: the first of these that the map has whole is summed.
_POWERS = (
    ("/Ac/Power",),
    ("/Yield/Power",),
    ("/Pv/P",),
    ("/Ac/Grid/L1/Power", "/Ac/Grid/L2/Power", "/Ac/Grid/L3/Power"),
    ("/Ac/ActiveIn/L1/P", "/Ac/ActiveIn/L2/P", "/Ac/ActiveIn/L3/P"),
    ("/Ac/ActiveIn/L1/P",),
    ("/Ac/Out/L1/P",),
    ("/Dc/0/Power",),
)
#: Else it is a product of two.
_PRODUCTS = (("/Dc/0/Voltage", "/Dc/0/Current"), ("/Ac/Out/L1/V", "/Ac/Out/L1/I"))
_ENERGIES = ("/Ac/Energy/Forward", "/Yield/User", "/Yield/System")
#: The volatile set-point first: evcc writes every few seconds, and memory wears.
_CURRENTS = ("/Link/ChargeCurrent", "/Settings/ChargeCurrentLimit", "/Ac/In/1/CurrentLimit")
#: Victron counts power into the battery as positive, evcc power out of it.
_BATTERY_ROLES = frozenset({"battery"})


def evcc(loaded: RegisterMap, target: Target) -> str:
    """Return the sections `meters:` and, where there is an on/off coil of the mode, `chargers:`."""
    name = device_name(loaded)
    items = {item.path: item for item in readables(loaded) if _encoding(item.register.type) is not None}
    sign = -1 if loaded.device.role in _BATTERY_ROLES else 1
    lines = [f"# {LICENCE}", f"# {loaded.title}, map {loaded.name}."]
    power = _power(items, target, sign)
    if power:
        lines += ["meters:", f"  - name: {name}", "    type: custom", "    power:", *power]
        lines += _attribute("energy", next((items[p] for p in _ENERGIES if p in items), None), target)
        lines += _attribute("soc", items.get("/Soc") or items.get("/Dc/Battery/Soc"), target)
    else:
        lines.append("# no meter: the map has no power, and no voltage and current to make it of")
    lines += _charger(loaded, items, name, target)
    return "\n".join(lines) + "\n"


def _encoding(kind: RegisterType) -> str | None:
    if isinstance(kind, EnumType | MappedType):
        return "uint16nan"
    return _ENCODINGS.get(kind.name) if isinstance(kind, IntegerType | FloatType) else None


def _power(items: dict[str, Readable], target: Target, sign: int) -> list[str]:
    for paths in _POWERS:
        if all(path in items for path in paths):
            if len(paths) == 1:
                return list(_source(items[paths[0]], target, 6, sign))
            return ["      source: calc", "      add:", *_operands([items[p] for p in paths], target, sign)]
    for first, second in _PRODUCTS:
        if first in items and second in items:
            operands = [*_operands([items[first]], target, 1), *_operands([items[second]], target, sign)]
            return ["      source: calc", "      mul:", *operands]
    return []


def _operands(items: list[Readable], target: Target, sign: int) -> Iterator[str]:
    for item in items:
        first, *rest = _source(item, target, 10, sign)
        yield f"{' ' * 8}- {first.strip()}{_comment(item)}"
        yield from rest


def _attribute(key: str, item: Readable | None, target: Target) -> list[str]:
    return [] if item is None else [f"    {key}:{_comment(item)}", *_source(item, target, 6)]


def _comment(item: Readable) -> str:
    return f"  # {item.path}"


def _source(item: Readable, target: Target, indent: int, sign: int = 1) -> Iterator[str]:
    """Give the lines of a plugin that reads a point in its own unit."""
    register = item.register
    kind = "input" if register.table is Table.INPUT else "holding"
    factor = item.factor * sign
    yield from _plugin(target, indent, register.address, kind, _encoding(register.type) or "", factor)


def _plugin(
    target: Target, indent: int, address: int, kind: str, encoding: str, scale: Fraction
) -> Iterator[str]:
    margin = " " * indent
    yield f"{margin}source: modbus"
    yield f"{margin}uri: {json.dumps(target.authority)}"
    yield f"{margin}id: {target.unit}"
    yield f"{margin}rtu: false"
    yield f"{margin}register:"
    yield f"{margin}  address: {address}"
    yield f"{margin}  type: {kind}"
    yield f"{margin}  decode: {encoding}"
    if scale != 1:
        yield f"{margin}scale: {decimal(scale)}"


def _charger(loaded: RegisterMap, items: dict[str, Readable], name: str, target: Target) -> list[str]:
    coil = next((c for c in switches(loaded) if c.path == "/Mode"), None)
    limit = next((items[p] for p in _CURRENTS if p in items and items[p].register.write is not None), None)
    current = items.get("/Dc/0/Current")
    if coil is None or limit is None or current is None or limit.register.length != 1:
        return []
    return [
        "# The current is that of the battery in A; evcc plans with amperes of the mains: give the loadpoint",
        f"# a meter. Keep evcc's interval long: {limit.told}.",
        "chargers:",
        f"  - name: {name}",
        "    type: custom",
        "    status:  # B plugged in, C charging: there is a current",
        "      source: combined",
        "      plugged: {source: const, value: true}",
        "      charging:",
        *_source(current, target, 8),
        f"    enabled:  # coil {coil.address}",
        *_coil(coil, target, "coil", "bool8"),
        "    enable:",
        *_coil(coil, target, "writecoil", "uint16"),
        f"    maxcurrent:{_comment(limit)}",
        *_plugin(target, 6, limit.register.address, "writesingle", "uint16", limit.register.scale),
    ]


def _coil(coil: Coil, target: Target, kind: str, encoding: str) -> Iterator[str]:
    yield from _plugin(target, 6, coil.address, kind, encoding, Fraction(1))
