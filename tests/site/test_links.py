"""Links as the site file writes them: what is taken, and every reason why one is not."""

from pathlib import Path

import pytest

from bridge.adapters.modbus.options import FAMILY as MODBUS
from bridge.adapters.vedirect.options import FAMILY as VEDIRECT
from bridge.site.loader import SiteLoad, load_site
from bridge.site.models import LinkedPoint
from bridge.site.points import PointName
from tests.site.conftest import BENCH

FAMILIES = {"vedirect": VEDIRECT, "modbus": MODBUS, "bench": BENCH}
#: Points of a shunt and a charger are known now, a GX's are those of its client map, a bench tells nothing.
DEVICES = """\
devices:
  shunt: {adapter: vedirect, product: battery_monitor, port: /dev/ttyUSB7, unit: 1}
  charger: {adapter: vedirect, product: ac_charger, port: /dev/ttyUSB8, unit: 2}
  unknown: {adapter: vedirect, port: /dev/ttyUSB9, unit: 3}
  gx: {adapter: modbus, map: victron_gx_system, host: 192.168.1.5, remote_unit: 100, unit: 4}
  bms: {adapter: bench, unit: 5}
  pack: {adapter: bench, unit: 6}
"""


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, links: str, learnt: str | None = None) -> SiteLoad:
    monkeypatch.chdir(folder)
    (folder / "site.yaml").write_text(links + "\n" + DEVICES)
    return load_site(Path("site.yaml"), {"HOME": "/home/skipper"}, FAMILIES, lambda state, name: learnt)


EXPECTED_POINT = "expected device:/Path such as shunt:/Soc"

#: The section in one line, and its problems.
REFUSED = [
    ("links: {from: a}", ["1:8: found a mapping, expected a list, begin each entry with '- '"]),
    ("links: [shunt]", ["1:9: found the text 'shunt', expected a mapping"]),
    (
        "links: [{from: 'shunt:/Soc'}]",
        ["1:9: found no 'to', expected the point that is written, or a list of the same length"],
    ),
    (
        "links: [{from: 'shunt:/Soc', to: 'bms:/Soc', facter: 2}]",
        ["1:46: found the unknown key 'facter', expected one of factor, from, offset, to, did you mean 'factor'?"],
    ),
    ("links: [{from: shunt, to: 'bms:/Soc'}]", [f"1:16: found the text 'shunt', {EXPECTED_POINT}"]),
    ("links: [{from: 'shunt:Soc', to: 'bms:/Soc'}]", [f"1:16: found the text 'shunt:Soc', {EXPECTED_POINT}"]),
    ("links: [{from: [], to: 'bms:/Soc'}]", [f"1:16: found a list, {EXPECTED_POINT}, or a list of them"]),
    ("links: [{from: 7, to: 'bms:/Soc'}]", [f"1:16: found the number 7, {EXPECTED_POINT}, or a list of them"]),
    (
        "links: [{from: ['shunt:/Soc', soc], to: ['bms:/Soc', 'bms:/Soh']}]",
        [f"1:31: found the text 'soc', {EXPECTED_POINT}"],
    ),
    (
        "links: [{from: 'shunt:/Soc', to: 'bms:/Soc', factor: 0}]",
        ["1:54: found the number 0, expected a number other than 0, which would hand nothing on"],
    ),
    ("links: [{from: 'shunt:/Soc', to: 'bms:/Soc', factor: .inf}]", ["1:54: found the number .inf, expected a finite number"]),
    (
        "links: [{from: ['shunt:/Soc', 'shunt:/Dc/0/Voltage'], to: 'bms:/Soc'}]",
        ["1:59: found 1 in 'to', expected 2: as many as 'from' names, each point feeds one other"],
    ),
    (
        "links: [{from: 'shant:/Soc', to: 'bms:/Soc'}]",
        [
            "1:16: found the unknown device 'shant', expected one of bms, charger, gx, pack, shunt, unknown, "
            "did you mean 'shunt'?"
        ],
    ),
    (
        "links: [{from: 'shunt:/Sok', to: 'bms:/Soc'}]",
        ["1:16: found /Sok, which device 'shunt' does not have, did you mean '/Soc'?"],
    ),
    (
        "links: [{from: 'gx:/Dc/Battery/Vlotage', to: 'bms:/Dc/0/Voltage'}]",
        ["1:16: found /Dc/Battery/Vlotage, which device 'gx' does not have, did you mean '/Dc/Battery/Voltage'?"],
    ),
    (
        "links: [{from: 'shunt:/Soc', to: 'gx:/Dc/Battery/Soc'}]",
        ["1:34: found gx:/Dc/Battery/Soc, which its map shows as read-only, expected a writable point, link another"],
    ),
    (
        "links: [{from: 'shunt:/Soc', to: 'bms:/Dc/0/Voltage'}]",
        [
            "1:34: found bms:/Dc/0/Voltage in V, fed by shunt:/Soc in %, expected the same unit of measure, "
            "or add a 'factor' that converts it"
        ],
    ),
    (
        "links: [{from: 'shunt:/Serial', to: 'charger:/Settings/ChargeCurrentLimit'}]",
        [
            "1:37: found charger:/Settings/ChargeCurrentLimit, which takes a number, fed by shunt:/Serial, "
            "which is text, link other points"
        ],
    ),
    (
        "links: [{from: 'shunt:/Serial', to: 'bms:/Name', factor: 2}]",
        ["1:37: found a factor or an offset for shunt:/Serial, which is text, remove 'factor' and 'offset'"],
    ),
    (
        "links: [{from: 'shunt:/Soc', to: 'bms:/Soc'}, {from: 'gx:/Dc/Battery/Soc', to: 'bms:/Soc'}]",
        ["1:80: found bms:/Soc again, which site.yaml:1 feeds already, remove one of the two links"],
    ),
    (
        "links: [{from: ['shunt:/Soc', 'gx:/Dc/Battery/Soc'], to: ['bms:/Soc', 'bms:/Soc']}]",
        ["1:71: found bms:/Soc again, which site.yaml:1 feeds already, remove one of the two links"],
    ),
    (
        "links: [{from: 'bms:/Soc', to: 'bms:/Soc'}]",
        ["1:16: found bms:/Soc, which would feed itself, break the circle"],
    ),
    (
        "links: [{from: 'bms:/A', to: 'pack:/B'}, {from: 'pack:/B', to: 'pack:/C'}, {from: 'pack:/C', to: 'bms:/A'}]",
        ["1:83: found pack:/C, which bms:/A feeds in its turn, break the circle"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("links", "said"), REFUSED)
def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: str, said: list[str]) -> None:
    found = load(tmp_path, monkeypatch, links)
    assert [str(problem).removeprefix("site.yaml:") for problem in found.problems] == said
    assert found.site is None


#: A section that is right, and what is odd about it.
WARNED = [
    ("links:", []),
    ("links: [{from: 'shunt:/Soc', to: 'bms:/Soc'}]", []),
    ("links: [{from: 'shunt:/Soc', to: 'bms:/Dc/0/Voltage', factor: 0.5}]", []),
    ("links: [{from: 'bms:/Anything', to: 'pack:/Else'}]", []),
    ("links: [{from: 'unknown:/Anything', to: 'pack:/Else'}]", []),
    ("links: [{from: 'bms:/A', to: 'pack:/A'}, {from: 'bms:/A', to: 'pack:/B'}]", []),
    (
        "links: [{from: 'gx:/Dc/Battery/Soc', to: 'charger:/State'}]",
        ["1:42: found charger:/State, which its map shows as read-only, the link works only if the device takes it"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("links", "said"), WARNED)
def test_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: str, said: list[str]) -> None:
    found = load(tmp_path, monkeypatch, links)
    assert found.problems == ()
    assert [str(problem).removeprefix("site.yaml:") for problem in found.warnings] == said


def test_lists_are_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(
        tmp_path, monkeypatch,
        "links: [{from: ['shunt:/Soc', 'shunt:/Dc/0/Voltage'], to: ['bms:/Soc', 'pack:/Dc/0/Voltage'], offset: 1}]",
    )  # fmt: skip
    assert found.site is not None
    assert found.site.links == (
        LinkedPoint(PointName("shunt", "/Soc"), PointName("bms", "/Soc"), 1.0, 1.0),
        LinkedPoint(PointName("shunt", "/Dc/0/Voltage"), PointName("pack", "/Dc/0/Voltage"), 1.0, 1.0),
    )


def test_a_learnt_product_class_is_judged_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = "links: [{from: 'unknown:/Sok', to: 'bms:/Soc'}]"
    assert load(tmp_path, monkeypatch, link).problems == ()
    found = load(tmp_path, monkeypatch, link, learnt="battery_monitor")
    assert [problem.hint for problem in found.problems] == ["did you mean '/Soc'?"]


def test_a_device_that_only_feeds_another_is_served_by_nobody_and_that_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("site.yaml").write_text(
        "devices: {a: {adapter: bench}, b: {adapter: bench, unit: 1}}\nlinks: [{from: 'a:/X', to: 'b:/X'}]\n"
    )
    assert load_site(Path("site.yaml"), {}, {"bench": BENCH}, lambda *_: None).warnings == ()
