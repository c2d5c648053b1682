"""docs/site-file.md tells every key of a Modbus device, and its examples are right."""

import os
import re
import textwrap
from pathlib import Path

from bridge.adapters.base import DeviceOptions
from bridge.adapters.modbus.options import FAMILY, ModbusOptions
from bridge.site.loader import load_site
from tests.repo.checkout import ROOT

TEXT = (ROOT / "docs/site-file.md").read_text(encoding="utf-8")
SECTION = re.split(r"\n#{2,3} ", TEXT.partition("\n### `adapter: modbus`\n")[2])[0]
BOILER = "registers:\n  - {address: 1, type: u16, path: /Ac/Power}\n"


def test_every_key_has_a_row_and_every_row_a_key() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", SECTION, re.MULTILINE))
    own = ModbusOptions.model_fields.keys() - DeviceOptions.model_fields.keys()
    assert rows == {*own, "map"}


def test_what_is_left_out_is_what_the_table_says() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \|.*\| `?(\w+)[^|]*\|$", SECTION, re.MULTILINE))
    for key in ("baudrate", "parity", "stop_bits", "remote_unit", "poll", "timeout", "retries", "read_max"):
        default = ModbusOptions.model_fields[key].default
        assert told[key] == (default if isinstance(default, str) else f"{default:g}"), key


def test_the_examples_are_right(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    site = tmp_path / "site.yaml"
    site.write_text(f"devices:\n{textwrap.indent(example, '  ')}")
    (tmp_path / "boiler.yaml").write_text(BOILER)
    load = load_site(site, os.environ, {"modbus": FAMILY}, lambda *_: None)
    assert load.problems == ()
    assert len(load.site.devices if load.site else ()) == 4
