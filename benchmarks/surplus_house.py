"""A house with sun on its roof, a meter and a Blue Smart charger, in time that the caller lets pass.

The charger is one of 24 V and 16 A: from 4 A, its current stored in flash, off by its mode. Its true
efficiency is not the one that the automation reckons with, and it takes seconds to follow.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.control.automation import SurplusCharging, SurplusPlan
from bridge.control.charger import ChargerPlan
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Identity, Outcome, Path, Value
from bridge.datastore.wear import Wear

#: Watts as a function of the time of day in seconds.
Watts = Callable[[float], float]

ON, OFF = 1, 4
LOWEST_A, HIGHEST_A = 4.0, 16.0
TRUE_EFFICIENCY = 0.87
#: Time in which the charger's current comes 63 % of the way to where it should be.
_FOLLOWS_S = 3.0
#: How often meter and charger are heard.
HEARD_EVERY_S = 2.0
HOUR = 3600.0

MODE, LIMIT, LINK = "/Mode", "/Settings/ChargeCurrentLimit", "/Link/ChargeCurrent"
_POINTS = (
    PointSpec(MODE, writable=True, choices={ON: "on", OFF: "off"}, off=OFF, after_restart=True),
    PointSpec(
        LIMIT, "A", writable=True, minimum=0.0, maximum_from="/Settings/ChargeCurrentLimitMax", step=0.1,
        nonvolatile=True, off=0,
    ),
    PointSpec("/Settings/ChargeCurrentLimitMin", "A"),
    PointSpec("/Settings/ChargeCurrentLimitMax", "A"),
    PointSpec("/Dc/0/Voltage", "V"),
    PointSpec("/Dc/0/Current", "A"),
)  # fmt: skip
_VOLATILE = PointSpec(
    LINK, "A", writable=True, minimum=0.0, maximum=HIGHEST_A, step=0.1, lease=Lease(60.0, Safe.RELEASE)
)


class SimulatedCharger:
    """A charger, its battery, and the adapter between it and its device."""

    command_deadline_s = 2.0

    def __init__(self, device: Device, clock: ManualClock, *, volatile: bool = False) -> None:
        self._device = device
        self._clock = clock
        self.on = False
        self.stored = HIGHEST_A
        self.volatile: float | None = None
        self._has_volatile = volatile
        self.amps = 0.0
        #: The most that the battery takes, A.
        self.accepts = math.inf
        self.obeys = Outcome.CONFIRMED
        self.flash_writes = 0
        self.switched = 0
        device.declare(
            (*_POINTS, *((_VOLATILE,) if volatile else ())),
            [GroupSpec("text", 5.0), GroupSpec("settings", None)], [["text"]],
        )  # fmt: skip

    @property
    def volts(self) -> float:
        return 26.0 + 0.03 * self.amps

    @property
    def watts(self) -> float:
        """What it takes from the house, W."""
        return self.volts * self.amps / TRUE_EFFICIENCY

    def pass_time(self, seconds: float) -> None:
        limit = self.stored if self.volatile is None else min(self.stored, self.volatile)
        wanted = min(limit, HIGHEST_A, self.accepts) if self.on else 0.0
        self.amps += (wanted - self.amps) * (1 - math.exp(-seconds / _FOLLOWS_S))

    def tell(self) -> None:
        """Publish what a charger tells."""
        self._device.publish("text", {"/Dc/0/Voltage": self.volts, "/Dc/0/Current": round(self.amps, 1)})

    def tell_settings(self) -> None:
        settings: dict[Path, Value | None] = {
            MODE: ON if self.on else OFF,
            LIMIT: self.stored,
            "/Settings/ChargeCurrentLimitMin": LOWEST_A,
            "/Settings/ChargeCurrentLimitMax": HIGHEST_A,
        }
        if self._has_volatile:
            settings[LINK] = self.volatile
        self._device.publish("settings", settings)

    def check(self, changes: Mapping[Path, Value]) -> None:
        pass

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        wish = changes.get(LIMIT)
        if wish is None or wish == self.stored:
            return {}
        return {LIMIT: Wear.LOWER if float(wish) < self.stored else Wear.RAISE}

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:  # noqa: ARG002 - the contract's
        if self.obeys is Outcome.CONFIRMED:
            for path, value in changes.items():
                if path == MODE:
                    self.switch(on=value == ON)
                elif path == LINK:
                    self.volatile = float(value)
                else:
                    self.store(float(value))
            self.tell_settings()
        return dict.fromkeys(changes, self.obeys)

    def switch(self, *, on: bool) -> None:
        self.switched += on != self.on
        self.on = on

    def store(self, amps: float) -> None:
        """Take a current into flash; out of range it is brought into it."""
        self.stored = min(max(amps, LOWEST_A), HIGHEST_A)
        self.flash_writes += 1

    async def expired(self, paths: tuple[Path, ...]) -> bool:  # noqa: ARG002 - the contract's
        self.volatile = None
        self.tell_settings()
        return True


@dataclass
class Tally:
    """What a day came to, in kWh; `charged` is what the battery got."""

    imported: float = 0.0
    exported: float = 0.0
    charged: float = 0.0
    imported_by_charger: float = 0.0


@dataclass
class SimulatedHouse:
    """Sun and load in W; `deaf`: whether the meter is silent at a time of day."""

    sun: Watts
    load: Watts
    deaf: Callable[[float], bool] = lambda _: False
    volatile: bool = False
    chargers: int = 1
    begins: float = 0.0
    clock: ManualClock = field(init=False)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.clock = ManualClock(now=86400.0 * 19000 + self.begins)
        self.store = Datastore(self.clock, StateStore())
        self.meter = self.store.add("gx")
        self.meter.declare([PointSpec("/Ac/Grid/L1/Power", "W")], [GroupSpec("fast", 6.0)], [["fast"]])
        self.sims: list[SimulatedCharger] = []
        for number in range(self.chargers):
            device = self.store.add(f"charger{number or ''}")
            self.sims.append(SimulatedCharger(device, self.clock, volatile=self.volatile))
        self._dice = random.Random(7)

    @property
    def charger(self) -> SimulatedCharger:
        return self.sims[0]

    @property
    def time_of_day(self) -> float:
        return self.clock.now() % 86400.0

    @property
    def grid_w(self) -> float:
        """Power taken from the grid, W."""
        now = self.time_of_day
        return self.load(now) - self.sun(now) + sum(sim.watts for sim in self.sims)

    async def pass_time(self, seconds: float) -> None:
        """Let the house live, and its meter and chargers be heard."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end - 1e-6:
            for sim in self.sims:
                sim.pass_time(HEARD_EVERY_S)
                sim.tell()
            grid, kwh = self.grid_w, HEARD_EVERY_S / HOUR / 1000
            self.tally.imported += max(0.0, grid) * kwh
            self.tally.exported += max(0.0, -grid) * kwh
            drawn = sum(sim.watts for sim in self.sims)
            self.tally.charged += sum(sim.volts * sim.amps for sim in self.sims) * kwh
            self.tally.imported_by_charger += min(max(0.0, grid), drawn) * kwh
            if not self.deaf(self.time_of_day):
                self.meter.publish("fast", {"/Ac/Grid/L1/Power": round(grid)})
            await self.clock.advance(HEARD_EVERY_S)


def plan_of(house: SimulatedHouse, **settings: object) -> SurplusPlan:
    """The automation of a house with defaults, but for what is given."""
    chargers = tuple(ChargerPlan(sim._device.name) for sim in house.sims)
    grid = (("gx", "/Ac/Grid/L1/Power"),)
    return SurplusPlan(**{"name": "surplus", "grid_power": grid, "chargers": chargers, **settings})  # type: ignore[arg-type]


@asynccontextmanager
async def automated(house: SimulatedHouse, plan: SurplusPlan) -> AsyncIterator[Device]:
    """The house with its automation at work; yields the automation's own device."""
    own = house.store.devices.get(plan.name) or house.store.add(plan.name)
    automation = SurplusCharging(own, plan, house.store.devices, house.clock)
    tasks = [
        asyncio.ensure_future(run)
        for run in (
            house.store.run(),
            own.run(automation),
            automation.run(),
            *(sim._device.run(sim) for sim in house.sims),
        )
    ]
    await house.clock.advance(0)
    try:
        for sim in house.sims:
            sim._device.learn(Identity(serial=sim._device.name))
            sim.tell()
            sim.tell_settings()
        yield own
    finally:
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        for fault in found:
            if isinstance(fault, Exception):
                raise fault


async def script(house: SimulatedHouse, seconds: float, every_s: float = 30.0) -> None:
    """Live by the rule of a script that circulates for this charger (`bluesmart-charger.py`).

    Twice a minute the grid's power is read; where it is negative, a 24th of it is sent as the current to
    store, whatever is stored already. Nothing switches off. Its frames are taken as well formed, which those
    of some currents are not.
    """
    house.charger.switch(on=True)
    for _ in range(round(seconds / every_s)):
        await house.pass_time(every_s)
        grid = house.meter.value("/Ac/Grid/L1/Power")
        if isinstance(grid, int | float) and grid < 0:
            house.charger.store(-grid / 24)
