"""A BMS towards an inverter: what it would send while it only observes, and how it leaves that."""

import asyncio

from aiohttp import web

from bridge.datastore.device import Device
from bridge.outlets.web.doors import Doors
from bridge.outlets.web.html import Child, Markup, table, tag
from bridge.outlets.web.layout import field, form, is_operator
from bridge.outlets.web.site_text import observing_devices
from bridge.outlets.web.wording import reading_said

#: Where the family `can_bms` shows the frames of its set, by their ids.
_FRAMES = "/Bms/Frames/"
_PHASE = "/Bms/Phase"


def frames_section(device: Device) -> Child:
    """Return the phase and the frames of a BMS; nothing for any other device."""
    frames = [path for path in device.paths if path.startswith(_FRAMES)]
    if not frames:
        return None
    rows = (
        (path.removeprefix(_FRAMES), tag("td", tag("code", _said(device, path), data_path=path)))
        for path in frames
    )
    phase = None
    if device.has(_PHASE):
        phase = tag("p", "Phase: ", tag("strong", _said(device, _PHASE), data_path=_PHASE))
    return tag("section", phase, table("Frames towards the inverter", ("Id", "Data"), rows))


async def observe_section(request: web.Request, doors: Doors, device: Device) -> Child:
    """Return the way out of observing, for an operator of a device that does."""
    site = doors.site
    if site is None or not is_operator(request):
        return None
    if not await asyncio.to_thread(_observes, doors, device.name):
        return None
    return _form(request, device)


def _observes(doors: Doors, name: str) -> bool:
    assert doors.site is not None  # noqa: S101 - the caller has looked
    try:
        text = doors.site.path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return name in observing_devices(text)


def _form(request: web.Request, device: Device) -> Markup:
    return form(
        request,
        f"/devices/{device.name}/observe",
        tag("h2", "It only observes"),
        tag(
            "p",
            "It sends nothing; the frames below are what it would send. An inverter that hears them "
            "charges and discharges by them. Compare them with what the battery allows before you go on.",
        ),
        field(
            f"To let it send, type its name: {device.name}",
            tag("input", type="text", name="typed", id="typed", autocomplete="off", required=True),
            name="typed",
        ),
        tag("button", "Let it send", class_="danger"),
        class_="panel",
    )


def _said(device: Device, path: str) -> str:
    return reading_said(device.reading(path), device.spec(path))
