"""From a node to a checked model: what pydantic refuses becomes problems at the places in the file."""

import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bridge.adapters.durations import seconds
from bridge.register_maps.positions import Node, Problem, nearest

Model = TypeVar("Model", bound=BaseModel)

#: pydantic's error types in words of the person who wrote the file.
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "string_too_short": "some text",
    "string_type": "text",
    "tuple_type": "a list",
}
_NONE = type(None)


def checked(model: type[Model], node: Node, problems: list[Problem]) -> Model | None:
    """Return the model that a mapping describes, None (and problems) where it does not."""
    if not isinstance(node.value, dict):
        problems.append(node.problem(f"found {node.kind}, expected a mapping"))
        return None
    try:
        return model.model_validate(plain(node, model), strict=True)
    except ValidationError as fault:
        problems += _problems(model, node, fault.errors(include_url=False))
        return None


def plain(node: Node, wanted: object) -> object:
    """Return a node as Python values. Where text is wanted a scalar is taken as written (`serial: 0123`)."""
    wanted = _bare(wanted)
    if isinstance(node.value, dict):
        if isinstance(wanted, type) and issubclass(wanted, BaseModel):
            fields = wanted.model_fields
            return {
                key: plain(item, fields[key].annotation if key in fields else None)
                for key, item in node.value.items()
            }
        inner = _last_argument(wanted)
        return {key: plain(item, inner) for key, item in node.value.items()}
    if isinstance(node.value, list):
        inner = next(iter(get_args(wanted)), None)
        return tuple(plain(item, inner) for item in node.value)
    return node.text if node.value is not None and _is_text(wanted) else node.value


def at(node: Node, path: Iterable[str | int]) -> Node:
    """Return the node at a path, or the last one on the way that exists."""
    for step in path:
        match node.value, step:
            case dict() as items, str() if step in items:
                node = items[step]
            case list() as entries, int() if step < len(entries):
                node = entries[step]
    return node


def unknown_key(key: Node, choices: Iterable[str]) -> Problem:
    """Return the problem of a key that means nothing here."""
    known = sorted(choices)
    message = f"found the unknown key '{key.short}', expected {_one_of(known)}"
    return key.problem(message, did_you_mean(key.text, known))


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the hint for a misspelt word, empty when nothing is near."""
    near = nearest(word, choices)
    return f"did you mean '{near}'?" if near else ""


def _problems(model: type[BaseModel], node: Node, errors: Sequence[ErrorDetails]) -> list[Problem]:
    """Turn errors into problems, one a place: the alternatives of a union are joined by `or`."""
    wanted: dict[tuple[str, int, int], list[str]] = {}
    found: list[Problem] = []
    for error in errors:
        place = at(node, error["loc"])
        info = _field(model, error["loc"])
        if error["type"] == "extra_forbidden":
            name = str(error["loc"][-1])
            parent = at(node, error["loc"][:-1])
            found.append(unknown_key(parent.key_node(name), _fields(model, error["loc"][:-1])))
        elif error["type"] == "missing":
            about = info.description if info is not None and info.description else "it here"
            found.append(place.problem(f"found no '{error['loc'][-1]}', expected {about}"))
        elif error["type"] == "literal_error":
            choices = [str(choice) for choice in _choices(info)]
            message = f"found {place.kind}, expected {_one_of(choices)}"
            found.append(place.problem(message, did_you_mean(place.text, choices)))
        else:
            key = (place.file, place.line, place.column)
            words = wanted.setdefault(key, [])
            if not words:
                found.append(place.problem(f"found {place.kind}"))
            expected = _expected(error, info)
            if expected not in words:
                words.append(expected)
    return [_finished(problem, wanted) for problem in found]


def _finished(problem: Problem, wanted: Mapping[tuple[str, int, int], list[str]]) -> Problem:
    words = wanted.get((problem.file, problem.line, problem.column), [])
    if not words or ", expected " in problem.message:
        return problem
    message = f"{problem.message}, expected {' or '.join(words)}"
    return Problem(problem.file, problem.line, problem.column, message, problem.hint)


def _expected(error: ErrorDetails, info: FieldInfo | None) -> str:
    kind = error["type"]
    if kind == "value_error":
        return str(error["ctx"]["error"]).removeprefix("expected ")
    if kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        return _range(info) or error["msg"].removeprefix("Input should be ")
    if kind == "string_pattern_mismatch" and info is not None and info.description:
        return info.description
    return _EXPECTED.get(kind) or error["msg"].removeprefix("Input should be ")


def _range(info: FieldInfo | None) -> str:
    """Say the range of a field: `1 to 246`, or its one end."""
    if info is None:
        return ""
    metadata = [*info.metadata, *_inner_metadata(info.annotation)]
    unit = (
        " s" if any(isinstance(mark, BeforeValidator) and mark.func is seconds for mark in metadata) else ""
    )
    low = next((str(mark.ge) for mark in metadata if isinstance(mark, annotated_types.Ge)), "")
    above = next((str(mark.gt) for mark in metadata if isinstance(mark, annotated_types.Gt)), "")
    high = next((str(mark.le) for mark in metadata if isinstance(mark, annotated_types.Le)), "")
    if not high:
        return f"at least {low}{unit}" if low else f"more than {above}{unit}" if above else ""
    if low:
        return f"{low} to {high}{unit}"
    return f"more than {above}, at most {high}{unit}" if above else f"at most {high}{unit}"


def _inner_metadata(annotation: object) -> list[object]:
    """Return the marks of the items of a list: `tuple[Annotated[int, Field(ge=1)], ...]`."""
    marks: list[object] = []
    for argument in get_args(annotation):
        if get_origin(argument) is Annotated:
            for mark in get_args(argument)[1:]:
                marks += mark.metadata if isinstance(mark, FieldInfo) else [mark]
        else:
            marks += _inner_metadata(argument)
    return marks


def _field(model: type[BaseModel], loc: Sequence[str | int]) -> FieldInfo | None:
    """Return the innermost field on an error's way."""
    info: FieldInfo | None = None
    current: type[BaseModel] | None = model
    for step in loc:
        if current is not None and isinstance(step, str):
            written = {found.alias or name: found for name, found in current.model_fields.items()}
            if step in written:
                info = written[step]
                current = _model_in(info.annotation)
    return info


def _fields(model: type[BaseModel], loc: Sequence[str | int]) -> Iterable[str]:
    """Return the keys that a mapping at a place may have."""
    info = _field(model, loc)
    inner = (model if info is None else _model_in(info.annotation)) or model
    return [info.alias or name for name, info in inner.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part)) is not None), None)


def _choices(info: FieldInfo | None) -> tuple[Any, ...]:
    def literals(annotation: object) -> tuple[Any, ...]:
        if get_origin(annotation) is Literal:
            return get_args(annotation)
        return tuple(choice for part in get_args(annotation) for choice in literals(part))

    return () if info is None else literals(info.annotation)


def _bare(wanted: object) -> object:
    """Take `Annotated` and `| None` off a type."""
    while True:
        if get_origin(wanted) is Annotated:
            wanted = get_args(wanted)[0]
        elif get_origin(wanted) in (Union, types.UnionType):
            parts = [part for part in get_args(wanted) if part is not _NONE]
            if len(parts) != 1:
                return wanted
            wanted = parts[0]
        else:
            return wanted


def _is_text(wanted: object) -> bool:
    if get_origin(wanted) is Literal:
        return all(isinstance(choice, str) for choice in get_args(wanted))
    return wanted is str


def _last_argument(wanted: object) -> object:
    arguments = get_args(wanted)
    return arguments[-1] if arguments else None


def _one_of(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
