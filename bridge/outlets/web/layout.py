"""The frame of every page: title, navigation, who is logged in, and what is said at the top."""

from urllib.parse import quote

from aiohttp import web

from bridge import __version__
from bridge.outlets.web.gate import CSRF_FIELD, Refusal
from bridge.outlets.web.html import Child, Markup, joined, tag
from bridge.outlets.web.passwords import Role
from bridge.outlets.web.visitors import visitor_of

#: Path, words, who sees it in the navigation.
_NAVIGATION = (
    ("/", "Overview", Role.VIEWER),
    ("/energy", "Energy", Role.VIEWER),
    ("/events", "Events", Role.VIEWER),
    ("/site", "Site", Role.OPERATOR),
)


def page(
    request: web.Request,
    title: str,
    *children: Child,
    status: int = 200,
    site: str = "",
    note: Child = None,
    scripts: tuple[str, ...] = (),
    styles: tuple[str, ...] = (),
    bare: bool = False,
) -> web.Response:
    """Return a whole page. note: what is to be read first, as a fault or what became of a form.

    bare: without navigation.
    """
    session = visitor_of(request).session
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("title", f"{title} \N{MIDDLE DOT} {site or 'Inverter Bridge'}"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        (tag("link", rel="stylesheet", href=f"/static/{name}") for name in (*styles, "page.css")),
        tag("meta", name="csrf", content=session.csrf) if session is not None else None,
        (tag("script", src=f"/static/{name}", defer=True) for name in (*scripts, "page.js")),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag(
            "header",
            tag("a", site or "Inverter Bridge", href="/", class_="brand"),
            _navigation(request, session.role) if session is not None and not bare else None,
            None if bare else _who(request),
        ),
        tag("main", tag("h1", title), note, children, id="content", tabindex="-1"),
        tag("footer", tag("p", f"Inverter Bridge {__version__}")),
    )
    text = joined((Markup("<!doctype html>"), tag("html", head, body, lang="en")))
    return web.Response(text=text, content_type="text/html", status=status)


def refused(request: web.Request, refusal: Refusal) -> web.Response:
    """Return the page of a refusal; whoever is not logged in is led to the login."""
    if refusal.status == 401 and request.method in ("GET", "HEAD") and visitor_of(request).session is None:
        after = request.path if request.path.startswith("/") and not request.path.startswith("//") else "/"
        # quoted: a line break in a path would be one in the headers
        way_in = f"/login?after={quote(after, errors='replace')}" if after != "/" else "/login"
        return web.Response(status=303, headers={"Location": way_in})
    title = {403: "Not allowed", 404: "Not found", 429: "Wait a moment"}.get(
        refusal.status, "That did not work"
    )
    way = tag("p", tag("a", "Back to the overview", href="/"))
    return page(request, title, fault(str(refusal)), way, status=refusal.status)


def form(request: web.Request, action: str, *children: Child, **attributes: object) -> Markup:
    """Return a form that changes something: it carries the session's CSRF token."""
    session = visitor_of(request).session
    token = tag("input", type="hidden", name=CSRF_FIELD, value=session.csrf) if session is not None else None
    return tag("form", token, children, method="post", action=action, **attributes)


def field(label: str, control: Markup, hint: Child = None, *, name: str) -> Markup:
    """Return a control with its label."""
    return tag(
        "p", tag("label", label, for_=name), control, tag("small", hint) if hint else None, class_="field"
    )


def said(text: Child) -> Markup:
    """Return something that went well, for `note`."""
    return tag("p", text, class_="note", role="status")


def fault(text: Child) -> Markup:
    """Return something that did not."""
    return tag("p", text, class_="note bad", role="alert")


def is_operator(request: web.Request) -> bool:
    """True for somebody who may change things."""
    session = visitor_of(request).session
    return session is not None and session.role is Role.OPERATOR


def _navigation(request: web.Request, role: Role) -> Markup:
    links = (
        tag(
            "a",
            words,
            href=path,
            aria_current="page" if request.path == path else None,
        )
        for path, words, needed in _NAVIGATION
        if role.may(needed)
    )
    return tag("nav", links, aria_label="Pages")


def _who(request: web.Request) -> Markup:
    session = visitor_of(request).session
    if session is None:
        return tag("a", "Log in", href="/login", class_="who") if request.path != "/login" else Markup()
    leave = form(request, "/logout", tag("button", f"Log out ({session.role.value})", class_="quiet"))
    return tag("div", leave, class_="who")
