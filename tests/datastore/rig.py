"""A device on a manual clock, and an adapter that does as the test says.

/Mode switches (1 on, 4 off). /Limit is stored in the device (wear) and switches off at 0. /Fan is an
ordinary set-point, /Amps is forgotten unless refreshed, /Lamp is forgotten at a restart, /Lease lives 60 s,
/Beat is a heartbeat, /Press clears itself. /Volts, /Max and /Serial are read-only.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.refusals import ValueRefused
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.state import StateStore
from bridge.datastore.values import Identity, Origin, Outcome, Path, Value, WriteAttempt, WriteRequest
from bridge.datastore.wear import Wear, WearLimits

MODBUS = Origin("modbus", "192.168.1.20")
ON, OFF = 1, 4

POINTS = (
    PointSpec("/Mode", writable=True, choices={ON: "on", OFF: "off"}, accept={0: OFF}, off=OFF),
    PointSpec(
        "/Limit", "A", writable=True, minimum=0, maximum=60, maximum_from="/Max",
        step=0.1, nonvolatile=True, off=0,
    ),
    PointSpec("/Fan", "%", writable=True, minimum=0, maximum=100),
    PointSpec("/Amps", "A", writable=True, refresh_s=10.0),
    PointSpec("/Lamp", writable=True, after_restart=True),
    PointSpec("/Lease", "A", writable=True, lease=Lease(60.0, Safe.RELEASE)),
    PointSpec("/Beat", writable=True, heartbeat=True),
    PointSpec("/Press", writable=True, self_clearing=True),
    PointSpec("/Name", writable=True, text=True),
    PointSpec("/Volts", "V"),
    PointSpec("/Max", "A"),
    PointSpec("/Serial", text=True),
)  # fmt: skip
GROUPS = (GroupSpec("essential", 5.0), GroupSpec("slow", 60.0), GroupSpec("set", None))


class Call:
    """One batch with the adapter."""

    def __init__(self, changes: Mapping[Path, Value], deadline: float) -> None:
        self.changes = dict(changes)
        self.deadline = deadline
        self.reply: asyncio.Future[Mapping[Path, Outcome]] = asyncio.get_running_loop().create_future()
        self.over = False

    def answer(self, outcome: Outcome = Outcome.CONFIRMED, **others: Outcome) -> None:
        told = {path: others.get(path.strip("/"), outcome) for path in self.changes}
        self.reply.set_result(told)


class ScriptedAdapter:
    """Confirms at once; with `slow` set, when the test says so. Hangs until then."""

    command_deadline_s = 5.0

    def __init__(self, device: Device) -> None:
        self.device = device
        self.slow = False
        self.outcomes: dict[Path, Outcome] = {}
        self.fault: Exception | None = None
        self.calls: list[Call] = []
        self.obeys = True
        self.expiry_hangs = False
        self.expiries: list[tuple[float, tuple[Path, ...]]] = []
        self.stored: float = 16
        self.also_wears: dict[Path, Wear] = {}
        self.before_frame: Callable[[], None] = lambda: None

    @property
    def sent(self) -> list[dict[Path, Value]]:
        return [call.changes for call in self.calls]

    @property
    def held(self) -> list[Call]:
        return [call for call in self.calls if not call.over]

    def check(self, changes: Mapping[Path, Value]) -> None:
        if changes.get("/Mode") == ON and changes.get("/Limit") == 0:
            raise ValueRefused("/Limit", "/Limit: found 0 with /Mode on, expected a current")

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        wish = changes.get("/Limit")
        also = {path: wear for path, wear in self.also_wears.items() if path in changes}
        if not isinstance(wish, int | float) or wish in (0, self.stored):
            return also
        return {"/Limit": Wear.LOWER if wish < self.stored else Wear.RAISE, **also}

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        call = Call(changes, deadline)
        self.calls.append(call)
        self.before_frame()
        try:
            if self.slow:
                outcomes = await call.reply
            elif self.fault is not None:
                raise self.fault
            else:
                outcomes = {path: self.outcomes.get(path, Outcome.CONFIRMED) for path in changes}
        finally:
            call.over = True
        done = {path: changes[path] for path, outcome in outcomes.items() if outcome is Outcome.CONFIRMED}
        if done.get("/Limit", 0) != 0:
            self.stored = float(done["/Limit"])
        self.device.publish("set", done)
        return outcomes

    async def expired(self, paths: tuple[Path, ...]) -> bool:
        self.expiries.append((self.device._clock.monotonic(), paths))
        if self.expiry_hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        return self.obeys


class Rig:
    """The device, its adapter and what was told of its attempts."""

    def __init__(
        self,
        clock: ManualClock | None = None,
        state: StateStore | None = None,
        *,
        limits: WearLimits | None = None,
        leases: Mapping[Path, Lease] | None = None,
        resume_within_s: float = 86400.0,
    ) -> None:
        self.clock = clock or ManualClock()
        self.state = state or StateStore()
        memory = self.state.memory("charger")
        self.device = Device("charger", self.clock, memory, limits, leases, resume_within_s)
        self.adapter = ScriptedAdapter(self.device)
        self.attempts: list[WriteAttempt] = []
        self.device.attempted.connect(self.attempts.append)
        self.device.declare(POINTS, GROUPS, [["essential"]])

    async def hear(self) -> None:
        """The device shows that it lives."""
        self.device.publish("essential", {"/Volts": 13.2})
        await self.clock.advance(0)

    async def live(self, seconds: float, *, step: float = 1.0) -> None:
        """Let time pass with a device that is heard."""
        while seconds > 0:
            await self.hear()
            await self.clock.advance(min(step, seconds))
            seconds -= step
        await self.hear()

    async def write(
        self, within_s: float | None = 0.0, origin: Origin = MODBUS, **changes: Value
    ) -> list[Outcome]:
        """Write by point names without their slash; the outcomes known by then."""
        task = self.ask(within_s, origin, **changes)
        await self.clock.advance(0)
        await self.clock.advance(within_s or 0)
        return await task

    def ask(
        self, within_s: float | None = None, origin: Origin = MODBUS, **changes: Value
    ) -> asyncio.Task[list[Outcome]]:
        request = WriteRequest({f"/{name}": value for name, value in changes.items()}, origin)

        async def written() -> list[Outcome]:
            return list((await self.device.write(request, within_s)).values())

        return asyncio.ensure_future(written())

    async def begin(
        self, within_s: float | None = None, origin: Origin = MODBUS, **changes: Value
    ) -> asyncio.Task[list[Outcome]]:
        """As `ask`, and the desk has had its turn."""
        task = self.ask(within_s, origin, **changes)
        await self.clock.advance(0)
        return task

    @property
    def outcomes(self) -> list[tuple[Path | None, Outcome]]:
        return [(attempt.path, attempt.outcome) for attempt in self.attempts]


@asynccontextmanager
async def running(rig: Rig | None = None, *, serial: str = "HQ1", online: bool = True) -> AsyncIterator[Rig]:
    """A rig whose device is served, learnt and heard."""
    rig = rig or Rig()
    serving = asyncio.ensure_future(rig.device.run(rig.adapter))
    await rig.clock.advance(0)
    try:
        if online:
            rig.device.learn(Identity(serial=serial))
            await rig.hear()
        yield rig
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
