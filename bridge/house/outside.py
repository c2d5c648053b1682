"""What leaves the house beside Modbus: the outlets of a site, which begin and end with the house."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bridge.adapters.reconnect import supervise
from bridge.datastore.device import Device
from bridge.datastore.operations import Operation
from bridge.datastore.store import Datastore
from bridge.house.page_parts import PageParts
from bridge.outlets.audit import Audit
from bridge.outlets.door import Door, Finder, Witness
from bridge.outlets.metrics_figures import ListenerFigures
from bridge.server.terms import TurnedAway
from bridge.site.maps import is_file_name
from bridge.site.models import Site

if TYPE_CHECKING:
    from bridge.outlets.history_reader import HistoryReader
    from bridge.outlets.web.outlet import WebPage
    from bridge.site.mqtt import MqttOutlet

_log = logging.getLogger(__name__)


class Outside:
    """The outlets of one house. `figures` and `serving` tell of its listeners, `find` of its operations."""

    def __init__(
        self,
        site: Site,
        datastore: Datastore,
        own: Device,
        find: Finder,
        serving: Callable[[], bool],
        figures: Callable[[], Iterable[ListenerFigures]],
        page: PageParts | None = None,
    ) -> None:
        self._site = site
        self._datastore = datastore
        self._own = own
        self._find = find
        self._serving = serving
        self._figures = figures
        self._parts = page
        #: The page while it is open.
        self.page: WebPage | None = None
        self._audit: Audit | None = None
        self._operations: dict[str, Operation] = {}
        self._ending = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Begin. Raises HttpFault for an address that cannot be listened on."""
        wanted = self._site.outlets
        if wanted.audit is not None:
            self._audit = Audit(
                wanted.audit.path(self._site.state),
                wanted.audit.size,
                wanted.audit.keep,
                self._datastore.clock,
            )
            self._ending.callback(self._datastore.attempted.connect(self._audit.wrote))
            self._audit.start()
            self._ending.push_async_callback(asyncio.to_thread, self._audit.close)
        if wanted.history is not None or wanted.notify is not None:
            self._take_down()

    async def open(self) -> None:
        """Let people and programs in, now that all listeners answer. Raises HttpFault."""
        witness = self._audit.operated if self._audit is not None else lambda *_: None
        door = Door(self._site.state, self._found, witness)
        await door.open()
        self._ending.push_async_callback(door.close)
        if self._site.outlets.metrics is not None:
            await self._open_metrics()
        if self._site.outlets.web is not None and self._parts is not None:
            await self._open_page(self._parts, witness)
        if self._site.outlets.mqtt is not None:
            self._open_mqtt(self._site.outlets.mqtt)

    async def begin_anew(self) -> None:
        """Begin while the house serves. An address that cannot be listened on is told in the log."""
        from bridge.outlets.http import HttpFault

        try:
            await self.start()
            await self.open()
        except HttpFault as fault:
            _log.error("%s; all else goes on", fault)

    def follow(self, site: Site) -> None:
        """Take a site that has changed in other things than its outlets."""
        self._site = site

    async def stop(self) -> None:
        """End all of them, the newest first."""
        await self._ending.aclose()

    def turned_away(self, event: TurnedAway) -> None:
        """Take down that a listener let a peer in no further than its door."""
        if self._audit is not None:
            self._audit.turned_away(event.listener, str(event.peer), event.times, event.reason)

    def _found(self, device: str, name: str) -> Operation:
        """Find an operation of an outlet, or of the house. Raises OperationFault."""
        own = None if device else self._operations.get(name)
        return self._find(device, name) if own is None else own

    def _take_down(self) -> None:
        """Begin the history, and the messages to the owner."""
        history, notify = self._site.outlets.history, self._site.outlets.notify
        taken = None
        if history is not None:
            from bridge.outlets.history_site import history_of

            taken = history_of(self._site, history, self._datastore)
            self._operations |= taken.operations()
            taken.start()
            self._ending.push_async_callback(taken.stop)
            self._keep("history", taken.run)
        if notify is not None:
            from bridge.outlets.notify_site import post_of, watch_of

            post = post_of(self._site, notify, self._datastore.clock, self._serving)
            watch = watch_of(self._site, notify, self._datastore, post.put)
            self._operations |= post.operations()
            self._ending.callback(watch.connect())
            if taken is not None:
                taken.leapt.connect(watch.leapt)
            self._keep("notify", post.run)
            self._keep("watch", watch.run)

    def _keep(self, name: str, live: Callable[[], Awaitable[None]]) -> None:
        """Run something for ever, beside the house."""
        task = asyncio.ensure_future(supervise(name, self._datastore.clock, live))

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self._ending.push_async_callback(end)

    async def _open_metrics(self) -> None:
        # imported here, as are all outlets with heavy libraries: a site without them pays nothing
        from bridge.outlets.http import HttpServer
        from bridge.outlets.metrics import Metrics, metrics_application

        wanted = self._site.outlets.metrics
        assert wanted is not None  # noqa: S101 - the caller has looked
        metrics = Metrics(self._datastore, self._own, self._figures, wanted.labels, points=wanted.points)
        server = HttpServer(
            "metrics", wanted.listen.host, wanted.listen.port, metrics_application(metrics, self._serving)
        )
        await server.start()
        self._ending.push_async_callback(server.stop)

    def _open_mqtt(self, wanted: "MqttOutlet") -> None:
        from bridge.outlets.mqtt_site import mqtt_of

        mqtt = mqtt_of(self._site, wanted, self._datastore, self._map_of)
        self._ending.push_async_callback(mqtt.close)
        self._keep("mqtt", mqtt.run)

    def _map_of(self, name: str) -> str | None:
        """Return the shipped map that serves a device, None where it is not known or a file of its own."""
        options, device = self._site.devices.get(name), self._datastore.devices.get(name)
        if options is None or device is None or self._parts is None:
            return None
        found = options.map or self._parts.families[options.adapter].native_map(options, device.identity)
        return None if found is None or is_file_name(found) else found

    def _reader(self) -> "HistoryReader | None":
        wanted = self._site.outlets.history
        if wanted is None:
            return None
        from bridge.outlets.history_site import reader_of

        return reader_of(self._site, wanted)

    async def _open_page(self, parts: PageParts, witness: Witness) -> None:
        from bridge.house.site_door import SiteFileDoor
        from bridge.outlets.web.doors import Doors
        from bridge.outlets.web.outlet import WebPage

        wanted = self._site.outlets.web
        assert wanted is not None  # noqa: S101 - the caller has looked
        doors = Doors(
            datastore=self._datastore,
            find=self._found,
            serving=self._serving,
            figures=self._figures,
            witness=witness,
            operations=parts.operations,
            site=None if parts.site_file is None else SiteFileDoor(parts.site_file, parts),
            site_name=self._site.name,
            zone=None if self._site.timezone is None else ZoneInfo(self._site.timezone),
            price=wanted.price,
            currency=wanted.currency,
            history=self._reader(),
        )
        self.page = page = WebPage(wanted, doors, self._site.state, self._site.directory)
        await page.start()
        self._ending.push_async_callback(page.stop)
