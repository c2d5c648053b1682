"""The schema of site files against a foreign judge: what `check` takes is valid, common slips are not."""

import re
from pathlib import Path

import jsonschema
import pytest

from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from bridge.site.schema import site_schema
from tests.register_maps.test_schema import plain
from tests.repo.checkout import ROOT

JUDGE = jsonschema.Draft202012Validator(site_schema(InstalledFamilies()))
DEVICE = "adapter: vedirect, port: /dev/ttyUSB0"


def judged(text: str) -> list[str]:
    from bridge.register_maps.positions import compose

    node, problems = compose(text, "site.yaml")
    assert node is not None, problems
    found = []
    for error in JUDGE.iter_errors(plain(node)):
        found += [f"{inner.json_path}: {inner.message}" for inner in (error, *(error.context or ()))]
    return found


def checked(folder: Path, text: str, env: dict[str, str]) -> list[str]:
    file = folder / "site.yaml"
    file.write_text(text)
    return [str(problem) for problem in load_site(file, env, InstalledFamilies(), lambda *_: None).problems]


def test_it_is_a_schema_of_its_draft() -> None:
    jsonschema.Draft202012Validator.check_schema(site_schema(InstalledFamilies()))


def test_the_documented_sites_are_valid() -> None:
    blocks = [
        block
        for document in ("README.md", "docs/site-file.md")
        for block in re.findall(r"```yaml\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
        if re.search(r"^devices:", block, re.MULTILINE)
    ]
    assert len(blocks) >= 3
    for block in blocks:
        assert judged(block) == [], block


@pytest.mark.parametrize(
    "text",
    [
        f"devices:\n  charger: {{{DEVICE}, unit: 20}}\n",
        "devices:\nlisteners:\nserve:\n",
        "site: 0123\ndevices:\n  charger:\n    adapter: vedirect\n    port: /dev/ttyUSB0\n"
        "    unit: ${UNIT}\n    serial: 0123\n",
        "listeners:\n  - {tcp: '0.0.0.0:502', name: lan, reply_within: 500 ms, units: [20, 247]}\n"
        f"devices: {{charger: {{{DEVICE}, unit: 20}}}}\n",
        "listeners:\n  - {tcp: '[::]:502', reply_within: 0.4, write: false}\n",
        "log: {level: debug, devices: {}}\n",
        "access: {read: [10.0.0.0/8, boat.local], write: ['::1']}\n",
        f"devices: {{c: {{{DEVICE}, wear: {{burst: 5, refill: 2 min}}, resume_within: 2 d}}}}\n",
        f"devices: {{c: {{{DEVICE}, lease: {{/Mode: 60 s}}, safe: 4}}}}\n",
        f"devices: {{c: {{{DEVICE}, lease: {{/Mode: {{time: 60, safe: release}}}}}}}}\n",
        f"devices: {{c: {{{DEVICE}}}}}\nserve:\n  - {{unit: 21, map: bluesmart_charger, device: c}}\n",
        "log: {level: '${LEVEL:-info}'}\n",
        f"devices: {{a: {{{DEVICE}}}, b: {{{DEVICE}1}}}}\nlinks:\n"
        "  - {from: 'a:/X', to: 'b:/X', factor: 2}\n  - {from: ['a:/X', 'a:/Y'], to: ['b:/Z', 'b:/Y']}\n",
        f"devices: {{a: {{{DEVICE}}}}}\nautomations:\n"
        "  - surplus_charging: {grid_power: 'a:/X', charger: a, safe: off, yield: 2 h}\n",
        f"devices: {{a: {{{DEVICE}}}, b: {{{DEVICE}1}}}}\nautomations:\n"
        "  - surplus_charging: {grid_power: ['a:/X', 'b:/X'], charger: [{device: a, efficiency: 0.8}, b], safe: 3.5}\n",
    ],
)
def test_what_check_takes_is_valid(tmp_path: Path, text: str) -> None:
    assert checked(tmp_path, text, {"UNIT": "20", "HOME": str(tmp_path)}) == []
    assert judged(text) == []


def test_a_key_from_a_file_is_valid(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("/dev/ttyUSB3\n")
    text = "devices:\n  charger: {adapter: vedirect, port_file: port, unit: 20}\n"
    assert checked(tmp_path, text, {"HOME": str(tmp_path)}) == []
    assert judged(text) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"devcies: {{charger: {{{DEVICE}}}}}\n", "devcies"),
        ("devices: {charger: {adapter: vedirect}}\n", "port"),
        ("devices: {charger: {port: /dev/ttyUSB0}}\n", "adapter"),
        ("devices: {charger: {adapter: vedirec, port: /dev/ttyUSB0}}\n", "vedirec"),
        (f"devices: {{charger: {{{DEVICE}, unti: 20}}}}\n", "unti"),
        (f"devices: {{charger: {{{DEVICE}, unit: 300}}}}\n", "unit"),
        (f"devices: {{charger: {{{DEVICE}, unit: twenty}}}}\n", "unit"),
        (f"devices: {{charger: {{{DEVICE}, product: toaster}}}}\n", "product"),
        (f"devices: {{charger: {{{DEVICE}, resume_within: 2 fortnights}}}}\n", "resume_within"),
        (f"devices: {{2nd: {{{DEVICE}}}}}\n", "2nd"),
        (f"devices: {{bridge: {{{DEVICE}}}}}\n", "bridge"),
        ("devices: [charger]\n", "$.devices"),
        ("listeners: [{tpc: '0.0.0.0:502'}]\n", "$.listeners[0]"),
        ("listeners: [{tcp: '0.0.0.0'}]\n", "tcp"),
        ("listeners: [{tcp: '0.0.0.0:502', units: [0]}]\n", "units"),
        ("listeners: {tcp: '0.0.0.0:502'}\n", "$.listeners"),
        ("log: {level: loud}\n", "level"),
        ("access: {write: 10.0.0.1}\n", "write"),
        ("serve: [{unit: 21, map: bluesmart_charger}]\n", "device"),
        ("links: [{from: a, to: 'b:/X'}]\n", "from"),
        ("links: [{from: 'a:/X', too: 'b:/X'}]\n", "too"),
        ("automations: [{surplus_charging: {grid_power: 'a:/X', charger: a, intervall: 3}}]\n", "intervall"),
        ("automations: [{surplus_charging: {grid_power: 'a:/X', charger: a, safe: never}}]\n", "safe"),
    ],
)
def test_common_slips_are_found_in_their_place(tmp_path: Path, text: str, where: str) -> None:
    assert checked(tmp_path, text, {"HOME": str(tmp_path)})
    found = judged(text)
    assert found
    assert any(where in line for line in found), found
