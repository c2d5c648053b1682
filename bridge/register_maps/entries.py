"""Entries of `registers:`: repeats are unrolled here, single registers are read by `register_entries`."""

from collections.abc import Iterator

from bridge.register_maps.fields import Faults, Fields, need_integer, path
from bridge.register_maps.format import ADDRESS_MAX, Register, Table
from bridge.register_maps.positions import Node
from bridge.register_maps.register_entries import KEYS, RegisterReader, Scope, variables_in

#: Registers of one map after unrolling: far more than any device has, and a bound for slips.
ENTRIES_MAX = 16384
_COPIES_MAX = 1024
_KEYS = KEYS | {"repeat", "registers"}
_REPEAT_KEYS = frozenset({"count", "stride", "path", "first"})


class EntryReader:
    """Reads the registers of one file."""

    def __init__(self, faults: Faults, table: Table) -> None:
        self._faults = faults
        self._single = RegisterReader(faults, table)
        self._count = 0

    def read(self, nodes: list[Node], scope: Scope | None = None) -> Iterator[Register]:
        """Give the registers of a list, repeats unrolled."""
        scope = scope or Scope()
        for node in nodes:
            if self._is_too_long(node):
                return
            self._count += 1
            fields = Fields(node, self._faults, "register", _KEYS)
            if not isinstance(node.value, dict):
                continue
            if "repeat" in fields:
                yield from self._repeat(fields, scope)
            elif (register := self._single.read(fields, scope)) is not None:
                yield register

    def _repeat(self, fields: Fields, scope: Scope) -> Iterator[Register]:
        node = fields.get("repeat") or fields.node
        for key in KEYS - {"address"}:
            if key in fields:
                self._faults.at(
                    fields.key(key), f"repeat: found '{key}' beside it", "move it to the inner registers"
                )
        repeat = Fields(node, self._faults, "repeat", _REPEAT_KEYS)
        address = need_integer(fields, "address", 0, ADDRESS_MAX)
        inner = fields.items("registers")
        if not inner:
            self._faults.at(
                fields.key("registers"), "repeat: found no inner registers, expected a list of them"
            )
        if not isinstance(node.value, dict):
            return
        count = need_integer(repeat, "count", 1, _COPIES_MAX)
        stride = need_integer(repeat, "stride", 1, ADDRESS_MAX)
        first = repeat.integer("first", 0, ADDRESS_MAX) if "first" in repeat else 1
        prefix = self._prefix(repeat)
        letters = [letter for letter in variables_in(prefix or "") if letter not in scope.variables]
        if prefix and not letters:
            self._faults.at(
                repeat.key("path"),
                f"path: found '{prefix}', which is the same for every copy",
                "number it by a letter of its own, as in /Panels/{n}",
            )
            return
        if address is None or count is None or stride is None or first is None or prefix is None:
            return
        for index in range(count):
            numbers = {**scope.variables, **dict.fromkeys(letters or ["n"], first + index)}
            filled = Scope(variables=numbers).fill(scope.prefix + prefix)
            if self._is_too_long(fields.node):
                return
            yield from self.read(inner, Scope(scope.offset + address + index * stride, filled, numbers))

    def _is_too_long(self, node: Node) -> bool:
        if self._count < ENTRIES_MAX:
            return False
        self._faults.at(node, f"found more than {ENTRIES_MAX} registers", "split the map")
        return True

    def _prefix(self, repeat: Fields) -> str | None:
        """Return what the copies' paths begin with, empty for nothing, None after a fault."""
        node = repeat.get("path")
        return "" if node is None else path(node, self._faults, "path")
