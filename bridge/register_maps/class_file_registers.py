"""Registers as the device class of a stock client writes them: one constructor each.

Source: dbus-modbus-client 1.83 `register.py` and `victron_regs.py`. What its types cannot say (an enumeration
or a float without a value, a table that is written) is added by small classes of the file itself.
"""

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from bridge.register_maps.format import Register, Table
from bridge.register_maps.packing import ONE
from bridge.register_maps.types import (
    BitType,
    EnumType,
    FloatType,
    HexType,
    IntegerType,
    MappedType,
    Raw,
    RegisterType,
    TextType,
    VersionType,
    VeVersionType,
)

_NOT_IN_NAMES = re.compile("[^A-Za-z0-9]+")

#: Classes that a file brings along where it needs them, by the name it calls them.
ADDED_CLASSES: Mapping[str, str] = {
    "Reg_enum": '''\
class Reg_enum(Reg_e16):
    """An enumeration in which some numbers mean that there is no value."""

    def __init__(self, base, name, enum, invalid=(), **kwargs):
        super().__init__(base, name, enum, **kwargs)
        self.invalid = list(invalid)

    def decode(self, values):
        if values[0] in self.invalid:
            return self.update(None)
        return super().decode(values)
''',
    "Reg_table": '''\
class Reg_table(Reg_mapu16):
    """A table of numbers that is written by the number it publishes."""

    def encode(self):
        return [next(raw for raw, value in self.tab.items() if value == self.value)]
''',
    "Reg_version": '''\
class Reg_version(Reg, str):
    """A version of two nibbles and a byte."""

    def __init__(self, base, name, **kwargs):
        super().__init__(base, 1, name, **kwargs)

    def decode(self, values):
        v = values[0]
        if v == 0xFFFF:
            return self.update(None)
        return self.update('%d.%d.%d' % (v >> 12, v >> 8 & 15, v & 255))
''',
    **{
        f"Reg_nan{suffix}": f'''\
class Reg_nan{suffix}(Reg_{suffix}):
    """A float in which NaN means that there is no value."""

    def set_raw_value(self, val):
        if val != val:
            return self.update(None)
        return super().set_raw_value(val)
'''
        for suffix in ("f32b", "f32l")
    },
}
#: What an added class is made of.
_BASES = {
    "Reg_enum": "Reg_e16",
    "Reg_table": "Reg_mapu16",
    "Reg_version": "Reg",
    "Reg_nanf32b": "Reg_f32b",
    "Reg_nanf32l": "Reg_f32l",
}


@dataclass
class RegisterWriter:
    """Writes constructors and remembers what the file must import, define and enumerate for them."""

    added: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    #: Enumeration's members -> the class's name.
    enums: dict[tuple[tuple[str, int], ...], str] = field(default_factory=dict)
    victron: bool = False

    def constructor(self, register: Register, access: str | None = None) -> str:
        """Return the call that makes a register; `access` where it is not the device's usual one."""
        kind = register.type
        name, text = _quoted(register.path), _text_of(register)
        first = [f"0x{register.address:04X}"]
        last = [f"access={access!r}"] if access else []
        if not register.poll:
            last.append("max_age=float('inf')")
        write = _write(register)
        match kind:
            case IntegerType():
                scaled = [name, _number(register.scale), *text, *write, *_invalid(register)]
                return self._call(f"Reg_{kind.name}", first + scaled + last)
            case FloatType():
                scaled = [name, _number(register.scale), *text, *write]
                return self._call(f"Reg_nan{kind.name}", first + scaled + last)
            case EnumType():
                enum = self._enum(register.path or "Value", kind)
                return self._call(
                    "Reg_enum", [*first, name, enum, *_invalid(register), *_enum_write(register, kind), *last]
                )
            case MappedType():
                table = "{" + ", ".join(f"{raw}: {value}" for raw, value in kind.values.items()) + "}"
                values = [f"write={list(kind.values.values())}"] if write else []
                made = "Reg_table" if write else "Reg_mapu16"
                return self._call(made, [*first, name, table, *text, *values, *last])
            case TextType():
                little = ["little=True"] if kind.little else []
                encoding = [] if kind.encoding == "ascii" else [f"encoding={kind.encoding!r}"]
                given = [*first, str(kind.length), name, *little, *encoding, *write]
                return self._call("Reg_text", given + last)
            case HexType():
                little = ["little=True"] if kind.little else []
                return self._call("Reg_hexstr", [*first, str(kind.length), name, *little, *last])
            case BitType():
                set_to = [f"set={kind.set}"] if kind.set != 1 else []
                unset = [f"unset={kind.unset}"] if kind.unset != 0 else []
                return self._call("Reg_bit", [*first, name, f"bit={kind.bit}", *set_to, *unset, *last])
            case VersionType():
                return self._call("Reg_version", [*first, name, *last])
            case VeVersionType():
                self.victron = True
                return f"VEReg_ver({first[0]}, {name})"
        raise TypeError(f"{kind.name}: no register of the stock client for it")

    def model(self, address: int, kind: RegisterType) -> str:
        """Return the call that makes the register by which a device is known."""
        if isinstance(kind, TextType | HexType):
            return self.constructor(Register(Table.HOLDING, address, kind))
        name = kind.name if isinstance(kind, IntegerType) else "u16"
        return self._call(f"Reg_{name}", [f"0x{address:04X}"])

    def definitions(self) -> list[str]:
        """Return the enumerations and added classes, in the order in which they can stand."""
        enums = [_enum_class(name, members) for members, name in self.enums.items()]
        return [*enums, *(ADDED_CLASSES[name] for name in sorted(self.added))]

    def _call(self, made: str, arguments: Iterable[str]) -> str:
        if made in ADDED_CLASSES:
            self.added.add(made)
            self.imported.add(_BASES[made])
        else:
            self.imported.add(made)
        return f"{made}({', '.join(arguments)})"

    def _enum(self, path: str, kind: EnumType) -> str:
        members = tuple(kind.values.items())
        if members not in self.enums:
            words = [part[0].upper() + part[1:] for part in path.split("/") if part and not part.isdecimal()]
            wanted = _identifier("_".join(words[-2:]), "Value")
            self.enums[members] = _free(wanted, self.enums.values())
        return self.enums[members]


def _enum_class(name: str, members: Sequence[tuple[str, int]]) -> str:
    lines: list[str] = []
    taken: list[str] = []
    for label, number in members:
        member = _free(_identifier(label, "N").upper(), taken)
        taken.append(member)
        lines.append(f"    {member} = {number}")
    return "\n".join([f"class {name}(IntEnum):", *(lines or ["    pass"]), ""])


def _identifier(label: str, prefix: str) -> str:
    """Return a Python name for a label of a map, which may be any text."""
    name = _NOT_IN_NAMES.sub("_", label).strip("_")
    if not name or not name[0].isalpha() or keyword.iskeyword(name) or keyword.iskeyword(name.upper()):
        name = f"{prefix}_{name}".rstrip("_")
    return name


def _free(wanted: str, taken: Iterable[str]) -> str:
    used = set(taken)
    if wanted not in used:
        return wanted
    return next(name for number in range(2, len(used) + 3) if (name := f"{wanted}_{number}") not in used)


def _quoted(text: str | None) -> str:
    return "None" if text is None else ascii(text)


def _number(scale: Fraction) -> str:
    if scale == ONE:
        return "1"
    return str(scale.numerator) if scale.denominator == 1 else f"{scale.numerator} / {scale.denominator}"


def _text_of(register: Register) -> list[str]:
    return [] if register.form is None else [f"text={register.form!a}"]


def _raws(register: Register) -> tuple[Raw, ...]:
    return (register.type.invalid,) if register.invalid is None else register.invalid


def _invalid(register: Register) -> list[str]:
    raws = _raws(register)
    return [f"invalid=[{', '.join(str(raw) for raw in raws)}]"] if raws else []


def _write(register: Register) -> list[str]:
    rule = register.write
    if rule is None:
        return []
    if rule.choices is not None:
        return [f"write={_with_accepted(rule.choices, register)}"]
    if rule.minimum is None or rule.maximum is None:
        return ["write=True"]
    return [f"write=({_plain(rule.minimum)}, {_plain(rule.maximum)})"]


def _enum_write(register: Register, kind: EnumType) -> list[str]:
    rule = register.write
    if rule is None:
        return []
    if rule.minimum is not None:
        return [f"write=({_plain(rule.minimum)}, {_plain(rule.maximum or 0)})"]
    choices = rule.choices if rule.choices is not None else tuple(kind.values.values())
    return [f"write={_with_accepted(choices, register)}"]


def _with_accepted(choices: Sequence[Raw], register: Register) -> str:
    """Return the numbers that may be written, those that the bridge takes as others among them."""
    numbers = [*choices, *(number for number in register.accept if number not in choices)]
    return f"[{', '.join(ascii(_plain(n)) for n in numbers)}]"


def _plain(value: Raw) -> Raw:
    return int(value) if isinstance(value, float) and value.is_integer() else value
