"""A shunt that is heard, a BMS that is fed, and what became of it, on a manual clock.

The BMS takes /Soc, /Dc/0/Voltage and /Info/MaxChargeCurrent for 30 s each, /Limit until further notice, and
/Label, a text. /Press clears itself; /Temperature is read-only.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bridge.control.links import Link, Links
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Identity, Outcome, Path, Value, WriteAttempt
from bridge.datastore.wear import Wear

_LEASE = Lease(30.0, Safe.RELEASE)
SHUNT = (
    PointSpec("/Soc", "%"),
    PointSpec("/Dc/0/Voltage", "V"),
    PointSpec("/Dc/0/Current", "A"),
    PointSpec("/Serial", text=True),
)
BMS = (
    PointSpec("/Soc", "%", writable=True, minimum=0, maximum=100, lease=_LEASE),
    PointSpec("/Dc/0/Voltage", "V", writable=True, minimum=40, maximum=60, lease=_LEASE),
    PointSpec("/Info/MaxChargeCurrent", "A", writable=True, minimum=0, maximum=200, lease=_LEASE),
    PointSpec("/Limit", "%", writable=True, step=1.0),
    PointSpec("/Label", text=True, writable=True),
    PointSpec("/Press", writable=True, self_clearing=True),
    PointSpec("/Temperature", "°C"),
)


class Bms:
    """An adapter that takes whatever it is given, at the pace of the test, and notes when."""

    command_deadline_s = 5.0

    def __init__(self, device: Device, clock: ManualClock) -> None:
        self._device = device
        self._clock = clock
        self._began = clock.monotonic()
        #: Every batch: seconds since the start, and the values with the age of their source.
        self.taken: list[tuple[float, dict[Path, Value]]] = []
        self.ages: list[float] = []
        self.expiries: list[tuple[float, tuple[Path, ...]]] = []
        self.takes_s = 0.0

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Refuse nothing."""

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        return {}

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        now = self._clock.monotonic()
        self.taken.append((round(now - self._began, 3), dict(changes)))
        fed = [at for path in changes if (at := self._device.fed_at(path)) is not None]
        self.ages.append(round(now - min(fed), 3))
        await self._clock.sleep(self.takes_s)
        self._device.publish("set", changes)
        return dict.fromkeys(changes, Outcome.CONFIRMED)

    async def expired(self, paths: tuple[Path, ...]) -> bool:
        self.expiries.append((round(self._clock.monotonic() - self._began, 3), paths))
        return True

    @property
    def values(self) -> list[dict[Path, Value]]:
        return [changes for _, changes in self.taken]

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.taken]


class Rig:
    """Both devices; the links are those of the test."""

    def __init__(self, *links: Link, declared: bool = True, state: StateStore | None = None) -> None:
        self.clock = ManualClock()
        self.store = Datastore(self.clock, state or StateStore())
        self.shunt = self.store.add("shunt")
        self.target = self.store.add("bms")
        self.bms = Bms(self.target, self.clock)
        self.attempts: list[WriteAttempt] = []
        self.target.attempted.connect(self.attempts.append)
        self.links = Links(self.store, links, self.clock)
        self._beating = True
        if declared:
            self.declare()

    def declare(self) -> None:
        self.shunt.declare(SHUNT, [GroupSpec("text", 5.0), GroupSpec("more", 5.0)], [["text"]])
        self.target.declare(BMS, [GroupSpec("bus", 5.0), GroupSpec("set", None)], [["bus"]])

    async def hear(self, group: str = "text", /, **values: Value | None) -> None:
        """The shunt tells /Soc, V (/Dc/0/Voltage) or I, at this moment."""
        names = {"V": "/Dc/0/Voltage", "I": "/Dc/0/Current"}
        self.shunt.publish(group, {names.get(n, f"/{n}"): v for n, v in values.items()})
        await self.clock.advance(0)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass while the BMS's own bus is heard."""
        while seconds > 0:
            if self._beating:
                self.target.publish("bus", {"/Temperature": 20})
            await self.clock.advance(min(1.0, seconds))
            seconds -= 1.0

    async def bus_falls_silent(self) -> None:
        self._beating = False
        await self.pass_time(6)

    async def bus_is_back(self) -> None:
        self._beating = True
        await self.pass_time(0.001)


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    """The house around the rig: freshness, the BMS's desk, the links; and the BMS is online."""
    tasks = [
        asyncio.ensure_future(rig.store.run()),
        asyncio.ensure_future(rig.target.run(rig.bms)),
        asyncio.ensure_future(rig.links.run()),
    ]
    await rig.clock.advance(0)
    try:
        if rig.target.paths:
            rig.target.learn(Identity(serial="B1"))
            rig.target.publish("bus", {"/Temperature": 20})
            rig.shunt.publish("more", {})
            await rig.clock.advance(0)
        yield rig
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
