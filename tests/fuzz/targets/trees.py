"""Right YAML files taken apart, changed as bytes say, and written again: slips that people could make."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import yaml

from tests.fuzz.targets.choices import Choices


@dataclass(slots=True)
class Tree:
    """A mapping (pairs, whose keys may repeat), a list (keys are empty) or a scalar as it is written."""

    scalar: str | None = None
    pairs: list[tuple[str, "Tree"]] = field(default_factory=list)
    listed: bool = False

    def written(self) -> str:
        """Return it as YAML on one line for each entry of the top."""
        if self.scalar is not None:
            return self.scalar
        parts = [value.inline() if self.listed else f"{key}: {value.inline()}" for key, value in self.pairs]
        return "\n".join(f"- {part}" if self.listed else part for part in parts)

    def inline(self) -> str:
        """Return it in flow style."""
        if self.scalar is not None:
            return self.scalar
        parts = [value.inline() if self.listed else f"{key}: {value.inline()}" for key, value in self.pairs]
        return ("[{}]" if self.listed else "{{{}}}").format(", ".join(parts))

    def entries(self) -> Iterator[tuple["Tree", int]]:
        """Yield every entry below: what it stands in, and where there."""
        for place, (_, value) in enumerate(self.pairs):
            yield self, place
            yield from value.entries()


def tree_of(text: str) -> Tree:
    """Take a YAML text apart."""
    return _tree(yaml.compose(text, yaml.SafeLoader))


def _tree(node: yaml.Node | None) -> Tree:
    match node:
        case yaml.MappingNode():
            return Tree(pairs=[(_scalar(key), _tree(value)) for key, value in node.value])
        case yaml.SequenceNode():
            return Tree(pairs=[("", _tree(value)) for value in node.value], listed=True)
        case yaml.ScalarNode():
            return Tree(_scalar(node))
    return Tree("~")


def _scalar(node: yaml.Node) -> str:
    text = str(node.value)
    plain = isinstance(node, yaml.ScalarNode) and not node.style and text.strip()
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def changed(base: Tree, choices: Choices, tokens: Sequence[str]) -> str:
    """Return a tree written with up to six slips in it."""
    tree = copy.deepcopy(base)
    for _ in range(1 + choices.byte() % 6):
        entries = list(tree.entries())
        if not entries:
            break
        number = int.from_bytes(choices.some(2), "big")
        inside, place = entries[number % len(entries)]
        _slip(inside, place, choices, tokens, entries)
    return tree.written()


def _slip(
    inside: Tree, place: int, choices: Choices, tokens: Sequence[str], entries: list[tuple[Tree, int]]
) -> None:
    key, value = inside.pairs[place]
    kind = choices.byte() % 9
    token = tokens[choices.byte() % len(tokens)]
    match kind:
        case 0:
            inside.pairs[place] = (key, Tree(token))
        case 1:
            del inside.pairs[place]
        case 2:
            inside.pairs.append((key, copy.deepcopy(value)))
        case 3:
            other, there = entries[int.from_bytes(choices.some(2), "big") % len(entries)]
            if there < len(other.pairs):
                inside.pairs[place] = (key, copy.deepcopy(other.pairs[there][1]))
        case 4:
            inside.pairs[place] = (token, value)
        case 5:
            inside.pairs[place] = (key, Tree(pairs=[(token, value)], listed=bool(choices.byte() & 1)))
        case 6:
            inside.pairs.append((token, Tree(tokens[choices.byte() % len(tokens)])))
        case 7:
            if value.scalar is not None:
                at = choices.byte() % (len(value.scalar) + 1)
                spliced = value.scalar[:at] + token + value.scalar[at + choices.byte() % 4 :]
                inside.pairs[place] = (key, Tree(spliced))
        case _:
            inside.pairs[place] = (key, Tree(choices.some(choices.byte() % 8).decode("latin-1")))
