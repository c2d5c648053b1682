"""TOML for Telegraf: `inputs.modbus` in its request style, and a processor that drops what means no value.

Keys are those of github.com/influxdata/telegraf/tree/master/plugins/inputs/modbus. The plugin knows no
pattern for "no value": the Starlark processor behind it removes such fields.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from bridge.register_maps.format import Coil, Register, RegisterMap, Table
from bridge.register_maps.snippets_values import (
    LICENCE,
    Readable,
    Target,
    bit_slugs,
    decimal,
    device_name,
    readables,
)
from bridge.register_maps.types import EnumType, FloatType, IntegerType, MappedType

_REGISTERS = {Table.HOLDING: "holding", Table.INPUT: "input", Table.COILS: "coil", Table.DISCRETE: "discrete"}
_SIZES = {1: "16", 2: "32", 4: "64"}
#: Telegraf's names of word orders: high word first, low word first, bytes of a word as they come.
_HIGH_FIRST, _LOW_FIRST = "ABCD", "CDAB"


def telegraf(loaded: RegisterMap, target: Target) -> str:
    """Return an input each for what can fail apart from the rest, and the processor."""
    name = device_name(loaded)
    items = [item for item in readables(loaded) if _type(item.register) is not None]
    values = [item for item in items if not item.status]
    status = [item for item in items if item.status]
    lines = [f"# {LICENCE}", f"# {loaded.title}, map {loaded.name}. Texts are left out."]
    lines += _input(name, target, _requests(name, target, values))
    for table in (Table.COILS, Table.DISCRETE):
        bits = bit_slugs(coil for coil in loaded.coils if coil.table is table)
        if bits:
            lines += ["", "# answered by exception 0B while one of them is not known"]
            lines += _input(name, target, _bit_request(name, target, table, bits))
    if status:
        lines += ["", "# how the bridge and its link to the device are; answered whatever the device does"]
        lines += _input(name, target, _requests(f"{name}_status", target, status))
    lines += ["", *_processor(name, values)]
    return "\n".join(lines) + "\n"


def _input(name: str, target: Target, requests: Iterable[str]) -> list[str]:
    return [
        "[[inputs.modbus]]",
        f"  name = {json.dumps(name)}",
        f"  controller = {json.dumps(f'tcp://{target.authority}')}",
        '  timeout = "3s"',
        '  configuration_type = "request"',
        *requests,
    ]


def _type(register: Register) -> str | None:
    kind = register.type
    if isinstance(kind, IntegerType):
        return f"{'' if kind.signed else 'U'}INT{_SIZES[kind.length]}"
    if isinstance(kind, FloatType):
        return "FLOAT32"
    return "UINT16" if isinstance(kind, EnumType | MappedType) else None


def _order(register: Register) -> str:
    kind = register.type
    low = isinstance(kind, IntegerType | FloatType) and kind.low_word_first
    return _LOW_FIRST if low else _HIGH_FIRST


def _requests(measurement: str, target: Target, items: Iterable[Readable]) -> Iterator[str]:
    groups: dict[tuple[Table, str], list[Readable]] = {}
    for item in items:
        groups.setdefault((item.register.table, _order(item.register)), []).append(item)
    for (table, order), group in groups.items():
        yield from _head(measurement, target, table, order)
        for item in group:
            scale = "" if item.register.scale == 1 else f", scale={decimal(item.factor)}"
            field = (
                f'address={item.register.address}, name="{item.slug}", type="{_type(item.register)}"{scale}'
            )
            unit = f" [{item.unit_of_measure}]" if item.unit_of_measure else ""
            yield f"      {{ {field} }},  # {item.told}{unit}"
        yield "    ]"


def _bit_request(name: str, target: Target, table: Table, bits: Mapping[Coil, str]) -> Iterator[str]:
    yield from _head(name, target, table, _HIGH_FIRST)
    for coil, slug in bits.items():
        yield f'      {{ address={coil.address}, name="{slug}_{_REGISTERS[table]}" }},  # {coil.path}'
    yield "    ]"


def _head(measurement: str, target: Target, table: Table, order: str) -> Iterator[str]:
    yield "  [[inputs.modbus.request]]"
    yield f"    slave_id = {target.unit}"
    yield f'    byte_order = "{order}"'
    yield f'    register = "{_REGISTERS[table]}"'
    yield f'    measurement = "{measurement}"'
    yield "    fields = ["


def _processor(name: str, values: Iterable[Readable]) -> list[str]:
    """Return a Starlark processor; a field is no value when it is less than half a step from the pattern."""
    entries = []
    for item in values:
        if item.invalid:
            shown = [float(raw * item.factor) for raw in item.invalid]
            entries.append(f'  "{item.slug}": {shown},')
    return [
        "[[processors.starlark]]",
        f'  namepass = ["{name}"]',
        "  source = '''",
        "NO_VALUE = {",
        *entries,
        "}",
        "STEP = {",
        *(f'  "{item.slug}": {float(item.factor)},' for item in values if item.invalid),
        "}",
        "def apply(metric):",
        "  for name in list(metric.fields.keys()):",
        "    for pattern in NO_VALUE.get(name, []):",
        "      away = metric.fields[name] - pattern",
        "      if away < STEP[name] / 2 and away > -STEP[name] / 2:",
        "        metric.fields.pop(name)",
        "        break",
        "  return metric",
        "'''",
    ]
