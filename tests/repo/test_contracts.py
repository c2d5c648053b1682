"""The import contracts hold, and each of them catches an import planted against it."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.repo.checkout import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
NAMES = {contract["id"]: contract["name"] for contract in CONTRACTS}

CHECK = "from importlinter.cli import lint_imports_command as check; check()"

#: contract, file, what is planted there
PLANTED = [
    ("rooms", "datastore/clock.py", "import bridge.register_maps.positions"),
    ("rooms", "server/__init__.py", "import bridge.site"),
    ("rooms", "attic/__init__.py", "ROOM = 'without a place in the house'"),
    ("datastore-alone", "datastore/clock.py", "import yaml"),
    ("maps-pure", "register_maps/positions.py", "import bridge.datastore.values"),
    ("images-served", "adapters/vedirect/options.py", "import bridge.register_maps.image"),
    ("adapters-base", "adapters/base.py", "import bridge.register_maps.positions"),
    ("adapters-base", "adapters/base.py", "import bridge.adapters.vedirect.options"),
    ("families-apart", "adapters/vedirect/options.py", "import bridge.adapters.other.codec"),
    ("families-found", "site/__init__.py", "import bridge.adapters.vedirect.options"),
    ("server-alone", "server/__init__.py", "import bridge.adapters.base"),
    ("control-alone", "control/__init__.py", "import bridge.site.models"),
    ("outlets-listen", "outlets/__init__.py", "import bridge.server.terms"),
    ("exchange-values", "exchange/fields.py", "import bridge.datastore.device"),
    ("site-checks", "site/__init__.py", "import bridge.datastore.values"),
]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package with a second family, which the contracts know."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bridge", tmp_path / "bridge", ignore=ignored)
    other = tmp_path / "bridge/adapters/other"
    other.mkdir()
    (other / "__init__.py").touch()
    (other / "codec.py").touch()
    contracts = (ROOT / "pyproject.toml").read_text()
    one = '"bridge.adapters.vedirect"'
    (tmp_path / "pyproject.toml").write_text(contracts.replace(one, f'{one}, "bridge.adapters.other"'))
    return tmp_path


def broken(house: Path) -> set[str]:
    """Names of the contracts that a house breaks."""
    done = subprocess.run(
        [sys.executable, "-c", CHECK, "--no-cache", "--no-logo"],
        cwd=house,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", done.stdout, re.MULTILINE))
    assert set(verdicts) == set(NAMES.values()), done.stdout + done.stderr
    return {name for name, verdict in verdicts.items() if verdict == "BROKEN"}


def test_the_house_keeps_its_contracts(house: Path) -> None:
    assert broken(house) == set()


@pytest.mark.parametrize(("contract", "file", "planted"), PLANTED)
def test_a_planted_import_is_caught(house: Path, contract: str, file: str, planted: str) -> None:
    target = house / "bridge" / file
    target.parent.mkdir(exist_ok=True)
    with target.open("a") as stream:
        stream.write(f"\n{planted}\n")
    assert NAMES[contract] in broken(house)


def test_every_contract_has_a_planted_import() -> None:
    assert {contract for contract, _, _ in PLANTED} == set(NAMES)


def test_every_family_is_named_in_the_contracts() -> None:
    families = {f"bridge.adapters.{p.parent.name}" for p in (ROOT / "bridge/adapters").glob("*/adapter.py")}
    by_id = {contract["id"]: contract for contract in CONTRACTS}
    assert families == set(by_id["families-apart"]["modules"])
    assert families == set(by_id["families-found"]["protected_modules"])
