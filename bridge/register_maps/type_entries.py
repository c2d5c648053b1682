"""The `type:` of an entry and the keys that belong to it."""

from types import MappingProxyType

from bridge.register_maps.fields import Faults, Fields, choice, integer, need_integer, number
from bridge.register_maps.types import (
    PLAIN_TYPES,
    TYPE_NAMES,
    BitType,
    EnumType,
    HexType,
    MappedType,
    RegisterType,
    TextType,
    is_encoding,
)

#: Registers that one FC16 can write (Modbus application protocol 1.1b3, 6.12).
_LONGEST_TEXT = 123
_BIT_MAX = 16 * 16 - 1

#: Keys that only some types have.
_KEYS_OF_TYPES = {
    "length": ("text", "hexstr"),
    "little": ("text", "hexstr"),
    "encoding": ("text",),
    "values": ("e16", "mapu16"),
    "bit": ("bit",),
    "set": ("bit",),
    "unset": ("bit",),
}


class TypeReader:
    """Reads types; equal ones are the same object, which keeps maps of a thousand registers small."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._known: dict[object, RegisterType] = {}

    def read(self, fields: Fields, *, elsewhere: tuple[str, ...] = ()) -> RegisterType | None:
        """Read `type` and its own keys, but those meant `elsewhere`; None after a fault."""
        node = fields.get("type")
        if node is None:
            self._faults.at(fields.node, "found no 'type', expected one such as u16")
            return None
        word = choice(node, self._faults, "type", TYPE_NAMES)
        if word is None:
            return None
        for key, types in _KEYS_OF_TYPES.items():
            if key in fields and key not in elsewhere and word not in types:
                self._faults.at(
                    fields.key(key), f"{key}: found with {word}", f"it belongs to {' and '.join(types)}"
                )
        kind = PLAIN_TYPES.get(word)
        if kind is None:
            kind = self._made(word, fields)
        return None if kind is None else self._known.setdefault(_identity(kind), kind)

    def _made(self, word: str, fields: Fields) -> RegisterType | None:
        match word:
            case "text" | "hexstr":
                return self._text(word, fields)
            case "bit":
                return self._bit(fields)
            case "e16":
                return self._enum(fields)
        return self._mapped(fields)

    def _text(self, word: str, fields: Fields) -> RegisterType | None:
        length = need_integer(fields, "length", 1, _LONGEST_TEXT)
        little = fields.boolean("little")
        if length is None:
            return None
        if word == "hexstr":
            return HexType(length, little)
        encoding = fields.text("encoding") or "ascii"
        if not is_encoding(encoding):
            self._faults.at(
                fields.get("encoding") or fields.node,
                f"encoding: found '{encoding}', expected ascii, latin-1 or utf-8",
            )
            return None
        return TextType(length, little, encoding)

    def _bit(self, fields: Fields) -> RegisterType | None:
        bit = need_integer(fields, "bit", 0, _BIT_MAX)
        on = 1 if "set" not in fields else fields.integer("set", 0, 0xFFFF)
        off = 0 if "unset" not in fields else fields.integer("unset", 0, 0xFFFF)
        if on is not None and on == off:
            self._faults.at(
                fields.key("set"), f"bit: found {on} for set and for unset, expected two different values"
            )
        return None if bit is None or on is None or off is None else BitType(bit, on, off)

    def _enum(self, fields: Fields) -> RegisterType:
        names: dict[str, int] = {}
        for key, value in fields.mapping("values"):
            found = integer(value, self._faults, f"values: {key.text}", 0, 0xFFFF)
            if found is not None:
                names[key.text] = found
        return EnumType(MappingProxyType(names))

    def _mapped(self, fields: Fields) -> RegisterType | None:
        table: dict[int, int | float] = {}
        for key, value in fields.mapping("values"):
            raw = integer(key, self._faults, "values", 0, 0xFFFF)
            published = number(value, self._faults, f"values: {key.text}")
            if raw is not None and published is not None:
                table[raw] = published
        if not table:
            self._faults.at(
                fields.key("values"), "mapu16: found no values, expected a table such as {5: 252}"
            )
            return None
        return MappedType(MappingProxyType(table))


def _identity(kind: RegisterType) -> object:
    """Return what makes two types equal; tables are not hashable themselves."""
    if isinstance(kind, EnumType | MappedType):
        return kind.name, tuple(kind.values.items())
    return kind
