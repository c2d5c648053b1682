"""Batteries behind an slcan adapter on a pseudo-terminal, one of each dialect, at their true pace."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge.adapters.base import Fault
from bridge.adapters.can import simulated_adapter
from bridge.adapters.can.battery_frames import BATTERY_FRAMES
from bridge.adapters.can.dialects import DialectName
from bridge.adapters.can.simulated_adapter import SimulatedAdapter
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.adapters.can_battery.simulated_battery import BatteryState, SimulatedBattery, alarm_named
from bridge.datastore.clock import Clock, SystemClock

_BATTERY_FAULTS = (
    Fault("silent", "the battery says nothing"),
    Fault("omit", "the battery leaves out the frame of this id, hexadecimal (351)"),
    Fault("short", "cut this many bytes off every frame (7)"),
    Fault("alarm", "raise this alarm (low_voltage)"),
    Fault("warning", "raise this warning (low_voltage)"),
    Fault("current", "current in A, positive while charging (-12.3)"),
    Fault("soc", "state of charge in % (76.4)"),
)


class BatterySimulator:
    """A simulated battery: `run` plays it behind an slcan adapter, `battery.play` on any simulated bus.

    name: what 0x35E says, at most 8 characters. waits: it is silent until it hears an inverter. lawicel:
    its adapter acknowledges. Raises ValueError for impossible values.
    """

    dialect: DialectName = "pylontech"
    faults: tuple[Fault, ...] = (*_BATTERY_FAULTS, *simulated_adapter.FAULTS)

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        name: str = "",
        serial: str = "SIM0000000000001",
        capacity: float = 200.0,
        modules: int = 4,
        soc: float = 76.4,
        current: float = -12.3,
        waits: bool = False,
        lawicel: bool = False,
        seed: int = 0,
    ) -> None:
        if not 0 <= soc <= 100 or not 0 < capacity <= 6000 or not 0 < modules < 256 or abs(current) > 1000:
            raise ValueError(
                f"found {soc:g} %, {capacity:g} Ah, {modules} modules, {current:g} A: expected 0 to 100 %, "
                "up to 6000 Ah, 1 to 255 modules and at most 1000 A"
            )
        for text, longest in ((name, 8), (serial, 16)):
            if len(text) > longest or not text.isascii():
                raise ValueError(f"found {text!r}, expected at most {longest} ASCII characters")
        self._clock = SystemClock() if clock is None else clock
        state = BatteryState(
            serial=serial, capacity_ah=capacity, modules=modules, soc_pct=soc, current_a=current
        )
        state.name = name or _NAMES[self.dialect]
        self.battery = SimulatedBattery(self._clock, self.dialect, state, waits=waits)
        self.bus = SimulatedBus(self._clock)
        self.adapter = SimulatedAdapter(self._clock, self.bus, lawicel=lawicel, seed=seed)

    @property
    def playing(self) -> asyncio.Event:
        """Set while it plays on a terminal."""
        return self.adapter.playing

    async def run(self, link: Path | None = None) -> None:
        """Open a PTY, make `link` point at it, and play until cancelled; raises OSError for a bad link."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.battery.play(self.bus))
            tasks.create_task(self.adapter.run(link))

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name; `well` ends all. Raises ValueError for an unknown one."""
        start = self._starts().get(fault)
        if start is not None:
            start(argument.strip())
            return
        if fault == "well":
            self._well()
        elif fault not in {known.name for known in self.faults}:
            known = " ".join(known.name for known in self.faults)
            raise ValueError(f"fault: found {fault!r}, expected one of {known}")
        self.adapter.misbehave(fault, argument)

    def _starts(self) -> Mapping[str, Callable[[str], None]]:
        battery, state = self.battery, self.battery.state

        def number(name: str, default: float, low: float, high: float) -> Callable[[str], None]:
            return lambda a: setattr(state, name, _number(a, default, low, high))

        return {
            "silent": lambda _: setattr(battery, "silent", True),
            "omit": lambda a: battery.omitted.add(_id(a)),
            "short": lambda a: setattr(battery, "cut", int(_number(a, 7, 0, 8))),
            "alarm": lambda a: state.alarms.add(alarm_named(a or "low_voltage")),
            "warning": lambda a: state.warnings.add(alarm_named(a or "low_voltage")),
            "current": number("current_a", -12.3, -1000, 1000),
            "soc": number("soc_pct", 76.4, 0, 100),
        }

    def _well(self) -> None:
        battery = self.battery
        battery.silent, battery.cut = False, 0
        battery.omitted.clear()
        battery.state.alarms.clear()
        battery.state.warnings.clear()


class PylontechBatterySimulator(BatterySimulator):
    """A Pylontech of old firmware: 0x359 and 0x35C."""


class NewPylontechBatterySimulator(BatterySimulator):
    """A Pylontech of new firmware: 0x35A and 0x35F."""

    dialect: DialectName = "pylontech_new"


class SmaBatterySimulator(BatterySimulator):
    """A battery made for a Sunny Island."""

    dialect: DialectName = "sma"


class VictronBatterySimulator(BatterySimulator):
    """A battery of Victron's kind, with modules, cells, history and serial number."""

    dialect: DialectName = "victron"


_NAMES: Mapping[DialectName, str] = {
    "pylontech": "SIMPYLON",
    "pylontech_new": "SIMPYLON",
    "sma": "SIMSMA",
    "victron": "SIMBYD",
}


def _number(argument: str, default: float, low: float, high: float) -> float:
    try:
        value = float(argument) if argument else default
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ValueError(f"found {argument!r}, expected a number from {low:g} to {high:g}")
    return value


def _id(argument: str) -> int:
    try:
        id = int(argument or "351", 16)
    except ValueError:
        id = -1
    if id not in BATTERY_FRAMES:
        raise ValueError(f"omit: found {argument!r}, expected the id of a frame such as 351")
    return id
