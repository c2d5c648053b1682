"""One house in a storm: every family at once on one simulated clock, with faults from a seed."""

import asyncio
import contextlib
import inspect
import math
import random
import tempfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.control.links import Link
from bridge.datastore.clock import ManualClock
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.values import Value
from bridge.register_maps.image import MapRefusal
from tests.storm import apsystems, can, modbus, remote, vebus, vedirect
from tests.storm.bus_observer import BusObserver
from tests.storm.growth import Counts, counts_now
from tests.storm.house import Bridge, Cables, in_memory
from tests.storm.line import LineMember
from tests.storm.member import Member, Trouble
from tests.storm.observer import Observer, Verdicts

FAMILIES = (
    "vedirect",
    "vebus_mk3",
    "modbus",
    "can_battery",
    "can_bms",
    "sunny_island",
    "apsystems",
    "remote",
)
#: Share of bytes lost or turned, both ways, while a line is noisy: one in a hundred.
NOISE = 0.01
LOOK_EVERY_S, NIGHT_LOOK_S = 0.5, 10.0
#: How long nothing goes wrong before a storm and after it, until everything has been heard.
SETTLE_S = 60.0
#: Mean times between events, in seconds of the simulated clock.
_TROUBLE_S, _WRITE_S, _NOISE_S, _KILL_S, _JUMP_S, _EXCHANGE_S, _BROKER_S = (
    40.0,
    6.0,
    60.0,
    150.0,
    200.0,
    240.0,
    120.0,
)
#: The clock lies about a start that is this near to a jump of so much, in seconds.
_LIE_S, _LIE_NEAR_S = 3600.0, 900.0
#: How far the clock is set, in seconds.
_JUMPS_S = (-5400.0, -61.0, -1.0, 1.0, 61.0, 5400.0, 3 * 86400.0)
_LINKED = ("/Dc/0/Voltage", "/Dc/0/Current", "/Soc")


@dataclass(slots=True)
class Report:
    """The end of a storm."""

    seed: int
    seconds: float
    verdicts: dict[str, Verdicts]
    events: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    growth: list[str] = field(default_factory=list)
    before: Counts | None = None
    after: Counts | None = None

    @property
    def faults(self) -> list[str]:
        """All that must not be."""
        found = [line for one in self.verdicts.values() for line in (*one.wrong, *one.lies)]
        return [*found, *self.crashes, *self.growth]


class Storm:
    """A house, its far ends and its observers; use as an asynchronous context, then let it `blow`."""

    def __init__(
        self,
        seed: int,
        families: Collection[str] = FAMILIES,
        hour: float | None = None,
        look_s: float = LOOK_EVERY_S,
    ) -> None:
        self.look_s = look_s
        #: How much slower everything happens where the looks are further apart.
        self._pace = look_s / LOOK_EVERY_S
        self.dice = random.Random(seed)
        start = apsystems.midday(self.dice.choice((12.0, 12.0, 5.9, 17.9, 0.0)) if hour is None else hour)
        self.clock = ManualClock(now=start)
        self.seed = seed
        self.cables = Cables(self.clock)
        self.members: list[Member] = []
        #: What a second bridge shows of the first one's devices.
        self.far: list[remote.FarMember] = []
        self.head: Bridge | None = None
        self.links: list[Link] = []
        self.report = Report(seed, 0.0, {})
        self.bridge: Bridge | None = None
        self._shunt: vedirect.Shunt | None = None
        self._furnish(set(families))
        self.observers: dict[str, Observer] = {}
        for member in (*self.members, *self.far):
            verdicts = self.report.verdicts.setdefault(member.kind, Verdicts())
            self.observers[member.name] = Observer(member, verdicts)
        self._began_at = self._lied_at = -math.inf
        self._in_trouble: dict[str, tuple[float, Trouble]] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._lives: list[asyncio.Task[Any]] = []
        self._down_until = 0.0
        self._jumped = 0.0
        self._stack = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(in_memory(self.cables, self.seed))
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="storm-"))
        self._state = Path(folder) / "state"
        self._lives = [asyncio.create_task(life) for one in self.members for life in one.lives()]
        if self._shunt is not None:
            self._lives.append(asyncio.create_task(self._weather(self._shunt)))
        await self.clock.advance(0)
        self.begin()
        if self.far:
            self.head = Bridge(self.clock, self.far, (), self._state.with_name("head"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._stop_writing()
            if self.bridge is not None:
                await self.kill()
            if self.head is not None:
                await self.head.kill()
            for life in self._lives:
                life.cancel()
            for outcome in await asyncio.gather(*self._lives, return_exceptions=True):
                assert isinstance(outcome, asyncio.CancelledError), f"a far end ended with {outcome!r}"
        finally:
            self._stack.close()

    # -- the house -----------------------------------------------------------------------------------

    def _furnish(self, families: set[str]) -> None:
        clock, dice = self.clock, self.dice
        if "vedirect" in families:
            self.members += vedirect.members(clock, dice)
        if "vebus_mk3" in families:
            self.members += vebus.members(clock, dice)
        if "modbus" in families:
            self.members += modbus.members(clock, dice)
        if "can_battery" in families:
            self.members.append(can.BatteryMember(clock, "pack", 30))
        if families & {"can_bms", "sunny_island"}:
            island, bms = can.served_bus(clock)
            self.members += [island, bms, can.SteeredIsland(clock, "house", 33)]
            self._join(island, bms)
        if "apsystems" in families:
            poll_s = apsystems.POLL_S if self._pace == 1 else apsystems.SITE_POLL_S
            self.members += apsystems.members(clock, dice, poll_s=poll_s)
        if "remote" in families and self.members:
            shown = [one for one in self.members if one.name in ("solar", "multi", "meter")] or self.members[
                :1
            ]
            self.far += [remote.FarMember(clock, one, 60 + place) for place, one in enumerate(shown)]
        for member in self.members:
            if isinstance(member, LineMember):
                self.cables.wires[next(iter(member.reached_by(member.name).values()))] = member.wire
            elif isinstance(member, can.CanMember):
                self.cables.buses[member.channel] = member.bus

    def _join(self, island: can.ServedIsland, bms: can.BmsMember) -> None:
        """Let a shunt measure the island's battery, and links tell it to the BMS."""
        simulator = BatteryMonitorSimulator(
            self.clock, product_id=0xA389, capacity_ah=int(can.CAPACITY_AH), nominal_v=48.0,
            seed=self.dice.randrange(1 << 30), serial="SIMSHUNT1",
        )  # fmt: skip
        shunt = vedirect.Shunt(self.clock, "shunt", "battery_monitor", simulator, 29)
        shunt.simulator.device.bank.consumed_ah = -0.4 * can.CAPACITY_AH
        self.members.append(shunt)
        self.links += [Link("shunt", path, "si_bms", path) for path in _LINKED]
        self._shunt, self._island = shunt, island
        verdicts = self.report.verdicts.setdefault(bms.kind, Verdicts())
        self.bus_observer = BusObserver(self.clock, bms.bus, shunt, verdicts)

    async def _weather(self, shunt: vedirect.Shunt) -> None:
        while True:
            pack = self._island.island.pack
            shunt.measure(pack.current_a, pack.voltage_v)
            await self.clock.sleep(1.0)

    def begin(self) -> None:
        """Begin a bridge on the saved state."""
        told = remote.plan() if self.far else None
        self.bridge = Bridge(self.clock, self.members, self.links, self._state, told)
        for member in self.members:
            member.bridge_began_at = self.clock.monotonic()
        self._began_at = self.clock.monotonic()
        self._doubt_clock()
        for observer in self.observers.values():
            observer.began(self.clock.monotonic())

    def _jump(self, seconds: float) -> None:
        self.clock.jump(seconds)
        if abs(seconds) >= _LIE_S:
            self._lied_at = self.clock.monotonic()
            self._doubt_clock()

    def _doubt_clock(self) -> None:
        """After a start only the wall clock tells how long nobody has counted: it may have been set meanwhile."""
        if abs(self._began_at - self._lied_at) <= _LIE_NEAR_S:
            for member in self.members:
                member.clock_lied()

    async def kill(self) -> None:
        """End the bridge at once, and the connections of its clients with it."""
        bridge, self.bridge = self.bridge, None
        await self._stop_writing()
        assert bridge is not None
        await bridge.kill()
        self.report.crashes += bridge.crashes

    async def _stop_writing(self) -> None:
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)
        self._writing.clear()

    # -- time ----------------------------------------------------------------------------------------

    async def blow(self, seconds: float, settle_s: float = SETTLE_S) -> Report:
        """Let the storm blow for so many seconds of the simulated clock; settle before and afterwards."""
        await self._pass(settle_s * self._pace, stormy=False)
        self.report.before = counts_now(self.clock)
        await self._pass(seconds, stormy=True)
        await self._heal()
        await self._pass(settle_s * self._pace, stormy=False)
        self.report.after = counts_now(self.clock)
        self.report.growth += self.report.after.grown(self.report.before)
        self.report.seconds = seconds
        for bridge in (self.bridge, self.head):
            if bridge is not None:
                self.report.crashes += bridge.crashes
                bridge.crashes.clear()
        return self.report

    async def _pass(self, seconds: float, *, stormy: bool) -> None:
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            for member in self.members:
                member.change(self.dice)
                member.watch()
                if stormy:
                    await self._trouble(member)
                self._write(member, self.bridge)
            for far in self.far:
                self._write(far, self.head)
            if stormy:
                await self._events()
            await self.clock.advance(self.look_s)
            self.look()
            for member in self.members:
                member.forget()

    def look(self) -> None:
        """Let all observers look at what is served now."""
        now = self.clock.monotonic()
        for member in self.members if self.bridge is not None else ():
            assert self.bridge is not None
            hale = member.name not in self._in_trouble and not member.damaging
            well = hale and not member.may_be_silent and not self._jumped
            self.observers[member.name].look(self.bridge.units[member.name], now, well=well)
        for far in self.far if self.head is not None else ():
            assert self.head is not None
            far.cut = far.near.cut or self.bridge is None or not self.cables.broker.up
            far.noticed_s = far.near.noticed_s
            self.observers[far.name].look(self.head.units[far.name], now, well=False)

    def _chance(self, every_s: float) -> bool:
        return self.dice.random() < self.look_s / (every_s * self._pace)

    async def _trouble(self, member: Member) -> None:
        name, now = member.name, self.clock.monotonic()
        if name in self._in_trouble:
            until, trouble = self._in_trouble[name]
            if now >= until:
                del self._in_trouble[name]
                member.cut = False
                await _do(trouble.end)
        elif member.troubles and self._chance(_TROUBLE_S):
            word = self.dice.choice(sorted(member.troubles))
            trouble = member.troubles[word]
            longest = 2.5 * member.essential_s + 4 * self._pace
            self._in_trouble[name] = now + self.dice.uniform(0.2, longest), trouble
            self.report.verdicts[member.kind].troubles[word] += 1
            member.cut, member.noticed_s = trouble.cuts, trouble.noticed_s
            await _do(trouble.begin)
        if self._chance(_NOISE_S):
            member.damage(0.0 if member.damaging else NOISE)

    async def _heal(self) -> None:
        for member in self.members:
            if member.name in self._in_trouble:
                await _do(self._in_trouble.pop(member.name)[1].end)
            member.cut = False
            member.damage(0.0)
        self.cables.broker.mend()
        self._jump(-self._jumped)
        self._jumped = 0.0
        if self.bridge is None:
            self.begin()

    async def _events(self) -> None:
        now = self.clock.monotonic()
        if self.bridge is None:
            if now >= self._down_until:
                self.begin()
        elif self._chance(_KILL_S):
            if self.dice.random() < 0.3:
                self.report.events["bridge stopped orderly"] += 1
                await self._leave(self.bridge)
            else:
                self.report.events["bridge killed"] += 1
            await self.kill()
            self._down_until = now + self.dice.choice((0.0, 0.5, 3.0, 20.0))
        if self._jumped:
            if self._chance(_JUMP_S / 4):
                self._jump(-self._jumped)
                self._jumped = 0.0
        elif self._chance(_JUMP_S):
            self.report.events["clock set"] += 1
            self._jumped = self.dice.choice(_JUMPS_S)
            self._jump(self._jumped)
        if self._chance(_EXCHANGE_S):
            await self._exchange()
        broker = self.cables.broker
        if not self.far:
            return
        if not broker.up:
            if self._chance(_BROKER_S / 6):
                broker.mend()
        elif self._chance(_BROKER_S):
            self.report.events["broker down"] += 1
            broker.cut()
        if self._chance(_BROKER_S):
            broker.delay_s = self.dice.choice((0.01, 0.01, 0.3, remote.SLOWEST_S))

    async def _leave(self, bridge: Bridge) -> None:
        leaving = asyncio.create_task(bridge.leave())
        for _ in range(60):
            if leaving.done():
                break
            await self.clock.advance(0.05)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)

    async def _exchange(self) -> None:
        """Put the plugs of two devices of one kind of line into each other's ports, or back."""
        lines = [one for one in self.members if isinstance(one, vedirect.VeDirectMember | vebus.VeBusMember)]
        kinds = [kind for kind in ("vedirect", "vebus_mk3") if sum(one.kind == kind for one in lines) > 1]
        if not kinds:
            return
        kind = self.dice.choice(kinds)
        one, other = self.dice.sample([line for line in lines if line.kind == kind], 2)
        if one.name in self._in_trouble or other.name in self._in_trouble:
            return
        self.report.events["ports exchanged"] += 1
        wires, longest = self.cables.wires, 4 + 2 * max(one.essential_s, other.essential_s)

        async def exchange() -> None:
            for line in (one, other):
                await line.unplug()
            wires[one.name], wires[other.name] = wires[other.name], wires[one.name]
            for line in (one, other):
                await line.replug()

        until = self.clock.monotonic() + self.dice.uniform(2, longest)
        await exchange()
        for line in (one, other):
            line.cut, line.noticed_s = True, line.impostor_s
        self._in_trouble[one.name] = until, Trouble(exchange, exchange, cuts=True)
        self._in_trouble[other.name] = until + self.look_s, Trouble(_nothing, _nothing, cuts=True)

    # -- people --------------------------------------------------------------------------------------

    def _write(self, member: Member, bridge: Bridge | None) -> None:
        if bridge is None or not member.writes or not self._chance(_WRITE_S * member.seldom):
            return
        path, values = self.dice.choice(member.writes)
        within_s = self.dice.choice((None, None, 0.4))
        task = asyncio.create_task(self._written(bridge, member, path, self.dice.choice(values), within_s))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _written(
        self, bridge: Bridge, member: Member, path: str, value: Value, within_s: float | None
    ) -> None:
        served, began = bridge.units[member.name], self.clock.monotonic()
        observer, verdicts = self.observers[member.name], self.report.verdicts[member.kind]
        try:
            outcome = await served.write(path, value, within_s)
        except (WriteRefusal, MapRefusal):
            verdicts.refused += 1
            return
        observer.judge_write(path, value, began, self.clock.monotonic(), outcome, served.step(path))


async def _do(act: Any) -> None:
    done = act()
    if inspect.isawaitable(done):
        await done


def _nothing() -> None:
    """Leave all as it is: the other end of a pair does it."""


async def storm(
    seconds: float, seed: int, families: Collection[str] = FAMILIES, settle_s: float = SETTLE_S
) -> Report:
    """Let one storm blow over a house; returns what was seen."""
    async with Storm(seed, families) as house:
        return await house.blow(seconds, settle_s)


async def day_and_night(seed: int, hours: float = 30.0) -> Report:
    """Let one blow over a roof alone, at the pace of a real site, for a day and a night and a morning."""
    async with Storm(seed, ["apsystems"], look_s=NIGHT_LOOK_S) as house:
        return await house.blow(hours * 3600)
