"""What every request passes before a page is made: address, name, origin, session, right, CSRF token.

A page that no right was declared for is not there, so that none can be forgotten.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from bridge.outlets.web.passwords import Role
from bridge.outlets.web.sessions import Sessions
from bridge.outlets.web.visitors import (
    Network,
    Visitor,
    arrived,
    is_own_name,
    is_own_origin,
    receive,
    visitor_of,
    within,
)

_log = logging.getLogger(__name__)

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE = "inverter_bridge"
#: The field of a form and the header of a script that carry the session's CSRF token.
CSRF_FIELD, CSRF_HEADER = "csrf", "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD"})
API = "/api/"
#: Scripts, styles and pictures come from here alone, nothing is inline, nobody may frame a page.
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with `no-referrer` browsers send forms with the origin "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), usb=(), serial=()",
}
_NO_STORE = "no-store"
_FORM = "application/x-www-form-urlencoded"


class Refusal(Exception):
    """A request that is not done: HTTP status, what was found, and what to do."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(slots=True)
class Gate:
    """Lets requests through. `allow`: networks that may come; `names`: further names of this bridge."""

    sessions: Sessions
    allow: tuple[Network, ...]
    proxies: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()
    #: Makes the page of a refusal for people.
    page: Callable[[web.Request, Refusal], web.Response] | None = None
    _rights: dict[tuple[str, str], Role | None] = field(default_factory=dict)

    def add(
        self, application: web.Application, method: str, path: str, page: Page, needs: Role | None
    ) -> None:
        """Add a page and say who may see it; None is anybody within `allow`."""
        route = application.router.add_route(method, path, page)
        assert route.resource is not None  # noqa: S101 - a route by path has one
        self._rights[method, route.resource.canonical] = needs

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Page) -> web.StreamResponse:
        """Do a request, or say why not."""
        try:
            await self._judge(request)
            reply = await handler(request)
        except Refusal as refusal:
            reply = self._refused(request, refusal)
        except web.HTTPException as known:
            if known.status < 400:
                reply = _as_reply(known)
            else:
                reply = self._refused(request, Refusal(known.status, known.reason))
        except (ConnectionError, TimeoutError):
            raise
        except Exception as fault:  # noqa: BLE001 - a defect of one page ends nothing else
            _log.exception("outlet=web page=%s failed", request.path[:200])
            said = f"unexpected fault: {type(fault).__name__}; see the log of the bridge"
            reply = self._refused(request, Refusal(500, said))
        return reply

    async def decorate(self, request: web.Request, reply: web.StreamResponse) -> None:
        """Put the strict headers on every reply, event streams as well; for `on_response_prepare`."""
        for name, value in HEADERS.items():
            reply.headers[name] = value
        reply.headers.setdefault("Cache-Control", _NO_STORE)
        reply.headers["Server"] = "inverter-bridge"
        if visitor_of(request).secure:
            reply.headers["Strict-Transport-Security"] = "max-age=31536000"

    async def _judge(self, request: web.Request) -> None:
        visitor = arrived(request, self.proxies)
        receive(request, visitor)
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical == "/healthz":
            return
        if not within(visitor.address, self.allow):
            raise Refusal(
                403,
                f"your address {visitor.address} may not see this page: to allow it, add it to `allow` of "
                "`web` in the site file",
            )
        if not is_own_name(request.host, self.names):
            raise Refusal(
                421,
                "this bridge does not go by that name: use its address, or add the name to `names` of `web`",
            )
        if request.method not in SAFE_METHODS and not is_own_origin(request):
            raise Refusal(
                403, "another site has sent this request: open the bridge's own page and do it there"
            )
        self._find_session(request, visitor)
        key = request.method.replace("HEAD", "GET"), resource.canonical if resource is not None else ""
        if key not in self._rights:
            raise Refusal(404, "found no such page: begin at the overview")
        needed = self._rights[key]
        if needed is None:
            return
        session = visitor.session
        if session is None:
            raise Refusal(401, "log in first")
        if not session.role.may(needed):
            raise Refusal(403, f"a {session.role.value} may not do that: log in as {needed.value}")
        if request.method not in SAFE_METHODS and not session.vouches(await self._csrf(request)):
            raise Refusal(403, "this form is out of date or was forged: load the page again and repeat it")

    def _find_session(self, request: web.Request, visitor: Visitor) -> None:
        token = request.cookies.get(COOKIE, "")
        if token:
            visitor.session = self.sessions.find(token)
            visitor.token = token

    @staticmethod
    async def _csrf(request: web.Request) -> str:
        sent = request.headers.get(CSRF_HEADER)
        if sent is not None:
            return sent
        if request.content_type != _FORM:
            return ""
        field_ = (await sent_form(request)).get(CSRF_FIELD, "")
        return field_ if isinstance(field_, str) else ""

    def _refused(self, request: web.Request, refusal: Refusal) -> web.Response:
        if request.path.startswith(API) or self.page is None:
            reply = web.json_response({"error": str(refusal)}, status=refusal.status)
        else:
            reply = self.page(request, refusal)
        reply.headers.update(refusal.headers)
        if refusal.status in (403, 413, 421, 429) and visitor_of(request).session is None:
            reply.force_close()
        return reply


def _as_reply(known: web.HTTPException) -> web.Response:
    return web.Response(status=known.status, headers={"Location": known.headers.get("Location", "/")})


async def sent_form(request: web.Request) -> Mapping[str, object]:
    """Return the fields of a form, as browsers send those of these pages. Raises Refusal."""
    charset = (request.charset or "utf-8").lower()
    if request.content_type == "multipart/form-data" or charset not in ("utf-8", "us-ascii"):
        raise Refusal(415, f"expected a form of the type {_FORM} in UTF-8")
    try:
        return await request.post()
    except ValueError:
        raise Refusal(400, "found a form that cannot be read, expected UTF-8") from None


def see(path: str) -> web.Response:
    """Return the reply that leads a browser on after a form."""
    return web.Response(status=303, headers={"Location": path})
