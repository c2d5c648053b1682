"""Taking JSON of others apart: what is missing or of another kind is a fault with words, never a crash."""

import json
import math
from collections.abc import Mapping

from bridge.datastore.values import Value

#: The version of all messages here. A reader takes no other.
VERSION = 1
#: The longest message that is taken apart, in bytes.
LONGEST = 4 << 20


class ExchangeFault(Exception):
    """A message that is none of this format; the text says what was found and what was expected."""


def encoded(content: Mapping[str, object]) -> bytes:
    """Return a message of this version."""
    return json.dumps({"v": VERSION, **content}, separators=(",", ":"), ensure_ascii=False).encode()


def decoded(payload: bytes, longest: int = LONGEST) -> Mapping[str, object]:
    """Return the fields of a message. Raises ExchangeFault."""
    if len(payload) > longest:
        raise ExchangeFault(f"found {len(payload)} bytes, expected at most {longest}")
    try:
        found = json.loads(payload.decode())
        if b"\\u" in payload:  # half of a character can only come as an escape, and can never be sent again
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ExchangeFault("found no JSON, expected an object") from None
    if not isinstance(found, dict):
        raise ExchangeFault("found JSON of another kind, expected an object")
    if found.get("v") != VERSION or found["v"] is True:
        raise ExchangeFault(f"found version {str(found.get('v'))[:20]}, expected 'v': {VERSION}")
    return found


def text(fields: Mapping[str, object], key: str, default: str | None = None) -> str:
    """Return a text. Raises ExchangeFault."""
    found = fields.get(key, default)
    if not isinstance(found, str):
        raise ExchangeFault(f"found no text '{key}'")
    return found


def number(fields: Mapping[str, object], key: str) -> float:
    """Return a finite number. Raises ExchangeFault."""
    found = optional_number(fields, key)
    if found is None:
        raise ExchangeFault(f"found no number '{key}'")
    return found


def optional_number(fields: Mapping[str, object], key: str) -> float | None:
    """Return a finite number, None where there is none. Raises ExchangeFault."""
    found = fields.get(key)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not _is_finite(found):
        raise ExchangeFault(f"found no finite number in '{key}'")
    return found


def whole(fields: Mapping[str, object], key: str) -> int:
    """Return a whole number. Raises ExchangeFault."""
    found = fields.get(key)
    if isinstance(found, bool) or not isinstance(found, int):
        raise ExchangeFault(f"found no whole number '{key}'")
    return found


def flag(fields: Mapping[str, object], key: str) -> bool:
    """Return true or false, false where it is left out. Raises ExchangeFault."""
    found = fields.get(key, False)
    if not isinstance(found, bool):
        raise ExchangeFault(f"found neither true nor false in '{key}'")
    return found


def mapping(fields: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Return an object, an empty one where it is left out. Raises ExchangeFault."""
    found = fields.get(key, {})
    if not isinstance(found, dict):
        raise ExchangeFault(f"found no object '{key}'")
    return found


def listed(fields: Mapping[str, object], key: str) -> list[object]:
    """Return a list, an empty one where it is left out. Raises ExchangeFault."""
    found = fields.get(key, [])
    if not isinstance(found, list):
        raise ExchangeFault(f"found no list '{key}'")
    return found


def value(found: object) -> Value:
    """Return a point's value. Raises ExchangeFault."""
    if isinstance(found, bool) or not isinstance(found, int | float | str) or not _is_finite(found):
        raise ExchangeFault("found a value that is neither a finite number nor text")
    return found


def _is_finite(found: Value) -> bool:
    """False also for a whole number with which nobody could reckon."""
    try:
        return isinstance(found, str) or math.isfinite(found)
    except OverflowError:
        return False
