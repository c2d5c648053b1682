"""docs/cerbo.md says what is so."""

import re
from pathlib import Path

import pytest
import yaml

from bridge.cli.main import COMMANDS
from bridge.register_maps.blocks.computed import BLOCKS
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Kind
from bridge.register_maps.loader import load_text
from tests.cerbo.conftest import Command
from tests.repo.checkout import ROOT

TEXT = (ROOT / "docs/cerbo.md").read_text(encoding="utf-8")
YAML = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
SITES = [text for text in YAML if "devices:" in text or "listeners:" in text]


def test_maps_named_in_it_exist() -> None:
    named = set(re.findall(r"`(personas/\w+)`", TEXT))
    assert named == {name for name in Catalogue().names() if name.startswith("personas/")}


def test_commands_named_in_it_exist() -> None:
    assert set(re.findall(r"inverter-bridge ([a-z]+(?:-[a-z]+)*)", TEXT)) <= COMMANDS.keys()


def test_the_map_of_ones_own_is_right() -> None:
    text = next(text for text in YAML if "extends:" in text)
    load = load_text(text, "house.yaml", "house", Kind.NATIVE, Catalogue().load)
    assert load.map is not None, load.errors
    assert load.map.kind is Kind.PERSONA


@pytest.mark.parametrize("text", SITES)
def test_its_site_files_are_right(text: str, tmp_path: Path, command: Command) -> None:
    site = {"state": str(tmp_path / "state"), **yaml.safe_load(text)}
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump(site))
    ended = command("check", file)
    assert ended.status == 0, ended.out


def test_every_block_is_in_the_document_of_the_format() -> None:
    text = (ROOT / "docs/map-format.md").read_text(encoding="utf-8")
    assert {block for block in BLOCKS if f"`{block}`" not in text} == set()
