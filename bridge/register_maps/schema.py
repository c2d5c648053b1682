"""The map format as a JSON Schema (draft 2020-12), for editors.

Which keys there are comes from the loader's own tables; what each may hold stands here. An editor with it
finds unknown keys, wrong words and numbers out of range; `maps check` finds the rest, such as overlaps.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from bridge.register_maps.bit_entries import KEYS as BIT_KEYS
from bridge.register_maps.device_entries import DETECT_KEYS, DEVICE_KEYS
from bridge.register_maps.format import ADDRESS_MAX, READ_MAX, Kind, Missing, Stale, Table
from bridge.register_maps.loader import KEYS as MAP_KEYS
from bridge.register_maps.register_entries import KEYS as REGISTER_KEYS
from bridge.register_maps.types import ENCODINGS, TYPE_NAMES

Schema: TypeAlias = "bool | int | float | str | list[Schema] | dict[str, Schema] | None"

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ANY_SCALAR: list[Schema] = ["string", "number", "boolean"]
_SCALAR: dict[str, Schema] = {"type": _ANY_SCALAR}
_TEXT_OR_NUMBER: list[Schema] = ["string", "number"]
_TEXT: dict[str, Schema] = {**_SCALAR, "description": "taken as written"}
_FLAG: dict[str, Schema] = {"type": "boolean"}
_NUMBER: dict[str, Schema] = {"type": "number"}
_PATH: dict[str, Schema] = {"type": "string", "pattern": r"^/[^ :\t\n]*[^ :\t\n/]$"}
_NAMED: dict[str, Schema] = {"type": "string", "pattern": r"^([^/:][^:]*:)?/[^ :\t\n]*[^ :\t\n/]$"}
_SIGNED_MAX = (1 << 31) - 1


def _integer(low: int, high: int) -> dict[str, Schema]:
    return {"type": "integer", "minimum": low, "maximum": high}


def _words(words: Iterable[str]) -> dict[str, Schema]:
    return {"enum": [*sorted(words)]}


def _list(items: Schema, least: int = 0) -> dict[str, Schema]:
    return {"type": "array", "items": items, **({"minItems": least} if least else {})}


def _table(values: Schema) -> dict[str, Schema]:
    return {"type": "object", "additionalProperties": values}


def _told(shape: Mapping[str, Schema], description: str) -> dict[str, Schema]:
    return {**shape, "description": description}


_ADDRESS = _integer(0, ADDRESS_MAX)
_SIGNED = _integer(-_SIGNED_MAX, _SIGNED_MAX)
_POINT: dict[str, Schema] = {
    "anyOf": [
        _NAMED,
        {
            "type": "object",
            "properties": {"path": {"anyOf": [_NAMED, _list(_NAMED, 1)]}, "negate": _FLAG},
            "required": ["path"],
            "additionalProperties": False,
        },
    ]
}
_SOURCE: dict[str, Schema] = {
    "description": "the points behind it: a path, alternatives, {path, negate} or {sum, missing}",
    "anyOf": [
        _POINT,
        _list(_POINT, 1),
        {
            "type": "object",
            "properties": {"sum": _list(_POINT, 1), "missing": _words(Missing)},
            "required": ["sum"],
            "additionalProperties": False,
        },
    ],
}
_WRITE: dict[str, Schema] = {
    "description": "true, [lowest, highest] or {values: [..]}",
    "anyOf": [
        _FLAG,
        {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
        {
            "type": "object",
            "properties": {"values": _list(_SCALAR, 1)},
            "required": ["values"],
            "additionalProperties": False,
        },
    ],
}

#: What the keys of a register hold.
_REGISTER: Mapping[str, dict[str, Schema]] = {
    "address": _told(_ADDRESS, "on the wire, from 0; inside a repeat from the copy's start"),
    "type": _told(_words(TYPE_NAMES), "u and s numbers, b high word first, l low word first"),
    "length": _told(_integer(1, 123), "registers of a text or hexstr"),
    "little": _told(_FLAG, "low byte of each register first"),
    "encoding": _told({"type": "string"}, f"of a text: {', '.join(sorted(ENCODINGS))}; ascii if left out"),
    "values": _told(_table(_NUMBER), "e16: name -> number; mapu16: raw -> published number"),
    "bit": _told(_integer(0, 255), "counted from the low bit of the first register"),
    "set": _told(_integer(0, 0xFFFF), "value published for a set bit; 1 if left out"),
    "unset": _told(_integer(0, 0xFFFF), "value published for a clear bit; 0 if left out"),
    "table": _words((Table.HOLDING, Table.INPUT)),
    "path": _told(_PATH, "the name it is published under, such as /Dc/0/Voltage"),
    "source": _SOURCE,
    "value": _told({"type": _TEXT_OR_NUMBER}, "a constant, in published units"),
    "scale": _told(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": r"^\d+/\d+$"}]},
        "published value = raw / scale: 100, 0.1, 1/3600",
    ),
    "invalid": _told(
        {"anyOf": [{"const": "none"}, _NUMBER, _list(_NUMBER)]}, "the raw that means no value, or none"
    ),
    "stale": _told(_words(Stale), "what it serves while its value is stale"),
    "write": _WRITE,
    "accept": _told(_table(_SIGNED), "numbers taken as others when written: {0: 4}"),
    "self_clearing": _told(_FLAG, "reads 0 whatever was written: for commands"),
    "alias": _told(_FLAG, "another reading of registers that belong to another entry"),
    "format": _told({"type": "string", "pattern": "%"}, "for display, such as %.2f V"),
    "poll": _told(_FLAG, "false: clients do not poll it"),
    "info": _told(_FLAG, "clients read it once at the start"),
    "block": _told({"type": "string"}, "what works the value out of all its sources"),
}
_DEVICE: Mapping[str, dict[str, Schema]] = {
    "vendor_id": _TEXT,
    "vendor_name": _TEXT,
    "product_id": _integer(0, 0xFFFF),
    "product_name": _TEXT,
    "role": _told(_TEXT, "role on a GX device, such as charger"),
    "instance": _told(_integer(0, 0xFFFF), "device instance on a GX device"),
    "min_timeout": _told({"type": "number", "exclusiveMinimum": 0, "maximum": 60}, "seconds"),
    "access": _told(_words((Table.HOLDING, Table.INPUT)), "table of entries that name none"),
    "hole_max": _told(_integer(0, READ_MAX - 1), "widest gap that reads 0; 31 if left out"),
    "fast": _told(_list(_PATH), "paths that clients read more often"),
}
_DETECT: Mapping[str, dict[str, Schema]] = {
    **{key: _REGISTER[key] for key in ("address", "type", "length", "little", "encoding")},
    "values": _told(
        {"type": "object", "additionalProperties": _SCALAR, "minProperties": 1}, "value -> model"
    ),
    "methods": _list(_words(("tcp", "rtu", "udp"))),
    "units": _list(_integer(1, 247)),
    "rates": _list(_integer(300, 4_000_000)),
}
_BIT: Mapping[str, dict[str, Schema]] = {
    "address": _ADDRESS,
    "path": _PATH,
    "source": {"description": "the point behind it", "anyOf": [_POINT, _list(_POINT, 1)]},
    "on": _SIGNED,
    "off": _SIGNED,
    "mirror": _told(_ADDRESS, "holding register that shows the coil to clients that read registers alone"),
    "write": _told(_FLAG, "false: a coil that is only read"),
}
_MAP: Mapping[str, dict[str, Schema]] = {
    "name": _told(_TEXT, "the file's own name"),
    "title": _told(_TEXT, "a line for people"),
    "kind": _told(_words(Kind), "what the map is for"),
    "extends": _told({"type": "string"}, "another map, by name or as ./file.yaml"),
    "device": {"$ref": "#/$defs/device"},
    "detect": {"$ref": "#/$defs/detect"},
    "stale": _told(_words(Stale), "for entries that say nothing themselves; invalid if left out"),
    "registers": _list({"$ref": "#/$defs/entry"}),
    "coils": _list({"$ref": "#/$defs/coil"}),
    "discrete_inputs": _list({"$ref": "#/$defs/discrete_input"}),
    "constants": {
        "type": "object",
        "propertyNames": {"pattern": _PATH["pattern"]},
        "additionalProperties": {"type": _TEXT_OR_NUMBER},
    },
}
_REPEAT: dict[str, Schema] = {
    "type": "object",
    "properties": {
        "count": _integer(1, 1024),
        "stride": _told(_integer(1, ADDRESS_MAX), "registers from one copy to the next"),
        "path": _told(_PATH, "what the copies' paths begin with, numbered by a letter: /Panels/{n}"),
        "first": _told(_ADDRESS, "number of the first copy; 1 if left out"),
    },
    "required": ["count", "stride"],
    "additionalProperties": False,
}


def map_schema() -> dict[str, Schema]:
    """Return the schema of a map file."""
    return {
        "$schema": DIALECT,
        "$comment": "SPDX-License-Identifier: 0BSD. Made by `inverter-bridge maps schema`.",
        "title": "Inverter Bridge register map",
        **_object(MAP_KEYS, _MAP),
        "$defs": {
            "device": _object(DEVICE_KEYS, _DEVICE),
            "detect": {**_object(DETECT_KEYS, _DETECT, ("address", "type", "values")), "allOf": _of_types()},
            "entry": {
                "if": {"type": "object", "required": ["repeat"]},
                "then": {"$ref": "#/$defs/repeat"},
                "else": {"$ref": "#/$defs/register"},
            },
            "register": {
                **_object(REGISTER_KEYS, _REGISTER, ("address", "type")),
                "allOf": _of_types(),
                "anyOf": [{"required": [key]} for key in ("path", "source", "value")],
            },
            "repeat": {
                "type": "object",
                "properties": {
                    "address": _ADDRESS,
                    "repeat": _REPEAT,
                    "registers": _list({"$ref": "#/$defs/entry"}, 1),
                },
                "required": ["address", "repeat", "registers"],
                "additionalProperties": False,
            },
            "coil": _object(BIT_KEYS[Table.COILS], _BIT, ("address", "path")),
            "discrete_input": _object(
                BIT_KEYS[Table.DISCRETE],
                {**_BIT, "on": {"anyOf": [_SIGNED, _list(_SIGNED, 1)]}},
                ("address", "path"),
            ),
        },
    }


def unshaped() -> frozenset[str]:
    """Return the keys that the loader knows and this schema takes as anything: there should be none."""
    pairs = (
        (MAP_KEYS, _MAP),
        (REGISTER_KEYS, _REGISTER),
        (DEVICE_KEYS, _DEVICE),
        (DETECT_KEYS, _DETECT),
        *((keys, _BIT) for keys in BIT_KEYS.values()),
    )
    return frozenset(key for keys, shapes in pairs for key in keys if key not in shapes)


def _object(
    keys: Iterable[str], shapes: Mapping[str, dict[str, Schema]], required: Iterable[str] = ()
) -> dict[str, Schema]:
    return {
        "type": "object",
        "properties": {key: shapes.get(key, {}) for key in sorted(keys)},
        "additionalProperties": False,
        **({"required": [*required]} if required else {}),
    }


def _of_types() -> list[Schema]:
    """Return what single types need: texts their length, a bit its number, a table its values."""
    needs = ((("text", "hexstr"), "length"), (("bit",), "bit"), (("mapu16",), "values"))
    return [
        {
            "if": {"properties": {"type": {"enum": [*types]}}, "required": ["type"]},
            "then": {"required": [key]},
        }
        for types, key in needs
    ]
