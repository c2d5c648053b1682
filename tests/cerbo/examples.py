"""A value for every register of a map, and a device that has them all."""

from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Path, Value
from bridge.register_maps.format import Coil, Register, RegisterMap
from bridge.register_maps.packing import from_raw
from bridge.register_maps.types import (
    BitType,
    EnumType,
    FloatType,
    HexType,
    IntegerType,
    MappedType,
    TextType,
    VersionType,
    VeVersionType,
)


def example(register: Register) -> Value:
    """A value that the register shows exactly and that its rule allows."""
    rule, kind = register.write, register.type
    if rule is not None and rule.choices:
        return rule.choices[0]
    match kind:
        case IntegerType():
            if rule is not None and rule.minimum is not None:
                return rule.minimum
            raw = 7 + register.address % 50
            return from_raw(-raw if kind.signed else raw, register.scale)
        case FloatType():
            return 3.25
        case EnumType():
            return next(iter(kind.values.values()), 5)
        case MappedType():
            return next(iter(kind.values.values()))
        case TextType():
            return "A1"[: 2 * kind.length]
        case HexType():
            return "AB".zfill(4 * kind.length)
        case BitType():
            return kind.set
        case VersionType():
            return "1.2.3"
        case VeVersionType():
            return 0x0102FF
    raise TypeError(kind)


def values_of(loaded: RegisterMap, serial: str = "SN0001") -> dict[Path, Value]:
    """A value for each point that feeds the map."""
    found: dict[Path, Value] = {}
    registers = [r for r in loaded.registers if r.source is not None and r.switch is None]
    for register in registers:
        assert register.source is not None
        for point in register.source.points:
            found.setdefault(point.path, example(register))
    for coil in loaded.coils:
        for point in coil.source.points:
            found.setdefault(point.path, coil.switch.on[0])
    return {**found, "/Serial": serial}


def specs_of(loaded: RegisterMap, values: dict[Path, Value]) -> list[PointSpec]:
    entries: list[Register | Coil] = [*loaded.registers, *loaded.coils]
    written = {p.path for e in entries if e.write and e.source for p in e.source.points}
    return [
        PointSpec(path, text=isinstance(value, str), writable=path in written)
        for path, value in values.items()
    ]
