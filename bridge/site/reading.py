"""From a path to one tree: the file, the files it includes, merged, with variables and secrets in place."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bridge.register_maps.positions import Node, Problem, compose
from bridge.site.expansion import expand
from bridge.site.text import read_text

#: Files that one site may consist of.
FILES_MAX = 50

_INCLUDE = "include"


def read_tree(path: Path, env: Mapping[str, str]) -> tuple[Node | None, list[Problem]]:
    """Return the merged mapping of a site file and its includes, and every problem met on the way.

    None when there is no mapping at all.
    """
    reading = _Reading(env)
    return reading.file(path, ()), reading.problems


class _Reading:
    def __init__(self, env: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._env = env
        self._count = 0

    def file(self, path: Path, above: tuple[Path, ...], place: Node | None = None) -> Node | None:
        """Read one file; `above` are those that include it, `place` is where."""
        text = read_text(path)
        if isinstance(text, Problem):
            found = text if place is None else place.problem(f"{path}: {text.message}", text.hint)
            self.problems.append(found)
            return None
        node, problems = compose(text, str(path))
        self.problems += problems
        if node is None:
            return None
        if not isinstance(node.value, dict):
            self.problems.append(node.problem(f"found {node.kind}, expected a mapping such as 'devices: ..'"))
            return None
        opened = expand(node, self._env, self.problems)
        return self._with_includes(opened, path, (*above, path.resolve()))

    def _with_includes(self, own: Node, path: Path, above: tuple[Path, ...]) -> Node:
        children = _children(own)
        wanted = children.pop(_INCLUDE, None)
        merged = replace(own, value={}, keys={})
        if wanted is not None:
            for entry in wanted.value if isinstance(wanted.value, list) else [wanted]:
                included = self._included(entry, path, above)
                if included is not None:
                    merged = self._merge(merged, included)
        return self._merge(merged, replace(own, value=children))

    def _included(self, entry: Node, path: Path, above: tuple[Path, ...]) -> Node | None:
        if isinstance(entry.value, dict | list) or not entry.text:
            self.problems.append(entry.problem(f"found {entry.kind}, expected the path of a file"))
            return None
        target = path.parent / entry.text
        self._count += 1
        try:
            resolved = target.resolve()
        except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL: reading it says so
            resolved = target
        if resolved in above:
            self.problems.append(
                entry.problem(f"found {entry.text}, which includes this file", "break the loop")
            )
            return None
        if self._count >= FILES_MAX:
            self.problems.append(entry.problem(f"found more than {FILES_MAX} files", "include fewer"))
            return None
        return self.file(target, above, entry)

    def _merge(self, first: Node, second: Node) -> Node:
        """Join two files' mappings: sections by their keys, lists end to end, anything twice is a problem."""
        values, keys = _children(first), dict(first.keys)
        for key, new in _children(second).items():
            place, old = second.keys[key], values.get(key)
            if old is None:
                values[key], keys[key] = new, place
            elif isinstance(old.value, list) and isinstance(new.value, list):
                values[key] = replace(new, value=[*old.value, *new.value])
            elif isinstance(old.value, dict) and isinstance(new.value, dict):
                values[key] = self._section(old, new)
            else:
                self._twice(key, place, keys[key])
        return replace(second, value=values, keys=keys)

    def _section(self, old: Node, new: Node) -> Node:
        values, keys = _children(old), dict(old.keys)
        for key, value in _children(new).items():
            if key in values:
                self._twice(key, new.keys[key], keys[key])
            else:
                values[key], keys[key] = value, new.keys[key]
        return replace(new, value=values, keys=keys)

    def _twice(self, key: str, place: Node, first: Node) -> None:
        self.problems.append(
            place.problem(f"found '{key}' again, it stands in {first.file}:{first.line}", "remove one")
        )


def _children(node: Node) -> dict[str, Node]:
    return dict(node.value) if isinstance(node.value, dict) else {}
