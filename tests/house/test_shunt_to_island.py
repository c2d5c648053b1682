"""A SmartShunt linked into a BMS feeds a Sunny Island: an hour of it, and whatever can die, dying.

The real VE.Direct adapter hears a simulated shunt byte by byte, real links carry its values, the real BMS
adapter sends, and a simulated island supervises it as SMA's document says, all on one clock that stands
still until advanced. Who judges listens on the bus with its own decoding and looks into the shunt.
"""

import asyncio
import random
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bridge.adapters import pty
from bridge.adapters.base import Adapter
from bridge.adapters.can import channel
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can_bms.options import FAMILY as BMS
from bridge.adapters.can_bms.simulated_island import Condition, Pack, SupervisedIsland
from bridge.adapters.vedirect import adapter as vedirect
from bridge.adapters.vedirect.options import FAMILY as VEDIRECT
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.control.links import Link, Links
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Value, WriteRequest
from tests.adapters.vedirect.rig import JoinedWire

pytestmark = pytest.mark.timeout(600)  # bounds nothing: the hour takes 15 s of a processor of its own

SMARTSHUNT, CAPACITY_AH, STARTS_AT_PCT = 0xA389, 200, 60.0
LINKED = ("/Dc/0/Voltage", "/Dc/0/Current", "/Soc")
CVL, CCL, DCL = "/Info/MaxChargeVoltage", "/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"
HEARTBEAT, PHASE = "/Bms/Heartbeat", "/Bms/Phase"
LIMITS: dict[str, Value] = {CVL: 56.0, CCL: 100.0, DCL: 120.0}
WHOLE_SET = {0x351, 0x355, 0x356, 0x35A, 0x35E, 0x35F}
FRESH, HOLD, ZERO, STOPPED = 1, 2, 3, 4
NOT_AVAILABLE = -0x8000
#: docs/can.md: what is sent, by the seconds since the source's last word.
SOURCE_DIES = [(0.0, FRESH), (5.0, HOLD), (15.0, ZERO), (45.0, STOPPED)]
SENDER_DIES = [(0.0, STOPPED)]
#: How finely the tests look; one frame's period; from a measurement to the end of its text on the line.
STEP_S, PERIOD_S, TEXT_S = 0.1, 1.0, 0.5
#: Bytes that arrive at once, at the line's true pace: fewer events than a real port would make of an hour.
SLICE = 96
#: Parts of the shunt's second at which its line is quiet, and in which it is amid its text.
QUIET_AT_S, AMID_TEXT_S = 0.6, 0.06
RESTART_WITHIN_S = 20.0
#: The two ways to limits: the bridge's own charge controller, and a writer who keeps a heartbeat.
WAYS = pytest.mark.parametrize("way", ["controller", "writer"])


class Observer:
    """Listens on the bus, knows nothing of the bridge, and asks the shunt when what is told was true."""

    def __init__(self, clock: ManualClock, bus: SimulatedBus, shunt: BatteryMonitorSimulator) -> None:
        self._clock, self._shunt = clock, shunt
        self.newest: dict[int, tuple[float, bytes]] = {}
        #: Seconds since what a frame tells was last true, for every 0x355 and 0x356.
        self.ages: list[float] = []
        #: Frames older than what was told beside them allows.
        self.too_old: list[str] = []
        bus.join(self._hear)

    def _hear(self, frame: CanFrame) -> None:
        if not 0x350 <= frame.id < 0x360:
            return
        self.newest[frame.id] = (self._clock.monotonic(), frame.data)
        if frame.id == 0x355:
            whole, _, fine = struct.unpack("<HHH", frame.data)
            assert abs(fine / 100 - whole) <= 0.5
            self._judge(frame, self._age_s("SOC", fine / 10, 0.05))
        elif frame.id == 0x356:
            volts, amperes, _ = struct.unpack("<hhh", frame.data)
            known = amperes != NOT_AVAILABLE
            current_age_s = self._age_s("I", amperes * 100, 50.1) if known else 0.0
            self._judge(frame, max(self._age_s("V", volts * 10, 5.1), current_age_s))

    def _judge(self, frame: CanFrame, age_s: float) -> None:
        """Note a frame that is older than its phase; 0x35A may follow the end of a phase by a period."""
        self.ages.append(age_s)
        allowed_s = 45.0 if self._no_current else 15.0 if self._warned else 5.0
        if age_s > allowed_s + TEXT_S + PERIOD_S:
            self.too_old.append(f"{frame} after {age_s:.1f} s, expected at most {allowed_s:g} s")

    def _age_s(self, label: str, told: float, rounding: float) -> float:
        """Return how long ago a label of the shunt was what is told; infinite where it never was."""
        now = until = self._clock.monotonic()
        for truth in reversed(self._shunt.history):
            if truth.source == label:
                if abs(float(truth.value) - told) <= rounding:
                    return now - until
                until = truth.time
        return float("inf")

    @property
    def _no_current(self) -> bool:
        return 0x351 in self.newest and self.newest[0x351][1][2:6] == bytes(4)

    @property
    def _warned(self) -> bool:
        """True while the pair of bits "BMS internal" of the warnings in 0x35A says raised."""
        return 0x35A in self.newest and self.newest[0x35A][1][6] >> 6 == 1

    @property
    def phase(self) -> int:
        """What the island is being told, by the frames alone."""
        heard_at = self.newest.get(0x351, (float("-inf"), b""))[0]
        if self._clock.monotonic() - heard_at > 1.05 * PERIOD_S:
            return STOPPED
        return ZERO if self._no_current else HOLD if self._warned else FRESH


class Plant:
    """The equipment, which outlives any bridge: a battery, its shunt, the island, and changing weather."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
        self.way = way
        # a real disk has a time of its own, of which this clock knows nothing
        self.state = StateStore(None)
        #: Where in the shunt's second its port is opened, which else is left to chance.
        self.opens_at_s = QUIET_AT_S
        self.clock = ManualClock()
        self.bus = SimulatedBus(self.clock)
        self.shunt = BatteryMonitorSimulator(
            self.clock, product_id=SMARTSHUNT, capacity_ah=CAPACITY_AH, nominal_v=48.0
        )
        self.shunt.device.bank.consumed_ah = (STARTS_AT_PCT / 100 - 1) * CAPACITY_AH
        self.wire = JoinedWire(self.clock)
        self.wire.simulator = self.shunt  # type: ignore[assignment]
        self.island = SupervisedIsland(self.clock, self.bus, pack=Pack(CAPACITY_AH, STARTS_AT_PCT))
        self.observer = Observer(self.clock, self.bus, self.shunt)
        self._tasks: list[asyncio.Task[None]] = []

        began = self.clock.monotonic()

        async def open_line(*_: object) -> object:
            await self.clock.sleep((self.opens_at_s - (self.clock.monotonic() - began)) % 1.0)
            return self.wire.open()

        monkeypatch.setattr(pty, "_SLICE", SLICE)
        monkeypatch.setattr(vedirect, "open_line", open_line)
        monkeypatch.setattr(channel, "open_bus", self.bus.open)

    async def __aenter__(self) -> "Plant":
        lives = (self._weather(), self.island.play(), self.shunt.play(self.wire))
        self._tasks = [asyncio.create_task(life) for life in lives]
        await self.clock.advance(0)
        self.bridge = Bridge(self)
        await self.until(lambda: self.bridge.phase == self.observer.phase == FRESH, RESTART_WITHIN_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.bridge.kill()
        await ended(self._tasks)

    async def _weather(self) -> None:
        """Change sun and loads every second, and with them all that the shunt measures."""
        dice = random.Random(7)
        while True:
            self.island.sun_w, self.island.load_w = dice.uniform(0, 3000), dice.uniform(200, 2500)
            bank, pack = self.shunt.device.bank, self.island.pack
            bank.current_a, bank.battery_v = pack.current_a, pack.voltage_v
            await self.clock.sleep(1.0)

    async def until(self, true: Callable[[], bool], within_s: float) -> float:
        """Let time pass until something is true; returns how long it took."""
        began = self.clock.monotonic()
        while not true():
            assert self.clock.monotonic() - began < within_s, f"not so after {within_s} s"
            await self.clock.advance(STEP_S)
        return self.clock.monotonic() - began

    async def phases(self, look: Mapping[str, Callable[[], int]], seconds: float) -> dict[str, Any]:
        """Let time pass; returns for each way to look the phases as they began, with seconds from now."""
        began = self.clock.monotonic()
        seen = {name: [(0.0, phase())] for name, phase in look.items()}
        while (passed := self.clock.monotonic() - began) < seconds:
            for name, phase in look.items():
                if phase() != seen[name][-1][1]:
                    seen[name].append((passed, phase()))
            await self.clock.advance(STEP_S)
        return seen

    async def goes_dark(self) -> None:
        """Let time pass until the island gives its BMS up: 60 s after the last state of charge."""
        await self.until(lambda: self.island.condition is Condition.STANDBY, 75)
        assert self.island.error == 952
        assert 60 < self.clock.monotonic() - self.observer.newest[0x355][0] <= 62
        assert self.island.values["soc_pct"] == 0.0

    async def restart(self) -> float:
        """Kill the bridge and start it again; returns how long it took until a whole set was on the bus."""
        await self.bridge.kill()
        self.observer.newest.clear()
        self.bridge = Bridge(self)
        whole = await self.until(lambda: self.observer.newest.keys() >= WHOLE_SET, RESTART_WITHIN_S)
        await self.until(lambda: self.bridge.phase == self.observer.phase == FRESH, 2)
        return whole

    async def recovers(self) -> None:
        """Let time pass until all is as it was, within the time that a restart may take."""
        await self.until(lambda: self.observer.phase == FRESH == self.bridge.phase, RESTART_WITHIN_S)
        await self.until(lambda: self.island.condition is Condition.RUNNING, 2)
        before = len(self.observer.ages)
        await self.clock.advance(30)
        assert self.observer.phase == FRESH
        assert len(self.observer.ages) - before >= 58
        assert max(self.observer.ages[before:]) <= 5
        assert abs(self.island.values["soc_pct"] - 100 * self.shunt.device.bank.charged) <= 0.2
        assert self.observer.too_old == self.island.rejected == self.island.strangers == []


class Bridge:
    """One run of the bridge in memory; the saved state is all that the next one has of it."""

    def __init__(self, plant: Plant) -> None:
        self._clock = plant.clock
        datastore = Datastore(plant.clock, plant.state)
        battery = {"cells": 16, "chemistry": "lfp", "capacity": CAPACITY_AH}
        bms_wishes = {"interface": "virtual", "channel": "joined", "dialect": "sma", "observe": False}
        control = {"charge_control": {}} if plant.way == "controller" else {}
        wishes = {
            "shunt": (VEDIRECT, {"port": "joined", "product": "battery_monitor"}),
            "si_bms": (BMS, {**bms_wishes, "battery": battery, **control}),
        }
        runs = [datastore.run()]
        for name, (family, keys) in wishes.items():
            options = family.options(adapter=family.name, **keys)
            device = datastore.add(name, options.wear.limits(), options.leases())
            adapter: Adapter = family.make(device, options, plant.clock)
            runs += [device.run(adapter), adapter.run()]
        self.bms = datastore.devices["si_bms"]
        self._links = Links(datastore, [Link("shunt", p, "si_bms", p) for p in LINKED], plant.clock)
        if plant.way == "writer":
            runs.append(self._write())
        self._tasks = [asyncio.create_task(run) for run in runs]
        self.link()

    def link(self) -> None:
        self.linking = asyncio.create_task(self._links.run())
        self._tasks.append(self.linking)

    async def kill(self) -> None:
        """End everything at once: no farewell, nothing handed back."""
        await ended(self._tasks)

    async def _write(self) -> None:
        """Write the limits until they are in force, then renew them by a heartbeat every 5 s."""
        beat, in_force = 0, False
        while True:
            changes = {HEARTBEAT: beat} if in_force else LIMITS | {HEARTBEAT: beat}
            outcomes: dict[str, Outcome] = {}
            if self.bms.has(HEARTBEAT):
                outcomes = await self.bms.write(WriteRequest(changes, Origin("modbus", "test")))
            in_force = set(outcomes.values()) == {Outcome.CONFIRMED}
            beat = (beat + 1) % 100
            await self._clock.sleep(5.0 if in_force else 1.0)

    @property
    def phase(self) -> int:
        """The phase as the bridge shows it."""
        return int(self.bms.value(PHASE) or 0)

    @property
    def last_word_at(self) -> float:
        """Monotonic time at which the oldest of the linked values was read."""
        return min(self.bms.fed_at(path) or 0.0 for path in LINKED)


async def ended(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, asyncio.CancelledError), repr(outcome)


def check_times(
    seen: list[tuple[float, int]], expected: list[tuple[float, int]], late_s: float, before_s: float = 0.0
) -> None:
    """Compare phases; `before_s` is how long before the first look what they are counted from was."""
    assert [phase for _, phase in seen] == [phase for _, phase in expected]
    for (at, phase), (due, _) in zip(seen[1:], expected[1:], strict=True):
        after = at + before_s
        assert due - STEP_S <= after <= due + late_s, f"phase {phase} came after {after:.2f} s, not {due} s"


async def test_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it each way to limits; the restart between them the island does not notice."""
    async with Plant(monkeypatch, "controller") as plant:
        observer, island = plant.observer, plant.island
        told: set[float] = set()
        for way in ("controller", "writer"):
            if way != plant.way:
                plant.way = way
                await plant.restart()
            started = island.pack.soc_pct
            observer.ages.clear()
            for _ in range(1800):
                await plant.clock.advance(1.0)
                assert plant.bridge.phase == observer.phase == FRESH
                told.add(island.values["soc_pct"])
            assert len(observer.ages) == pytest.approx(2 * 1800, abs=2)
            assert max(observer.ages) <= 3.5  # shunt, link and set each take up to a second
            assert abs(island.pack.soc_pct - started) > 0.5  # there was something to follow
        assert len(told) > 10
        assert island.history == island.rejected == island.strangers == observer.too_old == []


@WAYS
@pytest.mark.parametrize("dying", ["shunt unplugged", "shunt silent", "link"])
async def test_the_source_dies(monkeypatch: pytest.MonkeyPatch, way: str, dying: str) -> None:
    async with Plant(monkeypatch, way) as plant:
        await plant.clock.advance(20)
        died_at = plant.clock.monotonic()
        if dying == "shunt unplugged":
            await plant.wire.unplug()
        elif dying == "shunt silent":
            plant.shunt.misbehave("silent")
        else:
            plant.bridge.linking.cancel()
        look = {"shown": lambda: plant.bridge.phase, "on the bus": lambda: plant.observer.phase}
        seen = await plant.phases(look, 50)
        before_s = died_at - plant.bridge.last_word_at
        assert -TEXT_S <= before_s <= 2.2  # the text under way may end; told and written once a second each
        check_times(seen["shown"], SOURCE_DIES, 2 * STEP_S, before_s)
        check_times(seen["on the bus"], SOURCE_DIES, PERIOD_S + 2 * STEP_S, before_s)
        assert plant.island.history == []
        await plant.goes_dark()
        if dying == "shunt unplugged":
            await plant.wire.replug()
        elif dying == "shunt silent":
            plant.shunt.misbehave("well")
        else:
            plant.bridge.link()
        await plant.recovers()


@WAYS
@pytest.mark.parametrize("dying", ["CAN adapter", "bridge"])
async def test_the_sender_dies(monkeypatch: pytest.MonkeyPatch, way: str, dying: str) -> None:
    async with Plant(monkeypatch, way) as plant:
        await plant.clock.advance(20)
        last = plant.observer.newest[0x351][1]
        if dying == "CAN adapter":
            plant.bus.unplug()
            await plant.clock.advance(0)
            seen = await plant.phases({"shown": lambda: plant.bridge.phase or STOPPED}, 4)
            check_times(seen["shown"], SENDER_DIES, 0)
        else:
            await plant.bridge.kill()
        await plant.clock.advance(PERIOD_S + STEP_S)
        heard_at = plant.observer.newest[0x351][0]
        await plant.goes_dark()
        assert plant.observer.newest[0x351] == (heard_at, last)  # no farewell, and nothing since
        if dying == "CAN adapter":
            plant.bus.replug()
        else:
            plant.bridge = Bridge(plant)
        await plant.recovers()


@WAYS
async def test_a_bridge_killed_and_started_again(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    async with Plant(monkeypatch, way) as plant:
        await plant.clock.advance(20)
        assert 3 <= await plant.restart() <= RESTART_WITHIN_S  # the bus is listened to for 3 s first
        await plant.recovers()
        assert plant.island.history == []  # the island has noticed nothing


async def test_a_bridge_started_again_amid_a_text_block(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Plant(monkeypatch, "controller") as plant:
        await plant.clock.advance(20)
        plant.opens_at_s = AMID_TEXT_S
        await plant.restart()
