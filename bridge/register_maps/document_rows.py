"""The entries of a map as rows of a document: every cell a text that people read."""

from dataclasses import dataclass
from fractions import Fraction

from bridge.register_maps.document_words import words_of
from bridge.register_maps.format import Coil, Kind, Register, RegisterMap, Stale, Switch, Table, WriteRule
from bridge.register_maps.packing import encode, pattern
from bridge.register_maps.rows import Row, rows_of
from bridge.register_maps.types import (
    BitType,
    EnumType,
    FloatType,
    HexType,
    MappedType,
    TextType,
    Value,
)

#: First digit of the reference numbers of a table (Modicon's convention: 0x, 1x, 3x, 4x).
_NUMBER_RANGE = {Table.COILS: 0, Table.DISCRETE: 1, Table.INPUT: 3, Table.HOLDING: 4}

_STALE_WORDS = {
    Stale.EXCEPTION: "a read of it answers 0B while stale",
    Stale.INVALID: "reads its invalid pattern while stale",
    Stale.HOLD: "reads its last value while stale",
    Stale.ZERO: "reads 0 while stale",
}


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One entry, in words. `address` is the wire's, from 0."""

    table: Table
    address: int
    type: str
    length: int
    scale: str
    unit_of_measure: str
    access: str
    values: str
    invalid: str
    path: str
    meaning: str

    @property
    def hexadecimal(self) -> str:
        """The wire address as most tools take it."""
        return f"0x{self.address:04X}"

    @property
    def one_based(self) -> int:
        """The address as the Modbus data model and many PLC blocks count."""
        return self.address + 1

    @property
    def number(self) -> str:
        """The six-digit reference number, its first digit the table."""
        return f"{_NUMBER_RANGE[self.table]}{self.one_based:05d}"


def document_rows(loaded: RegisterMap) -> tuple[DocumentRow, ...]:
    """Return all entries of a map in the order of tables and addresses, the status block included."""
    coils = {(coil.table, coil.address): coil for coil in loaded.coils}
    return tuple(
        _register_row(loaded, row, row.register)
        if row.register is not None
        else _coil_row(row, coils[row.table, row.address])
        for row in rows_of(loaded)
    )


def exact(number: Fraction) -> str:
    """Return a fraction as a decimal where it is one, else as it stands: 0.1, 100, 1/3600."""
    if number.denominator == 1:
        return str(number.numerator)
    decimal = f"{float(number):.12f}".rstrip("0")
    return decimal if Fraction(decimal) == number else str(number)


def plain(value: Value) -> str:
    """Return a value without a needless `.0`."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _register_row(loaded: RegisterMap, row: Row, register: Register) -> DocumentRow:
    path = register.path or ""
    notes = [words_of(path)]
    if register.switch is not None:
        notes = [f"the coil of {path} for clients that read registers alone"]
    elif register.value is not None and not path:
        is_model = loaded.detect is not None and loaded.detect.address == register.address
        notes = ["model: clients know the device by it" if is_model else "constant"]
    if register.alias:
        notes.append("another reading of registers that belong to another entry")
    if register.info:
        notes.append("stock clients read it once")
    if register.stale is not None and register.stale is not loaded.stale:
        notes.append(_STALE_WORDS[register.stale])
    return DocumentRow(
        table=register.table,
        address=register.address,
        type=_type(register),
        length=register.length,
        scale="" if register.scale == 1 else exact(register.scale),
        unit_of_measure=row.unit_of_measure,
        access=_access(register),
        values=_values(register, row.unit_of_measure),
        invalid=_invalid(loaded, register),
        path=path,
        meaning="; ".join(note for note in notes if note),
    )


def _type(register: Register) -> str:
    kind = register.type
    if isinstance(kind, TextType | HexType):
        little = ", low byte first" if kind.little else ""
        encoding = f", {kind.encoding}" if isinstance(kind, TextType) and kind.encoding != "ascii" else ""
        return f"{kind.name}{encoding}{little}"
    return kind.name


def _access(register: Register) -> str:
    if register.value is not None:
        return "constant"
    if register.write is None:
        return "read"
    return "write, reads 0" if register.self_clearing else "read, write"


def _values(register: Register, unit: str) -> str:
    kind = register.type
    notes = []
    if register.value is not None:
        data = encode(kind, register.value, register.scale, register.invalid)
        shown = "" if isinstance(kind, TextType) else f" (0x{data.hex().upper()})"
        notes.append(f"{plain(register.value)}{shown}".strip())
    elif register.switch is not None:
        notes.append(_switch(register.switch))
    elif isinstance(kind, BitType):
        notes.append(f"bit {kind.bit % 16} of 0x{register.end - 1:04X}: set {kind.set}, clear {kind.unset}")
    elif isinstance(kind, MappedType):
        notes.append(", ".join(f"{raw} = {plain(value)}" for raw, value in kind.values.items()))
    elif isinstance(kind, EnumType):
        notes.append(", ".join(f"{number} {name}" for name, number in kind.values.items()))
    if register.write is not None and register.switch is None:
        notes.append(_written(register, register.write, unit))
    notes += [f"{raw} is taken as {meant}" for raw, meant in register.accept.items()]
    return "; ".join(note for note in notes if note)


def _written(register: Register, rule: WriteRule, unit: str) -> str:
    after = f" {unit}" if unit else ""
    if rule.choices is not None:
        known = tuple(register.type.values.values()) if isinstance(register.type, EnumType) else None
        choices = "" if rule.choices == known else " or ".join(plain(choice) for choice in rule.choices)
        return f"writable: {choices}{after}" if choices else ""
    if rule.minimum is None or rule.maximum is None:
        return ""
    return f"{plain(rule.minimum)} to {plain(rule.maximum)}{after}"


def _invalid(loaded: RegisterMap, register: Register) -> str:
    kind = register.type
    if register.value is not None or register.switch is not None or isinstance(kind, BitType):
        return ""
    if isinstance(kind, TextType):
        return "NULs"
    if register.invalid == () or (loaded.kind is Kind.PERSONA and register.invalid is None):
        return "0"
    if isinstance(kind, FloatType) and register.invalid is None:
        return "NaN"
    return f"0x{pattern(kind, register.invalid).hex().upper()}"


def _coil_row(row: Row, coil: Coil) -> DocumentRow:
    writes = f"writing 1 asks for {plain(coil.switch.on[0])}" if coil.write else ""
    mirror = "" if coil.mirror is None else f"also in holding register 0x{coil.mirror:04X}"
    return DocumentRow(
        table=row.table,
        address=row.address,
        type="bit",
        length=1,
        scale="",
        unit_of_measure="",
        access="read, write" if coil.write else "read",
        values="; ".join(part for part in (_switch(coil.switch), writes) if part),
        invalid="",
        path=coil.path,
        meaning="; ".join(part for part in (words_of(coil.path), mirror) if part),
    )


def _switch(switch: Switch) -> str:
    on = " or ".join(plain(value) for value in switch.on)
    if switch.off is None:
        return f"1 at the value {on}, else 0"
    return f"0 at the value {plain(switch.off)}, else 1"
