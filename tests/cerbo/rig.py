"""A bridge of images behind a real TCP listener, its devices fed by the test."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from bridge.adapters.base import Adapter
from bridge.datastore.clock import Clock, ManualClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Outcome, Path, Value
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap
from bridge.register_maps.image import UnitImage
from bridge.server.access import Access
from bridge.server.counters import Counters
from bridge.server.listener import TcpListener
from bridge.server.terms import Terms
from bridge.server.units import Units

TEXTS = {"/Serial", "/ProductName", "/FirmwareVersion", "/CustomName", "/HardwareVersion"}
PATIENCE_S = 20.0


def shipped(name: str) -> RegisterMap:
    found = Catalogue().load(name)
    assert found.map is not None, found.errors
    return found.map


class Obedient(Adapter):
    """A device that does what it is told, unless `outcome` says otherwise."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.outcome = Outcome.CONFIRMED
        self.commands: list[dict[Path, Value]] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        self.commands.append(dict(changes))
        if self.outcome is Outcome.CONFIRMED:
            self.device.publish("live", changes)
        return dict.fromkeys(changes, self.outcome)


class Bridge:
    """Devices and the units that show them. With a ManualClock nothing ages by itself."""

    def __init__(self, clock: Clock | None = None, state: StateStore | None = None) -> None:
        self.clock = clock or ManualClock()
        self.store = Datastore(self.clock, state or StateStore())
        self.adapters: dict[str, Obedient] = {}
        self.units = Units()
        self.images: list[UnitImage] = []
        terms = Terms("lan", self.units, Access(clock=self.clock), self.clock, Counters())
        self.listener = TcpListener("127.0.0.1", 0, terms)

    @property
    def port(self) -> int:
        return self.listener.address[1]

    def device(
        self, name: str, values: Mapping[Path, Value | None], specs: Iterable[PointSpec] = ()
    ) -> Device:
        device = self.store.add(name)
        given = {spec.path: spec for spec in specs}
        device.declare(
            [given.get(path) or PointSpec(path, text=path in TEXTS) for path in {**values, **given}],
            [GroupSpec("live", 5.0)],
            [["live"]],
        )
        device.publish("live", values)
        self.adapters[name] = Obedient(device)
        return device

    def serve(self, unit: int, loaded: str | RegisterMap, device: Device, **sources: Device) -> UnitImage:
        found = shipped(loaded) if isinstance(loaded, str) else loaded
        image = UnitImage(found, device, self.clock, unit, sources)
        self.images.append(image)
        self.units.put(unit, image)
        return image


@asynccontextmanager
async def running(bridge: Bridge | None = None) -> AsyncIterator[Bridge]:
    """A bridge that answers, its devices obeying."""
    bridge = bridge or Bridge()
    desks = [
        asyncio.create_task(bridge.store.devices[name].run(adapter))
        for name, adapter in bridge.adapters.items()
    ]
    await bridge.listener.start()
    try:
        yield bridge
    finally:
        await bridge.listener.stop()
        for image in bridge.images:
            image.close()
        for desk in desks:
            desk.cancel()
        await asyncio.gather(*desks, return_exceptions=True)


#: A roof of micro-inverters on one phase, and a meter of three.
ROOF: Mapping[Path, Value | None] = {
    "/Serial": "D8A3011B9780",
    "/ProductName": "YC600",
    "/FirmwareVersion": "1.2",
    "/Ac/Power": 412.0,
    "/Ac/L1/Power": 412.0,
    "/Ac/L1/Voltage": 231.4,
    "/Ac/L1/Current": 1.78,
    "/Ac/Frequency": 49.98,
    "/Ac/Energy/Forward": 1234.5,
    "/Ac/MaxPower": 600,
    "/Inverters/1/Panels/1/V": 34.1,
    "/Inverters/1/Panels/1/I": 6.1,
    "/Inverters/1/Panels/1/Power": 208,
    "/Inverters/1/Panels/2/V": 33.9,
    "/Inverters/1/Panels/2/I": 6.0,
    "/Inverters/1/Panels/2/Power": 204,
}
METER: Mapping[Path, Value | None] = {
    "/Serial": "40213377",
    "/FirmwareVersion": "B1.02",
    "/Ac/Power": -1530.0,
    "/Ac/Frequency": 50.02,
    "/Ac/Energy/Forward": 812.3,
    "/Ac/Energy/Reverse": 99.1,
    **{f"/Ac/L{n}/Voltage": 229.0 + n for n in (1, 2, 3)},
    **{f"/Ac/L{n}/Current": -2.5 + n for n in (1, 2, 3)},
    **{f"/Ac/L{n}/Power": -510.0 for n in (1, 2, 3)},
    **{f"/Ac/L{n}/Energy/Forward": 270.0 + n for n in (1, 2, 3)},
}
LIMIT = PointSpec("/Ac/PowerLimit", "W", writable=True, minimum=40, maximum=600, step=1)
