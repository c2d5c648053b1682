"""The site's navigation: that of mkdocs.yml, folders taken in, made to fit the pages that there are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: What the navigation does not name comes under this heading.
_REST = "More"


def on_config(config: Any) -> Any:
    """Put the navigation that fits into mkdocs' configuration; mkdocs calls it before it looks for pages."""
    folder = Path(config["docs_dir"])
    config["nav"] = fitting(config["nav"], folder)
    return config


def fitting(nav: list[Any], folder: Path) -> list[Any]:
    """Return the navigation for the pages below a folder: all of them, each once."""
    pages = sorted(page.relative_to(folder).as_posix() for page in folder.rglob("*.md"))
    named = [name for name in names(nav) if not name.endswith("/")]
    fitted = [entry for one in nav for entry in _entry(one, pages, named)]
    left = [page for page in pages if page not in set(names(fitted))]
    return [*fitted, {_REST: left}] if left else fitted


def names(nav: list[Any]) -> Iterator[str]:
    """Yield what a navigation names, in order."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for inner in entry.values():
                yield from names(inner if isinstance(inner, list) else [inner])


def _entry(entry: Any, pages: list[str], named: list[str]) -> list[Any]:
    if isinstance(entry, dict):
        ((title, inner),) = entry.items()
        kept = [each for one in inner for each in _entry(one, pages, named)]
        return [{title: kept}] if kept else []
    if entry.endswith("/"):
        inside = [page for page in pages if page.startswith(entry) and page not in named]
        # a folder's README is its own first page
        return sorted(inside, key=lambda page: (page != f"{entry}README.md", page.count("/"), page))
    return [entry] if entry in pages else []
