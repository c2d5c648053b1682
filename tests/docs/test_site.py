"""The documents become a site: strictly, without network, with every page in its navigation."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.repo.checkout import ROOT

#: Pages that the navigation has a place for and that may not be there yet.
TO_COME = {"troubleshooting.md", "updating.md", "history.md", "notify.md", "page.md", "api.md", "mqtt.md"}
#: What a browser would fetch by itself.
FETCHED = re.compile(
    r"<(?:script|img|iframe)[^>]*\ssrc=\"?(https?:)?//|<link[^>]*rel=\"?(?:stylesheet|preconnect)[^>]*//"
)


class Loader(yaml.SafeLoader):
    """mkdocs.yml names a function by a tag of its own."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
NAV: list[Any] = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)["nav"]


@pytest.fixture(scope="module")
def navigation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("navigation", ROOT / "docs/navigation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(180)
def test_it_builds_strictly_and_fetches_nothing(tmp_path: Path) -> None:
    env = os.environ | {
        "NO_MKDOCS_2_WARNING": "1",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert built.returncode == 0, built.stderr
    html = sorted((tmp_path / "site").rglob("*.html"))
    assert len(html) >= len(list((ROOT / "docs").rglob("*.md")))
    assert not list((tmp_path / "site").rglob("*.py"))
    assert [page.name for page in html if FETCHED.search(page.read_text(encoding="utf-8"))] == []


def test_the_navigation_names_pages_that_there_are(navigation: ModuleType) -> None:
    there = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    folders = {f"{page.rpartition('/')[0]}/" for page in there if "/" in page}
    assert set(navigation.names(NAV)) - there - folders <= TO_COME


def test_every_page_is_in_it_once(navigation: ModuleType) -> None:
    found = list(navigation.names(navigation.fitting(NAV, ROOT / "docs")))
    there = sorted(page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md"))
    assert sorted(found) == there


def test_folders_absences_and_strangers(navigation: ModuleType, tmp_path: Path) -> None:
    for name in ("a.md", "new.md", "maps/z.md", "maps/README.md", "maps/inner/b.md"):
        page = tmp_path / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.touch()
    nav = [{"Start": ["a.md", "gone.md"]}, {"Gone": ["gone.md"]}, {"Maps": ["maps/"]}]
    assert navigation.fitting(nav, tmp_path) == [
        {"Start": ["a.md"]},
        {"Maps": ["maps/README.md", "maps/z.md", "maps/inner/b.md"]},
        {"More": ["new.md"]},
    ]
