"""Devices on CAN in the storm: a battery, an island that the bridge serves as its BMS, and one that it steers.

Frames are whole or not there: CAN's own sum of 15 bits and its repeats see to that. What goes wrong are the
adapter, the bus and those who speak on it.
"""

import collections
import random
from collections.abc import Coroutine, Mapping
from typing import Any

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can_battery.options import FAMILY as BATTERY
from bridge.adapters.can_battery.simulated_battery import SimulatedBattery
from bridge.adapters.can_bms.options import FAMILY as BMS
from bridge.adapters.can_bms.simulated_island import Condition, Pack, SupervisedIsland
from bridge.adapters.sunny_island.options import FAMILY as ISLAND
from bridge.adapters.sunny_island.simulated_house import SimulatedHouse
from bridge.adapters.sunny_island.simulator import IslandNode
from bridge.datastore.clock import ManualClock
from tests.storm.member import Member, Trouble
from tests.storm.truth import Held, Rule

CAPACITY_AH = 200.0
#: How long a battery's flags and alarms are believed (docs/can.md).
_ELSE_S = 30.0
#: Frames that a bus remembers here.
_LOGGED = 100
#: A frame's rounding: half a tenth, and what binary fractions leave.
_TENTH, _HUNDREDTH, _STEP_W = 0.051, 0.0051, 51.0


class CanMember(Member):
    """A device on a bus; the bus's troubles are those of all on it."""

    def __init__(
        self,
        clock: ManualClock,
        name: str,
        unit_map: str,
        unit: int,
        bus: SimulatedBus,
        channel: str,
        **options: Any,
    ) -> None:
        super().__init__(clock, name, unit_map, unit, interface="virtual", channel=channel, **options)
        self.bus = bus
        self.channel = channel
        bus.log = collections.deque(maxlen=_LOGGED)
        bus.from_bridge = collections.deque(maxlen=_LOGGED)
        bus.join(self._heard)

    def _heard(self, _: CanFrame) -> None:
        self.watch()

    def bus_troubles(self) -> dict[str, Trouble]:
        """What can go wrong with the bridge's adapter. A stuck one still hears."""
        bus = self.bus
        return {
            "unplugged": Trouble(bus.unplug, bus.replug, cuts=True),
            "channel closed": Trouble(bus.deafen, lambda: None),
            "bus off": Trouble(lambda: bus.go_off(off=True), lambda: bus.go_off(off=False), cuts=True),
            "garbled": Trouble(lambda: bus.garble(3), lambda: None),
            "foreign frame": Trouble(bus.ignore, lambda: None),
            "adapter stuck": Trouble(lambda: bus.stick(stuck=True), lambda: bus.stick(stuck=False)),
        }


class BatteryMember(CanMember):
    """A Pylontech battery of old firmware."""

    family = BATTERY

    def __init__(self, clock: ManualClock, name: str, unit: int) -> None:
        bus = SimulatedBus(clock)
        super().__init__(clock, name, "can_battery", unit, bus, name, dialect="pylontech")
        self.battery = SimulatedBattery(clock)
        battery, state = self.battery, self.battery.state

        def sets(owner: object, name: str, value: object, former: object, *, cuts: bool = False) -> Trouble:
            return Trouble(lambda: setattr(owner, name, value), lambda: setattr(owner, name, former), cuts)

        self.troubles = {
            **self.bus_troubles(),
            "silent": sets(battery, "silent", value=True, former=False, cuts=True),
            "short": sets(battery, "cut", 3, 0),
            "no limits": Trouble(lambda: battery.omitted.add(0x351), battery.omitted.clear),
            "no voltage": Trouble(lambda: battery.omitted.add(0x356), battery.omitted.clear),
            "alarm": Trouble(lambda: state.alarms.add("low_voltage"), state.alarms.clear),
        }
        window = 5.0
        self.rules = {
            "/Dc/0/Voltage": Rule(window, _HUNDREDTH),
            "/Dc/0/Current": Rule(window, _TENTH),
            "/Dc/0/Temperature": Rule(window, _TENTH),
            "/Dc/0/Power": Rule(window, 6.0),
            "/Soc": Rule(window, 0.51),
            "/Soh": Rule(window, 0.51),
            "/Info/MaxChargeVoltage": Rule(window, _TENTH),
            "/Info/MaxChargeCurrent": Rule(window, _TENTH),
            "/Info/MaxDischargeCurrent": Rule(window, _TENTH),
            "/Io/AllowToCharge": Rule(_ELSE_S),
            "/Alarms/LowVoltage": Rule(_ELSE_S),
        }

    def held(self) -> Mapping[str, Held]:
        """What the battery is and allows."""
        s = self.battery.state
        return {
            "/Dc/0/Voltage": s.voltage_v,
            "/Dc/0/Current": s.current_a,
            "/Dc/0/Temperature": s.temperature_c,
            "/Dc/0/Power": s.voltage_v * s.current_a,
            "/Soc": s.soc_pct,
            "/Soh": s.soh_pct,
            "/Info/MaxChargeVoltage": s.charge_voltage_limit_v,
            "/Info/MaxChargeCurrent": s.charge_current_limit_a,
            "/Info/MaxDischargeCurrent": s.discharge_current_limit_a,
            "/Io/AllowToCharge": int(s.charge_enable),
            "/Alarms/LowVoltage": 2 if "low_voltage" in s.alarms else 0,
        }

    def change(self, dice: random.Random) -> None:
        """Let it be used."""
        self.watch()
        s = self.battery.state
        if dice.random() < 0.3:
            s.current_a = round(dice.uniform(-90, 90), 1)
            s.voltage_v = round(51 + s.current_a * 0.01, 2)
            s.temperature_c = round(dice.uniform(5, 35), 1)
        if dice.random() < 0.05:
            s.charge_current_limit_a = float(dice.choice((0, 25, 50, 100)))
            s.charge_enable = s.charge_current_limit_a > 0
        self.watch()

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Let it speak."""
        return [self.battery.play(self.bus)]


class IslandMember(CanMember):
    """An island as it tells of itself: battery, output, state."""

    family = ISLAND

    def __init__(
        self, clock: ManualClock, name: str, unit: int, bus: SimulatedBus, channel: str, **options: Any
    ) -> None:
        super().__init__(clock, name, "sunny_island", unit, bus, channel, **options)
        window = 5.0
        self.rules = {
            "/Dc/0/Voltage": Rule(window, _TENTH),
            "/Dc/0/Current": Rule(window, _TENTH),
            "/Soc": Rule(window, _TENTH),
            "/Ac/Out/L1/V": Rule(window, _TENTH),
            "/Ac/Out/L1/F": Rule(window, _TENTH),
            "/Ac/Inverter/L1/P": Rule(window, _STEP_W),
            "/ErrorCode": Rule(window),
            "/Mode": Rule(window),
        }


class ServedIsland(IslandMember):
    """The island whose BMS is the bridge."""

    def __init__(self, clock: ManualClock, name: str, unit: int, channel: str) -> None:
        bus = SimulatedBus(clock)
        self.island = SupervisedIsland(clock, bus, pack=Pack(CAPACITY_AH, 60.0))
        super().__init__(clock, name, unit, bus, channel)
        self.troubles = {
            **self.bus_troubles(),
            "mute": Trouble(lambda: setattr(self.island, "speaks", False), self._speak, cuts=True),
        }

    def _speak(self) -> None:
        self.island.speaks = True

    def held(self) -> Mapping[str, Held]:
        """What the island tells, as its own state has it."""
        island, pack = self.island, self.island.pack
        running = island.condition is Condition.RUNNING
        return {
            "/Dc/0/Voltage": pack.voltage_v,
            "/Dc/0/Current": pack.current_a,
            "/Soc": island.values["soc_pct"],
            "/Ac/Out/L1/V": 230.0 if running else 0.0,
            "/Ac/Out/L1/F": 50.0 if running else 0.0,
            "/Ac/Inverter/L1/P": -pack.current_a * pack.voltage_v,
            "/ErrorCode": island.error,
            "/Mode": 3 if running else 4,
        }

    def change(self, dice: random.Random) -> None:
        """Let sun and loads move; a person starts an island that has switched itself off."""
        self.island.sun_w, self.island.load_w = dice.uniform(0, 3000), dice.uniform(200, 2500)
        self.island.pack.soc_pct = min(90.0, max(30.0, self.island.pack.soc_pct))
        if self.island.condition is Condition.OFF:
            self.island.switch_on()

    def forget(self) -> None:
        """Shorten what the simulator remembers."""
        del self.island.history[:-100], self.island.rejected[:-100], self.island.strangers[:-100]

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Play the island."""
        return [self.island.play()]


class SteeredIsland(IslandMember):
    """An island in a house with a grid, which the bridge may start and stop."""

    def __init__(self, clock: ManualClock, name: str, unit: int) -> None:
        bus = SimulatedBus(clock)
        self.house = SimulatedHouse(speed=60.0)
        self.node = IslandNode(clock, bus, self.house)
        super().__init__(clock, name, unit, bus, name, allow_commands=True)
        node = self.node

        def does(fault: str, argument: str = "", *, cuts: bool = False) -> Trouble:
            return Trouble(lambda: node.misbehave(fault, argument), lambda: node.misbehave("well"), cuts)

        self.troubles = {
            **self.bus_troubles(),
            "silent": does("silent", cuts=True),
            "skip": does("skip", "3"),
            "deaf": does("deaf"),
            "no voltages": does("lacks", "304"),
            "another GX": does("gx"),
            "stopped by hand": Trouble(
                lambda: node.misbehave("mode", "off"), lambda: node.misbehave("mode", "on")
            ),
            "grid lost": Trouble(lambda: node.misbehave("grid", "off"), lambda: node.misbehave("grid", "on")),
        }
        self.writes = [("/Mode", [3, 4])]

    def held(self) -> Mapping[str, Held]:
        """What the house is like."""
        house = self.house
        return {
            "/Dc/0/Voltage": house.battery_v,
            "/Dc/0/Current": house.battery_a,
            "/Soc": house.soc_pct,
            "/Ac/Out/L1/V": 230.0 if house.running else 0.0,
            "/Ac/Out/L1/F": 50.0 if house.running else 0.0,
            "/Ac/Inverter/L1/P": house.inverter_w,
            "/ErrorCode": house.error,
            "/Mode": 3 if house.running else 4,
        }

    def forget(self) -> None:
        """Shorten what the simulator remembers."""
        del self.node.heard[:-100]

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Play the island."""
        return [self.node.play(), self._notes()]

    async def _notes(self) -> None:
        while True:
            await self.clock.sleep(0.5)
            self.watch()


class BmsMember(CanMember):
    """The bridge as a BMS. What it tells the island is judged on the bus, by `BusObserver`."""

    family = BMS

    def __init__(self, clock: ManualClock, name: str, unit: int, bus: SimulatedBus, channel: str) -> None:
        super().__init__(
            clock, name, "can_bms", unit, bus, channel, dialect="sma", observe=False, charge_control={},
            battery={"cells": 16, "chemistry": "lfp", "capacity": CAPACITY_AH},
        )  # fmt: skip
        self.troubles = {}  # the island's are those of the bus that they share

    def held(self) -> Mapping[str, Held]:
        """Nothing: it is no device but the bridge's own voice."""
        return {}

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Nothing lives behind it."""
        return []


def served_bus(clock: ManualClock, first_unit: int = 31) -> tuple[ServedIsland, BmsMember]:
    """The island and its BMS on one bus."""
    island = ServedIsland(clock, "island", first_unit + 1, "island bus")
    return island, BmsMember(clock, "si_bms", first_unit, island.bus, "island bus")
