"""A map as a flat table: what `maps show` prints, and what clients of the bridge find addresses with."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from bridge.register_maps.blocks.status import STATUS_ADDRESS, STATUS_FIELDS
from bridge.register_maps.format import Coil, Kind, Register, RegisterMap, Table, WriteRule
from bridge.register_maps.measures import unit_of_measure
from bridge.register_maps.packing import ONE
from bridge.register_maps.types import EnumType, MappedType, Value

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

_ORDER = {table: number for number, table in enumerate(Table)}


@dataclass(frozen=True, slots=True)
class Row:
    """One entry. `path` is None for constants and mirrors; a mirror names its point in `mirror`.

    `register` holds type, scale and rule for coding values, None for coils and discrete inputs.
    """

    table: Table
    address: int
    type: str
    length: int
    scale: int | float
    path: str | None
    write: WriteRule | bool
    values: tuple[tuple[str, int | float], ...] | None
    unit_of_measure: str
    mirror: str | None = None
    register: Register | None = None

    def as_json(self) -> dict[str, Json]:
        """Return the row in the shape of `maps show --json`."""
        row: dict[str, Json] = {
            "table": self.table.value,
            "address": self.address,
            "type": self.type,
            "length": self.length,
            "scale": self.scale,
            "path": self.path,
            "write": _write_json(self.write),
            "values": None if self.values is None else dict(self.values),
            "unit_of_measure": self.unit_of_measure,
        }
        if self.mirror is not None:
            row["mirror"] = self.mirror
        return row


def rows_of(loaded: RegisterMap) -> tuple[Row, ...]:
    """Return all entries of a map in the order of tables and addresses, the status block included."""
    rows = [_register_row(register) for register in loaded.registers]
    rows += [_coil_row(coil) for coil in loaded.coils]
    if loaded.kind is not Kind.PERSONA:
        rows += status_rows(0 if loaded.kind is Kind.BRIDGE else STATUS_ADDRESS)
    return tuple(sorted(rows, key=lambda row: (_ORDER[row.table], row.address)))


def status_rows(base: int) -> list[Row]:
    """Return the status block's rows at a base address."""
    return [
        _register_row(Register(Table.HOLDING, base + field.offset, field.type, field.path))
        for field in STATUS_FIELDS
    ]


def primary(rows: Iterable[Row], path: str) -> Row | None:
    """Return the register that stands for a path: its first in holding that is no mirror.

    A path without one is read from its first entry in another table; None for an unknown path.
    """
    found = [row for row in rows if row.path == path]
    return next((row for row in found if row.table is Table.HOLDING), found[0] if found else None)


def _register_row(register: Register) -> Row:
    mirror = register.path if register.switch is not None else None
    kind = register.type
    values = (
        tuple((str(k), v) for k, v in kind.values.items()) if isinstance(kind, EnumType | MappedType) else ()
    )
    return Row(
        table=register.table,
        address=register.address,
        type=kind.name,
        length=register.length,
        scale=_plain(register.scale),
        path=None if mirror else register.path,
        write=_write(register),
        values=values or None,
        unit_of_measure="" if mirror or register.path is None else unit_of_measure(register.path),
        mirror=mirror,
        register=register,
    )


def _coil_row(coil: Coil) -> Row:
    on, off = coil.switch.on[0], coil.switch.off
    values = (("on", on), ("off", off)) if coil.table is Table.COILS else ()
    return Row(
        table=coil.table,
        address=coil.address,
        type="bit",
        length=1,
        scale=1,
        path=coil.path,
        write=coil.write,
        values=tuple((name, value) for name, value in values if isinstance(value, int | float)) or None,
        unit_of_measure="",
    )


def _write(register: Register) -> WriteRule | bool:
    """Return the rule, or True where it only repeats what the type says."""
    rule = register.write
    if rule is None or register.switch is not None:
        return rule is not None
    named = tuple(register.type.values.values()) if isinstance(register.type, EnumType) else None
    if rule.choices is not None:
        return True if rule.choices == named else rule
    return True if rule.minimum is None else rule


def _write_json(write: WriteRule | bool) -> Json:
    if isinstance(write, bool):
        return write
    if write.choices is not None:
        return {"values": [_tidy(choice) for choice in write.choices]}
    return {"min": _tidy(write.minimum), "max": _tidy(write.maximum)}


def _tidy(value: Value | None) -> Json:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(scale: Fraction) -> int | float:
    if scale == ONE:
        return 1
    return scale.numerator if scale.denominator == 1 else float(scale)
