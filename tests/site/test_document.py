"""docs/site-file.md names every key there is, and its examples are right."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from bridge.adapters.base import LeaseOptions, WearOptions
from bridge.adapters.vedirect.options import FAMILY, VeDirectOptions
from bridge.site.automations import ChargerUse, SurplusCharging
from bridge.site.history import HistoryOutlet
from bridge.site.loader import load_site
from bridge.site.models import (
    LISTENERS,
    Access,
    AccessRule,
    Basics,
    ConnectionListener,
    Link,
    Listener,
    Log,
    View,
)
from bridge.site.notices import NotifyOutlet
from bridge.site.outlets import LATER_OUTLETS, AuditOutlet, Outlets
from bridge.site.sections import KEYS
from tests.site.conftest import MAPS

TEXT = (Path(__file__).parents[2] / "docs" / "site-file.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "## Top level": Basics,
    "## `log`": Log,
    "## `access`": Access,
    "### an entry for some": AccessRule,
    "## `listeners`": ConnectionListener,
    **{f"### `{kind}`": model for kind, model in LISTENERS.items() if kind not in ("tcp", "udp", "rtu_tcp")},
    "## `outlets`": Outlets,
    "### `audit`": AuditOutlet,
    "### `history`": HistoryOutlet,
    "### `notify`": NotifyOutlet,
    "## `devices`": VeDirectOptions,
    "### `wear`": WearOptions,
    "### `lease`": LeaseOptions,
    "## `serve`": View,
    "## `links`": Link,
    "### `surplus_charging`": SurplusCharging,
}


def section(heading: str) -> str:
    """The text below a heading, with the sections below it."""
    level = heading.split(" ")[0]
    _, _, rest = TEXT.partition(f"\n{heading}\n")
    return re.split(rf"\n#{{2,{len(level)}}} ", rest)[0]


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_has_a_row(heading: str) -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", section(heading), re.MULTILINE))
    keys = {info.alias or name for name, info in SECTIONS[heading].model_fields.items()}
    if heading.startswith("### `") and "listener" in SECTIONS[heading].__name__.lower():
        keys -= set(Listener.model_fields) | set(ConnectionListener.model_fields)
    assert keys <= rows


def test_a_charger_of_its_own_has_all_rows() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", section("### `surplus_charging`"), re.MULTILINE))
    assert set(ChargerUse.model_fields) <= rows


def test_every_section_has_a_row() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", section("## Top level"), re.MULTILINE))
    assert rows == KEYS


def test_what_is_not_available_is_said() -> None:
    for word in LATER_OUTLETS | FAMILY.later:
        assert f"`{word}`" in TEXT


def test_whole_examples_are_right(tmp_path: Path) -> None:
    examples = [e for e in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if "devices:" in e]
    assert len(examples) == 2
    for example in examples:
        path = tmp_path / "site.yaml"
        path.write_text(example)
        found = load_site(path, {}, {"vedirect": FAMILY}, lambda state, device: None, MAPS)
        assert found.problems == ()
        assert found.warnings == ()


def test_the_example_of_check_is_true(tmp_path: Path) -> None:
    shown = re.search(
        r"site\.yaml:(\d+):(\d+): found the unknown key 'unti'.*?\n +\d+ \| (.*)\n +\| ( *)\^", TEXT
    )
    assert shown is not None
    assert len(shown[4]) == int(shown[2]) - 1
    path = tmp_path / "site.yaml"
    path.write_text("devices:\n" + "  #\n" * (int(shown[1]) - 2) + shown[3])
    found = load_site(path, {}, {"vedirect": FAMILY}, lambda state, device: None, MAPS)
    assert [(p.line, p.column) for p in found.problems] == [(int(shown[1]), int(shown[2]))]
