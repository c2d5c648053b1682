"""The composition root: builds the house of a site, owns its lifetime, and changes it while it serves.

line -> codec -> adapter -> datastore -> image -> server -> wire, and a command the same way back
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path

from bridge.adapters.base import Adapter, Family
from bridge.adapters.reconnect import supervise
from bridge.control.automation import SurplusCharging
from bridge.datastore.clock import Clock, SystemClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.house.hosting import Hosting, MapFault, Plan, with_map_path
from bridge.house.listening import Listening, access_rules
from bridge.house.outside import Outside
from bridge.house.own_device import BRIDGE, count, declare
from bridge.house.page_parts import PageParts
from bridge.house.reception import Reception
from bridge.house.reloading import Changes, ReloadFault
from bridge.house.wiring import automations_of, links_of
from bridge.server.access import Access, AccessError
from bridge.server.counters import Counters
from bridge.server.listening import Listener, ListenError
from bridge.server.mdns import Announcer
from bridge.server.terms import TurnedAway
from bridge.service.signs import Signs
from bridge.site.loader import SiteLoad
from bridge.site.models import Site

__all__ = ["BRIDGE", "House", "MapFault", "ReloadFault"]

_log = logging.getLogger(__name__)

#: How long a stop waits for devices that are to be handed back.
_LEAVE_WITHIN_S = 3.0
#: How long the reply to whoever asked for a change has before the outlets themselves begin anew.
_REPLY_S = 0.5
#: Names of tasks that are no device's; no device can have them, as they have spaces.
_LINKS, _MDNS = "all links", "mdns announcements"


class House:
    """A site's rooms, joined. `run` serves until it is cancelled, `reload` changes it meanwhile.

    keep_state: False keeps nothing over a restart (the demo). site_file: where the site came from, None
    where it cannot be changed from the page.
    """

    def __init__(
        self,
        load: SiteLoad,
        families: Mapping[str, Family],
        clock: Clock | None = None,
        *,
        keep_state: bool = True,
        site_file: Path | None = None,
    ) -> None:
        assert load.site is not None  # noqa: S101 - callers report problems instead of building
        self.site: Site = load.site
        self.clock: Clock = clock or SystemClock()
        self.state = StateStore(self.site.state if keep_state else None)
        self.datastore = Datastore(self.clock, self.state)
        self.counters = Counters()
        #: Told of every site that was taken while running.
        self.reloaded: Callable[[Site], None] = lambda _: None
        self._load = load
        self._families = families
        self._site_file = site_file
        self._keep_state = keep_state
        self._signs = Signs(self.clock)
        self._adapters: dict[str, Adapter] = {}
        self._automations: Mapping[str, SurplusCharging] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._outside: Outside | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._own = self.datastore.add(BRIDGE)
        self._hosting = Hosting(self.datastore, self._own, families, self.clock)
        self._access = Access(*access_rules(self.site), clock=self.clock)
        self._listening = Listening(self._hosting, self._access, self.clock, self.counters, self._turned_away)
        self._reception = Reception(self.datastore, self._adapters, self.listeners)
        self._group: asyncio.TaskGroup

    @property
    def listeners(self) -> list[Listener]:
        """The listeners in the order of the site file."""
        return self._listening.listeners

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve; `started` is called once all listeners answer. Ends orderly when cancelled.

        Raises StateError, ListenError, MapFault and HttpFault, whose texts say what to do.
        """
        await asyncio.to_thread(self.state.open)
        try:
            await self._furnish()
            if self._outside is not None:
                await self._outside.start()
            async with asyncio.TaskGroup() as self._group:
                await self._listening.start(self.site)
                self._group.create_task(self.datastore.run(), name="freshness")
                self._group.create_task(count(self._own, self.counters, self.clock), name="counters")
                self._group.create_task(self._access.run(), name="access")
                self._announce()
                self._start_control()
                for name in self._adapters:
                    self._start_device(name)
                if self._outside is not None:
                    await self._outside.open()
                self._group.create_task(self._signs.run(self._serving), name="signs of life")
                started()
                self._signs.ready()
                try:
                    await asyncio.Event().wait()
                finally:
                    self._signs.stopping()
                    await self._leave(self._adapters)
        finally:
            await self._listening.stop()
            self._hosting.close()
            if self._renewing is not None:
                self._renewing.cancel()
                await asyncio.gather(self._renewing, return_exceptions=True)
            if self._outside is not None:
                await self._outside.stop()
            await asyncio.to_thread(self.state.close)

    async def reload(self, load: SiteLoad) -> str:
        """Take another site while serving; returns what has changed, in words.

        Devices that changed start anew, the others go on and their clients notice nothing. Raises
        ReloadFault where that cannot be; then nothing has changed.
        """
        async with self._changing:
            return await self._reload(load)

    # -- building ----------------------------------------------------------------------------------

    async def _furnish(self) -> None:
        declare(self._own)
        if self._keep_state:
            self._outside = self._make_outside()
        for name in self.site.devices:
            self._add_device(name)
        self._automations = automations_of(self.site, self.datastore)
        self._hosting.apply(await self._hosting.prepare(self._load))

    def _make_outside(self) -> Outside:
        return Outside(
            self.site,
            self.datastore,
            self._own,
            self._reception.find,
            self._serving,
            self._listening.figures,
            page=PageParts(
                operations=self._operations,
                families=self._families,
                site_file=self._site_file,
                reload=self.reload,
                line_to_write=self._access.line_to_write,
            ),
        )

    def _serving(self) -> bool:
        return self._listening.serving

    def _operations(self, device: str) -> Iterable[str]:
        adapter = self._adapters.get(device)
        return adapter.operations() if adapter is not None else ()

    def _turned_away(self, event: TurnedAway) -> None:
        if self._outside is not None:
            self._outside.turned_away(event)

    def _add_device(self, name: str) -> None:
        options = self.site.devices[name]
        device = self.datastore.add(
            name, options.wear.limits(), options.leases(), resume_within_s=options.resume_within
        )
        self._adapters[name] = self._families[options.adapter].make(
            device, with_map_path(self.site, options), self.clock
        )
        device.learnt.connect(self._hosting.learnt)

    # -- changing ----------------------------------------------------------------------------------

    async def _reload(self, load: SiteLoad) -> str:
        former, site = self.site, load.site
        if site is None:
            raise ReloadFault("; ".join(str(problem) for problem in load.problems))
        if site.state != former.state:
            raise ReloadFault(
                f"state: found {site.state} instead of {former.state}: restart the bridge for that"
            )
        try:
            rules = access_rules(site)
            plan = await self._hosting.prepare(load)
            listeners = await self._listening.change(site)
        except (MapFault, AccessError, ListenError) as fault:
            raise ReloadFault(str(fault)) from fault
        await self._access.reload(*rules)
        changes = Changes.between(former, plan)
        await self._change_devices(plan, changes)
        if listeners or (site.name, site.mdns) != (former.name, former.mdns):
            await self._end([_MDNS])
            self._announce()
        if (site.outlets, site.name, site.timezone) != (former.outlets, former.name, former.timezone):
            self._renewing = asyncio.create_task(self._renew_outside())
        elif self._outside is not None:
            self._outside.follow(site)
        self.reloaded(site)
        said = changes.said(listeners)
        _log.info("site=%s reloaded: %s", site.name, said)
        return said

    async def _change_devices(self, plan: Plan, changes: Changes) -> None:
        """Let go of what is no more or is another now, and begin what is new. All others go on."""
        self.site = plan.site
        ending = {name: self._adapters[name] for name in (*changes.gone, *changes.changed)}
        control = changes.any or changes.control
        others: set[str] = set()
        if control:
            others = {*self._automations}
            await self._end((_LINKS, *self._automations))
        await self._leave(ending)
        await self._end(ending)
        for name in (*ending, *others):
            self.datastore.remove(name)
            self._adapters.pop(name, None)
        begun = [name for name in self.site.devices if name in changes.changed or name in changes.new]
        for name in begun:
            self._add_device(name)
        if control:
            self._automations = automations_of(self.site, self.datastore)
        self._hosting.apply(plan, {*begun, *others, *self._automations} if control else begun)
        if control:
            self._start_control()
        for name in begun:
            self._start_device(name)

    async def _renew_outside(self) -> None:
        """Begin the outlets anew, once whoever asked for the change has its reply."""
        await self.clock.sleep(_REPLY_S)
        if self._outside is None:
            return
        await self._outside.stop()
        self._outside = self._make_outside()
        await self._outside.begin_anew()

    # -- living ------------------------------------------------------------------------------------

    def _begin(self, name: str, what: Coroutine[None, None, None]) -> None:
        self._tasks[name] = self._group.create_task(what, name=name)

    async def _end(self, names: Iterable[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _announce(self) -> None:
        if self.site.mdns:
            self._begin(_MDNS, Announcer(self._listening.services(self.site), self.clock).run())

    def _start_control(self) -> None:
        """Make links and automations of the devices that are there now."""
        for device in self.datastore:
            device.fed.clear()
        links = links_of(self.site, self.datastore)
        if self.site.links:
            self._begin(_LINKS, supervise("links", self.clock, links.run))
        for name, automation in self._automations.items():
            self._begin(name, self._keep(self.datastore.devices[name], automation))

    def _start_device(self, name: str) -> None:
        self._begin(name, self._keep(self.datastore.devices[name], self._adapters[name]))

    async def _keep(self, device: Device, adapter: Adapter | SurplusCharging) -> None:
        """Run one device for ever: its session and, beside it, its commands and set-points."""

        async def live() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(device.run(adapter))
                group.create_task(adapter.run())

        await supervise(device.name, self.clock, live)

    async def _leave(self, adapters: Mapping[str, Adapter]) -> None:
        """Let devices hand back what must not outlive them, all at once and not for long."""
        with contextlib.suppress(TimeoutError):
            async with self.clock.timeout(_LEAVE_WITHIN_S):
                await asyncio.gather(*(one.leave() for one in adapters.values()), return_exceptions=True)
