"""The site file as a JSON Schema (draft 2020-12), for editors: made from the models that check it.

An editor sees the file before variables, secrets and includes are in place, so each value may be a text with
`${..}`, and each key may end in `_file`. What needs the whole site, such as names that exist, is left to
`check`.
"""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from bridge.adapters.base import DeviceOptions, Family, LeaseOptions
from bridge.adapters.durations import EXPECTED as DURATION
from bridge.adapters.durations import seconds
from bridge.register_maps.schema import DIALECT, Schema
from bridge.site.addresses import listen_address
from bridge.site.automations import Automation, ChargerUse, chargers, safe_current
from bridge.site.models import LISTENERS, AccessRule, Basics, Link, View
from bridge.site.outlets import Outlets
from bridge.site.points import EXPECTED as POINT
from bridge.site.points import points
from bridge.site.sections import KEYS
from bridge.site.sizes import EXPECTED as SIZE
from bridge.site.sizes import size_bytes

_VARIABLE = r"\$\{"
_SECRET = "_file$"  # noqa: S105 - the ending of a key, no secret
_TEXTS: list[Schema] = ["string", "number", "boolean"]
_WORD: dict[str, Schema] = {"type": _TEXTS}

_POINT = rf":/|{_VARIABLE}"
_CHARGER: dict[str, Schema] = {"type": "string", "description": "the name of a charger"}

_DURATION: dict[str, Schema] = {
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": rf"^\s*\d+(\.\d+)?\s*(ms|s|min|h|d)\s*$|{_VARIABLE}",
    "description": DURATION,
}
#: What a value that a function reads may be written as.
_WRITTEN: Mapping[object, dict[str, Schema]] = {
    seconds: _DURATION,
    size_bytes: {
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": rf"^\s*\d+\s*(B|KiB|MiB|GiB)\s*$|{_VARIABLE}",
        "description": SIZE,
    },
    points: {
        "type": ["string", "array"],
        "items": {"type": "string", "pattern": _POINT},
        "minItems": 1,
        "pattern": _POINT,
        "description": f"{POINT}, or a list of them",
    },
    safe_current: {
        "type": ["number", "string"],
        "minimum": 0,
        "maximum": 1000,
        "pattern": rf"^off$|{_VARIABLE}",
        "description": "off, or a current in A",
    },
    listen_address: {
        "type": "string",
        "pattern": rf":\d{{1,5}}$|{_VARIABLE}",
        "description": "host:port, an IPv6 host in brackets",
    },
}
#: Functions of lists that take a single entry as well.
_ONE_OR_LIST: frozenset[object] = frozenset({chargers})
#: Models that may be written in one word instead.
_SHORT: Mapping[type[BaseModel], dict[str, Schema]] = {
    AccessRule: {"type": "string", "description": "a network, an address, a host name or role:NAME"},
    LeaseOptions: _DURATION,
    ChargerUse: _CHARGER,
}


def site_schema(families: Mapping[str, Family]) -> dict[str, Schema]:
    """Return the schema of a site file, with the options of the families given."""
    options = {name: families[name].options for name in sorted(families)}
    models: list[type[BaseModel]] = [
        Basics,
        View,
        Link,
        Automation,
        Outlets,
        *LISTENERS.values(),
        *options.values(),
    ]
    refs, found = models_json_schema(
        [(model, "validation") for model in models],
        schema_generator=_Generator,
        ref_template="#/$defs/{model}",
    )
    definitions = cast("dict[str, Schema]", _without_titles(found["$defs"]))
    basics = cast("dict[str, dict[str, Schema]]", definitions.pop("Basics"))
    where = {model: cast("dict[str, Schema]", refs[model, "validation"]) for model in models}
    sections: dict[str, Schema] = {
        **basics["properties"],
        "listeners": _optional("array", items=_by_key({k: where[m] for k, m in LISTENERS.items()})),
        "devices": _optional(
            "object",
            propertyNames={"pattern": "^[A-Za-z][A-Za-z0-9_-]{0,39}$", "not": {"const": "bridge"}},
            additionalProperties=_by_adapter({name: where[model] for name, model in options.items()}),
        ),
        "serve": _optional("array", items=where[View]),
        "links": _optional("array", items=where[Link]),
        "automations": _optional("array", items=where[Automation]),
        "outlets": where[Outlets],
        "include": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    }
    return {
        "$schema": DIALECT,
        "$comment": "SPDX-License-Identifier: 0BSD. Made by `inverter-bridge check --print-schema`.",
        "title": "Inverter Bridge site file",
        "type": "object",
        "properties": {key: sections[key] for key in sorted(sections) if key in KEYS},
        "patternProperties": {_SECRET: _WORD},
        "additionalProperties": False,
        "$defs": definitions,
    }


def _optional(kind: str, **rules: Schema) -> dict[str, Schema]:
    """Return a section that may be there without anything in it."""
    return {"type": [kind, "null"], **rules}


def _by_key(kinds: Mapping[str, dict[str, Schema]]) -> dict[str, Schema]:
    """Return what is of the kind whose key it has."""
    return {
        "type": "object",
        "anyOf": [{"required": [kind]} for kind in kinds],
        "allOf": [{"if": {"required": [kind]}, "then": model} for kind, model in kinds.items()],
    }


def _by_adapter(families: Mapping[str, dict[str, Schema]]) -> dict[str, Schema]:
    """Return what is of the family that `adapter` names."""
    return {
        "type": "object",
        "required": ["adapter"],
        "properties": {
            "adapter": {"enum": [*families], "description": _description(DeviceOptions, "adapter")}
        },
        "allOf": [
            {"if": {"properties": {"adapter": {"const": name}}}, "then": model}
            for name, model in families.items()
        ],
    }


def _description(model: type[BaseModel], field: str) -> str:
    return model.model_fields[field].description or ""


class _Generator(GenerateJsonSchema):
    """Pydantic's own generator, told how values are written before they are read."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """Show what a function reads as people write it."""
        function = schema["function"]["function"]
        written = _WRITTEN.get(function)
        if written is not None:
            return {**written}
        shape = super().function_before_schema(schema)
        return {"anyOf": [shape["items"], shape]} if function in _ONE_OR_LIST else shape

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Let each key be given by a file, and some models be one word."""
        shape = super().model_schema(schema)
        shape["patternProperties"] = {_SECRET: _WORD}
        needed = shape.pop("required", [])
        if needed:
            shape["allOf"] = [
                {"anyOf": [{"required": [key]}, {"required": [f"{key}_file"]}]} for key in needed
            ]
        short = _SHORT.get(schema["cls"])
        return shape if short is None else {"anyOf": [short, shape]}

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """Take texts as they are written: a number is one too."""
        return {**super().str_schema(schema), "type": _TEXTS}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """Let a variable stand for a number."""
        return {**super().int_schema(schema), "type": ["integer", "string"], "pattern": _VARIABLE}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        """Let a variable stand for a number."""
        return {**super().float_schema(schema), "type": ["number", "string"], "pattern": _VARIABLE}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        """Let a variable stand for true or false."""
        return {**super().bool_schema(schema), "type": ["boolean", "string"], "pattern": _VARIABLE}

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """Let a variable stand for one of a few words."""
        words = super().literal_schema(schema)
        return {"anyOf": [words, {"type": "string", "pattern": _VARIABLE}]}


def _without_titles(shape: Any) -> Any:
    """Drop pydantic's titles, and defaults that are not written as they are kept."""
    if isinstance(shape, list):
        return [_without_titles(item) for item in shape]
    if not isinstance(shape, dict):
        return shape
    kept = {
        key: value
        for key, value in shape.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and isinstance(value, dict | list))
    }
    return {key: _without_titles(value) for key, value in kept.items()}
