"""The REST interface, `/api/v1/`: what the pages show and do, for programs; docs/api.md describes it."""

import asyncio
import json
from collections.abc import Mapping
from itertools import islice

from aiohttp import web

from bridge import __version__
from bridge.datastore.device import Device
from bridge.datastore.operations import OperationFault
from bridge.datastore.values import Value
from bridge.outlets.web.doors import Doors
from bridge.outlets.web.entrance import Entrance, check_small, drop_cookie, keep_cookie
from bridge.outlets.web.events import EVENTS_MAX, EventLog
from bridge.outlets.web.facts import Json, device_facts, point_facts, spec_facts, telling_paths, units_of
from bridge.outlets.web.gate import Gate, Refusal
from bridge.outlets.web.passwords import Role
from bridge.outlets.web.streams import Streams
from bridge.outlets.web.visitors import visitor_of
from bridge.outlets.web.writing import write

BASE = "/api/v1"
#: Topic of the stream that shows all devices; any other is the name of one.
OVERVIEW = ""


class Api:
    """The handlers."""

    def __init__(self, doors: Doors, events: EventLog, entrance: Entrance) -> None:
        self._doors = doors
        self._events = events
        self._entrance = entrance
        self._streams: Streams

    def add_to(self, application: web.Application, gate: Gate, streams: Streams, front: Role | None) -> None:
        """Add all paths. front: who may see what the front page shows."""
        self._streams = streams
        viewer, operator = Role.VIEWER, Role.OPERATOR
        for method, path, page, needs in (
            ("POST", "/login", self._login, None),
            ("POST", "/logout", self._logout, viewer),
            ("GET", "/session", self._session, viewer),
            ("GET", "/devices", self._devices, viewer),
            ("GET", "/devices/{device}", self._device, viewer),
            ("GET", "/devices/{device}/points", self._points, viewer),
            ("POST", "/devices/{device}/write", self._write, operator),
            ("POST", "/devices/{device}/operations/{operation}", self._operate, operator),
            ("GET", "/events", self._recent, viewer),
            ("GET", "/outcomes", self._outcomes, viewer),
            ("GET", "/stream", self._overview_stream, front),
            ("GET", "/stream/{device}", self._device_stream, viewer),
        ):
            gate.add(application, method, BASE + path, page, needs)

    def topic(self, topic: str) -> Json:
        """Return what a stream sends: all devices with their telling points, or one with all of them."""
        devices = self._doors.datastore.devices
        if topic == OVERVIEW:
            return {
                "devices": [
                    {**device_facts(one), "points": [point_facts(one, path) for path in telling_paths(one)]}
                    for one in devices.values()
                ]
            }
        device = devices.get(topic)
        if device is None:
            return {"gone": topic}
        points: list[Json] = [point_facts(device, path) for path in device.paths]
        return {"devices": [{**device_facts(device), "points": points}], "newest": self._events.newest}

    # -- sessions ------------------------------------------------------------------------------------

    async def _login(self, request: web.Request) -> web.StreamResponse:
        check_small(request)
        body = await _object(request)
        role, password = body.get("role", "operator"), body.get("password", "")
        if not isinstance(role, str) or not isinstance(password, str):
            raise Refusal(400, 'expected {"role": "operator", "password": ".."}')
        token, session = await self._entrance.log_in(request, role, password)
        reply = web.json_response({"role": session.role.value, "csrf": session.csrf})
        keep_cookie(request, reply, token)
        return reply

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        self._entrance.sessions.end(visitor_of(request).token)
        reply = web.json_response({})
        drop_cookie(reply)
        return reply

    async def _session(self, request: web.Request) -> web.StreamResponse:
        session = visitor_of(request).session
        assert session is not None  # noqa: S101 - the gate lets nobody else in
        return web.json_response({"role": session.role.value, "csrf": session.csrf, "version": __version__})

    # -- reading -------------------------------------------------------------------------------------

    async def _devices(self, _: web.Request) -> web.StreamResponse:
        units = units_of(self._doors.figures())
        found = [device_facts(one, units.get(one.name, ())) for one in self._doors.datastore]
        return web.json_response({"devices": found})

    async def _device(self, request: web.Request) -> web.StreamResponse:
        device = self.device(request)
        units = units_of(self._doors.figures())
        operations: list[Json] = list(self._doors.operations(device.name))
        return web.json_response(
            {**device_facts(device, units.get(device.name, ())), "operations": operations}
        )

    async def _points(self, request: web.Request) -> web.StreamResponse:
        device = self.device(request)
        wanted = request.query.getall("path", [])
        for path in wanted:
            if not device.has(path):
                raise Refusal(404, f"device {device.name} has no point {path[:100]}")
        points = []
        for path in wanted or device.paths:
            facts = point_facts(device, path)
            points.append({**facts, **spec_facts(device.spec(path))} if facts["writable"] else facts)
        return web.json_response({"device": device.name, "points": points})

    async def _recent(self, request: web.Request) -> web.StreamResponse:
        after = _number(request, "after", 0, 2**53)
        limit = _number(request, "limit", 100, EVENTS_MAX)
        found = [event.facts() for event in islice((e for e in self._events if e.number > after), limit)]
        return web.json_response({"events": found, "newest": self._events.newest})

    async def _outcomes(self, request: web.Request) -> web.StreamResponse:
        limit = _number(request, "limit", 20, EVENTS_MAX)
        device = request.query.get("device", "")
        path = request.query.get("path")
        if device not in self._doors.datastore.devices:
            raise Refusal(404, f"found no device '{device[:40]}'")
        found = [event.facts() for event in islice(self._events.of(device, path), limit)]
        return web.json_response({"outcomes": found})

    async def _overview_stream(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.serve(request, OVERVIEW)

    async def _device_stream(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.serve(request, self.device(request).name)

    # -- writing -------------------------------------------------------------------------------------

    async def _write(self, request: web.Request) -> web.StreamResponse:
        device = self.device(request)
        body = await _object(request)
        changes = body.get("changes")
        if not isinstance(changes, dict) or not all(
            isinstance(value, int | float | str) and not isinstance(value, bool) for value in changes.values()
        ):
            raise Refusal(400, 'expected {"changes": {"/Mode": 4}}, each value a number or text')
        checked: Mapping[str, Value] = changes
        outcomes = await write(device, checked, visitor_of(request))
        return web.json_response({"outcomes": {path: outcome.word for path, outcome in outcomes.items()}})

    async def _operate(self, request: web.Request) -> web.StreamResponse:
        """Do an operation, and send its steps as they come, a line of JSON each."""
        device, name = self.device(request).name, request.match_info["operation"]
        arguments = await _object(request)
        try:
            operation = self._doors.find(device, name)
        except OperationFault as fault:
            raise Refusal(404, str(fault)) from None
        self._doors.witness(device, name, {**arguments, "by": visitor_of(request).name})
        self._events.operated(device, name, arguments)
        reply = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await reply.prepare(request)
        last: Mapping[str, object] = {"done": True}
        steps = operation(arguments)
        try:
            async for step in steps:
                await reply.write(_line({"told": step}))
        except OperationFault as fault:
            last = {"fault": str(fault)}
        finally:
            close = getattr(steps, "aclose", None)
            if close is not None:
                await asyncio.shield(close())
        await reply.write(_line(last))
        return reply

    def device(self, request: web.Request) -> Device:
        """Return the device that a path names. Raises Refusal."""
        name = request.match_info["device"]
        found = self._doors.datastore.devices.get(name)
        if found is None:
            known = ", ".join(self._doors.datastore.devices)
            raise Refusal(404, f"found no device '{name[:40]}', expected one of {known}")
        return found


async def _object(request: web.Request) -> dict[str, object]:
    """Read a JSON object. Raises Refusal."""
    if request.content_type != "application/json":
        raise Refusal(415, "expected a body of the type application/json")
    try:
        found = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "found no JSON object in the body")
    return found


def _number(request: web.Request, key: str, otherwise: int, most: int) -> int:
    written = request.query.get(key, "")
    if not written:
        return otherwise
    if not written.isascii() or not written.isdecimal() or len(written) > 16:
        raise Refusal(400, f"{key}: expected a whole number")
    return min(int(written), most)


def _line(what: Mapping[str, object]) -> bytes:
    return json.dumps(what, default=str).encode() + b"\n"
