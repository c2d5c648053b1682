"""Writes and their outcomes, against pymodbus's own server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.modbus.plan import plan_of
from bridge.adapters.modbus.points import specs_of
from bridge.datastore.device import Device
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.values import Outcome
from tests.adapters.modbus.bench import House, house, map_file
from tests.adapters.modbus.field import Field, serving
from tests.adapters.modbus.test_options import made
from tests.adapters.modbus.test_plan import loaded

MAP = """
device: {min_timeout: 0.2}
registers:
  - {address: 0, type: u16, path: /State}
  - {address: 10, type: u16, scale: 10, path: /Limit, write: [0, 60]}
  - {address: 11, type: e16, path: /Mode, values: {on: 1, eco: 3, off: 4}, accept: {0: 4}, write: true}
  - {address: 12, type: s32b, path: /Power, write: [-5000, 5000], source: {path: /Power, negate: true}}
  - {address: 20, type: f32b, path: /Setpoint, write: [-100, 100]}
  - {address: 30, type: bit, bit: 2, path: /Bit, write: true}
  - {address: 31, type: u16, path: /Reset, write: true, self_clearing: true}
  - {address: 32, type: u16, path: /Blind, write: [0, 9], poll: false}
  - {address: 40, type: text, length: 3, path: /Name, write: true}
coils:
  - {address: 7, path: /Pump, mirror: 50}
"""


class Bench:
    def __init__(self, home: House, field: Field, device: Device) -> None:
        self.home, self.field, self.device = home, field, device

    async def write(self, **changes: Any) -> Any:
        told = await self.home.write(self.device, {f"/{path}": value for path, value in changes.items()})
        return next(iter(told.values())) if len(told) == 1 else list(told.values())

    def cell(self, address: int, table: str = "holding") -> int:
        return self.field.cells[1, table, address]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    field = Field()
    field.put(1, "holding", 0, [1])
    field.put(1, "holding", 10, [100, 1, 0, 0])
    field.put(1, "holding", 20, [0, 0])
    field.put(1, "holding", 30, [0b1010001, 0, 5])
    field.put(1, "holding", 40, [0x4142, 0x4300, 0])
    field.put(1, "coils", 7, [0])
    async with serving(field, "tcp") as where, house() as home:
        options = {"timeout": 0.5, "retries": 1, "poll": 60, "nonvolatile": ("/Limit",)}
        device = home.add("device", map=map_file(tmp_path, MAP), **where, **options)
        read = {"/State", "/Limit", "/Mode", "/Power", "/Setpoint", "/Bit", "/Name", "/Pump"}
        await home.until(lambda: all(device.value(path) is not None for path in read))
        field.writes.clear()
        yield Bench(home, field, device)


def test_the_rules_of_its_points() -> None:
    specs = specs_of(loaded(MAP), made(host="h", refresh={"/Setpoint": 10}))
    assert plan_of(loaded(MAP), 1.0).islands
    limit, mode, power, pump, name = (specs[f"/{p}"] for p in ("Limit", "Mode", "Power", "Pump", "Name"))
    assert (limit.minimum, limit.maximum, limit.step, limit.writable) == (0, 60, 0.1, True)
    assert (mode.choices, dict(mode.accept), mode.off) == ({1: "on", 3: "eco", 4: "off"}, {0: 4}, 4)
    assert (power.minimum, power.maximum, power.unit_of_measure) == (-5000, 5000, "W")
    assert (pump.choices, pump.off) == ({1: "on", 0: "off"}, 0)
    assert (name.text, name.writable) == (True, True)
    assert specs["/Reset"].self_clearing
    assert specs["/Setpoint"].refresh_s == 10
    assert not specs["/State"].writable


@pytest.mark.parametrize(
    ("path", "value", "writes", "after"),
    [
        ("Limit", 23.4, [(6, 10, [234])], 23.4),
        ("Mode", 3, [(6, 11, [3])], 3),
        ("Mode", 0, [(6, 11, [4])], 4),
        ("Power", -1500, [(16, 12, [0, 1500])], -1500),
        ("Setpoint", 21.3, [(16, 20, [0x41AA, 0x6666])], 21.3),
        ("Bit", 1, [(6, 30, [0b1010101])], 1),
        ("Name", "XYZ", [(16, 40, [0x5859, 0x5A00, 0])], "XYZ"),
        ("Pump", 1, [(5, 7, [1])], 1),
        ("Blind", 9, [(6, 32, [9])], 9),
    ],
)
async def test_written_and_read_back(
    bench: Bench, path: str, value: Any, writes: list[Any], after: Any
) -> None:
    assert await bench.write(**{path: value}) is Outcome.CONFIRMED
    assert [(function, address, words) for _, function, address, words in bench.field.writes] == writes
    assert bench.device.value(f"/{path}") == after


async def test_neighbours_go_out_as_one(bench: Bench) -> None:
    assert await bench.write(Limit=5, Mode=4, Power=100) == [Outcome.CONFIRMED] * 3
    assert bench.field.writes == [(1, 16, 10, [50, 4, 0xFFFF, 0xFF9C])]


async def test_neighbours_singly_where_the_device_takes_no_more(bench: Bench) -> None:
    bench.field.unknown = {16}
    assert await bench.write(Limit=5, Mode=4) == [Outcome.CONFIRMED] * 2
    assert bench.field.writes[1:] == [(1, 6, 10, [50]), (1, 6, 11, [4])]


async def test_a_device_that_knows_fc16_alone(bench: Bench) -> None:
    bench.field.unknown = {6}
    assert await bench.write(Limit=5) is Outcome.CONFIRMED
    assert await bench.write(Limit=6) is Outcome.CONFIRMED
    assert [write[1] for write in bench.field.writes] == [6, 16, 16]  # asked once, then known


@pytest.mark.parametrize(
    ("becomes", "outcome", "shown"),
    [
        (lambda _, value: min(value, 200), Outcome.ADJUSTED, 20.0),
        (lambda *_: None, Outcome.REFUSED, 10.0),
    ],
    ids=["clamped", "ignored"],
)
async def test_what_the_device_makes_of_it(
    bench: Bench, becomes: Any, outcome: Outcome, shown: float
) -> None:
    bench.field.becomes = becomes
    assert await bench.write(Limit=30) is outcome
    assert bench.device.value("/Limit") == shown


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (1, Outcome.REFUSED), (2, Outcome.REFUSED), (3, Outcome.REFUSED), (4, Outcome.REFUSED),
        (6, Outcome.BUSY), (0x0A, Outcome.TIMED_OUT), (0x0B, Outcome.TIMED_OUT),
    ],
)  # fmt: skip
async def test_exceptions(bench: Bench, code: int, outcome: Outcome) -> None:
    bench.field.refuses = {10: code}
    assert await bench.write(Limit=30) is outcome
    assert bench.cell(10) == 100


async def test_what_comes_after_a_failure_is_not_sent(bench: Bench) -> None:
    bench.field.refuses = {20: 4}
    assert await bench.write(Setpoint=5, Bit=1) == [Outcome.REFUSED, Outcome.REFUSED]
    assert {address for _, _, address, _ in bench.field.writes} == {20}


async def test_a_command_that_acts_is_never_sent_twice(bench: Bench) -> None:
    assert await bench.write(Reset=1) is Outcome.CONFIRMED
    assert bench.device.value("/Reset") == 0
    bench.field.writes.clear()
    bench.field.delay_s = 1.0  # answered after everybody's patience
    assert await bench.write(Reset=1) is Outcome.TIMED_OUT
    assert bench.field.writes == [(1, 6, 31, [1])]


async def test_an_unchanged_value_does_not_wear_memory(bench: Bench) -> None:
    left = bench.device.status().wear_left
    assert await bench.write(Limit=10) is Outcome.CONFIRMED
    assert (bench.field.writes, bench.device.status().wear_left) == ([], left)
    assert await bench.write(Limit=11) is Outcome.CONFIRMED
    assert bench.device.status().wear_left == left - 1


@pytest.mark.parametrize(
    ("path", "value"), [("Limit", 61), ("Mode", 2), ("Pump", 2), ("State", 1), ("Name", 5)]
)
async def test_rules_hold_before_any_frame(bench: Bench, path: str, value: Any) -> None:
    with pytest.raises(WriteRefusal):
        await bench.write(**{path: value})
    assert bench.field.writes == []


async def test_a_device_that_has_gone(bench: Bench) -> None:
    bench.field.silent = {1}
    assert await bench.write(Limit=30) is Outcome.TIMED_OUT
    assert bench.cell(10) == 100
