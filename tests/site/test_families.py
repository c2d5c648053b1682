"""Families as installed packages name them."""

from pathlib import Path

import pytest

from bridge.site.families import GROUP, InstalledFamilies
from bridge.site.loader import load_site
from tests.site.conftest import MAPS


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with one good family and two that are broken."""
    (tmp_path / "foreign_good.py").write_text(
        "from bridge.adapters.base import DeviceOptions, Family\n"
        "FAMILY = Family(name='good', title='Good', options=DeviceOptions, adapter='', simulator='')\n"
    )
    (tmp_path / "foreign_bad.py").write_text("raise RuntimeError('no licence')\n")
    (tmp_path / "foreign_other.py").write_text("FAMILY = 3\n")
    info = tmp_path / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\n" + "".join(f"{name} = foreign_{name}:FAMILY\n" for name in ("good", "bad", "other"))
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_a_broken_family_harms_only_who_uses_it(foreign: None, tmp_path: Path) -> None:
    families = InstalledFamilies()
    assert {"good", "bad", "other"} <= set(families)
    path = tmp_path / "site.yaml"
    path.write_text(
        "devices:\n  a: {adapter: good}\n  b: {adapter: bad}\n  c: {adapter: other}\n  d: {adapter: bda}\n"
    )
    found = load_site(path, {}, families, lambda state, device: None, MAPS)
    known = ", ".join(sorted(families))
    assert [str(problem).removeprefix(f"{path}:") for problem in found.problems] == [
        "3:16: adapter 'bad': foreign_bad:FAMILY cannot be loaded: no licence, install it anew",
        "4:16: adapter 'other': foreign_other:FAMILY is no Family, install it anew",
        f"5:16: found the text 'bda', expected an equipment family: {known}, did you mean 'bad'?",
    ]


def test_without_any_family_the_package_is_not_installed(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("devices: {a: {adapter: vedirect}}")
    found = load_site(path, {}, {}, lambda state, device: None, MAPS)
    assert [str(problem).removeprefix(f"{path}:") for problem in found.problems] == [
        "1:24: adapter 'vedirect' is not available in this version, install inverter-bridge by pip"
    ]
