"""The adapter of VE.Bus systems: keeps the line, hands commands to the session on it."""

from collections.abc import Mapping

from bridge.adapters.base import Adapter
from bridge.adapters.line import Line, SerialSettings, open_line
from bridge.adapters.reconnect import Reconnect
from bridge.adapters.vebus_mk3.options import VeBusOptions
from bridge.adapters.vebus_mk3.points import HAND_BACK, LIMIT, LIMIT_TO_MAXIMUM
from bridge.adapters.vebus_mk3.session import Session
from bridge.adapters.vebus_mk3.system import System
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.spec import Safe
from bridge.datastore.values import Outcome, Path, Value

#: 2400 Bd, 8N1, no flow control.
SERIAL_SETTINGS = SerialSettings(baudrate=2400)


class VeBusAdapter(Adapter):
    """One VE.Bus system."""

    #: Longest command: a charger's rest, lines and state with their retries, and the time to obey.
    command_deadline_s = 10.0

    def __init__(self, device: Device, options: VeBusOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock
        self._system = System(device, options, clock)
        self._session: Session | None = None

    async def run(self) -> None:
        """Keep the line open and talk on it until cancelled."""
        try:
            await Reconnect(self._device, self._clock, self._open, self._talk).run()
        finally:
            self._system.energy.save()

    async def command(  # each frame's own patience keeps the deadline
        self,
        changes: Mapping[Path, Value],
        deadline: float,  # noqa: ARG002
    ) -> Mapping[Path, Outcome]:
        """Execute a batch on the line that is open; without a system set up on it, it is offline."""
        session = self._session
        if session is None or not session.ready:
            return dict.fromkeys(changes, Outcome.OFFLINE)
        return await self._system.controls.apply(changes, session.link)

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Refuse a batch that contradicts itself; raises ValueRefused."""
        self._system.controls.check(changes)

    async def expired(self, paths: tuple[Path, ...]) -> bool:
        """End leases: by their safe value, by giving the point back to the unit, or not at all (`hold`)."""
        safe: dict[Path, Value] = {}
        for path in paths:
            lease = self._device.spec(path).lease
            if lease is None or lease.safe is Safe.HOLD:
                continue
            if isinstance(lease.safe, Safe):
                safe[LIMIT_TO_MAXIMUM if path == LIMIT else HAND_BACK] = 1
            else:
                safe[path] = lease.safe
        if HAND_BACK in safe:
            safe = {HAND_BACK: 1}
        if not safe:
            return True
        outcomes = await self.command(safe, self._clock.monotonic() + self.command_deadline_s)
        return all(outcome in (Outcome.CONFIRMED, Outcome.ADJUSTED) for outcome in outcomes.values())

    async def leave(self) -> None:
        """Leave the system as it is, running if it runs; only the counters are saved."""
        self._system.energy.save()

    async def _open(self) -> Line:
        return await open_line(self._options.port, SERIAL_SETTINGS, self._clock)

    async def _talk(self, line: Line) -> None:
        self._session = Session(line, self._device, self._clock, self._system)
        try:
            await self._session.run()
        finally:
            self._session = None
