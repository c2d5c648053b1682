"""Lines for mbpoll (github.com/epsilonrt/mbpoll): one a register, writes as comments behind them."""

from collections.abc import Iterator

from bridge.register_maps.document_rows import exact, plain
from bridge.register_maps.format import Register, RegisterMap, Table
from bridge.register_maps.packing import raw_of
from bridge.register_maps.rows import Row, rows_of
from bridge.register_maps.snippets_values import LICENCE, Target, samples_of
from bridge.register_maps.types import FloatType, IntegerType, TextType

#: mbpoll's `-t` for a table.
_TABLES = {Table.COILS: "0", Table.DISCRETE: "1", Table.INPUT: "3", Table.HOLDING: "4"}


def mbpoll(loaded: RegisterMap, target: Target) -> str:
    """Return a shell script that reads every entry once; values are raws, comments say what they mean."""
    lines = [
        f"# {LICENCE}",
        f"# {loaded.title}, map {loaded.name}: addresses from 0 (-0), one reading each (-1).",
        "# Behind a line: the path, value = raw / scale, and what means no value. Lines in comments write.",
    ]
    for row in rows_of(loaded):
        lines.append(f"{_read(row, target)}  # {_told(row)}")
        lines += (f"#   {line}" for line in _writes(row, target))
    return "\n".join(lines) + "\n"


def _start(row: Row, target: Target, kind: str) -> str:
    return f"mbpoll -m tcp -p {target.port} -a {target.unit} -0 -r 0x{row.address:04X} -t {kind}"


def _read(row: Row, target: Target) -> str:
    table = _TABLES[row.table]
    if row.register is None:
        return f"{_start(row, target, table)} -c 1 -1 {target.host}"
    view, count = _view(row.register)
    return f"{_start(row, target, table + view)} -c {count} -1 {target.host}"


def _view(register: Register) -> tuple[str, int]:
    """Return how mbpoll shows a register, and how many such values it takes."""
    kind = register.type
    pair = kind.length == 2
    if isinstance(kind, IntegerType) and pair:
        return (":int" if kind.low_word_first else ":int -B"), 1
    if isinstance(kind, FloatType):
        return (":float" if kind.low_word_first else ":float -B"), 1
    if kind.length > 1:
        return ":hex", kind.length
    return "", 1


def _told(row: Row) -> str:
    register = row.register
    if register is None:
        return row.path or ""
    parts = [row.path or (f"coil of {row.mirror}" if row.mirror else f"constant {register.value}")]
    if register.scale != 1 or row.unit_of_measure:
        scale = "" if register.scale == 1 else f" / {exact(register.scale)}"
        parts.append(f"raw{scale} {row.unit_of_measure}".rstrip())
    if isinstance(register.type, TextType):
        parts.append("text, two characters a register")
    if isinstance(register.type, IntegerType):
        parts += _integer_notes(register, register.type)
    if row.values:
        parts.append(", ".join(f"{plain(number)} {name}" for name, number in row.values))
    return "; ".join(parts)


def _integer_notes(register: Register, kind: IntegerType) -> Iterator[str]:
    """mbpoll shows 16 bits unsigned, a negative number in brackets behind, and 32 bits always signed."""
    if kind.length == 1 and kind.signed:
        yield "below zero: the number in brackets"
    raws = (kind.invalid,) if register.invalid is None else register.invalid
    if kind.length <= 2 and raws and register.value is None and register.switch is None:
        wraps = 1 << 32 if kind.length == 2 else 1 << 16
        shown = (int(raw) % wraps for raw in raws if isinstance(raw, int))
        signed = (n - wraps if kind.length == 2 and n >= wraps // 2 else n for n in shown)
        yield f"no value: {', '.join(map(str, signed))}"


def _writes(row: Row, target: Target) -> Iterator[str]:
    """Give a line for each value of a coil, and an example for a register."""
    register = row.register
    if register is None:
        if row.write is True and row.table is Table.COILS:
            for bit, word in ((1, "on"), (0, "off")):
                yield f"{_start(row, target, '0')} {target.host} {bit}  # {word}"
        return
    if register.write is None:
        return
    view, _ = _view(register)
    if view == ":hex" or isinstance(register.type, TextType):
        return
    for value in samples_of(register.write):
        raw = raw_of(register.type, register.scale, value)
        if isinstance(raw, int) and raw >= 0:
            unit = f" {row.unit_of_measure}" if row.unit_of_measure else ""
            word = next(
                (name for name, number in row.values or () if number == value), f"{plain(value)}{unit}"
            )
            yield f"{_start(row, target, '4' + view)} {target.host} {raw}  # {word}"
