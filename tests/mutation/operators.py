"""The faults that are tried: each a change of a few characters, on one place of one module's text.

What is written for people (texts with a space, logs, messages in f-strings) or for the type checker
(annotations, decorators, aliases) is left alone: no test should depend on it.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),  # codespell:ignore notin
}
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: (r"\+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: (r"\*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "/"),
    ast.Pow: (r"\*\*", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: (r"\|", "&"),
    ast.BitXor: (r"\^", "&"),
}
#: Functions of which each is easily taken for the other.
TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}
#: Calls whose whole content is for people or for the type checker.
UNTOUCHED_CALLS = {"getLogger", "TypeVar", "NewType", "cast"}
#: Keywords that guard against a slip of the pen, and never decide a value.
UNTOUCHED_KEYWORDS = {"strict", "exc_info"}


@dataclass(frozen=True)
class Mutant:
    """One fault: the bytes from `start` to `end` of a module become `text`."""

    module: str  # path below the root of the tree
    start: int
    end: int
    text: str
    line: int
    #: First line of the outermost function around it; None where the module itself runs it.
    function: int | None
    was: str  # the line (or lines) as it stands
    becomes: str
    occurrence: int = 0  # among equal changes of equal lines of the module

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What is still the same when lines above it have changed."""
        return self.module, self.was, self.becomes, self.occurrence

    def apply(self, source: bytes) -> bytes:
        """Return the module's text with the fault."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants(root: Path, module: str) -> list[Mutant]:
    """Return all faults of a module that still compile, in the order of their lines."""
    source = (root / module).read_bytes()
    found = sorted(set(_Walk(module, source).all()), key=lambda m: (m.start, m.end, m.text))
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for mutant in found:
        try:
            compile(mutant.apply(source), module, "exec")
        except (SyntaxError, ValueError):
            continue
        change = (mutant.was, mutant.becomes)
        kept.append(replace(mutant, occurrence=seen[change]))
        seen[change] += 1
    return kept


class _Walk:
    def __init__(self, module: str, source: bytes) -> None:
        self._module = module
        self._source = source
        self._tree = ast.parse(source)
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._function: int | None = None

    def all(self) -> Iterator[Mutant]:
        yield from self._visit(self._tree)

    def _visit(self, node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self._in_function(node)
            return
        if _is_untouched(node):
            return
        yield from self._here(node)
        for child in _children(node):
            yield from self._visit(child)

    def _in_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Mutant]:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                yield from self._visit(default)
        outer = self._function
        if outer is None:
            first = [decorator.lineno for decorator in node.decorator_list] + [node.lineno]
            self._function = min(first)
        for statement in node.body:
            yield from self._visit(statement)
        self._function = outer

    def _here(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare():
                sides = [node.left, *node.comparators]
                for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
                    yield from self._token(left, right, *COMPARISONS[type(op)])
            case ast.BoolOp():
                swap = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield from self._token(left, right, *swap)
            case ast.BinOp() if type(node.op) in ARITHMETIC and not self._is_alias(node):
                yield from self._token(node.left, node.right, *ARITHMETIC[type(node.op)])
            case ast.AugAssign() if type(node.op) in ARITHMETIC:
                was, becomes = ARITHMETIC[type(node.op)]
                yield from self._token(node.target, node.value, f"{was}=", f"{becomes}=")
                yield self._deleted(node)
            case ast.UnaryOp(op=ast.Not()):
                yield self._replaced(node, self._text(node.operand, wrapped=True))
            case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
                yield self._replaced(node, self._text(operand, wrapped=True))
            case ast.Constant():
                yield from self._constant(node)
            case ast.If() | ast.While() | ast.IfExp():
                yield from self._negated(node.test)
            case ast.comprehension():
                for test in node.ifs:
                    yield from self._negated(test)
            case ast.Call(func=ast.Name(id=name)) if name in TWINS:
                yield self._replaced(node.func, TWINS[name])
            case ast.Return(value=value) if self._function is not None:
                if value is None:
                    yield self._deleted(node)
                elif not isinstance(value, ast.Constant):
                    yield self._replaced(value, "None")
            case ast.Expr(value=ast.Call() | ast.Await()) if self._function is not None:
                yield self._deleted(node)
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) if self._function is not None:
                yield self._deleted(node)
            case ast.Delete() | ast.Break() | ast.Continue() | ast.Raise(exc=None):
                yield self._deleted(node)

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        match node.value:
            case bool() as value:
                yield self._replaced(node, str(not value))
            case int() as value:
                written = self._text(node)
                yield self._replaced(
                    node, hex(value + 1) if written.lower().startswith("0x") else str(value + 1)
                )
            case float() as value:
                yield self._replaced(node, repr(value + 1))
            case str() as value if " " not in value:
                yield self._replaced(node, repr(f"XX{value}"))
            case bytes() as value:
                yield self._replaced(node, repr(b"X" + value))

    def _negated(self, test: ast.expr) -> Iterator[Mutant]:
        plain = (isinstance(test, ast.Compare) and len(test.ops) == 1) or isinstance(test, ast.Constant)
        if not plain and not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)):
            yield self._replaced(test, f"not ({self._text(test)})")

    def _is_alias(self, node: ast.BinOp) -> bool:
        """True for `int | str`, and for texts put together over several lines."""
        if isinstance(node.op, ast.BitOr):
            sides = (node.left, node.right)
            kinds = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp)
            return self._function is None and all(
                isinstance(s, kinds) or (isinstance(s, ast.Constant) and s.value is None) for s in sides
            )
        return any(
            isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str))
            for s in (node.left, node.right)
        )

    # -- text --------------------------------------------------------------------------------------

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.expr, *, wrapped: bool = False) -> str:
        start, end = self._span(node)
        text = self._source[start:end].decode()
        return f"({text})" if wrapped and not isinstance(node, ast.Name | ast.Call | ast.Attribute) else text

    def _replaced(self, node: ast.expr | ast.stmt, text: str) -> Mutant:
        return self._mutant(*self._span(node), text)

    def _deleted(self, node: ast.stmt) -> Mutant:
        start, end = self._span(node)
        return self._mutant(start, end, "pass" + "\n" * self._source[start:end].count(b"\n"))

    def _token(self, left: ast.expr, right: ast.expr, was: str, becomes: str) -> Iterator[Mutant]:
        after, before = self._span(left)[1], self._span(right)[0]
        spaced = rf"\b{was}\b" if was[0].isalpha() else was
        there = re.search(spaced.encode(), self._source[after:before])
        if there is not None:
            yield self._mutant(after + there.start(), after + there.end(), becomes)

    def _mutant(self, start: int, end: int, text: str) -> Mutant:
        line = self._source.count(b"\n", 0, start) + 1
        last = self._source.count(b"\n", 0, end) + 1
        head, tail = self._starts[line - 1], self._starts[min(last, len(self._starts) - 1)]
        was = self._source[head:tail].decode()
        becomes = self._source[head:start].decode() + text + self._source[end:tail].decode()
        return Mutant(
            self._module, start, end, text, line, self._function, _one_line(was), _one_line(becomes)
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is below a node, without annotations, decorators, docstrings and messages."""
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment", "type_params"):
            continue
        if isinstance(node, ast.ClassDef) and name in ("bases", "keywords"):
            continue
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.AST):
                yield child


def _is_untouched(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Assert() | ast.Raise(exc=ast.expr()):
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="_log" | "log" | "logger")))):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in UNTOUCHED_CALLS:
            return True
        case ast.Assign(targets=[ast.Name(id="__slots__" | "__all__")]):
            return True
        case ast.keyword(arg=name) if name in UNTOUCHED_KEYWORDS:
            return True
        case ast.Subscript(value=ast.Name(id="Literal" | "Annotated")):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case _:
            return False
