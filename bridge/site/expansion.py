"""What a site file takes from outside itself: `${VARIABLES}` and `*_file:` secrets."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bridge.register_maps.positions import Node, Problem, resolve
from bridge.site.text import read_text

_VARIABLE = re.compile(r"\$(\$\{)|\$\{([^}]*)(\})?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_SECRET = "_file"  # noqa: S105 - the ending of a key, no secret


def expand(node: Node, env: Mapping[str, str], problems: list[Problem]) -> Node:
    """Return the node with every variable replaced and every secret read; faults go to `problems`.

    A plain scalar is resolved anew, so that `unit: ${UNIT}` is a number; a quoted one stays text.
    """
    return _Expansion(env, problems).of(node)


class _Expansion:
    def __init__(self, env: Mapping[str, str], problems: list[Problem]) -> None:
        self._env = env
        self._problems = problems
        self._done: dict[int, Node] = {}  # aliased nodes are shared: each is expanded once

    def of(self, node: Node) -> Node:
        done = self._done.get(id(node))
        if done is None:
            done = self._done[id(node)] = self._fresh(node)
        return done

    def _fresh(self, node: Node) -> Node:
        if isinstance(node.value, list):
            return replace(node, value=[self.of(item) for item in node.value])
        if isinstance(node.value, dict):
            return self._mapping(node, node.value)
        if "${" not in node.text:
            return node
        text = _VARIABLE.sub(lambda found: self._variable(found, node), node.text)
        return replace(node, text=text, value=text if node.quoted else resolve(text))

    def _variable(self, found: re.Match[str], node: Node) -> str:
        if found[1]:
            return found[1]
        parts = _NAME.fullmatch(found[2])
        if parts is None or found[3] is None:
            self._problems.append(
                node.problem(
                    f"found '{found[0]}', expected ${{NAME}} or ${{NAME:-default}}",
                    "write $${ for a plain ${",
                )
            )
            return ""
        name, default = parts[1], parts[2]
        value = self._env.get(name) or default
        if value is None and name in self._env:
            value = ""
        if value is None:
            self._problems.append(
                node.problem(
                    f"found no variable {name} in the environment", f"set it, or write ${{{name}:-default}}"
                )
            )
            return ""
        if not _sound(value):
            self._problems.append(
                node.problem(f"found bytes in the variable {name} that are not UTF-8", "set it anew")
            )
            return ""
        return value

    def _mapping(self, node: Node, values: dict[str, Node]) -> Node:
        expanded: dict[str, Node] = {}
        keys: dict[str, Node] = {}
        for key, value in values.items():
            place = node.keys[key]
            if not key.endswith(_SECRET) or key == _SECRET:
                expanded[key], keys[key] = self.of(value), place
                continue
            bare = key.removesuffix(_SECRET)
            if bare in values:
                self._problems.append(place.problem(f"found both '{bare}' and '{key}'", "keep one"))
            else:
                expanded[bare], keys[bare] = self._secret(self.of(value)), place
        return replace(node, value=expanded, keys=keys)

    def _secret(self, node: Node) -> Node:
        if isinstance(node.value, dict | list) or not node.text:
            self._problems.append(
                node.problem(f"found {node.kind}, expected the path of a file with the secret")
            )
            return replace(node, value="", text="", quoted=True)
        path = Path(node.file).parent / node.text
        text = read_text(path)
        if isinstance(text, Problem):
            self._problems.append(node.problem(f"{path}: {text.message}", text.hint))
            text = ""
        secret = text.removesuffix("\n").removesuffix("\r")
        return replace(node, value=secret, text=secret, quoted=True)


def _sound(value: str) -> bool:
    """True for a value without the stand-ins that Python puts for bytes it could not decode."""
    return not any("\ud800" <= character <= "\udfff" for character in value)
