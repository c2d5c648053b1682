"""Every link in the documents leads to a page, and to a heading of it."""

import re
from pathlib import Path

import pytest
from pymdownx.slugs import slugify

from tests.docs.pages import PAGES
from tests.repo.checkout import ROOT

LINK = re.compile(r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\((?P<target>[^)\s]+)\)")
ALL_PAGES = (*PAGES, *sorted((ROOT / "docs/registers").rglob("*.md")))
_SLUG = slugify(case="lower")


def prose(page: Path) -> str:
    """A page without its fenced blocks, in which nothing is a link and `#` begins a comment."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that a forge and the site make of the headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = _SLUG(re.sub(r"[`*]", "", text), "-")
        name, number = slug, 0
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    wrong = []
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_one_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# The `port`, here\n\n## Twice\n\n## Twice\n\n[a](#the-port-here) [b](#twice-1) [c](page.md)\n"
        "[d](#nowhere) [e](none.md) [f\ng](page.md#no) [h](https://example.org/x)\n\n```\n[i](none.md)\n```\n"
    )
    assert broken(page) == ["#nowhere", "none.md", "page.md#no"]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.is_relative_to(ROOT / "docs")],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_pages_of_the_site_stay_inside_it(page: Path) -> None:
    """A link out of docs/ works in a checkout, and is dead on the site."""
    local = [target.partition("#")[0] for target in LINK.findall(prose(page)) if "://" not in target]
    outside = [t for t in local if t and not (page.parent / t).resolve().is_relative_to(ROOT / "docs")]
    assert outside == []


def test_every_family_and_predecessor_has_a_page_that_the_start_leads_to() -> None:
    start = set(LINK.findall(prose(ROOT / "docs/index.md")))
    named = {"vedirect.md", "vebus.md", "can.md", "apsystems.md", "series607.md", "modbus.md"}
    assert named <= start
    assert {f"migrating/{page.name}" for page in (ROOT / "docs/migrating").glob("*.md")} <= start
