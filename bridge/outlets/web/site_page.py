"""The site editor: the text with a live check, devices by forms, differences, versions, and taking effect."""

import asyncio
import json
from urllib.parse import urlencode

from aiohttp import web

from bridge.outlets.web.doors import Doors
from bridge.outlets.web.editing import TEXT_MAX, Editing, mark
from bridge.outlets.web.gate import API, Gate, Refusal, sent_form
from bridge.outlets.web.html import Child, Markup, table, tag
from bridge.outlets.web.layout import fault, form, page, said
from bridge.outlets.web.passwords import Role
from bridge.outlets.web.site_text import (
    NotThere,
    device_options,
    difference,
    leave_observe,
    with_section,
)
from bridge.outlets.web.visitors import visitor_of
from bridge.outlets.web.wording import moment_said


class SitePages:
    """The handlers. All of them are for operators."""

    def __init__(self, doors: Doors, editing: Editing) -> None:
        self._doors = doors
        self._editing = editing

    def add_to(self, application: web.Application, gate: Gate) -> None:
        """Add the pages."""
        for method, path, handler in (
            ("GET", "/site", self._site),
            ("POST", "/site/review", self._review),
            ("POST", "/site/apply", self._apply),
            ("POST", "/site/undo", self._undo),
            ("POST", "/site/reload", self._reload),
            ("POST", "/site/allow", self._allow),
            ("GET", "/site/versions/{number}", self._version),
            ("POST", "/devices/{device}/observe", self._observe),
            ("POST", f"{API}v1/site/check", self._check),
        ):
            gate.add(application, method, path, handler, Role.OPERATOR)

    async def _site(self, request: web.Request, note: Child = None, status: int = 200) -> web.Response:
        text = await self._editing.text()
        kept = await asyncio.to_thread(self._editing.versions.listed)
        rows = [
            (
                moment_said(one.time.timestamp(), self._doors.zone),
                tag("a", f"Version {one.number}", href=f"/site/versions/{one.number}"),
            )
            for one in kept
        ]
        versions: Child = tag(
            "p", "None yet: a version is kept whenever the file is changed here.", class_="faint"
        )
        if rows:
            versions = (
                table("Former versions", ("Replaced", "Version"), rows),
                form(request, "/site/undo", tag("button", "Undo the last change", class_="quiet")),
            )
        return page(
            request,
            "Site",
            tag("p", "The site file of this bridge: ", tag("code", str(self._editing.path))),
            self._devices(text),
            self._editor(request, text, text),
            tag("h2", "Versions"),
            versions,
            tag("h2", "The file on disk"),
            tag(
                "p",
                "After a change by other means the bridge can read it again; unchanged devices go on.",
                class_="faint",
            ),
            form(request, "/site/reload", tag("button", "Read the file again", class_="quiet")),
            site=self._doors.site_name,
            note=note,
            status=status,
        )

    def _devices(self, text: str) -> Markup:
        rows = [
            (
                name,
                options.get("adapter", ""),
                options.get("port") or options.get("host") or options.get("channel") or "",
                options.get("unit", ""),
                tag(
                    "a",
                    "Change",
                    href=f"/site/device?{urlencode({'name': name})}",
                    aria_label=f"Change {name}",
                ),
            )
            for name, options in device_options(text).items()
        ]
        add = tag("p", tag("a", "Add a device", href="/site/device", class_="button"))
        shown = [[str(cell) if not isinstance(cell, Markup) else cell for cell in row] for row in rows]
        return tag(
            "section",
            tag("h2", "Devices"),
            table("Devices of the file", ("Name", "Family", "Port", "Unit", ""), shown) if shown else None,
            add,
        )

    @staticmethod
    def _editor(request: web.Request, text: str, base: str) -> Markup:
        area = tag(
            "textarea", text, name="text", id="text", spellcheck="false", autocomplete="off",
            maxlength=TEXT_MAX, data_check="/api/v1/site/check", data_output="verdict",
            aria_describedby="verdict",
        )  # fmt: skip
        return form(
            request,
            "/site/review",
            tag("h2", "Text"),
            tag("label", "Site file", for_="text"),
            tag("input", type="hidden", name="base", value=mark(base)),
            area,
            tag("pre", id="verdict", role="status", aria_label="What the check says", tabindex="0"),
            tag("button", "Review the change"),
        )

    async def _check(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
            text = body["text"]
        except (ValueError, KeyError, TypeError, RecursionError):
            text = None
        if not isinstance(text, str):
            raise Refusal(400, 'expected {"text": ".."}')
        checked = await self._editing.check(text)
        return web.json_response({"good": checked.good, "said": checked.said})

    async def _review(self, request: web.Request) -> web.Response:
        sent = await sent_form(request)
        return await self.review(request, str(sent.get("text", "")), str(sent.get("base", "")))

    async def review(self, request: web.Request, text: str, base: str, note: Child = None) -> web.Response:
        """Show what a text would change, and ask whether it is to take effect."""
        former = await self._editing.text()
        text = text.replace("\r\n", "\n")
        checked = await self._editing.check(text)
        lines = difference(former, text)
        if not checked.good:
            verdict = (
                fault("This is not a good site file yet; nothing was changed."),
                tag("pre", checked.said, tabindex="0", role="region", aria_label="Faults"),
                self._editor(request, text, former),
            )
            return self._page(request, "Review", *verdict, note=note, status=422)
        if not lines:
            return await self._site(request, said("Nothing differs from the site file."))
        apply = form(
            request,
            "/site/apply",
            tag("input", type="hidden", name="text", value=text),
            tag("input", type="hidden", name="base", value=base or mark(former)),
            tag("p", tag("button", "Apply it now"), " ", tag("a", "Leave it as it is", href="/site")),
        )
        return self._page(
            request,
            "Review",
            tag("pre", checked.said, tabindex="0", role="region", aria_label="What the check says"),
            _difference(lines),
            tag("p", "Devices that change start anew, all others go on serving."),
            apply,
            note=note,
        )

    async def _apply(self, request: web.Request) -> web.Response:
        sent = await sent_form(request)
        text, base = str(sent.get("text", "")), str(sent.get("base", ""))
        return await self._taken(request, text, base)

    async def _taken(self, request: web.Request, text: str, base: str) -> web.Response:
        try:
            told = await self._editing.apply(text, base, visitor_of(request).name)
        except Refusal as refusal:
            return await self._site(
                request, tag("pre", str(refusal), class_="note bad", role="alert"), refusal.status
            )
        return await self._site(request, said(f"In force: {told}."))

    async def _undo(self, request: web.Request) -> web.Response:
        kept = await asyncio.to_thread(self._editing.versions.listed)
        if not kept:
            raise Refusal(404, "there is no former version")
        text = await asyncio.to_thread(kept[0].text)
        return await self._taken(request, text, mark(await self._editing.text()))

    async def _reload(self, request: web.Request) -> web.Response:
        try:
            told = await self._editing.reload(visitor_of(request).name)
        except Refusal as refusal:
            return await self._site(
                request, tag("pre", str(refusal), class_="note bad", role="alert"), refusal.status
            )
        return await self._site(request, said(f"Read again: {told}."))

    async def _version(self, request: web.Request) -> web.Response:
        written = request.match_info["number"]
        number = int(written) if written.isascii() and written.isdecimal() and len(written) < 7 else -1
        version = await asyncio.to_thread(self._editing.versions.find, number)
        if version is None:
            raise Refusal(404, "that version is not kept any more")
        text, former = await asyncio.to_thread(version.text), await self._editing.text()
        back = form(
            request,
            "/site/review",
            tag("input", type="hidden", name="text", value=text),
            tag("input", type="hidden", name="base", value=mark(former)),
            tag("p", tag("button", "Take this version again"), " ", tag("a", "Back", href="/site")),
        )
        lines = difference(former, text)
        what = _difference(lines) if lines else tag("p", "It is the same as the file now.")
        shown = tag("pre", text, tabindex="0", role="region", aria_label="The whole version")
        return self._page(request, f"Version {version.number}", what, back, tag("h2", "All of it"), shown)

    async def _observe(self, request: web.Request) -> web.Response:
        sent = await sent_form(request)
        name = request.match_info["device"]
        if sent.get("typed") != name:
            raise Refusal(422, f"found another name, expected '{name}': it still only observes")
        former = await self._editing.text()
        try:
            text = leave_observe(former, name)
        except NotThere as fault_:
            raise Refusal(409, str(fault_)) from None
        return await self._taken(request, text, mark(former))

    async def _allow(self, request: web.Request) -> web.Response:
        sent = await sent_form(request)
        assert self._doors.site is not None  # noqa: S101 - without one there is no editor
        try:
            line = self._doors.site.line_to_write(str(sent.get("address", "")))
        except ValueError:
            raise Refusal(400, "found no address, expected one such as 192.168.1.5") from None
        former = await self._editing.text()
        return await self._taken(request, with_section(former, line), mark(former))

    def _page(
        self, request: web.Request, title: str, *children: Child, note: Child = None, status: int = 200
    ) -> web.Response:
        return page(request, title, *children, site=self._doors.site_name, note=note, status=status)


def _difference(lines: list[str]) -> Markup:
    classes = {"+": "add", "-": "cut"}
    shown = [(tag("span", line, class_=classes.get(line[:1])), "\n") for line in lines]
    return tag("pre", shown, tabindex="0", role="region", aria_label="What differs")
