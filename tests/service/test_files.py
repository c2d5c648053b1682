"""The unit and udev's rules, judged by systemd's own tools."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.service.files import Service, udev_rules

ANALYSE = shutil.which("systemd-analyze")
if ANALYSE is None and os.environ.get("CI"):
    raise RuntimeError("systemd-analyze is missing: apt-get install systemd")
needs_systemd = pytest.mark.skipif(ANALYSE is None, reason="needs systemd-analyze, of package systemd")


def analysed(*words: str | Path) -> subprocess.CompletedProcess[str]:
    assert ANALYSE is not None
    command = [ANALYSE, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    found = tmp_path / "inverter-bridge.service"
    service = Service(Path(sys.executable), Path("/etc/inverter-bridge/site.yaml"))
    found.write_text(service.unit())
    return found


@needs_systemd
def test_it_is_a_good_unit(unit: Path) -> None:
    done = analysed("verify", "--man=no", unit)
    assert [line for line in done.stderr.splitlines() if "inverter-bridge.service" in line] == []


@needs_systemd
def test_a_wrong_word_in_it_would_be_found(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectClock=", "ProtectClocks="))
    assert "ProtectClocks" in analysed("verify", "--man=no", unit).stderr


@needs_systemd
def test_it_is_given_little(unit: Path) -> None:
    said = analysed("security", "--offline=true", unit).stdout
    found = re.search(r"Overall exposure level for inverter-bridge.service: ([0-9.]+)", said)
    assert found is not None, said
    assert float(found[1]) < 3


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/etc/site.yaml", "/etc/site.yaml"),
        ("/srv/the boat/site.yaml", '"/srv/the boat/site.yaml"'),
        ("/srv/100%/site.yaml", "/srv/100%%/site.yaml"),
    ],
)
def test_paths_are_written_as_systemd_reads_them(path: str, written: str) -> None:
    unit = Service(Path("/opt/bin/inverter-bridge"), Path(path)).unit()
    assert f"ExecStart=/opt/bin/inverter-bridge run {written}\n" in unit


def test_every_rule_of_udev_is_whole() -> None:
    """Key, operator, quoted value, and so on: udev drops a line it cannot read and says so nowhere a user looks."""
    joined = udev_rules().replace("\\\n", "")
    rules = [line for line in joined.splitlines() if not line.startswith("#")]
    assert len(rules) == 7
    pair = r'[A-Z_]+(\{\w+\})?(==|=)"[^"]*"'
    for rule in rules:
        assert re.fullmatch(rf"{pair}(, *{pair})*", rule), rule
        assert 'GROUP="dialout"' in rule
