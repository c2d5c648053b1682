"""A wheel installed into an environment of its own finds its maps."""

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.repo.checkout import ROOT


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with the build tools that are installed, so nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        folder,
    )
    (built,) = folder.glob("inverter_bridge-*.whl")
    return built


def test_it_holds_every_map_and_nothing_of_the_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"bridge/maps/{p.relative_to(ROOT / 'maps')}" for p in (ROOT / "maps").rglob("*.yaml")}
    assert shipped
    assert shipped <= names
    assert "bridge/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert [n for n in names if not n.startswith(("bridge/", "inverter_bridge-"))] == []


@pytest.mark.timeout(180)
def test_it_finds_its_maps_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    python = venv / "bin/python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install"),
        *("--no-deps", "--no-index", "--no-warn-script-location", wheel),
    )
    (site_packages,) = (venv / "lib").glob("python*/site-packages")
    # the libraries it depends on, but not the checkout, which is installed there by a .pth of its own
    (site_packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")

    where = run(python, "-c", "import bridge; print(bridge.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(venv)
    listed = json.loads(run(venv / "bin/inverter-bridge", "maps", "list", "--json", cwd=tmp_path))
    assert {row["name"] for row in listed} == {
        str(p.relative_to(ROOT / "maps").with_suffix("")) for p in (ROOT / "maps").rglob("*.yaml")
    }
