"""`check --all`: one template and many sites, each with variables of its own."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from bridge.cli.check import check

TEMPLATE = """
site: ${SITE}
include: parts/outlets.yaml
devices:
  charger: {adapter: vedirect, port: "${PORT:-/dev/ttyUSB0}", product: ac_charger, unit: 20}
"""
OUTLETS = 'outlets: {mqtt: {url: "mqtt://broker.example", topic: "bridges/${SITE}"}}\n'


def fleet(folder: Path, **settings: str) -> Path:
    (folder / "parts").mkdir()
    (folder / "parts" / "outlets.yaml").write_text(OUTLETS)
    (folder / "site.yaml").write_text(TEMPLATE)
    for name, text in settings.items():
        (folder / f"{name}.env").write_text(text)
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(check, [str(one) for one in arguments])


def test_a_template_and_its_sites(tmp_path: Path) -> None:
    folder = fleet(tmp_path, boat1="SITE=boat1\n# a note\nPORT='/dev/ttyS1'\n", boat2="export SITE=boat2\n")
    done = run("--all", folder, "--json")
    assert done.exit_code == 0, done.output
    sites = json.loads(done.output)["sites"]
    assert list(sites) == ["boat1", "boat2"]
    for found in sites.values():
        assert found["errors"] == []
        assert [(unit["unit"], unit["map"]) for unit in found["units"]] == [(20, "bluesmart_charger")]
    assert run("--all", folder).output.endswith("\n2 sites, 0 with errors\n")


def test_every_fault_of_every_site_is_shown(tmp_path: Path) -> None:
    folder = fleet(
        tmp_path, boat1="SITE=boat1\n", boat2="SITE=boat1\n", boat3="PORT=x\n", boat4="SITE boat4\n"
    )
    done = run("--all", folder)
    assert done.exit_code == 2
    assert "boat2: 1 errors" in done.output
    assert "found the topic bridges/boat1 of site boat1 at the same broker, give each its own" in done.output
    assert "found no variable SITE in the environment" in done.output
    assert "boat4.env:1:1: found no variable, expected NAME=value" in done.output
    assert done.output.endswith("\n4 sites, 3 with errors\n")


def test_files_of_their_own_are_sites_too(tmp_path: Path) -> None:
    folder = fleet(tmp_path, boat1="SITE=boat1\n")
    (folder / "yard.yaml").write_text("site: yard\ndevices: {}\n")
    assert list(json.loads(run("--all", folder, "--json").output)["sites"]) == ["boat1", "yard"]


def test_nothing_to_check_is_said(tmp_path: Path) -> None:
    done = run("--all", tmp_path)
    assert done.exit_code == 2
    assert "found no site, expected NAME.yaml, or site.yaml and NAME.env" in done.output


def test_no_directory_is_said(tmp_path: Path) -> None:
    done = run("--all", tmp_path / "nowhere")
    assert done.exit_code == 2
    assert "nowhere: no such file or directory, expected a directory with the files of sites" in done.output


def test_one_of_both_is_wanted(tmp_path: Path) -> None:
    for arguments in ((), ("--all", tmp_path, tmp_path / "site.yaml")):
        done = run(*arguments)
        assert done.exit_code == 2
        assert "expected one of them" in done.output
