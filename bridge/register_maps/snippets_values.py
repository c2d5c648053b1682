"""What the snippets of all tools are made of: the values of a map, named, scaled and ordered for reading."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from bridge.register_maps.document_rows import exact, plain
from bridge.register_maps.document_words import words_of
from bridge.register_maps.format import READ_MAX, Coil, Register, RegisterMap, Table, WriteRule
from bridge.register_maps.measures import unit_of_measure
from bridge.register_maps.rows import rows_of
from bridge.register_maps.types import BitType, EnumType, MappedType, Raw, Value

LICENCE = "SPDX-License-Identifier: 0BSD"

#: Fields of the status block worth a place beside the measurements.
_STATUS = ("/Link/State", "/Link/Age", "/Link/LastOutcome", "/Link/Errors", "/Link/WearLeft")
#: Within the range of nearly every set-point, and harmless there.
_MODEST = (10, 1)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_DECIMALS_MAX = 6
_FORM_DECIMALS = re.compile(r"%[-+ #0]*\d*\.(\d+)f")


@dataclass(frozen=True, slots=True)
class Target:
    """Where the tool finds the bridge. IPv6 hosts stand without brackets."""

    host: str
    port: int
    unit: int

    @property
    def authority(self) -> str:
        """Host and port as URLs write them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Readable:
    """One point by its primary register; `slug` is its name in the tool, unlike any other of the map."""

    path: str
    slug: str
    register: Register
    status: bool

    @property
    def name(self) -> str:
        """The path as words: Dc 0 voltage."""
        return " ".join(_CAMEL.sub(" ", self.path.replace("/", " ")).split()).lower().capitalize()

    @property
    def unit_of_measure(self) -> str:
        """The unit of its value."""
        return unit_of_measure(self.path)

    @property
    def factor(self) -> Fraction:
        """What a raw is multiplied by."""
        return 1 / self.register.scale

    @property
    def decimals(self) -> int:
        """Decimals that its value has, as far as it is worth showing them."""
        if found := _FORM_DECIMALS.search(self.register.form or ""):
            return int(found[1])
        exactly = (n for n in range(_DECIMALS_MAX) if (self.factor * 10**n).denominator == 1)
        return next(exactly, _DECIMALS_MAX)

    @property
    def invalid(self) -> tuple[int, ...]:
        """Whole raws that mean no value; none where it always has one or says so by NaN."""
        kind = self.register.type
        if isinstance(kind, BitType):
            return ()
        raws: tuple[Raw, ...] = (kind.invalid,) if self.register.invalid is None else self.register.invalid
        return tuple(raw for raw in raws if isinstance(raw, int))

    @property
    def labels(self) -> tuple[tuple[int, str], ...]:
        """Numbers that have a meaning, and the meaning."""
        kind = self.register.type
        if isinstance(kind, EnumType):
            return tuple((number, name) for name, number in kind.values.items())
        if isinstance(kind, MappedType):
            return tuple((raw, plain(value)) for raw, value in kind.values.items())
        return ()

    @property
    def told(self) -> str:
        """What it is, for a comment on one line."""
        words = words_of(self.path)
        names = ", ".join(f"{number} {name}" for number, name in self.labels)
        parts = [self.path, words, names]
        return ": ".join(part for part in parts if part)


def device_name(loaded: RegisterMap) -> str:
    """Return the name that a tool gives the unit: the map's own, without its folder."""
    return loaded.name.rpartition("/")[2]


def readables(loaded: RegisterMap) -> tuple[Readable, ...]:
    """Return every point of a map once, by its primary register, the telling part of the status block too."""
    found: dict[str, Readable] = {}
    taken: set[str] = set()
    for row in rows_of(loaded):
        register = row.register
        if register is None or row.path is None or register.value is not None or register.alias:
            continue
        status = register not in loaded.registers
        if row.path in found or (status and row.path not in _STATUS):
            continue
        found[row.path] = Readable(row.path, _free(slug_of(row.path), taken), register, status)
    return tuple(found.values())


def settings(loaded: RegisterMap) -> tuple[Readable, ...]:
    """Return the points that registers write."""
    return tuple(item for item in readables(loaded) if item.register.write is not None)


def samples_of(rule: WriteRule) -> tuple[Value, ...]:
    """Return values to try a rule with: all of a list, a modest one of a range."""
    if rule.choices is not None:
        return rule.choices
    modest = next((number for number in _MODEST if rule.allows(number)), None)
    return (modest if modest is not None else rule.minimum if rule.minimum is not None else 1,)


def switches(loaded: RegisterMap) -> tuple[Coil, ...]:
    """Return the coils that are written."""
    return tuple(coil for coil in loaded.coils if coil.write)


def inputs(loaded: RegisterMap) -> tuple[Coil, ...]:
    """Return the bits that are only read."""
    return tuple(coil for coil in loaded.coils if not coil.write)


def slug_of(path: str) -> str:
    """Return a path as a name for tools: dc_0_voltage."""
    return _NOT_A_WORD.sub("_", _CAMEL.sub("_", path).lower()).strip("_") or "value"


def bit_slugs(coils: Iterable[Coil]) -> dict[Coil, str]:
    """Return a name for each bit, unlike each other."""
    taken: set[str] = set()
    return {coil: _free(slug_of(coil.path), taken) for coil in coils}


def _free(slug: str, taken: set[str]) -> str:
    """Return the name, or the first free one after it."""
    name, number = slug, 1
    while name in taken:
        number += 1
        name = f"{slug}_{number}"
    taken.add(name)
    return name


def decimal(number: Fraction) -> str:
    """Return a number as every tool reads it."""
    written = exact(number)
    return repr(float(number)) if "/" in written else written


def blocks(items: Iterable[Readable], hole_max: int) -> Iterator[tuple[Readable, ...]]:
    """Give the values that one read each takes: whole ones, no wide gaps, at most 125 registers."""
    block: list[Readable] = []
    for item in sorted(items, key=lambda i: (i.register.table is Table.INPUT, i.register.address)):
        new = item.register
        if block:
            first, last = block[0].register, block[-1].register
            apart = new.table is not last.table or new.address - last.end > hole_max
            if apart or new.end - first.address > READ_MAX or item.status != block[0].status:
                yield tuple(block)
                block = []
        block.append(item)
    if block:
        yield tuple(block)
