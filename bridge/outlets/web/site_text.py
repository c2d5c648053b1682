"""The text of a site file, changed at one place and left as it was written everywhere else."""

import difflib
import json
import re
from collections.abc import Mapping

from bridge.register_maps.positions import Node, compose

#: Text that YAML takes for itself without quotes.
_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z/][A-Za-z0-9_./-]*", re.IGNORECASE)


class NotThere(Exception):
    """There is no such place, or not in a form that can be changed by itself; the text says what to do."""


def observing_devices(text: str) -> frozenset[str]:
    """Return the devices that send nothing: `observe` is true unless a `can_bms` says otherwise."""
    devices = _section(text, "devices")
    found = set()
    for name, node in _children(devices).items():
        options = _children(node)
        family, observe = options.get("adapter"), options.get("observe")
        if family is not None and family.text == "can_bms" and (observe is None or observe.value is True):
            found.add(name)
    return frozenset(found)


def leave_observe(text: str, device: str) -> str:
    """Return a text in which a device sends. Raises NotThere."""
    node = _children(_section(text, "devices")).get(device)
    if node is None or not isinstance(node.value, dict):
        raise NotThere(f"device '{device}' stands in an included file: write observe: false there by hand")
    observe = node.value.get("observe")
    if observe is not None:
        return _replaced(text, observe, "false")
    first = next(iter(node.keys.values()))
    lines = text.split("\n")
    line, start = lines[first.line - 1], first.column - 1
    flow = "{" in line[:start]
    indent = " " * start
    lines[first.line - 1] = f"{line[:start]}observe: false{', ' if flow else chr(10) + indent}{line[start:]}"
    return "\n".join(lines)


def with_section(text: str, written: str) -> str:
    """Return a text in which one line of a section (`access: ..`) stands instead of that whole section."""
    key = written.partition(":")[0]
    span = _span(text, key)
    lines = text.split("\n")
    if span is None:
        at = next((n for n, line in enumerate(lines) if line.startswith("devices:")), len(lines))
        return "\n".join([*lines[:at], written, *lines[at:]])
    first, last = span
    return "\n".join([*lines[:first], written, *lines[last:]])


def with_device(text: str, name: str, options: Mapping[str, object]) -> str:
    """Return a text with a device in one line: added, or instead of the one of that name. Raises NotThere."""
    made = f"{name}: {{{', '.join(f'{key}: {scalar(value)}' for key, value in options.items())}}}"
    devices = _section(text, "devices")
    if devices is None or not isinstance(devices.value, dict):
        section = _span(text, "devices")
        rest = text if section is None else _without(text, *section)
        return rest.rstrip("\n") + ("\n" if rest.strip() else "") + f"devices:\n  {made}\n"
    if name in devices.value:
        first, last = _device_span(text, devices, name)
        lines = text.split("\n")
        indent = " " * (devices.keys[name].column - 1)
        return "\n".join([*lines[:first], indent + made, *lines[last:]])
    keys = list(devices.keys.values())
    if not keys or keys[0].line == _line_of(text, "devices"):
        raise NotThere("`devices` is written in one line: add the device in the text")
    span = _span(text, "devices")
    assert span is not None  # noqa: S101 - it is there, hence has lines
    lines = text.split("\n")
    last = span[1]
    while last > span[0] + 1 and not lines[last - 1].strip():
        last -= 1
    return "\n".join([*lines[:last], " " * (keys[0].column - 1) + made, *lines[last:]])


def without_device(text: str, name: str) -> str:
    """Return a text without a device. Raises NotThere."""
    devices = _section(text, "devices")
    if devices is None or name not in _children(devices):
        raise NotThere(f"device '{name}' stands in an included file: remove it there by hand")
    if len(_children(devices)) == 1:
        raise NotThere("it is the only device: put another in its place")
    return _without(text, *_device_span(text, devices, name))


def device_options(text: str) -> dict[str, dict[str, object]]:
    """Return by device those options that are single values, as written."""
    return {
        name: {
            key: item.text for key, item in _children(node).items() if not isinstance(item.value, dict | list)
        }
        for name, node in _children(_section(text, "devices")).items()
    }


def has_more(text: str, name: str) -> bool:
    """True for a device with options that are no single values, which a form does not show."""
    node = _children(_section(text, "devices")).get(name)
    return any(isinstance(item.value, dict | list) for item in _children(node).values())


def difference(former: str, text: str) -> list[str]:
    """Return what differs, as lines with + and - before them."""
    lines = difflib.unified_diff(former.splitlines(), text.splitlines(), lineterm="", n=2)
    return [line for line in lines if not line.startswith(("---", "+++"))]


def scalar(value: object) -> str:
    """Return a value as YAML takes it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _section(text: str, key: str) -> Node | None:
    root, _ = compose(text, "")
    return _children(root).get(key)


def _children(node: Node | None) -> dict[str, Node]:
    return dict(node.value) if node is not None and isinstance(node.value, dict) else {}


def _line_of(text: str, key: str) -> int:
    root, _ = compose(text, "")
    return root.keys[key].line if root is not None and key in root.keys else 0


def _span(text: str, key: str) -> tuple[int, int] | None:
    """Return the lines of a section, from the first to that behind its last; None where it is not there."""
    root, _ = compose(text, "")
    if root is None or key not in root.keys:
        return None
    starts = sorted(node.line for node in root.keys.values())
    first = root.keys[key].line
    behind = next((line for line in starts if line > first), None)
    return first - 1, _less_comments(text, first - 1, behind)


def _device_span(text: str, devices: Node, name: str) -> tuple[int, int]:
    starts = sorted(node.line for node in devices.keys.values())
    first = devices.keys[name].line
    if starts.count(first) > 1 or first == _line_of(text, "devices"):
        raise NotThere("`devices` is written in one line: change the text instead")
    behind = next((line for line in starts if line > first), None)
    if behind is None:
        span = _span(text, "devices")
        assert span is not None  # noqa: S101 - the device stands in it
        return first - 1, span[1]
    return first - 1, _less_comments(text, first - 1, behind)


def _less_comments(text: str, first: int, behind: int | None) -> int:
    """Return where an entry ends: comments and empty lines before the next belong to that one."""
    lines = text.split("\n")
    last = len(lines) if behind is None else behind - 1
    while last > first + 1 and (not lines[last - 1].strip() or lines[last - 1].lstrip().startswith("#")):
        last -= 1
    return last


def _without(text: str, first: int, last: int) -> str:
    lines = text.split("\n")
    return "\n".join([*lines[:first], *lines[last:]])


def _replaced(text: str, node: Node, word: str) -> str:
    lines = text.split("\n")
    line, start = lines[node.line - 1], node.column - 1
    lines[node.line - 1] = line[:start] + word + line[start + len(node.text) :]
    return "\n".join(lines)
