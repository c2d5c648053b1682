"""The document of a map: what it serves, table by table, and how to read and write it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from bridge.register_maps.blocks.status import STATUS_ADDRESS, STATUS_FIELDS, StatusField
from bridge.register_maps.document_examples import Example, examples_of
from bridge.register_maps.document_rows import DocumentRow, document_rows
from bridge.register_maps.document_words import words_of
from bridge.register_maps.format import HOLE_MAX, Kind, RegisterMap, Stale, Table
from bridge.register_maps.measures import unit_of_measure
from bridge.register_maps.types import EnumType

_KINDS = {
    Kind.NATIVE: "native: equipment in its own shape",
    Kind.CLIENT: "client: foreign Modbus equipment that the bridge polls, and serves again",
    Kind.PERSONA: "persona: looks like a device that clients know",
    Kind.BRIDGE: "bridge: the bridge itself, unit 247",
}
_TABLES = {
    Table.HOLDING: ("Holding registers", "Read by FC3", ", written by FC6, FC16, FC22 and FC23"),
    Table.INPUT: ("Input registers", "Read by FC4", ""),
    Table.COILS: ("Coils", "Read by FC1", ", written by FC5 and FC15"),
    Table.DISCRETE: ("Discrete inputs", "Read by FC2", ""),
}
_STALE = {
    Stale.EXCEPTION: "makes every read that touches it answer exception 0B",
    Stale.INVALID: "reads its invalid pattern; a single bit makes the read answer 0B",
    Stale.HOLD: "reads what it held",
    Stale.ZERO: "reads 0",
}

#: Headings of the tables of registers and the fields of `DocumentRow` under them.
REGISTER_COLUMNS = (
    ("address", "hexadecimal"),
    ("decimal", "address"),
    ("1-based", "one_based"),
    ("number", "number"),
    ("type", "type"),
    ("length", "length"),
    ("scale", "scale"),
    ("unit", "unit_of_measure"),
    ("access", "access"),
    ("values", "values"),
    ("no value", "invalid"),
    ("path", "path"),
    ("meaning", "meaning"),
)
#: What a bit has none of.
_OF_REGISTERS = frozenset({"length", "scale", "unit_of_measure", "invalid"})
_BIT_COLUMNS = tuple(column for column in REGISTER_COLUMNS if column[1] not in _OF_REGISTERS)
#: What a person copies.
_CODE = frozenset({"hexadecimal", "type", "path"})


@dataclass(frozen=True, slots=True)
class TableOfText:
    """A table, cell by cell; `code` are the numbers of its columns that stand for names and numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    code: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences, a table and lines of code, each as far as there."""

    heading: str
    sentences: tuple[str, ...] = ()
    table: TableOfText | None = None
    code: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A map in words, for any format."""

    name: str
    title: str
    sections: tuple[Section, ...]
    rows: tuple[DocumentRow, ...]


def document_of(loaded: RegisterMap) -> Document:
    """Return the document of a map; the same one for the same map, always."""
    rows = document_rows(loaded)
    sections = (
        _device(loaded),
        *_detection(loaded),
        _addressing(loaded),
        *_tables(loaded, rows),
        _freshness(loaded),
        *_status(loaded),
        *_constants(loaded),
        *_examples(examples_of(loaded)),
    )
    return Document(loaded.name, loaded.title, sections, rows)


def _device(loaded: RegisterMap) -> Section:
    device = loaded.device
    facts = (
        ("map", loaded.name),
        ("kind", _KINDS[loaded.kind]),
        ("vendor", device.vendor_name),
        ("product", device.product_name),
        ("product id", "" if device.product_id is None else f"0x{device.product_id:04X}"),
        ("role on a GX device", device.role),
        ("device instance", "" if device.instance is None else str(device.instance)),
        (
            "shortest timeout of clients",
            "" if device.min_timeout_s is None else f"{device.min_timeout_s:g} s",
        ),
        ("read more often", ", ".join(device.fast)),
    )
    rows = tuple((name, value) for name, value in facts if value)
    return Section("What it is", table=TableOfText(("", ""), rows))


def _detection(loaded: RegisterMap) -> Iterator[Section]:
    detect = loaded.detect
    if detect is None:
        return
    looked = [
        f"by {' and '.join(detect.methods)}" if detect.methods else "",
        f"at unit {', '.join(map(str, detect.units))}" if detect.units else "",
        f"at {', '.join(map(str, detect.rates))} baud" if detect.rates else "",
    ]
    where = ", ".join(part for part in looked if part)
    models = tuple(
        (f"0x{key:04X}" if isinstance(key, int) else key, name) for key, name in detect.values.items()
    )
    sentences = (
        f"Clients know the device by the register 0x{detect.address:04X} ({detect.type.name}).",
        *((f"Stock clients look for it {where}.",) if where else ()),
    )
    yield Section("Detection", sentences, TableOfText(("value", "model"), models, frozenset({0})))


def _addressing(loaded: RegisterMap) -> Section:
    holes = loaded.device.hole_max
    left = "" if holes == HOLE_MAX else f" ({HOLE_MAX} in most maps)"
    tables = {register.table for register in loaded.registers}
    same = "" if Table.INPUT in tables else "FC4 reads the holding registers, at the same addresses."
    sentences = (
        "The address is the one on the wire, from 0. Tools that count from 1 take the 1-based column; those "
        "that take reference numbers (4xxxxx holding, 3xxxxx input, 0xxxxx coils, 1xxxxx discrete) take the "
        "number.",
        "Value = raw / scale. Values of several registers have their high word first where the type ends in "
        "b, their low word first where it ends in l.",
        "A read takes at most 125 registers or 2000 bits. It may start and end inside a value; a write may "
        f"not (02). Gaps of up to {holes} addresses{left} read 0, reads across wider ones answer 02.",
        *((same,) if same else ()),
    )
    return Section("Addressing", sentences)


def _tables(loaded: RegisterMap, rows: tuple[DocumentRow, ...]) -> Iterator[Section]:
    status = {(0 if loaded.kind is Kind.BRIDGE else STATUS_ADDRESS) + field.offset for field in STATUS_FIELDS}
    if not loaded.has_status and loaded.kind is not Kind.BRIDGE:
        status = set()
    for table, group in groupby(rows, key=lambda row: row.table):
        heading, read, write = _TABLES[table]
        registers = table in (Table.HOLDING, Table.INPUT)
        shown = [row for row in group if not (table is Table.HOLDING and row.address in status)]
        if not shown:
            continue
        columns = REGISTER_COLUMNS if registers else _BIT_COLUMNS
        cells = tuple(tuple(str(getattr(row, field)) for _, field in columns) for row in shown)
        code = frozenset(n for n, (_, field) in enumerate(columns) if field in _CODE)
        how = f"{read}{write if any('write' in row.access for row in shown) else ''}."
        yield Section(heading, (how,), TableOfText(tuple(name for name, _ in columns), cells, code))


def _freshness(loaded: RegisterMap) -> Section:
    if loaded.kind is Kind.BRIDGE:
        return Section("Freshness", ("It answers as long as the bridge lives.",))
    only = "; only the status block answers" if loaded.has_status else ""
    absent = (
        "A measurement that the device does not have reads 0."
        if loaded.kind is Kind.PERSONA
        else "A value that the device does not have reads its invalid pattern (`no value`), a bit reads 0."
    )
    sentences = (
        f"While the device is silent or was never heard, the whole unit answers exception 0B{only}.",
        f"A value that is over its time while the device itself lives {_STALE[loaded.stale]}.",
        absent,
    )
    return Section("Freshness", sentences)


def _status(loaded: RegisterMap) -> Iterator[Section]:
    if loaded.kind is Kind.PERSONA:
        return
    base = 0 if loaded.kind is Kind.BRIDGE else STATUS_ADDRESS
    where = (
        "The bridge's own block stands at 0, that of the device of unit N at 1000 + 16 N."
        if loaded.kind is Kind.BRIDGE
        else "A read wholly inside the block is answered whatever the device does; one that reaches outside "
        "is judged whole. Unit 247 shows the same block at 1000 + 16 x the unit."
    )
    headings = ("address", "decimal", "offset", "type", "unit", "path", "meaning")
    rows = tuple(_status_row(base, field) for field in STATUS_FIELDS)
    yield Section("Status block", (where,), TableOfText(headings, rows, frozenset({0, 3, 5})))


def _status_row(base: int, field: StatusField) -> tuple[str, ...]:
    address = base + field.offset
    names = field.type.values.items() if isinstance(field.type, EnumType) else ()
    known = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in names)
    meaning = words_of(field.path) + (f": {known}" if known else "")
    unit = unit_of_measure(field.path)
    return (f"0x{address:04X}", str(address), f"+{field.offset}", field.type.name, unit, field.path, meaning)


def _constants(loaded: RegisterMap) -> Iterator[Section]:
    if loaded.constants:
        rows = tuple((path, str(value)) for path, value in loaded.constants.items())
        sentences = (
            "Clients made from this map publish these paths with a fixed value; no register holds them.",
        )
        yield Section("Constants of clients", sentences, TableOfText(("path", "value"), rows, frozenset({0})))


def _examples(examples: Iterator[Example]) -> Iterator[Section]:
    for number, example in enumerate(examples):
        lines = (f"> {_spaced(example.request)}", f"< {_spaced(example.reply)}")
        intro = (
            ("Whole Modbus TCP frames: transaction 2 bytes, 0000, length 2 bytes, unit, function, data.",)
            if number == 0
            else ()
        )
        yield Section(f"Example: {example.title.lower()}", (*intro, f"{example.told}."), code=lines)


def _spaced(frame: bytes) -> str:
    """Return a frame in hexadecimal, its head apart from its data."""
    parts = (frame[0:2], frame[2:4], frame[4:6], frame[6:7], frame[7:8], frame[8:])
    return " ".join(part.hex().upper() for part in parts if part)
