"""Which unit of which listener shows which device by which map, and how that changes while serving."""

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bridge.adapters.base import DeviceOptions, Family
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.store import Datastore
from bridge.datastore.values import Identity
from bridge.register_maps.bridge_unit import BridgeUnit
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap
from bridge.register_maps.image import UnitImage
from bridge.register_maps.layout import layout_of
from bridge.register_maps.pending_unit import PendingUnit
from bridge.server.units import BRIDGE_UNIT, Units
from bridge.site.loader import SiteLoad
from bridge.site.maps import is_file_name
from bridge.site.models import ServedUnit, Site

_log = logging.getLogger(__name__)

_BRIDGE_MAP = "bridge"

#: A unit of a listener, which goes by its url.
Key = tuple[str, int]


class MapFault(Exception):
    """A register map cannot be loaded; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A site whose maps are loaded. `changed`: maps that say something else than before."""

    site: Site
    wanted: Mapping[Key, ServedUnit]
    maps: Mapping[str, RegisterMap]
    changed: frozenset[str]


class Hosting:
    """The units of one house. `prepare` then `apply`, at the start and for every change of the site."""

    def __init__(
        self, datastore: Datastore, own: Device, families: Mapping[str, Family], clock: Clock
    ) -> None:
        self._datastore = datastore
        self._own = own
        self._families = families
        self._clock = clock
        self._devices: Mapping[str, DeviceOptions] = {}
        self._wanted: Mapping[Key, ServedUnit] = {}
        self._maps: dict[str, RegisterMap] = {}
        self._catalogue = Catalogue()
        self._site: Site | None = None
        self._units: dict[str, Units] = {}
        self._images: dict[Key, UnitImage] = {}
        self._own_units: dict[str, BridgeUnit] = {}
        self._building: set[asyncio.Task[None]] = set()
        self._relearning = False
        self._doubles: set[str] = set()

    def units_of(self, url: str) -> Units:
        """Return the units of a listener, none of them served before `apply`."""
        return self._units.setdefault(url, Units())

    def units(self) -> Iterator[tuple[str, int, str, str]]:
        """Yield listener, unit, device and map of everything that is served."""
        for wanted in self._wanted.values():
            yield wanted.listener, wanted.unit, wanted.device, self._map_of(wanted) or ""

    async def prepare(self, load: SiteLoad) -> Plan:
        """Load what a site needs. Raises MapFault; nothing is changed."""
        site = load.site
        assert site is not None  # noqa: S101 - callers report problems instead
        catalogue = Catalogue()
        named = {_BRIDGE_MAP, *(options.map for options in site.devices.values() if _in_file(options))}
        wanted = {(one.listener, one.unit): one for one in load.units}
        found = (self._map_of(one, site.devices) for one in wanted.values())
        maps = {
            name: await self._load(name, site, catalogue) for name in {*named, *found} if name is not None
        }
        changed = {name for name, one in maps.items() if not _same(one, self._maps.get(name))}
        kept = {name: one if name in changed else self._maps[name] for name, one in maps.items()}
        return Plan(site, wanted, kept, frozenset(changed))

    def apply(self, plan: Plan, changed: Collection[str] = ()) -> None:
        """Serve a site. changed: devices that are others by now. Units that stay the same notice nothing."""
        self._site, self._devices = plan.site, plan.site.devices
        self._catalogue = Catalogue()
        former, self._wanted = self._wanted, plan.wanted
        stale = {key for key, image in self._images.items() if image.map.name in plan.changed} | {
            key for key, image in self._images.items() if self._feeds(key, image, former) & set(changed)
        }
        self._maps = dict(plan.maps)
        self._doubles &= self._datastore.devices.keys()
        self._serve_own(plan.site)
        for key, one in former.items():
            if key not in plan.wanted:
                self._withdraw(one)
        for key, one in plan.wanted.items():
            if former.get(key) != one or key in stale or one.device in changed:
                self._serve(one)

    def learnt(self, _: Identity) -> None:
        """Serve anew what has become known: a product class, a serial number seen before elsewhere."""
        if not self._relearning:
            self._relearning = True
            task = asyncio.create_task(self._serve_anew())
            self._building.add(task)
            task.add_done_callback(self._building.discard)

    def close(self) -> None:
        """Serve nothing anew any more."""
        for task in self._building:
            task.cancel()

    # -- inside ------------------------------------------------------------------------------------

    def _serve_own(self, site: Site) -> None:
        """Show the bridge itself on the listeners that want it."""
        hosts = {listen.url for listen in site.listeners if listen.serves(BRIDGE_UNIT)}
        for url in self._own_units.keys() - hosts:
            self._own_units.pop(url).close()
            self._units[url].remove(BRIDGE_UNIT)
        for url in hosts - self._own_units.keys():
            self._own_units[url] = BridgeUnit(self._maps[_BRIDGE_MAP], self._own, self._clock)
            self.units_of(url).put(BRIDGE_UNIT, self._own_units[url])

    def _serve(self, wanted: ServedUnit) -> None:
        """Put a unit on its listener: its image where its map is known, else its status block alone."""
        device = self._datastore.devices[wanted.device]
        own_unit = self._own_units.get(wanted.listener)
        if own_unit is not None:
            own_unit.add(wanted.unit, device)
        name = self._map_of(wanted)
        key = wanted.listener, wanted.unit
        former = self._images.pop(key, None)
        image: UnitImage | PendingUnit = PendingUnit(device, wanted.unit)
        if name is not None and not self._is_double(wanted.device):
            sources = {alias: self._datastore.devices[of] for alias, of in (wanted.sources or {}).items()}
            sources = {**self._datastore.devices, **sources}
            image = UnitImage(self._maps[name], device, self._clock, wanted.unit, sources)
            self._images[key] = image
        self.units_of(wanted.listener).put(wanted.unit, image, wanted.reply_within)
        if former is not None:
            former.close()

    def _withdraw(self, wanted: ServedUnit) -> None:
        units = self._units[wanted.listener]
        if wanted.unit in units:
            units.remove(wanted.unit)
        former = self._images.pop((wanted.listener, wanted.unit), None)
        if former is not None:
            former.close()
        own_unit = self._own_units.get(wanted.listener)
        if own_unit is not None:
            own_unit.remove(wanted.unit)

    @staticmethod
    def _feeds(key: Key, image: UnitImage, wanted: Mapping[Key, ServedUnit]) -> set[str]:
        """Return the further devices whose points a unit shows."""
        one = wanted.get(key)
        aliases = (one.sources or {}) if one is not None else {}
        return {aliases.get(name, name) for name in layout_of(image.map).foreign_feeds}

    async def _load(self, name: str, site: Site, catalogue: Catalogue) -> RegisterMap:
        load = await asyncio.to_thread(catalogue.load, name, site.directory)
        if load.map is None:
            raise MapFault("; ".join(str(error) for error in load.errors))
        return load.map

    def _map_of(self, wanted: ServedUnit, devices: Mapping[str, DeviceOptions] | None = None) -> str | None:
        if wanted.map is not None:
            return wanted.map
        options = (self._devices if devices is None else devices)[wanted.device]
        known = self._datastore.devices.get(wanted.device)
        identity = None if known is None else known.identity
        return self._families[options.adapter].native_map(options, identity)

    async def _serve_anew(self) -> None:
        self._relearning = False
        for wanted in tuple(self._wanted.values()):
            name = self._map_of(wanted) if self._is_wanted(wanted) else None
            if name is not None and name not in self._maps and self._site is not None:
                self._maps[name] = await self._load(name, self._site, self._catalogue)
            if not self._is_wanted(wanted):
                continue  # the site has changed meanwhile
            shown = name is not None and not self._is_double(wanted.device)
            if shown != ((wanted.listener, wanted.unit) in self._images):
                self._serve(wanted)

    def _is_wanted(self, wanted: ServedUnit) -> bool:
        return self._wanted.get((wanted.listener, wanted.unit)) == wanted

    def _is_double(self, name: str) -> bool:
        """True for a device with the serial number of an earlier one: clients could not tell them apart."""
        identity = self._datastore.devices[name].identity
        if identity is None or not identity.serial:
            return False
        for earlier in self._datastore:
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


def with_map_path(site: Site, options: DeviceOptions) -> DeviceOptions:
    """Lead a map beside the site file to where that lies, for adapters that poll by it."""
    if options.map is None or not is_file_name(options.map):
        return options
    return options.model_copy(update={"map": str(site.directory.absolute() / options.map)})


def _in_file(options: DeviceOptions) -> bool:
    return options.map is not None and is_file_name(options.map)


def _same(one: RegisterMap, other: RegisterMap | None) -> bool:
    """True for two maps that say the same. Each load makes new objects, which are equal to none; what they
    are written as holds all that they say.
    """
    return other is not None and (one is other or repr(one) == repr(other))
