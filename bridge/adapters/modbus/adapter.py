"""The adapter of Modbus devices: takes its seat on a bus, and keeps a session there."""

import asyncio
import logging
from collections.abc import Mapping

from bridge.adapters.base import Adapter
from bridge.adapters.line import LineFault
from bridge.adapters.modbus.bus import LineDown, Seat, seat_on
from bridge.adapters.modbus.endpoint import Endpoint, endpoint_of
from bridge.adapters.modbus.options import ModbusOptions
from bridge.adapters.modbus.plan import writers
from bridge.adapters.modbus.points import alive_when, groups_of, specs_of, unknown_paths
from bridge.adapters.modbus.quirks import Quirk, quirk_of
from bridge.adapters.modbus.session import Session, planned
from bridge.adapters.modbus.talk import Talk
from bridge.adapters.modbus.writing import Writer
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.spec import PointSpec, Safe
from bridge.datastore.values import LinkState, Outcome, Path, Value
from bridge.datastore.wear import Wear
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap

_log = logging.getLogger(__name__)

#: What a command may take beside the tries of its write and of its reading back, in seconds.
_COMMAND_SLACK_S = 3.0
_COMMAND_LEAST_S = 5.0


class MapFault(Exception):
    """The map of a device cannot be loaded; the text says where and why."""


class ModbusAdapter(Adapter):
    """One device behind a Modbus bus."""

    def __init__(self, device: Device, options: ModbusOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock
        self._specs: dict[Path, PointSpec] = {}
        self._writer: Writer | None = None
        tries = 2 * (1 + options.retries)
        self.command_deadline_s = max(_COMMAND_LEAST_S, tries * options.timeout + _COMMAND_SLACK_S)

    async def run(self) -> None:
        """Load the map, take a seat on the bus, and talk there until cancelled.

        Raises MapFault, and PortUnusable for a port that its devices would have in different ways.
        """
        loaded = await self._load()
        quirk = quirk_of(self._options.quirk_name, self._clock)
        self._specs = quirk.specs(specs_of(loaded, self._options))
        plan = planned(loaded, self._options, quirk)
        self._device.declare(self._specs.values(), groups_of(plan), alive_when(plan))
        self._warn(loaded)
        try:
            endpoint = await asyncio.to_thread(endpoint_of, self._options)
            await self._sit(endpoint, loaded, quirk)
        except LineFault:
            self._device.set_link(LinkState.PORT_MISSING)
            raise

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        """Write a batch and read it back; offline while the device is not found."""
        if self._writer is None:
            return dict.fromkeys(changes, Outcome.OFFLINE)
        return await self._writer.apply(changes, deadline)

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        """Say which changes the site calls wearing, and which way they go."""
        found: dict[Path, Wear] = {}
        for path, value in changes.items():
            spec = self._device.spec(path)
            now = self._device.value(path)
            if not spec.nonvolatile or spec.same(now, value):
                continue
            lower = isinstance(now, int | float) and isinstance(value, int | float) and value < now
            found[path] = Wear.LOWER if lower else Wear.RAISE
        return found

    async def expired(self, paths: tuple[Path, ...]) -> bool:
        """End leases by their safe value. Modbus has no release: the device keeps what it has."""
        safe: dict[Path, Value] = {}
        for path in paths:
            lease = self._device.spec(path).lease
            if lease is not None and not isinstance(lease.safe, Safe):
                safe[path] = lease.safe
        if not safe:
            return True
        outcomes = await self.command(safe, self._clock.monotonic() + self.command_deadline_s)
        return all(outcome in (Outcome.CONFIRMED, Outcome.ADJUSTED) for outcome in outcomes.values())

    # -- inside ------------------------------------------------------------------------------------

    async def _load(self) -> RegisterMap:
        load = await asyncio.to_thread(Catalogue().load, self._options.map)
        if load.map is None:
            raise MapFault("; ".join(str(error) for error in load.errors))
        return load.map

    async def _sit(self, endpoint: Endpoint, loaded: RegisterMap, quirk: Quirk) -> None:
        seat_of = seat_on(
            endpoint, self._clock, self._device.name, self._lost, self._restored, self._device.count_error
        )
        async with seat_of as seat:
            while True:
                await seat.up.wait()
                try:
                    await self._talk(seat, loaded, quirk)
                except LineDown:
                    continue

    async def _talk(self, seat: Seat, loaded: RegisterMap, quirk: Quirk) -> None:
        seat.begin()
        talk = Talk(seat, self._options, loaded.device.min_timeout_s, quirk.pause_s)
        session = Session(self._device, self._clock, loaded, self._options, talk, quirk, self._specs)
        self._writer = Writer(self._device, self._clock, talk, session, quirk, writers(loaded))
        try:
            await session.run()
        finally:
            self._writer = None

    def _lost(self, _: LineFault) -> None:
        if self._device.link is not LinkState.PORT_MISSING:
            self._device.set_link(LinkState.PORT_MISSING)
            self._device.count_error()

    def _restored(self) -> None:
        if self._device.link is LinkState.PORT_MISSING:
            self._device.set_link(LinkState.STARTING)

    def _warn(self, loaded: RegisterMap) -> None:
        for path in unknown_paths(self._specs, self._options):
            _log.warning(
                "device=%s point=%s is named in the site file, but the map %s has no such writable point",
                self._device.name, path, loaded.name,
            )  # fmt: skip
