"""HTML made of Python values. Whatever is not Markup already is escaped, so that no name can become a tag."""

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

#: Elements that have no end tag.
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already; only this module makes it."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | Iterable[Child] | None"


def tag(element: str, /, *children: Child, **attributes: object) -> Markup:
    """Return an element. `class_` and `for_` lose their underscore, others become dashes.

    True is an attribute without value; None and False leave it out.
    """
    parts = [element]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = key.rstrip("_").replace("_", "-")
        parts.append(written if value is True else f'{written}="{escape(str(value))}"')
    opened = f"<{' '.join(parts)}>"
    return Markup(opened if element in _VOID else f"{opened}{joined(children)}</{element}>")


def joined(children: Iterable[Child]) -> Markup:
    """Return children one after the other, each escaped unless it is Markup."""
    found: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            found.append(child)
        elif isinstance(child, str | int | float):
            found.append(escape(str(child)))
        else:
            found.append(joined(child))
    return Markup("".join(found))


def table(
    caption: str, headings: Iterable[str], rows: Iterable[Iterable[Child]], **attributes: object
) -> Markup:
    """Return a table that scrolls by itself on a narrow screen; the first cell of a row names it."""
    head = tag("thead", tag("tr", (tag("th", text, scope="col") for text in headings)))
    body = tag("tbody", (_row(row) for row in rows), **attributes)
    inner = tag("table", tag("caption", caption), head, body)
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _row(cells: Iterable[Child]) -> Markup:
    return tag("tr", (_cell(number, cell) for number, cell in enumerate(cells)))


def _cell(number: int, cell: Child) -> Markup:
    if isinstance(cell, Markup) and cell.startswith(("<td", "<th")):
        return cell
    return tag("td", cell) if number else tag("th", cell, scope="row")
