"""YAML 1.2 core schema with a line and a column for every node.

PyYAML scans and parses; what it would resolve by YAML 1.1 is resolved here by the core schema of YAML 1.2
(yaml.org/spec/1.2.2, section 10.3.2) less its octal numbers: only `true` and `false` are booleans, `017` is
seventeen, `0o17`, `1:30`, `on` and `2024-01-01` are text. Nothing in a file can raise here: every fault
becomes a `Problem` with its place.
"""

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import yaml

#: Deeper nesting than any site or map has, and far from Python's own recursion limit.
DEPTH_MAX = 40
#: Nodes of one file after every alias is followed: a bound for files whose aliases multiply.
NODES_MAX = 200_000
#: Digits of a number; the widest register is 64 bits, and longer ones take quadratic time to convert.
DIGITS_MAX = 40

#: Characters of a text that a message shows, and beyond which no spelling is near it.
WORD_MAX = 60

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NAN = re.compile(r"\.(?:nan|NaN|NAN)")
#: Line breaks of YAML 1.1 that are ordinary characters in YAML 1.2 and in every editor's line count.
_FOREIGN_BREAK = re.compile("[\x85\u2028\u2029]")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_STRING_TAG = "tag:yaml.org,2002:str"

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a file: what was found at `line` and `column` (from 1), and in `hint` what to do."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" + (
            f", {self.hint}" if self.hint else ""
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place.

    `value` is a Python scalar, a dict from key (as written) to Node, or a list of Nodes; `text` is a scalar
    as written, without its quotes, and empty for the others. Aliased nodes are the same object. `file` is
    the name given to `compose`.
    """

    value: "Scalar | dict[str, Node] | list[Node]"
    line: int
    column: int
    text: str = ""
    quoted: bool = False
    keys: "dict[str, Node]" = field(default_factory=dict, repr=False)
    file: str = ""

    def key_node(self, key: str) -> "Node":
        """Return the node of a mapping's key itself: its place, and its own value (`0x10` is 16)."""
        return self.keys[key]

    def problem(self, message: str, hint: str = "") -> Problem:
        """Return a problem at this place."""
        return Problem(self.file, self.line, self.column, message, hint)

    @property
    def kind(self) -> str:
        """The value's type in words of the person who wrote the file."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return "nothing"
        if isinstance(self.value, bool):
            return f"the boolean {self.text}"
        return (
            f"the number {self.text}" if isinstance(self.value, int | float) else f"the text '{self.short}'"
        )

    @property
    def short(self) -> str:
        """The text of a scalar as messages show it: on one line, cut where it is long."""
        text = " ".join(self.text.split())
        return text if len(text) <= WORD_MAX else f"{text[:WORD_MAX]}.."


def compose(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """Read one YAML document.

    The node is None when the text is no YAML at all. Otherwise it holds what could be read, beside the
    problems: of a duplicate key the first value, of a second document nothing.
    """
    return _Composer(text, file).document()


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar by the core schema; numbers too long to be one stay text."""
    if len(text) > DIGITS_MAX:
        return text
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text.lower() == "true"
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if _NAN.fullmatch(text) else text


def lines_of(text: str) -> list[str]:
    """Split a text into the lines that `Problem.line` counts."""
    return _LINE_BREAK.split(text)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that a misspelt word most likely meant, None when none is near."""
    if len(word) > WORD_MAX:
        return None
    plain = {choice.lower().replace("-", "_"): choice for choice in sorted(choices)}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None


class _Stop(Exception):
    """The text cannot be read further; its problem is already noted."""


class _Composer:
    """Builds nodes from parser events: PyYAML's own composer recurses without bound and keeps duplicates."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._problems: list[Problem] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self._count = 0

    def document(self) -> tuple[Node | None, list[Problem]]:
        try:
            return self._document(), self._problems
        except _Stop:
            return None, self._problems

    def _document(self) -> Node | None:
        if foreign := _FOREIGN_BREAK.search(self._text):
            self._stop_at(
                foreign.start(), f"found the character U+{ord(foreign[0]):04X}", "use an ordinary line break"
            )
        try:
            self._loader = yaml.BaseLoader(self._text)
        except yaml.reader.ReaderError as error:
            what = f"found the character U+{int(error.character):04X}, which YAML does not allow"
            self._stop_at(int(error.position), what, "remove it")
        self._event()
        start = self._event()
        if isinstance(start, yaml.StreamEndEvent):
            self._note(1, 1, "found an empty file, expected a mapping")
            raise _Stop
        node = self._node(self._event(), 0)
        self._event()
        if not isinstance(extra := self._event(), yaml.StreamEndEvent):
            line, column = _place(extra.start_mark)
            self._note(
                line,
                column,
                "found a second document, expected one in a file",
                "remove it, or use a file each",
            )
        return node

    def _event(self) -> yaml.Event:
        try:
            event: yaml.Event = self._loader.get_event()  # type: ignore[no-untyped-call]
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = ": ".join(part for part in (error.context, error.problem) if part)
            line, column = _place(mark)
            self._note(line, column, f"not YAML: {what}", _syntax_hint(what))
        except (ValueError, OverflowError):  # escapes and versions beyond what Python can hold
            line, column = self._loader.line + 1, self._loader.column + 1
            self._note(line, column, "not YAML: found an escape or a number that names no character")
        else:
            return event
        raise _Stop

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self._count += 1
        line, column = _place(event.start_mark)
        if depth > DEPTH_MAX:
            self._note(line, column, f"found more than {DEPTH_MAX} levels of nesting", "flatten it")
            raise _Stop
        assert isinstance(event, yaml.NodeEvent)  # noqa: S101 - the parser's grammar has no other event here
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line, column)
        before = self._count
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # until it is complete: an alias inside itself is an error
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, line, column)
        else:
            if isinstance(event, yaml.CollectionStartEvent) and event.tag is not None:
                self._note(
                    line, column, f"found the tag {event.tag[:WORD_MAX]}", "remove it: only !!str is known"
                )
            if isinstance(event, yaml.SequenceStartEvent):
                node = Node(self._sequence(depth), line, column, file=self._file)
            else:
                node = self._mapping(line, column, depth)
        self._bound(line, column)
        if event.anchor is not None:
            self._anchors[event.anchor] = node, self._count - before
        return node

    def _alias(self, anchor: str, line: int, column: int) -> Node:
        if anchor not in self._anchors:
            self._note(line, column, f"found *{anchor}, but no &{anchor} stands before it", "name it first")
            raise _Stop
        known = self._anchors[anchor]
        if known is None:
            self._note(line, column, f"found *{anchor} inside &{anchor} itself", "spell the value out")
            raise _Stop
        node, size = known
        self._count += size
        self._bound(line, column)
        return node

    def _bound(self, line: int, column: int) -> None:
        if self._count > NODES_MAX:
            self._note(
                line, column, f"found more than {NODES_MAX} values, aliases followed", "split the file"
            )
            raise _Stop

    def _scalar(self, event: yaml.ScalarEvent, line: int, column: int) -> Node:
        text = event.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._note(
                line, column, "found half of a surrogate pair, which is no character", "write it whole"
            )
            raise _Stop
        if event.tag not in (None, "!", _STRING_TAG):
            self._note(
                line, column, f"found the tag {event.tag[:WORD_MAX]}", "remove it: only !!str is known"
            )
        quoted = event.style is not None or event.tag is not None
        return Node(text if quoted else resolve(text), line, column, text, quoted, file=self._file)

    def _sequence(self, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := self._event(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, line: int, column: int, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Node] = {}
        while not isinstance(event := self._event(), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(self._event(), depth + 1)
            place = _place(event.start_mark)
            if isinstance(key.value, dict | list):
                self._note(*place, f"found {key.kind} as a key, expected a word", "quote it if it is one")
            elif key.text in keys:
                first = keys[key.text].line
                self._note(
                    *place, f"found the key '{key.text}' again, it stands in line {first}", "remove one"
                )
            else:
                keys[key.text] = key
                values[key.text] = value
        return Node(values, line, column, keys=keys, file=self._file)

    def _note(self, line: int, column: int, message: str, hint: str = "") -> None:
        self._problems.append(Problem(self._file, line, column, message, hint))

    def _stop_at(self, index: int, message: str, hint: str) -> None:
        before = lines_of(self._text[:index])
        self._note(len(before), len(before[-1]) + 1, message, hint)
        raise _Stop


class _Mark(Protocol):
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


def _place(mark: _Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _syntax_hint(what: str) -> str:
    if "'\\t'" in what:
        return "use spaces, not tabs"
    if "got '{'" in what:
        return "quote a value with ${..} inside { } or [ ]"
    if "mapping values are not allowed" in what:
        return "quote a value that holds ': '"
    if "'%'" in what or "'@'" in what or "'`'" in what:
        return "quote a value that begins with this character"
    return "look at the line above too"
