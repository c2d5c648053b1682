"""The adapter of VE.Direct devices: keeps the line, hands commands to the session on it."""

from collections.abc import Collection, Mapping

from bridge.adapters.base import Adapter
from bridge.adapters.line import Line, SerialSettings, open_line
from bridge.adapters.reconnect import Reconnect
from bridge.adapters.vedirect.known import KnownDevice
from bridge.adapters.vedirect.line_counters import LineCounters
from bridge.adapters.vedirect.options import VeDirectOptions
from bridge.adapters.vedirect.restarts import RestartWatch
from bridge.adapters.vedirect.session import Session
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.spec import Safe
from bridge.datastore.values import Outcome, Path, Value
from bridge.datastore.wear import Wear

#: 19200 Bd, 8N1, no flow control.
SERIAL_SETTINGS = SerialSettings(baudrate=19200)


class VeDirectAdapter(Adapter):
    """One VE.Direct device."""

    #: Longest command: mode, current and link current, each written and read back with its retries, and
    #: the time a first link current has to prove itself.
    command_deadline_s = 16.0

    def __init__(self, device: Device, options: VeDirectOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock
        self._known = KnownDevice(device, options, clock)
        self._restarts = RestartWatch(clock, device.memory)
        self._counters = LineCounters()
        self._session: Session | None = None

    async def run(self) -> None:
        """Keep the line open and talk on it until cancelled."""
        await Reconnect(self._device, self._clock, self._open, self._talk).run()

    async def command(  # the deadline is kept by each frame's own patience
        self,
        changes: Mapping[Path, Value],
        deadline: float,  # noqa: ARG002
    ) -> Mapping[Path, Outcome]:
        """Execute a batch on the line that is open; without a proven device on it, it is offline."""
        errands = None if self._session is None else self._session.errands(changes)
        if errands is None or self._known.control is None:
            return dict.fromkeys(changes, Outcome.OFFLINE)
        return await self._known.control.apply(errands)

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Refuse a batch whose changes contradict each other; raises ValueRefused."""
        if self._known.control is not None:
            self._known.control.check(changes)

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        """Say which changes would be written to the device's flash."""
        return {} if self._known.control is None else self._known.control.wears(changes)

    async def expired(self, paths: tuple[Path, ...]) -> bool:
        """End leases: by their safe value, by release, or by leaving the device as it is (`hold`)."""
        safe: dict[Path, Value] = {}
        released = []
        for path in paths:
            lease = self._device.spec(path).lease
            if lease is None or lease.safe is Safe.HOLD:
                continue
            if lease.safe is Safe.RELEASE:
                released.append(path)
            else:
                safe[path] = lease.safe
        if released and not await self._release(released):
            return False
        if not safe:
            return True
        outcomes = await self.command(safe, self._clock.monotonic() + self.command_deadline_s)
        return all(outcome in (Outcome.CONFIRMED, Outcome.ADJUSTED) for outcome in outcomes.values())

    async def leave(self) -> None:
        """Hand back what must not outlive the bridge."""
        if self._known.control is not None and (paths := self._known.control.leaving()):
            await self._release(paths)

    async def _release(self, paths: Collection[Path]) -> bool:
        errands = None if self._session is None else self._session.errands({})
        if errands is None or self._known.control is None:
            return False
        return await self._known.control.release(paths, errands)

    async def _open(self) -> Line:
        return await open_line(self._options.port, SERIAL_SETTINGS, self._clock)

    async def _talk(self, line: Line) -> None:
        self._session = Session(line, self._device, self._clock, self._known, self._restarts, self._counters)
        try:
            await self._session.run()
        finally:
            self._session = None
