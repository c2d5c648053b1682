"""YAML for Home Assistant: its `modbus` integration, and `template` entities for what that cannot write.

Keys are those of www.home-assistant.io/integrations/modbus and /integrations/template. The integration has no
number or select of its own in older releases, so set-points are template entities that call
`modbus.write_register`; a word order other than high word first is `swap: word`.
"""

import json
from collections.abc import Iterator
from fractions import Fraction

from bridge.register_maps.format import Register, RegisterMap, Table
from bridge.register_maps.snippets_values import (
    LICENCE,
    Readable,
    Target,
    bit_slugs,
    decimal,
    device_name,
    inputs,
    readables,
    settings,
    switches,
)
from bridge.register_maps.types import EnumType, FloatType, IntegerType, MappedType

#: Seconds between readings; the integration warns below 5.
_SCAN_S = 10
_DEVICE_CLASSES = {
    "V": "voltage",
    "A": "current",
    "W": "power",
    "VA": "apparent_power",
    "Hz": "frequency",
    "kWh": "energy",
    "°C": "temperature",
    "s": "duration",
}
_SIZES = {1: "16", 2: "32", 4: "64"}


def home_assistant(loaded: RegisterMap, target: Target) -> str:
    """Return a package: sensors for all numbers, binary sensors, switches, numbers, selects, buttons."""
    hub = device_name(loaded)
    lines = [
        f"# {LICENCE}",
        f"# {loaded.title}, map {loaded.name}.",
        "# Save it as a file in packages/, or merge `modbus:` and `template:` into configuration.yaml. Units",
        "# of one bridge share one hub: put the second one's entities under the first one's `- name:`.",
        "# An exception of the bridge makes an entity unavailable until a reading succeeds. 0B: the device",
        "# is not heard. 05: a write is under way, and the next reading shows how it ended.",
        "modbus:",
        f"  - name: {hub}",
        "    type: tcp",
        f"    host: {_text(target.host)}",
        f"    port: {target.port}",
        "    timeout: 5",
    ]
    items = readables(loaded)
    lines += _list("sensors", [line for item in items for line in _sensor(hub, item, target)])
    lines += _list("binary_sensors", _bits(loaded, hub, target))
    lines += _list("switches", _switches(loaded, hub, target))
    left_out = [item for item in items if _data_type(item.register) is None]
    lines += [f"    # not here: {item.told} ({item.register.type.name})" for item in left_out]
    lines += _templates(loaded, hub, target)
    return "\n".join(lines) + "\n"


def _list(key: str, entries: list[str]) -> list[str]:
    return [f"    {key}:", *entries] if entries else []


def _data_type(register: Register) -> str | None:
    """Return the integration's type, None for what it cannot read: texts come padded with NULs."""
    kind = register.type
    if isinstance(kind, IntegerType):
        return f"{'' if kind.signed else 'u'}int{_SIZES[kind.length]}"
    if isinstance(kind, FloatType):
        return "float32"
    return "uint16" if isinstance(kind, EnumType | MappedType) else None


def _low_word_first(register: Register) -> bool:
    kind = register.type
    return isinstance(kind, IntegerType | FloatType) and kind.low_word_first


def _sensor(hub: str, item: Readable, target: Target) -> Iterator[str]:
    data_type = _data_type(item.register)
    if data_type is None:
        return
    register = item.register
    yield f"      # {item.told}"
    yield f"      - name: {_text(_entity_name(hub, item))}"
    yield f"        unique_id: {hub}_{target.unit}_{item.slug}"
    yield f"        device_address: {target.unit}"
    yield f"        address: {register.address}"
    yield f"        input_type: {'input' if register.table is Table.INPUT else 'holding'}"
    yield f"        data_type: {data_type}"
    if _low_word_first(register):
        yield "        swap: word"
    if register.scale != 1:
        yield f"        scale: {decimal(item.factor)}"
    if register.scale != 1 or isinstance(register.type, FloatType):
        yield f"        precision: {item.decimals}"
    if item.invalid and item.invalid[0]:
        yield f"        nan_value: {item.invalid[0]}"
    yield f"        scan_interval: {_SCAN_S}"
    yield from _classes(item)


def _classes(item: Readable) -> Iterator[str]:
    unit = item.unit_of_measure
    if not unit:
        return
    yield f"        unit_of_measurement: {_text(unit)}"
    device_class = "battery" if item.path == "/Soc" else _DEVICE_CLASSES.get(unit)
    if device_class is not None:
        yield f"        device_class: {device_class}"
    yield f"        state_class: {'total_increasing' if unit == 'kWh' else 'measurement'}"


def _bits(loaded: RegisterMap, hub: str, target: Target) -> list[str]:
    lines = []
    for coil, slug in bit_slugs(inputs(loaded)).items():
        kind = "coil" if coil.table is Table.COILS else "discrete_input"
        lines += [
            f"      - name: {_text(f'{hub} {slug} on'.replace('_', ' ').capitalize())}",
            f"        unique_id: {hub}_{target.unit}_{slug}_{kind}",
            f"        device_address: {target.unit}",
            f"        address: {coil.address}",
            f"        input_type: {kind}",
            f"        scan_interval: {_SCAN_S}",
            *(["        device_class: problem"] if coil.path.startswith("/Alarms/") else []),
        ]
    return lines


def _switches(loaded: RegisterMap, hub: str, target: Target) -> list[str]:
    lines = []
    for coil, slug in bit_slugs(switches(loaded)).items():
        lines += [
            f"      - name: {_text(f'{hub} {slug} switch'.replace('_', ' ').capitalize())}",
            f"        unique_id: {hub}_{target.unit}_{slug}_switch",
            f"        device_address: {target.unit}",
            f"        address: {coil.address}",
            "        write_type: coil",
            "        command_on: 1",
            "        command_off: 0",
            f"        scan_interval: {_SCAN_S}",
            "        verify:",
            "          input_type: coil",
            "          state_on: 1",
            "          state_off: 0",
        ]
    return lines


def _templates(loaded: RegisterMap, hub: str, target: Target) -> list[str]:
    groups: dict[str, list[str]] = {}
    for item in settings(loaded):
        kind, entry = _setting(hub, item, target)
        if entry:
            groups.setdefault(kind, []).extend([f"      # {item.told}", *entry])
    if not groups:
        return []
    lines = ["template:"]
    for kind, entries in groups.items():
        lines += [f"  - {kind}:", *entries]
    return lines


def _setting(hub: str, item: Readable, target: Target) -> tuple[str, list[str]]:
    """Return the kind of a template entity and its lines, none for what cannot be written from here."""
    kind = item.register.type
    if _data_type(item.register) is None or isinstance(kind, FloatType):
        return "", []
    rule = item.register.write
    if item.register.self_clearing:
        value = rule.choices[0] if rule is not None and rule.choices else 1
        return "button", _button(hub, item, target, int(value))
    if item.labels and rule is not None:
        mapped = isinstance(kind, MappedType)
        allowed = [(raw, name) for raw, name in item.labels if mapped or rule.allows(raw)]
        return "select", _select(hub, item, target, allowed)
    return "number", _number(hub, item, target)


def _number(hub: str, item: Readable, target: Target) -> list[str]:
    rule, kind = item.register.write, item.register.type
    assert rule is not None  # noqa: S101 - a setting is what has one
    low, high = rule.minimum, rule.maximum
    if rule.choices is not None:
        numbers = [choice for choice in rule.choices if not isinstance(choice, str)]
        low, high = min(numbers), max(numbers)
    if (low is None or high is None) and isinstance(kind, IntegerType):
        low, high = float(kind.minimum * item.factor), float((kind.maximum - 1) * item.factor)
    sensor = _entity_id(hub, item)
    raw = "value" if item.register.scale == 1 else f"value * {decimal(item.register.scale)}"
    return [
        f"      - name: {_text(f'{_entity_name(hub, item)} set')}",
        f"        unique_id: {hub}_{target.unit}_{item.slug}_set",
        f"        state: \"{{{{ states('{sensor}') }}}}\"",
        f"        availability: \"{{{{ has_value('{sensor}') }}}}\"",
        f"        min: {low:.12g}",
        f"        max: {high:.12g}",
        f"        step: {decimal(item.factor if item.factor > 0 else Fraction(1))}",
        *([f"        unit_of_measurement: {_text(item.unit_of_measure)}"] if item.unit_of_measure else []),
        "        set_value:",
        *_action(hub, item, target, f"({raw}) | round(0) | int"),
    ]


def _select(hub: str, item: Readable, target: Target, allowed: list[tuple[int, str]]) -> list[str]:
    sensor = _entity_id(hub, item)
    names = ", ".join(f"{raw}: '{name}'" for raw, name in item.labels)
    raws = ", ".join(f"'{name}': {raw}" for raw, name in allowed)
    return [
        f"      - name: {_text(f'{_entity_name(hub, item)} set')}",
        f"        unique_id: {hub}_{target.unit}_{item.slug}_set",
        f"        state: \"{{{{ {{{names}}}.get(states('{sensor}') | int(-1)) }}}}\"",
        f"        availability: \"{{{{ has_value('{sensor}') }}}}\"",
        f'        options: "{{{{ [{", ".join(repr(name) for _, name in allowed)}] }}}}"',
        "        select_option:",
        *_action(hub, item, target, f"{{{raws}}}[option]"),
    ]


def _button(hub: str, item: Readable, target: Target, value: int) -> list[str]:
    return [
        f"      - name: {_text(_entity_name(hub, item))}",
        f"        unique_id: {hub}_{target.unit}_{item.slug}_press",
        "        press:",
        *_action(hub, item, target, str(value)),
    ]


def _action(hub: str, item: Readable, target: Target, raw: str) -> list[str]:
    """Return the action that writes a raw: one register by number, several as a list of words."""
    words = item.register.length
    value = f"({raw}) % 65536"
    if words > 1:
        order = range(words) if _low_word_first(item.register) else range(words - 1, -1, -1)
        parts = ", ".join(f"(raw // {1 << 16 * word}) % 65536" for word in order)
        value = f"[{parts}]"
        setting = f"{{% set raw = {raw} %}}{{{{ {value} }}}}"
    else:
        setting = f"{{{{ {value} }}}}"
    return [
        "          - action: modbus.write_register",
        "            data:",
        f"              hub: {hub}",
        f"              slave: {target.unit}",
        f"              address: {item.register.address}",
        f'              value: "{setting}"',
    ]


def _entity_name(hub: str, item: Readable) -> str:
    return f"{hub} {item.slug}".replace("_", " ").capitalize()


def _entity_id(hub: str, item: Readable) -> str:
    """Return the id that Home Assistant makes of the sensor's name."""
    return f"sensor.{hub}_{item.slug}"


def _text(text: str) -> str:
    """Return a text as YAML takes it whatever stands in it; JSON's strings are YAML's."""
    return json.dumps(text, ensure_ascii=False)
