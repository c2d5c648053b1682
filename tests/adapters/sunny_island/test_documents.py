"""The pages about CAN: their tables say what the code does, and no inverter stands there without a verdict."""

import re
from pathlib import Path

import pytest
import yaml

from bridge.adapters.base import DeviceOptions
from bridge.adapters.can.options import CanOptions
from bridge.adapters.can_battery.options import FAMILY as BATTERY
from bridge.adapters.can_bms.options import FAMILY as BMS
from bridge.adapters.sunny_island.options import FAMILY as ISLAND
from bridge.cli.simulate import make_simulator
from bridge.register_maps.positions import nearest

DOCS = Path(__file__).parents[3] / "docs"
CAN = (DOCS / "can.md").read_text()
INVERTERS = (DOCS / "compatible-inverters.md").read_text()
FAMILIES = {family.name: family for family in (BATTERY, BMS, ISLAND)}
#: Keys that every device has; docs/site-file.md has them.
EVERYWHERE = set(DeviceOptions.model_fields)


def rows(text: str, first: str) -> list[list[str]]:
    """The cells of the table whose first column is headed `first`."""
    table = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table is not None, first
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def verdict(battery: str, evidence: str) -> str:
    if battery == "high":
        return "not supported"
    return "untried" if evidence == "listed only" or battery == "unknown" else "expected"


def test_every_inverter_has_its_voltage_its_evidence_and_the_verdict_that_follows() -> None:
    table = rows(INVERTERS, "maker")
    assert len(table) > 60
    for maker, models, battery, evidence, here, why in table:
        assert maker, models
        assert models, maker
        assert battery in ("low", "high", "unknown"), maker
        assert evidence in ("captured", "vendor document", "listed only"), maker
        assert here == verdict(battery, evidence), f"{maker} {models}"
        assert evidence == "listed only" or why, f"{maker} {models}: evidence without saying which"


def test_no_maker_says_the_same_twice_and_they_are_in_order() -> None:
    table = rows(INVERTERS, "maker")
    makers = [row[0].casefold() for row in table]
    assert makers == sorted(makers)
    models = [(row[0], model.strip()) for row in table for model in row[1].split(",") if model != "general"]
    assert len(models) == len(set(models))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_key_of_a_family_is_explained(family: str) -> None:
    section = CAN.split(f"`{family}`\n", 1)[1].split("\n## ", 1)[0]
    told = {key for row in rows(section, "key") for key in re.findall(r"`(\w+)`", row[0])}
    own = set(FAMILIES[family].options.model_fields) - set(CanOptions.model_fields)
    assert own - told <= {"name"}
    assert told <= own | EVERYWHERE


def test_the_example_is_a_site() -> None:
    block = re.search(r"```yaml\n(devices:.*?)```", CAN, re.DOTALL)
    assert block is not None
    devices = yaml.safe_load(block[1])["devices"]
    assert {written["adapter"] for written in devices.values()} == set(FAMILIES)
    for written in devices.values():
        options = FAMILIES[written["adapter"]].options(**written)
        assert options.unit == written["unit"]
    assert devices["si_bms"]["channel"] == devices["island"]["channel"]


def test_every_interface_is_named() -> None:
    named = {name for row in rows(CAN, "`interface`") for name in re.findall(r"`(\w+)`", row[0])}
    literal = CanOptions.model_json_schema()["properties"]["interface"]["enum"]
    assert named == set(literal)


@pytest.mark.parametrize("line", re.findall(r"^inverter-bridge simulate (.*)$", CAN, re.MULTILINE))
def test_the_simulators_can_be_started_as_written(line: str) -> None:
    family, *words = line.split()
    product = words[words.index("--product") + 1] if "--product" in words else None
    settings = dict(words[at + 1].split("=") for at, word in enumerate(words) if word == "--set")
    simulator = make_simulator(family, product, {name: int(value) for name, value in settings.items()})
    assert simulator.faults


def test_pages_that_are_named_are_there_or_are_made_from_maps() -> None:
    for page in set(re.findall(r"`docs/([\w./-]+)`", CAN + INVERTERS)):
        made = page.startswith("registers/")
        assert made or (DOCS / page).exists(), (
            f"{page}: did you mean {nearest(page, [p.name for p in DOCS.iterdir()])}"
        )
