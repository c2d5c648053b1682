"""What the documents promise about the repository is there."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bridge.cli.main import COMMANDS
from tests.repo.checkout import ROOT, project_files

DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
MAKE = re.compile(r"(?:^|`)make ([a-z]+)", re.MULTILINE)
#: Spelt in parts, so that this file is no hit itself.
FOREIGN_PATHS = ("/" + "work/", "/" + "root/", str(ROOT) + "/")


def in_code(text: str) -> str:
    """The parts of a Markdown text that are code."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_named_in_documents_exist(document: str) -> None:
    named = set(re.findall(MAKE, in_code((ROOT / document).read_text())))
    assert named <= TARGETS


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_named_in_documents_exist(document: str) -> None:
    named = set(re.findall(r"inverter-bridge ([a-z]+(?:-[a-z]+)*)\b", in_code((ROOT / document).read_text())))
    assert named <= set(COMMANDS)


def test_the_readme_shows_the_first_two_commands() -> None:
    named = re.findall(MAKE, in_code((ROOT / "README.md").read_text()))
    assert {"demo", "test"} <= set(named)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    here = (ROOT / document).parent
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / document).read_text())
    broken = [link for link in links if "://" not in link and not (here / link).exists()]
    assert broken == []


def test_tests_named_in_the_fault_table_exist() -> None:
    named = re.findall(r"`(tests/[^`:]+)", (ROOT / "docs/faults.md").read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_make_alone_lists_every_target() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout
    assert set(re.findall(r"^make ([a-z]+)", shown, re.MULTILINE)) == TARGETS - {"help"}


def test_make_names_the_python_it_cannot_use(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", f"VENV={tmp_path}/venv", "PYTHON=false", "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "expected Python 3.11 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_no_path_of_one_machine_is_in_the_project() -> None:
    found = []
    for file in project_files():
        text = file.read_bytes().decode("utf-8", "replace")
        found += [f"{file.relative_to(ROOT)}: {path}" for path in FOREIGN_PATHS if path in text]
    assert found == []


def test_every_folder_with_modules_is_a_package() -> None:
    """The import contracts and the type checker pass over folders without `__init__.py`."""
    folders = {file.parent for file in (ROOT / "bridge").rglob("*.py")}
    assert sorted(str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()) == []


@pytest.mark.parametrize("family", [e.value for e in entry_points(group="inverter_bridge.adapters")])
def test_options_of_a_family_import_nothing_else_of_it(family: str) -> None:
    module = family.partition(":")[0]
    room = module.rpartition(".")[0]
    code = f"import sys, {module}; print(*[m for m in sys.modules if m.startswith('{room}.')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == [module]
