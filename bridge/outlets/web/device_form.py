"""A device of the site file by a form: made of what its family says about its options."""

import asyncio
from collections.abc import Iterator, Mapping

from aiohttp import web

from bridge.outlets.web.doors import Doors
from bridge.outlets.web.editing import Editing, mark
from bridge.outlets.web.gate import Gate, Refusal, sent_form
from bridge.outlets.web.html import Child, Markup, tag
from bridge.outlets.web.layout import field, form, page
from bridge.outlets.web.passwords import Role
from bridge.outlets.web.site_page import SitePages
from bridge.outlets.web.site_text import NotThere, device_options, has_more, with_device, without_device

Schema = Mapping[str, object]

#: Asked for before all else.
_FIRST = ("port", "interface", "channel", "host", "unit", "map", "product", "dialect", "serial")
_NAME_PATTERN = "[A-Za-z][A-Za-z0-9_\\-]{0,39}"


class DeviceForms:
    """The handlers."""

    def __init__(self, doors: Doors, editing: Editing, site: SitePages) -> None:
        self._doors = doors
        self._editing = editing
        self._site = site

    def add_to(self, application: web.Application, gate: Gate) -> None:
        """Add the pages."""
        gate.add(application, "GET", "/site/device", self._form, Role.OPERATOR)
        gate.add(application, "POST", "/site/device", self._made, Role.OPERATOR)
        gate.add(application, "POST", "/site/device/remove", self._removed, Role.OPERATOR)

    async def _form(self, request: web.Request) -> web.Response:
        name, family = request.query.get("name", ""), request.query.get("adapter", "")
        schemas = await self._schemas()
        text = await self._editing.text()
        known = device_options(text).get(name, {})
        family = str(known.get("adapter", family))
        if family not in schemas:
            return self._page(request, "Add a device", _choice(schemas))
        if name and has_more(text, name):
            return self._page(
                request,
                f"Change {name}",
                tag("p", "This device has options that no form can show: change it in the text of the site."),
                tag("p", tag("a", "Back to the site", href="/site")),
                self._remove(request, name),
            )
        title = f"Change {name}" if known else f"Add a device: {family}"
        hint = "a letter, then letters, digits, _ or -"
        given = tag("input", name="name", id="name", value=name, required=True, pattern=_NAME_PATTERN)
        made = form(
            request,
            "/site/device",
            tag("input", type="hidden", name="adapter", value=family),
            tag("input", type="hidden", name="former", value=name if known else ""),
            field("Name", given, hint, name="name"),
            _fields(schemas[family], known),
            tag("button", "Review the change"),
            class_="panel",
        )
        return self._page(request, title, made, self._remove(request, name) if known else None)

    async def _made(self, request: web.Request) -> web.Response:
        sent = {key: str(value) for key, value in (await sent_form(request)).items()}
        name, former, family = (sent.get(key, "").strip() for key in ("name", "former", "adapter"))
        schemas = await self._schemas()
        if family not in schemas:
            raise Refusal(400, f"found the family '{family[:40]}', expected one of {', '.join(schemas)}")
        options: dict[str, object] = {"adapter": family}
        for key, kind in _scalars(schemas[family]):
            written = sent.get(f"option-{key}", "").strip()
            if written:
                options[key] = _typed(written, kind)
        now = await self._editing.text()
        text = now
        try:
            if former and former != name:
                text = with_device(text, name, options)
                text = without_device(text, former)
            else:
                text = with_device(text, name, options)
        except NotThere as fault:
            raise Refusal(409, str(fault)) from None
        return await self._site.review(request, text, mark(now))

    async def _removed(self, request: web.Request) -> web.Response:
        name = str((await sent_form(request)).get("name", ""))
        now = await self._editing.text()
        try:
            text = without_device(now, name)
        except NotThere as fault:
            raise Refusal(409, str(fault)) from None
        return await self._site.review(request, text, mark(now))

    async def _schemas(self) -> Mapping[str, Schema]:
        assert self._doors.site is not None  # noqa: S101 - without one there is no editor
        return await asyncio.to_thread(self._doors.site.forms)

    @staticmethod
    def _remove(request: web.Request, name: str) -> Markup:
        return form(
            request,
            "/site/device/remove",
            tag("input", type="hidden", name="name", value=name),
            tag("p", tag("button", f"Remove {name}", class_="danger")),
        )

    def _page(self, request: web.Request, title: str, *children: Child) -> web.Response:
        return page(request, title, *children, site=self._doors.site_name)


def _choice(schemas: Mapping[str, Schema]) -> Markup:
    options = (tag("option", f"{name}: {_about(schema)}", value=name) for name, schema in schemas.items())
    chosen = tag("select", options, name="adapter", id="adapter")
    return tag("form", field("Family", chosen, name="adapter"), tag("button", "Go on"), class_="panel")


def _about(schema: Schema) -> str:
    return str(schema.get("description", "")).partition("\n")[0].rstrip(".")


def _fields(schema: Schema, known: Mapping[str, object]) -> list[Markup]:
    return [_field(key, kind, str(known.get(key, ""))) for key, kind in _scalars(schema)]


def _field(key: str, kind: Schema, value: str) -> Markup:
    own = f"option-{key}"
    required = bool(kind.get("required"))
    choices = _choices(kind)
    if choices:
        empty = [] if required else [tag("option", "as usual", value="")]
        options = [tag("option", choice, value=choice, selected=choice == value) for choice in choices]
        control = tag("select", empty, options, name=own, id=own)
    else:
        control = tag("input", name=own, id=own, value=value, required=required, autocomplete="off")
    return field(key.replace("_", " ").capitalize(), control, str(kind.get("description", "")), name=own)


def _scalars(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the options that are single values, those that are asked for first before the others."""
    properties = schema.get("properties")
    required = schema.get("required")
    assert isinstance(properties, dict)  # noqa: S101 - every model's schema has them
    needed = required if isinstance(required, list) else []
    order = {key: number for number, key in enumerate(_FIRST)}
    for key in sorted(properties, key=lambda key: (key not in needed, order.get(key, len(order)))):
        kind = properties[key]
        if key != "adapter" and isinstance(kind, dict) and _is_single(kind):
            yield key, {**kind, "required": key in needed}


def _is_single(kind: Schema) -> bool:
    wanted = {"string", "integer", "number", "boolean"}
    return all(part.get("type") in (*wanted, "null") or "enum" in part for part in _parts(kind))


def _parts(kind: Schema) -> list[Schema]:
    found = kind.get("anyOf")
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else [kind]


def _choices(kind: Schema) -> list[str]:
    if any(part.get("type") == "boolean" for part in _parts(kind)):
        return ["true", "false"]
    found: list[str] = []
    for part in _parts(kind):
        listed = part.get("enum")
        if isinstance(listed, list):
            found += [str(choice) for choice in listed]
        elif part.get("type") != "null":
            return []
    return found


def _typed(written: str, kind: Schema) -> object:
    """Return what a person has written as the option wants it; what does not fit the check will name."""
    kinds = {part.get("type") for part in _parts(kind)}
    if "boolean" in kinds and written in ("true", "false"):
        return written == "true"
    if "integer" in kinds and written.isascii() and written.lstrip("-").isdecimal():
        return int(written)
    if "number" in kinds:
        try:
            return float(written)
        except ValueError:
            return written
    return written
