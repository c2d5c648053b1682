"""The front page and the login."""

from urllib.parse import quote

from aiohttp import web

from bridge.datastore.device import Device
from bridge.outlets.web.doors import Doors
from bridge.outlets.web.entrance import Entrance, check_small, drop_cookie, keep_cookie
from bridge.outlets.web.facts import device_facts, point_facts, telling_paths, units_of
from bridge.outlets.web.gate import Gate, Refusal, see, sent_form
from bridge.outlets.web.html import Markup, tag
from bridge.outlets.web.layout import fault, field, page
from bridge.outlets.web.passwords import Role
from bridge.outlets.web.visitors import visitor_of

#: What a browser may be led to after the login.
_AFTER = ("/devices/", "/energy", "/events", "/site")
#: The bridge itself stands behind its equipment.
_OWN = "bridge"


class FrontPages:
    """The handlers."""

    def __init__(self, doors: Doors, entrance: Entrance) -> None:
        self._doors = doors
        self._entrance = entrance

    def add_to(self, application: web.Application, gate: Gate, front: Role | None) -> None:
        """Add the pages. front: who may see the front page."""
        gate.add(application, "GET", "/", self._overview, front)
        gate.add(application, "GET", "/login", self._form, None)
        gate.add(application, "POST", "/login", self._login, None)
        gate.add(application, "POST", "/logout", self._logout, Role.VIEWER)

    async def _overview(self, request: web.Request) -> web.Response:
        units = units_of(self._doors.figures())
        logged_in = visitor_of(request).session is not None
        cards = [
            _card(device, [f"unit {unit['unit']}" for unit in units.get(device.name, ())], linked=logged_in)
            for device in sorted(self._doors.datastore, key=lambda one: one.name == _OWN)
        ]
        live = tag("div", cards, class_="cards", data_stream="/api/v1/stream")
        return page(request, "Overview", live, site=self._doors.site_name)

    async def _form(self, request: web.Request) -> web.Response:
        return self._login_page(request)

    def _login_page(self, request: web.Request, refusal: Refusal | None = None) -> web.Response:
        if not self._entrance.roles:
            note = fault(
                (
                    "No password is set yet. On the machine of the bridge run ",
                    tag("code", "inverter-bridge password --role operator SITE"),
                    ", with the site file for SITE.",
                )
            )
        else:
            note = fault(str(refusal)) if refusal is not None else Markup()
        roles = (
            tag("option", role.value, value=role.value, selected=role is Role.OPERATOR)
            for role in (Role.OPERATOR, Role.VIEWER)
        )
        after = request.query.get("after", "")
        made = tag(
            "form",
            tag("input", type="hidden", name="after", value=after if after.startswith(_AFTER) else "/"),
            field(
                "Who", tag("select", roles, name="role", id="role", autocomplete="username"), name="role"
            ),
            field(
                "Password",
                tag("input", type="password", name="password", id="password", required=True,
                    autocomplete="current-password", maxlength=256),
                name="password",
            ),
            tag("button", "Log in"),
            method="post",
            action="/login",
            class_="panel",
        )  # fmt: skip
        reply = page(request, "Log in", made, note=note, site=self._doors.site_name)
        if refusal is not None:
            reply.set_status(refusal.status)
            reply.headers.update(refusal.headers)
        return reply

    async def _login(self, request: web.Request) -> web.StreamResponse:
        check_small(request)
        sent = await sent_form(request)
        role, password, after = (str(sent.get(key, "")) for key in ("role", "password", "after"))
        try:
            token, _ = await self._entrance.log_in(request, role, password)
        except Refusal as refusal:
            return self._login_page(request, refusal)
        reply = see(quote(after) if after.startswith(_AFTER) else "/")
        keep_cookie(request, reply, token)
        return reply

    async def _logout(self, request: web.Request) -> web.Response:
        self._entrance.sessions.end(visitor_of(request).token)
        reply = see("/login")
        drop_cookie(reply)
        return reply


def _card(device: Device, units: list[str], *, linked: bool) -> Markup:
    facts = device_facts(device)
    name = (
        tag("a", device.name, href=f"/devices/{quote(device.name)}") if linked else tag("span", device.name)
    )
    product = " \N{MIDDLE DOT} ".join(
        str(part) for part in (facts["product"], facts["serial"], *units) if part
    )
    values = (
        tag(
            "div",
            tag("dt", _short(path)),
            tag("dd", point_facts(device, path)["said"], data_path=path),
        )
        for path in telling_paths(device)
    )
    return tag(
        "section",
        tag("h2", name),
        tag("p", product, class_="faint"),
        tag("p", str(facts["said"]), class_="link", data_look=facts["look"], data_link=True),
        tag("dl", values),
        class_="card",
        data_device=device.name,
    )


def _short(path: str) -> str:
    """Return a path without what only a program wants to see."""
    return path.removeprefix("/").removeprefix("Settings/").replace("/", " ")
