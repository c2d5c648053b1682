"""A storm on six VE.Direct lines: bytes lost and flipped both ways, plugs pulled, and people who write."""

import asyncio
import random
from dataclasses import dataclass

from bridge.adapters.vedirect.simulated_dcdc import DcDcSimulator
from bridge.adapters.vedirect.simulated_inverter import InverterSimulator
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.adapters.vedirect.simulated_solar import SolarChargerSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.values import Origin, WriteRequest
from tests.storm.fleet import Fleet, Member
from tests.storm.observer import Observer, Verdicts

#: Share of bytes lost and of bytes with a bit turned, in both directions: one in a hundred together.
LOST, FLIPPED = 0.005, 0.005
_LOOK_EVERY_S = 0.5
_UNPLUG_EVERY_S, _WRITE_EVERY_S = 60.0, 4.0

WRITES: dict[str, list[tuple[str, list[float]]]] = {
    "charger": [("/Settings/ChargeCurrentLimit", [0, 4, 6, 8, 12]), ("/Mode", [1, 4])],
    "charger3": [("/Mode", [1, 4])],
    "inverter": [("/Mode", [2, 4, 5])],
    "solar": [("/Mode", [1, 4])],
    "monitor": [("/Relay/0/State", [0, 1])],
    "dcdc": [("/Mode", [1, 4])],
}


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a storm."""

    seconds: float
    seed: int
    verdicts: Verdicts
    unplugged: int


async def storm(seconds: float, seed: int) -> Report:
    """Let a storm blow for so many seconds of the simulated clock."""
    dice = random.Random(seed)
    clock = ManualClock()
    fleet = Fleet(clock)
    fleet.add("charger", "ac_charger", ChargerSimulator(clock, seed=dice.randrange(1 << 30)))
    fleet.add(
        "charger3", "ac_charger", ChargerSimulator(clock, seed=dice.randrange(1 << 30), product_id=0xA30A)
    )
    fleet.add("inverter", "inverter", InverterSimulator(clock, seed=dice.randrange(1 << 30)))
    fleet.add("solar", "solar_charger", SolarChargerSimulator(clock, seed=dice.randrange(1 << 30)))
    fleet.add("monitor", "battery_monitor", BatteryMonitorSimulator(clock, seed=dice.randrange(1 << 30)))
    fleet.add("dcdc", "dcdc", DcDcSimulator(clock, seed=dice.randrange(1 << 30)))
    verdicts = Verdicts()
    unplugged = 0
    async with fleet:
        observers = {name: Observer(member, verdicts) for name, member in fleet.members.items()}
        await clock.advance(8)
        for member in fleet.members.values():
            member.simulator.misbehave("drop", str(LOST))
            member.simulator.misbehave("flip", str(FLIPPED))
        replug: dict[str, float] = {}
        writing: set[asyncio.Task[None]] = set()
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            now = clock.monotonic()
            for name, member in fleet.members.items():
                if name in replug:
                    if now >= replug[name]:
                        del replug[name]
                        await member.wire.replug()
                elif dice.random() < _LOOK_EVERY_S / _UNPLUG_EVERY_S:
                    unplugged += 1
                    replug[name] = now + dice.uniform(0.2, 12.0)
                    await member.wire.unplug()
                if dice.random() < _LOOK_EVERY_S / _WRITE_EVERY_S:
                    path, values = dice.choice(WRITES[name])
                    task = asyncio.create_task(
                        _write(clock, member, observers[name], path, dice.choice(values))
                    )
                    writing.add(task)
                    task.add_done_callback(writing.discard)
            await clock.advance(_LOOK_EVERY_S)
            for observer in observers.values():
                observer.look(clock.monotonic())
        while writing:
            await clock.advance(1)
    return Report(seconds, seed, verdicts, unplugged)


async def _write(clock: ManualClock, member: Member, observer: Observer, path: str, value: float) -> None:
    began = clock.monotonic()
    try:
        outcomes = await member.device.write(WriteRequest({path: value}, Origin("modbus", "storm")))
    except WriteRefusal:
        return
    observer.judge_write(path, value, began, clock.monotonic(), outcomes[path])
