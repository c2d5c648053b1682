"""Automations as the site file writes them: what is taken, and every reason why one is not."""

import math
from pathlib import Path

import pytest

from bridge.adapters.modbus.options import FAMILY as MODBUS
from bridge.adapters.vedirect.options import FAMILY as VEDIRECT
from bridge.site.automations import SurplusCharging
from bridge.site.loader import SiteLoad, load_site
from tests.site.conftest import BENCH

FAMILIES = {"vedirect": VEDIRECT, "modbus": MODBUS, "bench": BENCH}
DEVICES = """\
devices:
  charger: {adapter: vedirect, product: ac_charger, port: /dev/ttyUSB8, unit: 2}
  second: {adapter: vedirect, product: ac_charger, port: /dev/ttyUSB9}
  gx: {adapter: modbus, map: victron_gx_system, host: 192.168.1.5, remote_unit: 100}
  bench: {adapter: bench, unit: 5}
"""
GRID = "grid_power: 'gx:/Ac/Grid/L1/Power'"


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> SiteLoad:
    monkeypatch.chdir(folder)
    (folder / "site.yaml").write_text(text + "\n" + DEVICES)
    return load_site(Path("site.yaml"), {"HOME": "/home/skipper"}, FAMILIES, lambda *_: None)


def surplus(keys: str) -> str:
    return f"automations: [surplus_charging: {{{GRID}, {keys}}}]"


#: The section in one line, and its problems; positions in the short form follow `surplus`.
REFUSED = [
    ("automations: {}", ["1:14: found a mapping, expected a list, begin each entry with '- '"]),
    ("automations: [load_shedding: {}]", [
        "1:15: found no 'surplus_charging', expected 'surplus_charging' with its keys",
        "1:15: found the unknown key 'load_shedding', expected surplus_charging",
    ]),
    ("automations: [surplus_charging:]", ["1:32: found nothing, expected a mapping"]),
    ("automations: [surplus_charging: {charger: charger}]", [
        "1:33: found no 'grid_power', expected the point of the grid's power in W, or one for each phase"
    ]),
    (surplus("minimum_current: 3"), [
        "1:33: found no 'charger', expected a charger, or several, the most important first"
    ]),
    (surplus("charger: []"), ["1:79: found a list, expected the name of a charger, or a list of 1 to 4 of them"]),
    (surplus("charger: 7"), ["1:79: found the number 7, expected the name of a charger, or a list of 1 to 4 of them"]),
    (surplus("charger: [a, b, c, d, e]"), [
        "1:79: found a list, expected the name of a charger, or a list of 1 to 4 of them"
    ]),
    (surplus("charger: chager"), [
        "1:79: found the unknown device 'chager', expected one of bench, charger, gx, second, did you mean 'charger'?"
    ]),
    (surplus("charger: surplus_charging"), [
        "1:79: found the unknown device 'surplus_charging', expected one of bench, charger, gx, second"
    ]),
    (surplus("charger: [{device: charger, minimum: 3}]"), [
        "1:98: found the unknown key 'minimum', expected one of current, device, efficiency, maximum_current, "
        "minimum_current, did you mean 'minimum_current'?"
    ]),
    (surplus("charger: [charger, second, charger]"), [
        "1:97: found the charger 'charger' again, site.yaml:1 steers it already, name it once"
    ]),
    (surplus("charger: charger, interval: 1 s"), ["1:98: found the text '1 s', expected 5 to 3600 s"]),
    (surplus("charger: charger, efficiency: 90"), ["1:100: found the number 90, expected 0.3 to 1.0"]),
    (surplus("charger: charger, ramp: 0"), ["1:94: found the number 0, expected a current above 0 A"]),
    (surplus("charger: charger, safe: never"), ["1:94: found the text 'never', expected off, or a current of 0 to 1000 A"]),
    (surplus("charger: charger, minimum_current: 9, maximum_current: 5"), [
        "1:105: found a minimum_current of 9 A above the maximum_current of 5 A, exchange them"
    ]),
    (surplus("charger: {device: charger, minimum_current: 9}, maximum_current: 5"), [
        "1:114: found a minimum_current of 9 A above the maximum_current of 5 A, exchange them"
    ]),
    (surplus("charger: charger, name: gx"), ["1:94: found the name 'gx', which site.yaml:5 has already, give it a 'name' of its own"]),
    (surplus("charger: charger, unit: 5"), [
        "1:94: found unit 5 again on tcp://0.0.0.0:502, device 'bench' has it (site.yaml:6), choose another unit"
    ]),
    ("automations: [surplus_charging: {grid_power: 'gx:/Ac/Grid/L1/Powr', charger: charger}]", [
        "1:46: found /Ac/Grid/L1/Powr, which device 'gx' does not have, did you mean '/Ac/Grid/L1/Power'?"
    ]),
    ("automations: [surplus_charging: {grid_power: ['bench:/Ac/Energy', 'gx:/Serial'], charger: charger}]", [
        "1:47: found bench:/Ac/Energy in kWh, expected a power in W, positive when the house takes from the grid",
        "1:67: found gx:/Serial in words, expected a power in W, positive when the house takes from the grid",
    ]),
    ("links: [{from: 'gx:/Dc/Battery/Current', to: 'charger:/Settings/ChargeCurrentLimit'}]\n"
     + surplus("charger: charger"), [
        "2:79: found the charger 'charger', whose /Settings/ChargeCurrentLimit a link feeds, "
        "let the link or the automation go"
    ]),
    (f"automations: [surplus_charging: {{{GRID}, charger: charger}}, surplus_charging: {{{GRID}, charger: second}}]", [
        "1:107: found the name 'surplus_charging', which site.yaml:1 has already, give it a 'name' of its own"
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: list[str]) -> None:
    found = load(tmp_path, monkeypatch, text)
    told = [str(problem).removeprefix("site.yaml:") for problem in found.problems]
    assert told == said


def one(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> SurplusCharging:
    found = load(folder, monkeypatch, text)
    assert found.problems == ()
    assert found.warnings == ()  # meters and chargers without a unit have their use
    assert found.site is not None
    return found.site.automations[0]


def test_the_shortest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = one(tmp_path, monkeypatch, surplus("charger: [charger, second]"))
    assert (found.name, found.unit) == ("surplus_charging", None)
    assert found.grid_power == ("gx:/Ac/Grid/L1/Power",)
    assert [(use.device, use.minimum_current) for use in found.charger] == [
        ("charger", None),
        ("second", None),
    ]
    assert (found.interval, found.reserve, found.hysteresis, found.ramp) == (30, 0, 30, None)
    assert (found.minimum_on, found.minimum_off, found.hold, found.safe) == (300, 300, 120, 0)
    assert found.leave_alone == 3600


def test_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = ", ".join(f"'gx:/Ac/Grid/L{number}/Power'" for number in (1, 2, 3))
    found = one(
        tmp_path, monkeypatch,
        f"automations:\n  - surplus_charging:\n      name: sun\n      unit: 60\n      grid_power: [{phases}]\n"
        "      charger:\n        - second\n        - {device: charger, minimum_current: 4, maximum_current: 10,\n"
        "           efficiency: 0.85, current: /Settings/ChargeCurrentLimit}\n"
        "      minimum_current: 3\n      maximum_current: 12.5\n      efficiency: 0.88\n      interval: 1 min\n"
        "      reserve: 50\n      hysteresis: 20\n      ramp: 2.5\n      minimum_on: 10 min\n      minimum_off: 0\n"
        "      hold: 30 s\n      safe: 3.5\n      yield: 2 h\n",
    )  # fmt: skip
    assert len(found.grid_power) == 3
    assert found.charger[1].current == "/Settings/ChargeCurrentLimit"
    assert (found.minimum_current, found.charger[1].minimum_current) == (3, 4)
    assert (found.safe, found.ramp, found.leave_alone) == (3.5, 2.5, 7200)
    assert math.isclose(found.charger[1].efficiency or 0, 0.85)


def test_its_unit_is_served_by_its_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(tmp_path, monkeypatch, surplus("charger: charger, unit: 60, safe: off"))
    assert [(u.unit, u.device, u.map) for u in found.units if u.unit == 60] == [
        (60, "surplus_charging", "surplus_charging")
    ]


def test_a_link_may_show_what_an_automation_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        surplus("charger: charger")
        + "\nlinks: [{from: 'surplus_charging:/SurplusPower', to: 'bench:/Shown'}]"
    )
    assert load(tmp_path, monkeypatch, text).problems == ()
