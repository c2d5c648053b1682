"""The first run: from nothing to a served site in a browser. Whoever has the one-time token may do it."""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from bridge.datastore.clock import Clock
from bridge.outlets.http import application
from bridge.outlets.web.editing import TEXT_MAX, Checked
from bridge.outlets.web.entrance import keep_cookie
from bridge.outlets.web.gate import COOKIE, Gate, Refusal, see, sent_form
from bridge.outlets.web.html import Child, Markup, tag
from bridge.outlets.web.layout import fault, field, form, page, refused
from bridge.outlets.web.listening import PageListener
from bridge.outlets.web.own_files import OwnFiles
from bridge.outlets.web.passwords import LENGTH_MAX, LENGTH_MIN, Hashed, Role
from bridge.outlets.web.sessions import Sessions
from bridge.outlets.web.visitors import networks

_BODY_MAX = 2 << 20
#: How often the last page looks whether the bridge is there.
_LOOK_AGAIN_S = 3


class SetUpFault(Exception):
    """Something that cannot be done; the text says what was found and what to do."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found: in words, and as a site file."""

    lines: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks to be looked at: a port to ask by name, the networks of this machine or not."""

    port: str
    network: bool
    modbus_port: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a person has decided. service: install it as a service of the system."""

    text: str
    password: str
    service: bool


@dataclass(frozen=True, slots=True)
class SetUpDoors:
    """What this machine can do for a first run. `look` and `finish` raise SetUpFault."""

    clock: Clock
    look: Callable[[Wanted], Awaitable[Looked]]
    check: Callable[[str], Awaitable[Checked]]
    finish: Callable[[Chosen], Awaitable[None]]
    file: str
    modbus_port: int
    may_install: bool


class FirstRun:
    """Serves the pages from `start` to `stop`; `done` is set once a site was written."""

    def __init__(self, host: str, port: int, allow: tuple[str, ...], doors: SetUpDoors) -> None:
        self.token = secrets.token_urlsafe(24)
        self.done = asyncio.Event()
        self._doors = doors
        self._spent = False
        self._sessions = Sessions(doors.clock)
        gate = Gate(self._sessions, networks(allow), page=refused)
        made = application(_BODY_MAX)
        made.middlewares.append(gate.pass_through)
        made.on_response_prepare.append(gate.decorate)
        OwnFiles().add_to(made, gate)
        gate.add(made, "GET", "/setup/{token}", self._enter, None)
        gate.add(made, "GET", "/", self._begin, Role.OPERATOR)
        gate.add(made, "GET", "/login", self._no_login, None)
        gate.add(made, "POST", "/look", self._look, Role.OPERATOR)
        gate.add(made, "POST", "/finish", self._finish, Role.OPERATOR)
        self._listener = PageListener(host, port, made)

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._listener.port

    async def start(self) -> None:
        """Serve. Raises HttpFault."""
        await self._listener.start()

    async def stop(self) -> None:
        """Close the port, so that the bridge can have it."""
        await self._listener.stop()

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        """Take the token, once: whoever reads it later from a history gets nowhere."""
        right = hmac.compare_digest(
            request.match_info["token"].encode("utf-8", "replace"), self.token.encode()
        )
        if self._spent or not right:
            raise Refusal(
                403, "that address was used already or is another one: start `setup` again for a new one"
            )
        self._spent = True
        token, _ = self._sessions.begin(Role.OPERATOR, Hashed(b"", b""))
        reply = see("/")
        keep_cookie(request, reply, token)
        return reply

    async def _no_login(self, request: web.Request) -> web.Response:
        text = "Open the address that `inverter-bridge setup` has printed; it works once."
        return self._page(request, "Set up", tag("p", text))

    async def _begin(self, request: web.Request) -> web.Response:
        doors = self._doors
        ask = tag("input", name="port", id="port", autocomplete="off", placeholder="/dev/ttyUSB0")
        number = tag(
            "input", type="number", name="modbus", id="modbus", min=1, max=65535, value=doors.modbus_port
        )
        box = tag("input", type="checkbox", name="network", id="network", value="yes", checked=True)
        made = form(
            request,
            "/look",
            field("Port to ask", ask, "Others are only listened to; left empty, none is asked.", name="port"),
            tag(
                "p",
                box,
                " ",
                tag("label", "Look through this machine's networks too", for_="network", class_="line"),
            ),
            field("Port of the Modbus server", number, "A GX expects 502.", name="modbus"),
            tag("button", "Look for equipment"),
            class_="panel",
        )
        said = (
            "Plug the cables in first. The bridge listens at every free serial port and sends nothing there; "
            "it takes up to a minute."
        )
        return self._page(request, "Set up: find", tag("p", said), made)

    async def _look(self, request: web.Request) -> web.Response:
        sent = await sent_form(request)
        written = str(sent.get("modbus", ""))
        if not (written.isascii() and written.isdecimal() and len(written) < 6 and 0 < int(written) < 65536):
            raise Refusal(400, "found no port number, expected one of 1 to 65535")
        wanted = Wanted(str(sent.get("port", "")).strip(), sent.get("network") == "yes", int(written))
        try:
            looked = await self._doors.look(wanted)
        except SetUpFault as broken:
            raise Refusal(409, str(broken)) from None
        lines = (
            tag("ul", (tag("li", line) for line in looked.lines))
            if looked.lines
            else tag("p", "Nothing was found.")
        )
        return self._choose(request, looked.text, lines)

    def _choose(self, request: web.Request, text: str, *above: Child, status: int = 200) -> web.Response:
        def secret(name: str) -> Markup:
            return tag(
                "input", type="password", name=name, id=name, required=True, minlength=LENGTH_MIN,
                maxlength=LENGTH_MAX, autocomplete="new-password",
            )  # fmt: skip

        service = None
        if self._doors.may_install:
            box = tag("input", type="checkbox", name="service", id="service", value="yes", checked=True)
            words = "Start it now and with the machine, as a service"
            service = tag("p", box, " ", tag("label", words, for_="service", class_="line"))
        made = form(
            request,
            "/finish",
            tag("label", f"Site file, {self._doors.file}", for_="text"),
            tag("textarea", text, name="text", id="text", spellcheck="false", maxlength=TEXT_MAX),
            field(
                "Password of the operator",
                secret("password"),
                f"At least {LENGTH_MIN} characters.",
                name="password",
            ),
            field("Once more", secret("again"), name="again"),
            service,
            tag("button", "Write it and serve"),
        )
        back = tag("p", tag("a", "Look again", href="/"))
        return self._page(request, "Set up: choose", *above, made, back, status=status)

    async def _finish(self, request: web.Request) -> web.Response:
        sent = await sent_form(request)
        text = str(sent.get("text", "")).replace("\r\n", "\n")
        password = str(sent.get("password", ""))
        if password != sent.get("again"):
            return self._choose(
                request, text, fault("Found two different passwords, expected the same twice."), status=422
            )
        checked = await self._doors.check(text)
        if not checked.good:
            said = tag("pre", checked.said, tabindex="0", role="region", aria_label="Faults")
            return self._choose(request, text, fault("This is not a good site file yet."), said, status=422)
        try:
            await self._doors.finish(Chosen(text, password, sent.get("service") == "yes"))
        except SetUpFault as broken:
            return self._choose(request, text, fault(str(broken)), status=422)
        self._sessions.end(request.cookies.get(COOKIE, ""))
        self.done.set()
        reply = self._page(
            request,
            "Set up: done",
            tag("p", f"{self._doors.file} is written, and the bridge starts."),
            tag("p", tag("a", "Open its page", href="/login", class_="button")),
        )
        reply.headers["Refresh"] = f"{_LOOK_AGAIN_S}; url=/login"
        return reply

    @staticmethod
    def _page(request: web.Request, title: str, *children: Child, status: int = 200) -> web.Response:
        return page(request, title, *children, status=status, bare=True)
