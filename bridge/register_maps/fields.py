"""Typed access to the keys of a map file's mappings; whatever is wrong is noted where it stands."""

import math
from collections.abc import Collection, Iterable, Iterator

from bridge.register_maps.positions import Node, Problem, nearest

#: A fault of a map file: `file line column message hint`.
MapError = Problem


class Faults:
    """The faults found so far in one file, each once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: dict[MapError, None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def at(self, where: Node, message: str, hint: str = "") -> None:
        """Note a fault of a node."""
        self.place(where.line, where.column, message, hint)

    def place(self, line: int, column: int, message: str, hint: str = "") -> None:
        """Note a fault of a place."""
        self._found[MapError(self.file, line, column, message, hint)] = None

    def extend(self, errors: Iterable[MapError]) -> None:
        """Take faults found elsewhere."""
        self._found.update(dict.fromkeys(errors))

    def sorted(self) -> list[MapError]:
        """Return all of them in the order of the file."""
        return sorted(self._found, key=lambda e: (e.file != self.file, e.file, e.line, e.column, e.message))


class Fields:
    """A mapping's keys, read one by one; `known` names those it may have."""

    def __init__(self, node: Node, faults: Faults, what: str, known: Collection[str]) -> None:
        self.node = node
        self.faults = faults
        self._entries: dict[str, Node] = {}
        if not isinstance(node.value, dict):
            faults.at(node, f"{what}: found {node.kind}, expected a mapping")
            return
        self._entries = node.value
        for key in self._entries:
            if key not in known:
                near = nearest(key, known)
                hint = f"did you mean '{near}'?" if near else f"expected one of {', '.join(sorted(known))}"
                faults.at(node.key_node(key), f"{what}: found the unknown key '{key}'", hint)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def get(self, key: str) -> Node | None:
        """Return a key's value, None without the key."""
        return self._entries.get(key)

    def key(self, key: str) -> Node:
        """Return the place of a key, or of the whole mapping without it."""
        return self.node.key_node(key) if key in self._entries else self.node

    def integer(self, key: str, low: int, high: int) -> int | None:
        """Return a whole number within inclusive bounds; None without the key or after a fault."""
        node = self.get(key)
        return None if node is None else integer(node, self.faults, key, low, high)

    def boolean(self, key: str) -> bool:
        """Return `true` or `false`, False without the key."""
        node = self.get(key)
        if node is None or isinstance(node.value, bool):
            return node is not None and node.value is True
        self.faults.at(node, f"{key}: found {node.kind}, expected true or false")
        return False

    def text(self, key: str) -> str | None:
        """Return a text as written in the file; None without the key or after a fault."""
        node = self.get(key)
        if node is None:
            return None
        if isinstance(node.value, dict | list) or node.value is None:
            self.faults.at(node, f"{key}: found {node.kind}, expected a text")
            return None
        return node.text

    def path(self, key: str) -> str | None:
        """Return a point's path; None without the key or after a fault."""
        node = self.get(key)
        return None if node is None else path(node, self.faults, key)

    def choice(self, key: str, choices: Collection[str]) -> str | None:
        """Return one of a few words; None without the key or after a fault."""
        node = self.get(key)
        return None if node is None else choice(node, self.faults, key, choices)

    def mapping(self, key: str) -> Iterator[tuple[Node, Node]]:
        """Give the key and value nodes of a mapping, nothing without the key or after a fault."""
        node = self.get(key)
        if node is None:
            return
        if not isinstance(node.value, dict):
            self.faults.at(node, f"{key}: found {node.kind}, expected a mapping")
            return
        for name, value in node.value.items():
            yield node.key_node(name), value

    def items(self, key: str) -> list[Node]:
        """Return the nodes of a list, none without the key or after a fault."""
        node = self.get(key)
        if node is None:
            return []
        if not isinstance(node.value, list):
            self.faults.at(node, f"{key}: found {node.kind}, expected a list")
            return []
        return node.value


def need_integer(fields: Fields, key: str, low: int, high: int) -> int | None:
    """Return a whole number that must be there; None after a fault."""
    if key not in fields:
        fields.faults.at(fields.node, f"found no '{key}', expected one")
        return None
    return fields.integer(key, low, high)


def integer(node: Node, faults: Faults, what: str, low: int, high: int) -> int | None:
    """Read a whole number within inclusive bounds."""
    number = node.value
    if isinstance(number, bool) or not isinstance(number, int):
        hint = "write hexadecimal as 0x10, octal is not known" if node.text[:2] in ("0o", "0O") else ""
        faults.at(node, f"{what}: found {node.kind}, expected a whole number", hint)
        return None
    if not low <= number <= high:
        faults.at(node, f"{what}: found {node.text}, expected {_bound(low)} to {_bound(high)}")
        return None
    return number


def _bound(number: int) -> str:
    return f"0x{number:X}" if number > 0xFFF else str(number)


def number(node: Node, faults: Faults, what: str) -> int | float | None:
    """Read a finite number."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        faults.at(node, f"{what}: found {node.kind}, expected a number")
        return None
    return value


def path(node: Node, faults: Faults, what: str) -> str | None:
    """Read a point's path: it begins with a slash and has no empty part, space or colon."""
    if isinstance(node.value, dict | list):
        faults.at(node, f"{what}: found {node.kind}, expected a path such as /Dc/0/Voltage")
        return None
    text = node.text
    if not text.startswith("/") or "//" in text or text.endswith("/") or any(c in text for c in " :\t\n"):
        hint = f"did you mean '/{text}'?" if text[:1].isalpha() and " " not in text else ""
        faults.at(node, f"{what}: found '{text}', expected a path such as /Dc/0/Voltage", hint)
        return None
    return text


def choice(node: Node, faults: Faults, what: str, choices: Collection[str]) -> str | None:
    """Read one of a few words."""
    if isinstance(node.value, str) and node.text in choices:
        return node.text
    near = nearest(node.text, choices) if node.text else None
    faults.at(
        node,
        f"{what}: found {node.kind}, expected one of {', '.join(sorted(choices))}",
        f"did you mean '{near}'?" if near else "",
    )
    return None
