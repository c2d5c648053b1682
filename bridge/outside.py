"""What leaves the house beside Modbus: the outlets of a site, which begin and end with the house."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from bridge.datastore.device import Device
from bridge.datastore.store import Datastore
from bridge.outlets.audit import Audit
from bridge.outlets.door import Door, Finder
from bridge.outlets.metrics_figures import ListenerFigures
from bridge.server.terms import TurnedAway
from bridge.site.models import Site


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
    ) -> None:
        self._site = site
        self._datastore = datastore
        self._own = own
        self._find = find
        self._serving = serving
        self._figures = figures
        self._audit: Audit | None = None
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
            self._datastore.attempted.connect(self._audit.wrote)
            self._audit.start()
            self._ending.push_async_callback(asyncio.to_thread, self._audit.close)

    async def open(self) -> None:
        """Let people and programs in, now that all listeners answer. Raises HttpFault."""
        witness = self._audit.operated if self._audit is not None else lambda *_: None
        door = Door(self._site.state, self._find, witness)
        await door.open()
        self._ending.push_async_callback(door.close)
        if self._site.outlets.metrics is not None:
            await self._open_metrics()

    async def stop(self) -> None:
        """End all of them, the newest first."""
        await self._ending.aclose()

    def turned_away(self, event: TurnedAway) -> None:
        """Take down that a listener let a peer in no further than its door."""
        if self._audit is not None:
            self._audit.turned_away(event.listener, str(event.peer), event.times, event.reason)

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
