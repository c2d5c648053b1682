"""Writing a point from the page: asked for, confirmed, done, and its outcome told."""

from urllib.parse import quote

from aiohttp import web

from bridge.datastore.device import Device
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Value
from bridge.outlets.web.doors import Doors
from bridge.outlets.web.events import EventLog
from bridge.outlets.web.gate import Gate, Refusal, sent_form
from bridge.outlets.web.html import Child, Markup, tag
from bridge.outlets.web.layout import fault, field, form, page, said
from bridge.outlets.web.passwords import Role
from bridge.outlets.web.visitors import visitor_of
from bridge.outlets.web.wording import outcome_said, reading_said, value_said
from bridge.outlets.web.writing import value_of, write

#: The field of a form that says that a person has seen what would be written.
_CONFIRMED = "confirmed"


def device_of(request: web.Request, doors: Doors) -> Device:
    """Return the device that a path names. Raises Refusal."""
    found = doors.datastore.devices.get(request.match_info["device"])
    if found is None:
        raise Refusal(404, "found no such device: the overview lists those that there are")
    return found


def device_path(device: Device, what: str = "") -> str:
    """Return the address of a device's page."""
    return f"/devices/{quote(device.name)}{what}"


class WritePages:
    """The handlers."""

    def __init__(self, doors: Doors, events: EventLog) -> None:
        self._doors = doors
        self._events = events

    def add_to(self, application: web.Application, gate: Gate) -> None:
        """Add the pages."""
        gate.add(application, "GET", "/devices/{device}/write", self._ask, Role.OPERATOR)
        gate.add(application, "POST", "/devices/{device}/write", self._write, Role.OPERATOR)

    async def _ask(self, request: web.Request) -> web.Response:
        device = device_of(request, self._doors)
        spec = _writable(device, request.query.get("path", ""))
        now = tag("p", "Now: ", reading_said(device.reading(spec.path), spec))
        made = form(
            request,
            device_path(device, "/write"),
            tag("input", type="hidden", name="path", value=spec.path),
            now,
            field("New value", _control(spec, device), _range(spec, device), name="value"),
            tag("button", "Go on"),
            class_="panel",
        )
        return self._page(request, device, spec, made)

    async def _write(self, request: web.Request) -> web.Response:
        device = device_of(request, self._doors)
        sent = await sent_form(request)
        spec = _writable(device, str(sent.get("path", "")))
        value = value_of(str(sent.get("value", "")), spec)
        if sent.get(_CONFIRMED) != "yes":
            return self._page(request, device, spec, _confirmation(request, device, spec, value))
        try:
            outcomes = await write(device, {spec.path: value}, visitor_of(request))
        except Refusal as refusal:
            return self._page(request, device, spec, fault(str(refusal)), status=refusal.status)
        newest = next(self._events.of(device.name, spec.path), None)
        reason = newest.text if newest is not None else ""
        outcome = next(iter(outcomes.values()))
        text = f"{spec.path} to {value_said(value, spec)}: {outcome_said(outcome)}"
        text += f" ({reason})" if reason else ""
        note = said(text) if outcome.word == "confirmed" else fault(text)
        return self._page(request, device, spec, note)

    def _page(
        self, request: web.Request, device: Device, spec: PointSpec, *children: Child, status: int = 200
    ) -> web.Response:
        back = tag("p", tag("a", f"Back to {device.name}", href=device_path(device)))
        title = f"Write {spec.path} of {device.name}"
        return page(request, title, *children, back, site=self._doors.site_name, status=status)


def _writable(device: Device, path: str) -> PointSpec:
    if not device.has(path) or not device.spec(path).writable:
        raise Refusal(404, f"device {device.name} has no writable point {path[:100]}")
    if path in device.fed:
        raise Refusal(409, f"{path} is fed by a link of the site file, which alone may write it")
    return device.spec(path)


def _limits(spec: PointSpec, device: Device) -> tuple[float | None, float | None]:
    """Return the range that holds now, the live limits included."""

    def of(fixed: float | None, live: str | None) -> list[float]:
        value = device.value(live) if live is not None else None
        return [one for one in (fixed, value) if isinstance(one, int | float)]

    least, most = of(spec.minimum, spec.minimum_from), of(spec.maximum, spec.maximum_from)
    return max(least, default=None), min(most, default=None)


def _control(spec: PointSpec, device: Device) -> Markup:
    now = device.value(spec.path)
    if spec.choices:
        options = (
            tag("option", f"{name} ({number})", value=number, selected=number == now)
            for number, name in spec.choices.items()
        )
        return tag("select", options, name="value", id="value")
    if spec.text:
        return tag("input", type="text", name="value", id="value", value=now, required=True)
    least, most = _limits(spec, device)
    return tag(
        "input",
        type="number",
        name="value",
        id="value",
        value=now,
        min=least if spec.off is None else None,
        max=most,
        step=spec.step or "any",
        required=True,
    )


def _range(spec: PointSpec, device: Device) -> str:
    if spec.text or spec.choices:
        return "wears the device's memory" if spec.nonvolatile else ""
    least, most = _limits(spec, device)
    parts = []
    if least is not None or most is not None:
        low, high = ("any" if one is None else f"{one:g}" for one in (least, most))
        parts.append(f"{low} to {high} {spec.unit_of_measure}".strip())
    elif spec.unit_of_measure:
        parts.append(f"in {spec.unit_of_measure}")
    if spec.nonvolatile:
        parts.append("wears the device's memory")
    return "; ".join(parts)


def _confirmation(request: web.Request, device: Device, spec: PointSpec, value: Value) -> Markup:
    now = reading_said(device.reading(spec.path), spec)
    return form(
        request,
        device_path(device, "/write"),
        tag("input", type="hidden", name="path", value=spec.path),
        tag("input", type="hidden", name="value", value=value),
        tag("input", type="hidden", name=_CONFIRMED, value="yes"),
        tag(
            "p",
            f"Set {spec.path} of {device.name} from {now} to ",
            tag("strong", value_said(value, spec)),
            "?",
        ),
        tag("p", tag("button", "Yes, write it"), " ", tag("a", "No", href=device_path(device))),
        class_="panel",
    )
