"""What happened: writes with their outcomes, links, operations, and who was not let write."""

from itertools import islice

from aiohttp import web

from bridge.outlets.web.device_page import outcomes_table
from bridge.outlets.web.doors import Doors
from bridge.outlets.web.events import EventLog
from bridge.outlets.web.gate import Gate
from bridge.outlets.web.html import Child, Markup, table, tag
from bridge.outlets.web.layout import form, is_operator, page
from bridge.outlets.web.passwords import Role
from bridge.outlets.web.wording import moment_said

_SHOWN = 100


class EventPages:
    """The handlers."""

    def __init__(self, doors: Doors, events: EventLog) -> None:
        self._doors = doors
        self._events = events

    def add_to(self, application: web.Application, gate: Gate) -> None:
        """Add the page."""
        gate.add(application, "GET", "/events", self._page, Role.VIEWER)

    async def _page(self, request: web.Request) -> web.Response:
        others = [event for event in self._events if event.attempt is None]
        rows = (
            (moment_said(event.time, self._doors.zone), event.device or "the bridge", event.kind, event.text)
            for event in islice(others, _SHOWN)
        )
        happened = (
            table("Links and operations", ("Time", "Device", "What", "Said"), rows)
            if others
            else tag("p", "No link has changed since the bridge has started.", class_="faint")
        )
        return page(
            request,
            "Events",
            tag(
                "p",
                "Since the bridge has started; the outlet `audit` keeps all writes in a file.",
                class_="faint",
            ),
            self._refused(request),
            outcomes_table(islice(self._events, _SHOWN), self._doors, "Writes", devices=True),
            happened,
            site=self._doors.site_name,
        )

    def _refused(self, request: web.Request) -> Child:
        """Return who wanted to write and might not, with a button that allows it."""
        if not self._events.refused:
            return None
        may = is_operator(request) and self._doors.site is not None
        rows = [
            (
                address,
                times,
                moment_said(last, self._doors.zone),
                _allow(request, address) if may else "an operator can allow it",
            )
            for address, (times, last) in sorted(self._events.refused.items())
        ]
        return table("Writers that were refused", ("Address", "Times", "Last", "Allow"), rows)


def _allow(request: web.Request, address: str) -> Markup:
    return form(
        request,
        "/site/allow",
        tag("input", type="hidden", name="address", value=address),
        tag("button", f"Let {address} write", class_="quiet"),
    )
