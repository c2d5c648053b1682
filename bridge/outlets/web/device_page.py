"""The page of one device: its points with their registers and ages, and its newest outcomes."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlencode

from aiohttp import web

from bridge.datastore.device import Device
from bridge.outlets.web.doors import Doors
from bridge.outlets.web.events import Event, EventLog
from bridge.outlets.web.facts import Json, device_facts, point_facts, telling_paths, units_of
from bridge.outlets.web.gate import Gate
from bridge.outlets.web.html import Child, Markup, table, tag
from bridge.outlets.web.layout import field, is_operator, page
from bridge.outlets.web.observing import frames_section, observe_section
from bridge.outlets.web.operating import operations_section
from bridge.outlets.web.passwords import Role
from bridge.outlets.web.wording import moment_said, outcome_said, value_said
from bridge.outlets.web.write_page import device_of, device_path
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.rows import Row, rows_of

_OUTCOMES_SHOWN = 10


class DevicePages:
    """The handlers."""

    def __init__(self, doors: Doors, events: EventLog, beside: Path) -> None:
        self._doors = doors
        self._events = events
        self._beside = beside
        self._rows: dict[str, tuple[Row, ...]] = {}

    def add_to(self, application: web.Application, gate: Gate) -> None:
        """Add the page."""
        gate.add(application, "GET", "/devices/{device}", self._device, Role.VIEWER)

    async def _device(self, request: web.Request) -> web.Response:
        device = device_of(request, self._doors)
        units = units_of(self._doors.figures()).get(device.name, [])
        registers = await self._registers(units)
        operator = is_operator(request)
        observing = await observe_section(request, self._doors, device)
        return page(
            request,
            device.name,
            tag(
                "div",
                _head(device, units),
                observing,
                frames_section(device),
                self._chart(request, device),
                table(
                    "Points",
                    ("Point", "Value", "Age", "Registers", *(("Write",) if operator else ())),
                    (
                        _point(device, path, registers.get(path, ()), operator=operator)
                        for path in device.paths
                    ),
                ),
                data_device=device.name,
                data_stream=f"/api/v1/stream/{quote(device.name)}",
            ),
            outcomes_table(
                islice(self._events.of(device.name), _OUTCOMES_SHOWN), self._doors, "Newest writes"
            ),
            operations_section(device, tuple(self._doors.operations(device.name))) if operator else None,
            site=self._doors.site_name,
            scripts=("uplot.js",) if self._doors.history is not None else (),
            styles=("uplot.css",) if self._doors.history is not None else (),
        )

    def _chart(self, request: web.Request, device: Device) -> Child:
        numbers = [path for path in device.paths if not device.spec(path).text]
        if self._doors.history is None or not numbers:
            return None
        chosen = request.query.get("chart", "")
        shown = chosen if chosen in numbers else _first_shown(device, numbers)
        span = request.query.get("span", "day")
        span = span if span in ("hour", "day", "week", "month", "year") else "day"
        source = f"/api/v1{device_path(device)}/history?{urlencode({'path': shown, 'span': span})}"
        options = (tag("option", path, value=path, selected=path == shown) for path in numbers)
        lengths = (
            tag("option", f"last {one}", value=one, selected=one == span)
            for one in ("hour", "day", "week", "month", "year")
        )
        return (
            tag("h2", "What it has been"),
            tag(
                "form",
                field("Point", tag("select", options, id="chart", name="chart"), name="chart"),
                field("Time", tag("select", lengths, id="span", name="span"), name="span"),
                tag("button", "Show"),
                class_="inline",
            ),
            tag(
                "div",
                tag("p", "Loading the chart.", class_="faint"),
                class_="chart",
                data_chart=source,
                data_title=shown,
                role="img",
                aria_label=f"Chart of {shown} over the last {span}",
            ),
        )

    async def _registers(self, units: Iterable[dict[str, Json]]) -> dict[str, list[str]]:
        """Return by point the registers that show it, in words."""
        found: dict[str, list[str]] = {}
        for unit in units:
            name = str(unit["map"])
            if name and name not in self._rows:
                self._rows[name] = await asyncio.to_thread(self._load, name)
            for row in self._rows.get(name, ()):
                if row.path is not None:
                    scale = f" \N{MULTIPLICATION SIGN}{row.scale:g}" if row.scale != 1 else ""
                    text = f"unit {unit['unit']} {row.table.value} 0x{row.address:04X} {row.type}{scale}"
                    if text not in (known := found.setdefault(row.path, [])):
                        known.append(text)
        return found

    def _load(self, name: str) -> tuple[Row, ...]:
        loaded = Catalogue().load(name, self._beside).map
        return rows_of(loaded) if loaded is not None else ()


def outcomes_table(events: Iterable[Event], doors: Doors, caption: str, *, devices: bool = False) -> Markup:
    """Return writes and their outcomes as a table."""
    rows = []
    for event in events:
        attempt = event.attempt
        if attempt is None:
            continue
        device = doors.datastore.devices.get(attempt.device)
        path = attempt.path
        spec = device.spec(path) if device is not None and path is not None and device.has(path) else None
        where = f"unit {attempt.unit}" if attempt.unit is not None else ""
        row: list[Child] = [moment_said(event.time, doors.zone)]
        row += [attempt.device] if devices else []
        row += [
            attempt.path or where,
            f"{value_said(attempt.old, spec)} \N{RIGHTWARDS ARROW} {value_said(attempt.new, spec)}",
            str(attempt.origin),
            outcome_said(attempt.outcome) + (f": {attempt.reason}" if attempt.reason else ""),
        ]
        rows.append(row)
    headings = ["Time", *(["Device"] if devices else []), "Point", "Value", "By", "Outcome"]
    if not rows:
        return tag(
            "section", tag("h2", caption), tag("p", "None since the bridge has started.", class_="faint")
        )
    return table(caption, headings, rows)


def _first_shown(device: Device, numbers: Sequence[str]) -> str:
    """Return the point whose course is worth a look: a quantity rather than a state."""
    telling = [path for path in telling_paths(device) if path in numbers]
    return next((path for path in telling if device.spec(path).unit_of_measure), numbers[0])


def _head(device: Device, units: Iterable[dict[str, Json]]) -> Markup:
    facts = device_facts(device)
    served = ", ".join(f"unit {unit['unit']} on {unit['listener']}" for unit in units)
    pairs = (
        ("Product", facts["product"]),
        ("Serial", facts["serial"]),
        ("Firmware", facts["firmware"]),
        ("Served as", served or "not served"),
        ("Faults counted", facts["errors"]),
        ("Wearing writes left today", facts["wear_left"]),
        ("Set-points in force", facts["set_points"]),
    )
    link = tag("p", str(facts["said"]), class_="link", data_look=facts["look"], data_link=True)
    found = (tag("div", tag("dt", name), tag("dd", str(value))) for name, value in pairs if value != "")
    return tag("section", link, tag("dl", found), class_="panel")


def _point(device: Device, path: str, registers: Iterable[str], *, operator: bool) -> list[Child]:
    facts = point_facts(device, path)
    held = f" (held: {value_said(device.held(path), device.spec(path))})" if facts["held"] is not None else ""
    cells: list[Child] = [
        (
            path,
            tag("small", "fed by a link") if facts["fed_by_link"] else None,
            tag("small", held) if held else None,
        ),
        tag("td", str(facts["said"]), data_path=path, class_=None if facts["status"] == "ok" else "stale"),
        tag("td", str(facts["age"]), data_age=path),
        [tag("small", text) for text in registers],
    ]
    if operator:
        query = urlencode({"path": path})
        link = tag("a", "Write", href=f"{device_path(device)}/write?{query}", aria_label=f"Write {path}")
        cells.append(link if facts["writable"] else "")
    return cells
