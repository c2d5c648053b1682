"""The adapter of a roof: keeps the radio's line, polls by day, hands on commands and operations."""

import asyncio
import logging
from collections.abc import Mapping

from bridge.adapters.apsystems.ecu import Ecu
from bridge.adapters.apsystems.limits import Limits, as_watts
from bridge.adapters.apsystems.night import Daytime
from bridge.adapters.apsystems.operations import Operations
from bridge.adapters.apsystems.options import ApsystemsOptions
from bridge.adapters.apsystems.points import LIMIT_MAX_W, POLL
from bridge.adapters.apsystems.radio import SERIAL_SETTINGS, Radio, RadioState
from bridge.adapters.apsystems.reset import parse_reset
from bridge.adapters.apsystems.roof import Roof
from bridge.adapters.apsystems.session import Session
from bridge.adapters.apsystems.watch import Watch
from bridge.adapters.base import Adapter
from bridge.adapters.line import Line, open_line
from bridge.adapters.reconnect import Reconnect
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.operations import Operation
from bridge.datastore.spec import Safe
from bridge.datastore.values import LinkState, Outcome, Path, Value

_log = logging.getLogger(__name__)


class ApsystemsAdapter(Adapter):
    """One roof of micro-inverters."""

    #: A limit is three questions, each with its patience, behind a poll and a health check.
    command_deadline_s = 45.0

    def __init__(self, device: Device, options: ApsystemsOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock
        self._daytime = Daytime(options)
        self._roof = Roof(device, options, clock, self._daytime)
        ecu, reset = Ecu.parse(options.ecu_id), parse_reset(options.reset_gpio)
        self._radio = Radio(device.name, ecu, clock, reset, self._radio_changed)
        self._watch = Watch(device, clock, self._roof, self._radio, self._daytime)
        self._session = Session(device, options, clock, self._roof, self._radio, self._daytime, self._watch)
        self._limits = Limits(device, self._roof, self._radio)
        self._operations = Operations(clock, self._roof, self._radio, self._daytime, self._session)

    async def run(self) -> None:
        """Show what is known at once, then keep the radio and poll until cancelled."""
        self._roof.begin()
        self._session.look()
        self._warn()
        try:
            async with asyncio.TaskGroup() as group:
                reconnect = Reconnect(self._device, self._clock, self._open, self._radio.session)
                group.create_task(reconnect.run())
                group.create_task(self._session.run())
        finally:
            self._roof.keep()

    async def command(
        self,
        changes: Mapping[Path, Value],
        deadline: float,  # noqa: ARG002 - each question's own patience keeps it
    ) -> Mapping[Path, Outcome]:
        """Do what is asked in its order, and stop at the first that is not confirmed."""
        outcomes: dict[Path, Outcome] = {}
        for path, value in changes.items():
            if path == POLL:
                self._session.turns.now()
                outcomes[path] = Outcome.CONFIRMED
                continue
            outcomes[path] = await self._limit(path, value)
            if outcomes[path] is not Outcome.CONFIRMED:
                break
        return outcomes

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Refuse to limit what cannot be limited; raises ValueRefused."""
        for path in changes:
            if self._limits.owns(path):
                self._limits.check(path)

    async def expired(self, paths: tuple[Path, ...]) -> bool:
        """End leases of limits: by their safe value, or by the highest limit; tried until it is day."""
        obeyed = True
        for path in paths:
            lease = self._device.spec(path).lease if self._device.has(path) else None
            if lease is None or lease.safe is Safe.HOLD or not self._limits.owns(path):
                continue
            if self._device.link is not LinkState.ONLINE:
                return False
            safe = LIMIT_MAX_W if isinstance(lease.safe, Safe) else lease.safe
            outcome = await self._limit(path, safe)
            obeyed = obeyed and outcome in (Outcome.CONFIRMED, Outcome.ADJUSTED)
        return obeyed

    def operations(self) -> Mapping[str, Operation]:
        """Return what a person may ask of the roof."""
        return self._operations.by_name()

    async def leave(self) -> None:
        """Leave the inverters as they are; only the energy book is saved."""
        await self._roof.save()

    async def _limit(self, path: Path, value: Value) -> Outcome:
        def unwanted() -> bool:
            wanted = self._device.wanted(path)
            return wanted is not None and wanted != value

        return await self._limits.set(path, as_watts(value), unwanted)

    async def _open(self) -> Line:
        return await open_line(self._options.port, SERIAL_SETTINGS, self._clock)

    def _radio_changed(self) -> None:
        if self._radio.state is RadioState.READY and not self._device.alive:
            self._session.turns.now()  # a line that was lost has ended belief: nobody waits a period for it
        self._session.look()

    def _warn(self) -> None:
        if self._radio.ecu.is_default:
            _log.warning(
                'device=%s ecu_id=%s reason="found an identity that other programs use too, expected one of '
                'your own where another ECU may be in reach; changing it means pairing anew"',
                self._device.name, self._radio.ecu.text,
            )  # fmt: skip
        if not self._daytime.has_sun:
            _log.warning(
                'device=%s reason="found no `location`, expected latitude and longitude such as [52.1, 5.2]: '
                'polling around the clock"',
                self._device.name,
            )
