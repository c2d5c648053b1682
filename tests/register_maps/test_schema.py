"""The schema of map files against a foreign judge: what loads is valid, common slips are not."""

import re
import textwrap

import jsonschema
import pytest

from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.positions import Node, compose
from bridge.register_maps.schema import Schema, map_schema, unshaped
from bridge.register_maps.types import TYPE_NAMES
from tests.register_maps.plant import load, registers
from tests.register_maps.tools import EVERY_TYPE
from tests.repo.checkout import ROOT

JUDGE = jsonschema.Draft202012Validator(map_schema())


def plain(node: Node) -> Schema:
    """A YAML tree as an editor's validator sees it."""
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value


def judged(text: str) -> list[str]:
    """Where a map text breaks the schema."""
    node, problems = compose(textwrap.dedent(text), "m.yaml")
    assert node is not None, problems
    return [f"{error.json_path}: {error.message}" for error in JUDGE.iter_errors(plain(node))]


def test_it_is_a_schema_of_its_draft() -> None:
    jsonschema.Draft202012Validator.check_schema(map_schema())


def test_every_key_of_the_loader_has_its_shape() -> None:
    """A new key of the format needs a line in bridge/register_maps/schema.py."""
    assert unshaped() == frozenset()


@pytest.mark.parametrize("name", Catalogue().names())
def test_every_shipped_map_is_valid(name: str) -> None:
    catalogue = Catalogue()
    assert judged((catalogue.folder / f"{name}.yaml").read_text()) == []


def test_the_worked_example_of_the_map_format_is_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/map-format.md").read_text(), re.DOTALL)
    maps = [block for block in blocks if "registers:" in block]
    assert maps
    for text in maps:
        assert judged(text) == []


def test_every_type_is_valid() -> None:
    assert judged(EVERY_TYPE) == []
    assert {f"type: {name}" for name in TYPE_NAMES} >= set(re.findall(r"type: \w+", EVERY_TYPE))


@pytest.mark.parametrize(
    "text",
    [
        registers("address: 1, type: u16, path: /P, source: [/A, 'meter:/B']"),
        registers("address: 1, type: u16, path: /P, source: {path: [/A, /B], negate: true}"),
        registers(
            "address: 1, type: u16, path: /P, source: {sum: [/A, {path: /B, negate: true}], missing: zero}"
        ),
        registers(
            "address: 0x3000, type: s16, path: /P, invalid: [0x7FFF, -1], stale: hold, format: '%.1f W'"
        ),
        registers("address: 0x3000, type: u16, path: /P, write: {values: [1, 2]}, accept: {0: 1}"),
        registers("address: 0x3000, type: u16, scale: 1/3600, path: /P, poll: false"),
        "registers: [{address: 0x3000, repeat: {count: 2, stride: 4, path: '/S/{n}'}, "
        "registers: [{address: 0, type: u16, path: /T}]}]",
        "coils: [{address: 0, path: /R, write: false, mirror: 0x3000}]",
        "discrete_inputs: [{address: 0, path: /A, on: [1, 2]}, {address: 1, path: /B, off: 0}]",
        "title: 0123\nregisters: [{address: 0x3000, type: u16, path: /P}]\nconstants: {/N: 1}",
    ],
)
def test_what_loads_is_valid(text: str) -> None:
    result = load(text)
    assert result.map is not None, result.errors
    assert judged(text) == []


GOOD = "address: 0x3000, type: u16, path: /P"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("titel: x\n" + registers(GOOD), "titel"),
        ("kind: meter\n" + registers(GOOD), "$.kind"),
        ("stale: old\n" + registers(GOOD), "$.stale"),
        (registers("address: 0x3000, type: u61, path: /P"), "type"),
        (registers("address: 0x10000, type: u16, path: /P"), "address"),
        (registers("address: '0x3000', type: u16, path: /P"), "address"),
        (registers("type: u16, path: /P"), "address"),
        (registers("address: 0x3000, path: /P"), "type"),
        (registers("address: 0x3000, type: u16"), "$.registers[0]"),
        (registers("address: 0x3000, type: u16, path: P"), "path"),
        (registers("address: 0x3000, type: u16, path: /P/"), "path"),
        (registers(f"{GOOD}, scael: 10"), "scael"),
        (registers(f"{GOOD}, scale: 0"), "scale"),
        (registers(f"{GOOD}, write: yes"), "write"),
        (registers(f"{GOOD}, write: [1]"), "write"),
        (registers(f"{GOOD}, write: {{values: []}}"), "write"),
        (registers(f"{GOOD}, stale: keep"), "stale"),
        (registers(f"{GOOD}, info: on"), "info"),
        (registers(f"{GOOD}, accept: {{0: four}}"), "accept"),
        (registers("address: 0x3000, type: text, path: /P"), "length"),
        (registers("address: 0x3000, type: bit, path: /P"), "bit"),
        (registers("address: 0x3000, type: mapu16, path: /P"), "values"),
        (registers("address: 0x3000, type: e16, path: /P, values: {on: one}"), "values"),
        ("registers: [{address: 0, repeat: {count: 2}, registers: []}]", "repeat"),
        ("coils: [{address: 0}]", "path"),
        ("coils: [{address: 0, path: /R, on: [1, 2]}]", "on"),
        ("detect: {address: 1, type: u16, values: {}}\n" + registers(GOOD), "values"),
        ("detect: {address: 1, type: u16, values: {1: x}, methods: [serial]}\n" + registers(GOOD), "methods"),
        ("device: {hole_max: 200}\n" + registers(GOOD), "hole_max"),
    ],
)
def test_common_slips_are_found_in_their_place(text: str, where: str) -> None:
    assert load(text).map is None
    found = judged(text)
    assert found
    assert any(where in line for line in found), found
