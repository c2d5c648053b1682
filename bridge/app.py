"""The composition root: builds the house of a site, and owns its lifetime.

line -> codec -> adapter -> datastore -> image -> server -> wire, and a command the same way back
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from bridge.adapters.base import Adapter, DeviceOptions, Family
from bridge.adapters.line import LineFault, SerialSettings, open_line
from bridge.adapters.reconnect import RETRY_CAP_S, RETRY_FIRST_S, Backoff, supervise
from bridge.control.automation import SurplusCharging
from bridge.datastore.clock import Clock, SystemClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Identity, LinkState
from bridge.outlets.metrics_figures import ListenerFigures
from bridge.outside import Outside
from bridge.reception import Reception
from bridge.register_maps.bridge_unit import BridgeUnit
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap
from bridge.register_maps.image import UnitImage
from bridge.register_maps.pending_unit import PendingUnit
from bridge.server.access import Access, Rule
from bridge.server.counters import GROUP, SPECS, Counters
from bridge.server.listener import TcpListener
from bridge.server.listening import Listener
from bridge.server.mdns import MODBUS, Announcer, Service
from bridge.server.rtu_line import RtuListener, SerialPort
from bridge.server.terms import Terms
from bridge.server.tls import TlsFiles
from bridge.server.udp import UdpListener
from bridge.server.units import BRIDGE_UNIT, Units
from bridge.service.signs import Signs
from bridge.site import models
from bridge.site.loader import SiteLoad
from bridge.site.maps import is_file_name
from bridge.site.models import ServedUnit, Site
from bridge.wiring import automations_of, links_of

_log = logging.getLogger(__name__)

#: Name of the bridge's own device.
BRIDGE = "bridge"
_BRIDGE_MAP = "bridge"
_UPTIME = PointSpec("/Uptime", "s")
_OWN_GROUP = GroupSpec("bridge", stale_after_s=None)
#: How often the server's counters become points.
_COUNT_EVERY_S = 1.0
#: How long a stop waits for devices that are to be handed back.
_LEAVE_WITHIN_S = 3.0


class MapFault(Exception):
    """A register map cannot be loaded; the text says where and why."""


class House:
    """A site's rooms, joined. `run` serves until it is cancelled.

    keep_state: False keeps nothing over a restart (the demo).
    """

    def __init__(
        self,
        load: SiteLoad,
        families: Mapping[str, Family],
        clock: Clock | None = None,
        *,
        keep_state: bool = True,
    ) -> None:
        assert load.site is not None  # noqa: S101 - callers report problems instead of building
        self.site: Site = load.site
        self.clock: Clock = clock or SystemClock()
        self.state = StateStore(self.site.state if keep_state else None)
        self.datastore = Datastore(self.clock, self.state)
        self.counters = Counters()
        self.listeners: list[Listener] = []
        self._outside: Outside | None = None
        self._signs = Signs(self.clock)
        self._keep_state = keep_state
        self._families = families
        self._wanted = load.units
        self._catalogue = Catalogue()
        self._maps: dict[str, RegisterMap] = {}
        self._adapters: dict[str, Adapter] = {}
        self._automations: Mapping[str, SurplusCharging] = {}
        self._units: dict[str, Units] = {}
        self._images: dict[tuple[str, int], UnitImage] = {}
        self._own_units: dict[str, BridgeUnit] = {}
        self._building: set[asyncio.Task[None]] = set()
        self._relearning = False
        self._doubles: set[str] = set()

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve; `started` is called once all listeners answer. Ends orderly when cancelled.

        Raises StateError, ListenError and MapFault, whose texts say what to do.
        """
        await asyncio.to_thread(self.state.open)
        try:
            await self._furnish()
            if self._outside is not None:
                await self._outside.start()
            async with asyncio.TaskGroup() as group:
                for listener in self.listeners:
                    await listener.start()
                group.create_task(self.datastore.run(), name="freshness")
                group.create_task(self._count(), name="counters")
                group.create_task(self._access.run(), name="access")
                if self.site.mdns:
                    group.create_task(Announcer(self._services(), self.clock).run(), name="mdns")
                if self.site.links:
                    group.create_task(supervise("links", self.clock, self._links.run), name="links")
                for name, automation in self._automations.items():
                    group.create_task(self._keep(self.datastore.devices[name], automation), name=name)
                for name, adapter in self._adapters.items():
                    group.create_task(self._keep(self.datastore.devices[name], adapter), name=name)
                if self._outside is not None:
                    await self._outside.open()
                group.create_task(self._signs.run(self._serving), name="signs of life")
                started()
                self._signs.ready()
                try:
                    await asyncio.Event().wait()
                finally:
                    self._signs.stopping()
                    await self._leave()
        finally:
            for listener in self.listeners:
                await listener.stop()
            for task in self._building:
                task.cancel()
            if self._outside is not None:
                await self._outside.stop()
            await asyncio.to_thread(self.state.close)

    # -- building ----------------------------------------------------------------------------------

    async def _furnish(self) -> None:
        own = self.datastore.add(BRIDGE)
        own.declare((*SPECS, _UPTIME), (GROUP, _OWN_GROUP), ())
        own.set_link(LinkState.ONLINE)
        if self._keep_state:
            self._outside = self._make_outside(own)
        for name, options in self.site.devices.items():
            device = self.datastore.add(
                name, options.wear.limits(), options.leases(), resume_within_s=options.resume_within
            )
            self._adapters[name] = self._families[options.adapter].make(
                device, self._completed(options), self.clock
            )
            device.learnt.connect(self._learnt)
        self._automations = automations_of(self.site, self.datastore)
        self._links = links_of(self.site, self.datastore)
        wanted_maps = (self._map_of(wanted) for wanted in self._wanted)
        for map_name in {_BRIDGE_MAP, *(found for found in wanted_maps if found is not None)}:
            self._maps[map_name] = await self._load(map_name)
        self._access = Access(*self._access_rules(), clock=self.clock)
        for listen in self.site.listeners:
            units = self._units[listen.url] = Units()
            terms = Terms(
                name=listen.name or listen.url,
                units=units,
                access=self._access,
                clock=self.clock,
                counters=self.counters,
                write=listen.write,
                reply_within_s=listen.reply_within,
            )
            if self._outside is not None:
                terms.turned_away.connect(self._outside.turned_away)
            self.listeners.append(self._listener(listen, terms))
            if listen.serves(BRIDGE_UNIT):
                own_unit = BridgeUnit(self._maps[_BRIDGE_MAP], own, self.clock)
                self._own_units[listen.url] = own_unit
                units.put(BRIDGE_UNIT, own_unit)
        for wanted in self._wanted:
            self._serve(wanted)

    def _serving(self) -> bool:
        return all(listener.serving for listener in self.listeners)

    def _figures(self) -> Iterator[ListenerFigures]:
        """Yield what each listener has to tell: its peers, and the units it serves."""
        for listen, listener in zip(self.site.listeners, self.listeners, strict=True):
            units = tuple(
                (wanted.unit, wanted.device, self._map_of(wanted) or "")
                for wanted in self._wanted
                if wanted.listener == listen.url
            )
            yield ListenerFigures(listener.terms.name, listener.serving, listener.peers, units)

    def _make_outside(self, own: Device) -> Outside:
        reception = Reception(self.datastore, self._adapters, self.listeners)
        return Outside(self.site, self.datastore, own, reception.find, self._serving, self._figures)

    def _serve(self, wanted: ServedUnit) -> None:
        """Put a unit on its listener: its image where its map is known, else its status block alone."""
        device = self.datastore.devices[wanted.device]
        own_unit = self._own_units.get(wanted.listener)
        if own_unit is not None:
            own_unit.add(wanted.unit, device)
        name = self._map_of(wanted)
        former = self._images.pop(self._key(wanted), None)
        if former is not None:
            former.close()
        image: UnitImage | PendingUnit = PendingUnit(device, wanted.unit)
        if name is not None and not self._is_double(wanted.device):
            sources = {alias: self.datastore.devices[of] for alias, of in (wanted.sources or {}).items()}
            sources = {**self.datastore.devices, **sources}
            image = UnitImage(self._maps[name], device, self.clock, wanted.unit, sources)
            self._images[self._key(wanted)] = image
        self._units[wanted.listener].put(wanted.unit, image, wanted.reply_within)

    def _completed(self, options: DeviceOptions) -> DeviceOptions:
        """Tell a device what the site says for all: where a map beside the site file lies, the time zone."""
        update: dict[str, object] = {}
        if options.map is not None and is_file_name(options.map):
            update["map"] = str(self.site.directory.absolute() / options.map)
        if getattr(options, "timezone", "") is None and self.site.timezone is not None:
            update["timezone"] = self.site.timezone
        return options.model_copy(update=update) if update else options

    @staticmethod
    def _key(wanted: ServedUnit) -> tuple[str, int]:
        return wanted.listener, wanted.unit

    def _access_rules(self) -> Iterator[tuple[Rule, ...] | None]:
        """Yield the rules for reading, then for writing; None where the site says nothing."""
        access = self.site.access
        for key, listed in (("read", access.read), ("write", access.write)):
            rules = (Rule(entry.who, entry.role, entry.units, entry.paths) for entry in listed)
            yield tuple(rules) if key in access.model_fields_set else None

    def _listener(self, listen: models.AnyListener, terms: Terms) -> Listener:
        match listen:
            case models.TcpListener(tcp=at, connections=cap):
                return TcpListener(at.host, at.port, terms, connections_max=cap)
            case models.RtuTcpListener(rtu_tcp=at, connections=cap):
                return TcpListener(at.host, at.port, terms, connections_max=cap, rtu=True)
            case models.TlsListener(tls=at, connections=cap):
                here = self.site.directory
                files = TlsFiles(here / listen.certificate, here / listen.key, here / listen.client_ca)
                return TcpListener(at.host, at.port, terms, connections_max=cap, tls=files)
            case models.UdpListener(udp=at):
                return UdpListener(at.host, at.port, terms)
            case models.RtuListener(rtu=port):
                settings = SerialSettings(listen.baudrate, listen.parity, listen.stop_bits)
                pauses = Backoff(RETRY_FIRST_S, RETRY_CAP_S)
                opener = partial(open_line, port, settings, self.clock)
                return RtuListener(SerialPort(port, listen.baudrate, opener, LineFault, pauses), terms)

    def _services(self) -> Iterator[Service]:
        """Yield what is announced of the listeners, which are open by then."""
        for listen, listener in zip(self.site.listeners, self.listeners, strict=True):
            if isinstance(listen, models.TcpListener) and isinstance(listener, TcpListener):
                name = f"Inverter Bridge {self.site.name} {listen.name or listen.tcp.port}"
                yield Service(MODBUS, name, listen.tcp.host, listener.address[1])

    async def _load(self, name: str) -> RegisterMap:
        load = await asyncio.to_thread(self._catalogue.load, name, self.site.directory)
        if load.map is None:
            raise MapFault("; ".join(str(error) for error in load.errors))
        return load.map

    def _map_of(self, wanted: ServedUnit) -> str | None:
        if wanted.map is not None:
            return wanted.map
        options = self.site.devices[wanted.device]
        return self._families[options.adapter].native_map(
            options, self.datastore.devices[wanted.device].identity
        )

    def _learnt(self, _: Identity) -> None:
        """Serve anew what has become known: a product class, a serial number seen before elsewhere."""
        if not self._relearning:
            self._relearning = True
            task = asyncio.create_task(self._serve_anew())
            self._building.add(task)
            task.add_done_callback(self._building.discard)

    async def _serve_anew(self) -> None:
        self._relearning = False
        for wanted in self._wanted:
            name = self._map_of(wanted)
            if name is not None and name not in self._maps:
                self._maps[name] = await self._load(name)
            if (name is not None and not self._is_double(wanted.device)) != (
                self._key(wanted) in self._images
            ):
                self._serve(wanted)

    def _is_double(self, name: str) -> bool:
        """True for a device with the serial number of an earlier one: clients could not tell them apart."""
        identity = self.datastore.devices[name].identity
        if identity is None or not identity.serial:
            return False
        for earlier in self.datastore:
            if earlier.name == name:
                return False
            if earlier.identity is not None and earlier.identity.serial == identity.serial:
                if name not in self._doubles:
                    self._doubles.add(name)
                    _log.error(
                        "device=%s has the serial %s of device %s: its units answer 0B; name the right ports "
                        "in the site file, or give one of them another `serial:`",
                        name, identity.serial, earlier.name,
                    )  # fmt: skip
                return True
        return False

    # -- living ------------------------------------------------------------------------------------

    async def _keep(self, device: Device, adapter: Adapter | SurplusCharging) -> None:
        """Run one device for ever: its session and, beside it, its commands and set-points."""

        async def live() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(device.run(adapter))
                group.create_task(adapter.run())

        await supervise(device.name, self.clock, live)

    async def _leave(self) -> None:
        """Let every device hand back what must not outlive the bridge, all at once and not for long."""
        with contextlib.suppress(TimeoutError):
            async with self.clock.timeout(_LEAVE_WITHIN_S):
                await asyncio.gather(
                    *(adapter.leave() for adapter in self._adapters.values()), return_exceptions=True
                )

    async def _count(self) -> None:
        own = self.datastore.devices[BRIDGE]
        began = self.clock.monotonic()
        while True:
            own.publish(GROUP.name, self.counters.snapshot())
            own.publish(_OWN_GROUP.name, {_UPTIME.path: int(self.clock.monotonic() - began)})
            await self.clock.sleep(_COUNT_EVERY_S)
