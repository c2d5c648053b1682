"""Every site file and map in the documents is right; parts of one are right inside a whole one."""

import shutil
import textwrap
from pathlib import Path

import pytest
import yaml

from bridge.adapters.base import DeviceOptions
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Kind
from bridge.register_maps.loader import load_text
from bridge.register_maps.positions import Problem
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from bridge.site.schema import site_schema
from tests.docs.pages import BLOCKS, FRAGMENT, Block, blocks_of
from tests.repo.checkout import ROOT

SITE_KEYS = set(site_schema(InstalledFamilies())["properties"])
YAML = [block for block in BLOCKS if block.language == "yaml"]
#: What a part of a site file finds around it.
CHARGER = """\
  charger:
    adapter: vedirect
    port: /dev/ttyUSB0
    unit: 20
"""
ROOF = """\
  roof:
    adapter: apsystems
    port: /dev/ttyAMA0
    unit: 50
    ecu_id: D8A3011B9781
    location: [52.1, 5.2]
    inverters: [{serial: "408000158215", model: yc600}, {serial: "802000018915", model: qs1}]
"""
DEVICES = f"""
devices:
{CHARGER}{ROOF}
  shunt: {{adapter: vedirect, port: /dev/ttyUSB1, product: battery_monitor, unit: 21}}
  solar: {{adapter: vedirect, port: /dev/ttyUSB2, product: solar_charger, unit: 22}}
  gx: {{adapter: modbus, map: victron_gx_system, host: 192.168.1.5, remote_unit: 100}}
  si_bms: {{adapter: can_bms, interface: socketcan, channel: can0, dialect: sma, unit: 31,
    battery: {{cells: 16, chemistry: lfp, capacity: 200}}}}
"""


def whole(text: str) -> str:
    """Return a site file in which a part stands; a whole one as it is, and "" for what is none."""
    tree = yaml.safe_load(text)
    if not isinstance(tree, dict):
        return ""
    if tree.keys() <= SITE_KEYS:
        return text if "devices" in tree else text + DEVICES
    if all(isinstance(value, dict) and "adapter" in value for value in tree.values()):
        return "devices:\n" + textwrap.indent(text, "  ")
    if tree.keys() <= DeviceOptions.model_fields.keys():
        device = ROOF if "/Inverters" in text else CHARGER
        return f"devices:\n{device}{textwrap.indent(textwrap.dedent(text), '    ')}"
    return ""


def faults(text: str, folder: Path) -> list[str]:
    for name, file in {
        "server.pem": "bridge.pem",
        "server.key": "bridge.key",
        "ca.pem": "authority.pem",
    }.items():
        shutil.copy(ROOT / "tests/data/tls" / file, folder / name)
    (folder / "boiler.yaml").write_text("registers:\n  - {address: 1, type: u16, path: /Ac/Power}\n")
    site = folder / "site.yaml"
    site.write_text(text, encoding="utf-8")
    env = {"STATE_DIRECTORY": str(folder / "state")}
    load = load_site(site, env, InstalledFamilies(), lambda *_: None)
    return [said(problem) for problem in load.problems]


def said(problem: Problem) -> str:
    return f"{problem.line}:{problem.column}: {problem.message} {problem.hint}"


@pytest.mark.parametrize("block", YAML, ids=str)
def test_it_is_right(block: Block, tmp_path: Path) -> None:
    tree = yaml.safe_load(block.text)
    if block.fragment or tree is None:  # part of another program's file, or a line of comment
        return
    if "registers" in tree:
        load = load_text(block.text, "map.yaml", "map", Kind.NATIVE, Catalogue().load)
        assert load.errors == ()
    else:
        text = whole(block.text)
        assert text, f"{block}: no site file, no map, no part of one: if it must be, put {FRAGMENT} above it"
        assert faults(text, tmp_path) == []


def test_only_files_of_other_programs_are_passed_over() -> None:
    passed_over = [block for block in YAML if block.fragment]
    assert [str(block) for block in passed_over if whole(block.text)] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("devices:\n  charger: {adapter: vedirect, port: /dev/ttyUSB0, unti: 20}\n", "unti"),
        ("serve:\n  - {unit: 1, map: personas/em24, device: nobody}\n", "nobody"),
        ("lease:\n  /Mode: {time: 0, safe: 1}\n", "found the number 0"),
        ("meter: {adapter: modbus, map: sdm360, port: /dev/ttyUSB1, remote_unit: 7, unit: 30}\n", "sdm360"),
    ],
)
def test_a_slip_would_be_found(text: str, fault: str, tmp_path: Path) -> None:
    assert any(fault in found for found in faults(whole(text), tmp_path))


def test_blocks_are_found_with_their_places(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f'# A\n\n```yaml title="a.yaml"\nx: 1\n```\n\n{FRAGMENT}\n```yaml\ny: 2\n```\n')
    first, second = blocks_of(page)
    assert (first.line, first.title, first.text, first.fragment) == (3, "a.yaml", "x: 1\n", False)
    assert (second.line, second.title, second.text, second.fragment) == (8, "", "y: 2\n", True)
