"""The outlet `web`: the page and the REST interface of one house, from start to stop."""

import asyncio
from pathlib import Path

from aiohttp import web

from bridge.datastore.clock import Clock
from bridge.outlets.http import add_healthz, application
from bridge.outlets.web.api import Api
from bridge.outlets.web.device_form import DeviceForms
from bridge.outlets.web.device_page import DevicePages
from bridge.outlets.web.doors import Doors
from bridge.outlets.web.editing import Editing
from bridge.outlets.web.energy_page import EnergyPages
from bridge.outlets.web.entrance import Entrance
from bridge.outlets.web.events import EventLog
from bridge.outlets.web.events_page import EventPages
from bridge.outlets.web.gate import Gate
from bridge.outlets.web.history_api import HistoryApi
from bridge.outlets.web.layout import refused
from bridge.outlets.web.listening import CONNECTIONS_MAX, OF_ONE_MAX, PageListener, tls_context
from bridge.outlets.web.overview import FrontPages
from bridge.outlets.web.own_files import OwnFiles
from bridge.outlets.web.passwords import PasswordBook, Role
from bridge.outlets.web.sessions import Sessions
from bridge.outlets.web.site_page import SitePages
from bridge.outlets.web.streams import EVERY_S, Streams
from bridge.outlets.web.versions import Versions
from bridge.outlets.web.visitors import networks
from bridge.outlets.web.write_page import WritePages
from bridge.site.outlets import WebOutlet

#: The longest site file that the editor takes, with room for what a form makes of it.
_BODY_MAX = 2 << 20


class WebPage:
    """Serves the page. state: where the passwords lie; beside: where relative files of the site begin."""

    def __init__(
        self, wanted: WebOutlet, doors: Doors, state: Path, beside: Path, book: PasswordBook | None = None
    ) -> None:
        self._wanted = wanted
        self._doors = doors
        self._state = state
        self._beside = beside
        self._clock: Clock = doors.datastore.clock
        self._sessions = Sessions(self._clock)
        self._events = EventLog(doors.datastore)
        self._entrance = Entrance(state, self._sessions, self._clock, book)
        self._listener: PageListener | None = None
        self._streams: Streams | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._listener.port if self._listener is not None else 0

    async def start(self) -> None:
        """Serve. Raises HttpFault."""
        made = await asyncio.to_thread(self._make)
        tls = None
        if self._wanted.certificate is not None and self._wanted.key is not None:
            files = self._beside / self._wanted.certificate, self._beside / self._wanted.key
            tls = await asyncio.to_thread(tls_context, *files)
        listen, behind = self._wanted.listen, bool(self._wanted.proxies)
        of_one = CONNECTIONS_MAX if behind else OF_ONE_MAX
        self._listener = PageListener(listen.host, listen.port, made, tls, of_one)
        await self._entrance.look()
        self._events.follow()
        await self._listener.start()
        assert self._streams is not None  # noqa: S101 - made above
        running = (self._entrance.keep_looking(), self._streams.run(), self._follow())
        self._tasks = [asyncio.ensure_future(one) for one in running]

    async def stop(self) -> None:
        """End all sessions and streams, and close the port."""
        if self._streams is not None:
            self._streams.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            await self._listener.stop()
        self._events.close()

    def _make(self) -> web.Application:
        wanted, doors = self._wanted, self._doors
        gate = Gate(self._sessions, networks(wanted.allow), networks(wanted.proxies), wanted.names, refused)
        made = application(_BODY_MAX)
        made.middlewares.append(gate.pass_through)
        made.on_response_prepare.append(gate.decorate)
        front = None if wanted.public else Role.VIEWER
        add_healthz(made, doors.serving)
        OwnFiles().add_to(made, gate)
        FrontPages(doors, self._entrance).add_to(made, gate, front)
        api = Api(doors, self._events, self._entrance)
        DevicePages(doors, self._events, self._beside).add_to(made, gate)
        WritePages(doors, self._events).add_to(made, gate)
        EventPages(doors, self._events).add_to(made, gate)
        EnergyPages(doors).add_to(made, gate)
        HistoryApi(doors).add_to(made, gate)
        if doors.site is not None:
            editing = Editing(doors.site, Versions(self._state), self._events, self._clock)
            site = SitePages(doors, editing)
            site.add_to(made, gate)
            DeviceForms(doors, editing, site).add_to(made, gate)
        self._streams = Streams(self._clock, self._sessions, api.topic)
        api.add_to(made, gate, self._streams, front)
        return made

    async def _follow(self) -> None:
        while True:
            await self._clock.sleep(EVERY_S)
            self._events.follow()
