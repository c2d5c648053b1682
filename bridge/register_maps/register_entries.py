"""One entry of `registers:` that is no repeat."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from bridge.register_maps.blocks.computed import BLOCKS, SUNSPEC_CONTROLS
from bridge.register_maps.fields import Faults, Fields, integer, need_integer, number
from bridge.register_maps.format import (
    ADDRESS_MAX,
    NO_NUMBERS,
    Register,
    Source,
    SourcePoint,
    Stale,
    Table,
    WriteRule,
)
from bridge.register_maps.packing import ONE, raw_of
from bridge.register_maps.sources import read_source
from bridge.register_maps.type_entries import TypeReader
from bridge.register_maps.types import (
    BitType,
    FloatType,
    HexType,
    IntegerType,
    Raw,
    RegisterType,
    TextType,
    Value,
)
from bridge.register_maps.write_rules import check_fit, read_rule

#: Keys of a register.
KEYS = frozenset(
    {
        *("address", "type", "length", "little", "encoding", "values", "bit", "set", "unset", "table"),
        *("path", "source", "value", "scale", "invalid", "stale", "write", "accept", "self_clearing"),
        *("alias", "format", "poll", "info", "block"),
    }
)
_ACCEPT_MAX = (1 << 31) - 1
#: Scales beyond this are slips: even 1/3600 and 10^9 are far inside.
_SCALE_MAX = 10**12

#: One %-conversion of a number or text, as Python and the stock client format with it.
_FORM = re.compile(r"(?:[^%]|%%)*%[-+ #0]*\d{0,2}(?:\.\d{1,2})?[dfgeExXs](?:[^%]|%%)*")
_VARIABLE = re.compile(r"\{([a-z])\}")


_NO_VARIABLES: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Scope:
    """What the repeats around an entry add to its address and path, and the numbers of their letters."""

    offset: int = 0
    prefix: str = ""
    variables: Mapping[str, int] = field(default_factory=lambda: _NO_VARIABLES)

    def fill(self, text: str) -> str:
        """Replace `{n}` by the number of the repeat that bears that letter."""
        return _VARIABLE.sub(lambda m: str(self.variables.get(m[1], m[0])), text)


def variables_in(text: str) -> list[str]:
    """Return the letters in braces."""
    return _VARIABLE.findall(text)


class RegisterReader:
    """Reads single registers; `table` is that of entries which name none."""

    def __init__(self, faults: Faults, table: Table) -> None:
        self._faults = faults
        self._table = table
        self._types = TypeReader(faults)
        self._sources: dict[Source, Source] = {}
        self._rules: dict[WriteRule, WriteRule] = {}

    def read(self, fields: Fields, scope: Scope) -> Register | None:
        """Return the register, None after a fault that leaves nothing to judge."""
        node = fields.node
        kind = self._types.read(fields)
        address = self._address(fields, scope, kind)
        table = Table(fields.choice("table", (Table.HOLDING, Table.INPUT)) or self._table)
        path = self._path(fields, scope)
        source = self._source(fields, scope, path)
        stale = fields.choice("stale", tuple(Stale))
        form = self._form(fields)
        block = self._block(fields, source)
        alias, clearing, info = (fields.boolean(key) for key in ("alias", "self_clearing", "info"))
        poll = "poll" not in fields or fields.boolean("poll")
        if path is None and not any(key in fields for key in ("path", "source", "value")):
            self._faults.at(node, "register: found no 'path' and no 'value', expected one of them")
        if address is None or kind is None:
            return None
        scale = self._scale(fields, kind)
        invalid = self._invalid(fields, kind)
        value = self._constant(fields, kind, scale)
        write = self._write(fields, kind, scale, invalid)
        if write is not None:
            self._check_writable(fields, source, table, alias=alias)
        accept = self._accept(fields, kind, write)
        if clearing and write is None:
            self._faults.at(fields.key("self_clearing"), "self_clearing: found on a register without 'write'")
        return Register(
            table=table,
            address=address,
            type=kind,
            path=path,
            source=None if "value" in fields else source,
            scale=scale,
            write=write,
            accept=accept,
            invalid=invalid,
            value=value,
            stale=None if stale is None else Stale(stale),
            form=form,
            block=block,
            alias=alias,
            self_clearing=clearing,
            poll=poll,
            info=info,
            line=node.line,
            column=node.column,
        )

    def _address(self, fields: Fields, scope: Scope, kind: RegisterType | None) -> int | None:
        own = need_integer(fields, "address", 0, ADDRESS_MAX)
        if own is None:
            return None
        address = own + scope.offset
        last = address + (1 if kind is None else kind.length) - 1
        if last > ADDRESS_MAX:
            self._faults.at(
                fields.get("address") or fields.node,
                f"address: found 0x{address:X} to 0x{last:X}, expected to end by 0xFFFF",
            )
            return None
        return address

    def _path(self, fields: Fields, scope: Scope) -> str | None:
        path = fields.path("path")
        if path is None:
            return None
        path = scope.prefix + scope.fill(path)
        self._check_filled(fields, "path", path)
        return path

    def _check_filled(self, fields: Fields, key: str, path: str) -> None:
        if letters := variables_in(path):
            self._faults.at(
                fields.key(key),
                f"{key}: found {{{letters[0]}}} in '{path}', which no repeat around it numbers",
                "use the letter of the repeat's own path, or {n}",
            )

    def _source(self, fields: Fields, scope: Scope, path: str | None) -> Source | None:
        node = fields.get("source")
        if node is None:
            source = None if path is None else Source((SourcePoint(path),))
        else:
            source = read_source(node, self._faults, path)
            if source is not None:
                points = tuple(SourcePoint(scope.fill(p.path), p.device, p.negate) for p in source.points)
                for point in points:
                    self._check_filled(fields, "source", point.path)
                source = Source(points, source.total, source.missing)
        return None if source is None else self._sources.setdefault(source, source)

    def _form(self, fields: Fields) -> str | None:
        form = fields.text("format")
        if form is not None and not _FORM.fullmatch(form):
            self._faults.at(
                fields.get("format") or fields.node, f"format: found '{form}', expected one such as '%.2f V'"
            )
            return None
        return form

    def _block(self, fields: Fields, source: Source | None) -> str | None:
        """Return what computes the register from its sources, which it then has to name."""
        block = fields.choice("block", BLOCKS)
        if block is not None and ("source" not in fields or (source is not None and source.total)):
            where = fields.key("block")
            self._faults.at(
                where, "block: found without a list of sources", "name what it is worked out from"
            )
        if block is not None and block != SUNSPEC_CONTROLS and "write" in fields:
            self._faults.at(fields.key("write"), f"write: found beside block {block}, which is only read")
        return block

    def _scale(self, fields: Fields, kind: RegisterType) -> Fraction:
        node = fields.get("scale")
        if node is None:
            return ONE
        if not isinstance(kind, IntegerType | FloatType):
            self._faults.at(fields.key("scale"), f"scale: found with {kind.name}, which takes none")
            return ONE
        try:
            exact = Fraction(node.value if isinstance(node.value, int) else node.text)
        except (ValueError, ZeroDivisionError, OverflowError):
            exact = Fraction(0)
        if isinstance(node.value, bool | dict | list) or not Fraction(1, _SCALE_MAX) <= exact <= _SCALE_MAX:
            self._faults.at(
                node, f"scale: found {node.kind}, expected a number above zero such as 100, 0.1 or 1/3600"
            )
            return ONE
        return exact

    def _invalid(self, fields: Fields, kind: RegisterType) -> tuple[Raw, ...] | None:
        node = fields.get("invalid")
        if node is None:
            return None
        if node.value == "none":
            return ()
        if isinstance(kind, BitType | TextType | HexType):
            self._faults.at(node, f"invalid: found with {kind.name}, which has no invalid number")
            return None
        raws: list[Raw] = []
        for item in node.value if isinstance(node.value, list) else [node]:
            raw = number(item, self._faults, "invalid")
            if raw is not None and kind.pack(raw) is None:
                signed = isinstance(kind, IntegerType) and kind.signed
                self._faults.at(
                    item,
                    f"invalid: found {item.text}, which {kind.name} cannot hold",
                    "the number is the signed one, as the stock client compares it" if signed else "",
                )
            elif raw is not None:
                raws.append(raw)
        return tuple(raws) if raws else None

    def _constant(self, fields: Fields, kind: RegisterType, scale: Fraction) -> Value | None:
        node = fields.get("value")
        if node is None:
            return None
        for key in ("write", "source"):
            if key in fields:
                self._faults.at(fields.key(key), f"{key}: found beside 'value'", "a constant has none")
        if isinstance(node.value, dict | list | bool) or node.value is None:
            self._faults.at(node, f"value: found {node.kind}, expected a number or a text")
            return None
        value: Value = node.text if isinstance(kind, TextType | HexType) else node.value
        if not _holds(kind, scale, value):
            self._faults.at(node, f"value: found {node.kind}, which this {kind.name} cannot hold")
            return None
        return value

    def _write(
        self, fields: Fields, kind: RegisterType, scale: Fraction, invalid: tuple[Raw, ...] | None
    ) -> WriteRule | None:
        node = fields.get("write")
        if node is None or node.value is False or "value" in fields:
            return None
        rule = read_rule(node, self._faults, kind)
        if rule is None:
            return None
        check_fit(rule, node, self._faults, kind, scale, invalid)
        return self._rules.setdefault(rule, rule)

    def _check_writable(self, fields: Fields, source: Source | None, table: Table, *, alias: bool) -> None:
        where = fields.key("write")
        if source is not None and source.total:
            self._faults.at(
                where, "write: found on a sum", "write its parts where they are served themselves"
            )
        if table is Table.INPUT:
            self._faults.at(where, "write: found on an input register", "only holding registers are written")
        if alias:
            self._faults.at(where, "write: found on an alias", "write the entry that owns the registers")

    def _accept(self, fields: Fields, kind: RegisterType, rule: WriteRule | None) -> Mapping[int, int]:
        if "accept" not in fields:
            return NO_NUMBERS
        where = fields.key("accept")
        if "write" not in fields:
            self._faults.at(where, "accept: found on a register without 'write'")
        if isinstance(kind, TextType | HexType):
            self._faults.at(where, f"accept: found with {kind.name}", "it belongs to numbers")
        table: dict[int, int] = {}
        for key, value in fields.mapping("accept"):
            found = integer(key, self._faults, "accept", -_ACCEPT_MAX, _ACCEPT_MAX)
            meant = integer(value, self._faults, f"accept: {key.text}", -_ACCEPT_MAX, _ACCEPT_MAX)
            if found is None or meant is None:
                continue
            if rule is not None and not rule.allows(meant):
                self._faults.at(value, f"accept: found {meant}, which 'write' does not allow")
            table[found] = meant
        return MappingProxyType(table)


def _holds(kind: RegisterType, scale: Fraction, value: Value) -> bool:
    """True when a constant fits its type whole."""
    if isinstance(kind, BitType):
        return value in (kind.set, kind.unset)
    if isinstance(kind, TextType):
        return isinstance(value, str) and len(value.encode(kind.encoding, "replace")) <= 2 * kind.length
    raw = raw_of(kind, scale, value)
    return raw is not None and kind.pack(raw) is not None
