"""A document as Markdown, CSV or HTML."""

import csv
import html
import io
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from bridge.register_maps.document import REGISTER_COLUMNS, Document, TableOfText

LICENCE = "SPDX-License-Identifier: 0BSD"

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto;margin:1rem 0}"
    "td,th{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}"
    "th{background:#f2f2f2}pre{background:#f2f2f2;padding:.6rem;overflow-x:auto}"
)
_CODE = re.compile(r"`([^`]+)`")
#: An underscore inside a word marks nothing.
_MARKS = re.compile(r"[\\*<\[#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def as_markdown(document: Document) -> str:
    """Return the document in GitHub's Markdown."""
    parts = [
        f"<!-- {LICENCE} -->",
        f"<!-- made by `inverter-bridge maps document {document.name}`: change the map, not this file -->",
        f"# {_marked(document.title)}",
    ]
    for section in document.sections:
        parts.append(f"## {section.heading}")
        parts += (_marked(sentence) for sentence in section.sentences)
        if section.table is not None:
            parts.append(_markdown_table(section.table))
        if section.code:
            parts.append("\n".join(("```", *section.code, "```")))
    return "\n\n".join(parts) + "\n"


def index_markdown(maps: Iterable[tuple[str, str, str]]) -> str:
    """Return the page that leads to the documents of maps, given as name, kind and title."""
    links = ((f"[{name}]({name}.md)", kind, _marked(title)) for name, kind, title in maps)
    lines = [_markdown_row(("map", "kind", "what it serves")), "|---|---|---|", *map(_markdown_row, links)]
    return "\n\n".join((f"<!-- {LICENCE} -->", "# Register maps", "\n".join(lines))) + "\n"


def as_csv(document: Document) -> str:
    """Return all entries as comma-separated values by RFC 4180, the first line their headings."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["table", *(name for name, _ in REGISTER_COLUMNS)])
    for row in document.rows:
        writer.writerow([row.table.value, *(getattr(row, field) for _, field in REGISTER_COLUMNS)])
    return out.getvalue()


def as_html(document: Document) -> str:
    """Return the document as one HTML file that loads nothing else."""
    title = html.escape(document.title)
    parts = [
        "<!doctype html>",
        f"<!-- {LICENCE} -->",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
    ]
    for section in document.sections:
        parts.append(f"<h2>{html.escape(section.heading)}</h2>")
        parts += (f"<p>{_tagged(sentence)}</p>" for sentence in section.sentences)
        if section.table is not None:
            parts.append(_html_table(section.table))
        if section.code:
            lines = "\n".join(section.code)
            parts.append(f"<pre>{html.escape(lines)}</pre>")
    return "\n".join([*parts, "</body></html>", ""])


#: What turns a document into a text, by the name of the format.
FORMATS: Mapping[str, Callable[[Document], str]] = MappingProxyType(
    {"markdown": as_markdown, "csv": as_csv, "html": as_html}
)
#: The endings of their files.
ENDINGS: Mapping[str, str] = MappingProxyType({"markdown": ".md", "csv": ".csv", "html": ".html"})


def _markdown_table(table: TableOfText) -> str:
    lines = [_markdown_row(table.headings), "|" + "---|" * len(table.headings)]
    lines += (
        _markdown_row(
            f"`{cell}`" if number in table.code and cell else _marked(cell) for number, cell in enumerate(row)
        )
        for row in table.rows
    )
    return "\n".join(lines)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _marked(text: str) -> str:
    """Return a text whose characters mean nothing to Markdown, its code spans kept."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if part.startswith("`") else _MARKS.sub(r"\\\g<0>", part) for part in parts)


def _html_table(table: TableOfText) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.headings)
    body = "\n".join(
        "<tr>"
        + "".join(
            f"<td><code>{html.escape(cell)}</code></td>"
            if number in table.code and cell
            else f"<td>{_tagged(cell)}</td>"
            for number, cell in enumerate(row)
        )
        + "</tr>"
        for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _tagged(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(text))
