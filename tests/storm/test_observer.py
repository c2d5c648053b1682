"""The observer itself: lies that are planted must be found, each by its own sentence, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from bridge.datastore.device import Device
from bridge.datastore.values import Outcome, Path, Value, WriteRequest
from tests.storm import modbus
from tests.storm.growth import counts_now
from tests.storm.house import Served
from tests.storm.member import Leased
from tests.storm.storm import Storm

QUIET_S = 8.0


@pytest.fixture
async def house() -> AsyncIterator[Storm]:
    """A house with Modbus devices only, which cost little, after all have been heard."""
    async with Storm(7, ["modbus"], hour=12.0) as made:
        made.members[0].writes = ()
        await made._pass(QUIET_S, stormy=False)
        assert made.report.faults == []
        assert sum(one.judged for one in made.report.verdicts.values()) > 100
        yield made


async def pass_by(house: Storm, seconds: float) -> list[str]:
    await house._pass(seconds, stormy=False)
    return house.report.faults


def meter_of(house: Storm) -> modbus.MeterMember:
    found = house.members[1]
    assert isinstance(found, modbus.MeterMember)
    return found


async def test_nothing_is_found_where_nothing_is_wrong(house: Storm) -> None:
    assert await pass_by(house, 20) == []


async def test_a_value_that_the_device_never_held(house: Storm, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Served.read

    def lies(self: Served, path: str) -> Value | None:
        value = read(self, path)
        return 231.7 if path == "/Ac/L2/Voltage" and value is not None else value

    monkeypatch.setattr(Served, "read", lies)
    found = await pass_by(house, 2)
    assert len(found) == 1  # told once, not at each look
    assert found[0].startswith("meter /Ac/L2/Voltage t=")
    assert "served 231.7, held ['231.0']" in found[0]


async def test_a_truth_that_moves_while_the_bridge_stands_still(house: Storm) -> None:
    """What the simulator says on the wire is no more what it holds: a frozen value is an old one sold as new."""
    meter = meter_of(house)
    meter.simulator.__class__ = type(
        "Frozen", (modbus.MeterSimulator,), {"registers": dict(meter.simulator.registers)}
    )
    meter.simulator.powers_w = [1.0, 2.0, 3.0]
    assert await pass_by(house, 5) == []  # not yet: within the window
    found = await pass_by(house, 5)
    assert any(line.startswith("meter /Ac/L1/Power") for line in found)


async def test_a_device_that_is_cut_and_answered_for(house: Storm, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = meter_of(house)
    meter.cut = True
    meter.simulator.silent = True
    assert await pass_by(house, 12) == []
    monkeypatch.setattr(Served, "answers", lambda _: True)
    assert ["still answers, cut since" in line for line in await pass_by(house, 1)] == [True]


async def test_a_write_that_is_acknowledged_and_does_not_happen(
    house: Storm, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def confirms(
        _: Device, request: WriteRequest, within_s: float | None = None
    ) -> Mapping[Path, Outcome]:
        assert within_s is None
        return dict.fromkeys(request.changes, Outcome.CONFIRMED)

    wagon, bridge = house.members[0], house.bridge
    assert bridge is not None
    now_on = wagon.held()["/Mode"] == 2
    monkeypatch.setattr(Device, "write", confirms)
    await house._written(bridge, wagon, "/Mode", 4 if now_on else 2, None)
    assert ["confirmed" in line and line.startswith("wagon /Mode=4") for line in house.report.faults] == [
        True
    ]


async def test_a_write_that_happens_is_no_lie(house: Storm) -> None:
    wagon, bridge = house.members[0], house.bridge
    assert bridge is not None
    writing = asyncio.create_task(house._written(bridge, wagon, "/Mode", 4, None))
    await pass_by(house, 6)
    await writing
    assert house.report.verdicts["modbus"].confirmed == 1
    assert house.report.faults == []


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((5.0, 5.1, 5.0), "fell from 5.1 to 5.0"),
        ((5.0, 5.1, 9.0), "rose by 4.0"),
        ((5.0, 5.1, 5.2), None),
    ],
    ids=["falls", "jumps", "counts what was made"],
)
async def test_an_energy_counter(
    house: Storm, monkeypatch: pytest.MonkeyPatch, counts: tuple[float, ...], words: str | None
) -> None:
    meter, path = meter_of(house), "/Ac/Energy/Forward"
    del meter.rules[path]
    made = {"watts": 360_000.0}  # 0.05 kWh in half a second
    monkeypatch.setattr(type(meter), "flow", lambda _: {path: made["watts"]})
    meter.watch()
    shown = iter(counts)
    read = Served.read
    monkeypatch.setattr(Served, "read", lambda self, p: next(shown) if p == path else read(self, p))
    for _ in counts:
        await house.clock.advance(0.5)
        house.look()
    found = house.report.faults
    assert len(found) == (0 if words is None else 1)
    assert all(words is not None and words in line for line in found)


async def test_a_lease_that_nobody_ends(house: Storm) -> None:
    wagon = house.members[0]
    wagon.leased = {"/Mode": Leased(5.0, 4, 20.0)}
    house.observers["wagon"].judge_write("/Mode", 2, 0.0, house.clock.monotonic(), Outcome.CONFIRMED, 1.0)
    house.report.verdicts["modbus"].lies.clear()
    assert await pass_by(house, 20) == []
    assert ["expected 4" in line for line in await pass_by(house, 10)] == [True]


async def test_a_memory_that_is_worn_out(house: Storm, monkeypatch: pytest.MonkeyPatch) -> None:
    meter, writes = meter_of(house), iter(range(0, 1000, 2))
    monkeypatch.setattr(type(meter), "worn", lambda _: next(writes))
    assert ["budget" in line for line in await pass_by(house, 10)] == [True]


async def test_what_grows(house: Storm) -> None:
    before = counts_now(house.clock)
    assert counts_now(house.clock).grown(before) == []
    idle = [asyncio.create_task(asyncio.Event().wait()) for _ in range(40)]
    bridge = house.bridge
    assert bridge is not None
    for _ in range(40):
        bridge.datastore.attempted.connect(lambda _: None)
    found = counts_now(house.clock).grown(before)
    assert [line.split()[0] for line in found] == ["tasks", "listeners"]
    for task in idle:
        task.cancel()
