"""Units come, change and go while clients are served."""

import asyncio

import pytest

from bridge.server.units import BRIDGE_UNIT, Units, View
from tests.server.plant import LIMIT, UNIT, Client, PlainUnit, Plant, adu, read, registers, write


@pytest.mark.parametrize("unit", [-1, 0, 248, 255, 256])
def test_ids_outside_1_to_247_are_refused(unit: int) -> None:
    units = Units()
    with pytest.raises(ValueError, match="expected a unit id of 1 to 247"):
        units.put(unit, None)
    assert units.views == {}


def test_a_request_sees_the_old_table_or_the_new_one() -> None:
    units = Units()
    units.put(1, None)
    held = units.views
    units.replace({2: View(2, None), BRIDGE_UNIT: View(BRIDGE_UNIT, None)})
    assert set(held) == {1}
    assert set(units.views) == {2, BRIDGE_UNIT, 0, 255}
    assert 1 not in units
    assert 0 not in units


def test_removing_a_unit_not_served_is_an_error() -> None:
    with pytest.raises(KeyError):
        Units().remove(3)


@pytest.mark.parametrize("change", ["removed", "replaced"])
async def test_a_write_waiting_on_a_changed_unit_gets_0b(plant: Plant, client: Client, change: str) -> None:
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, write(LIMIT, 20)))
    await plant.adapter.asked.wait()
    if change == "removed":
        plant.units.remove(UNIT)
    else:
        plant.units.put(UNIT, PlainUnit(plant.device))
    assert await client.reply() == (1, UNIT, bytes([0x86, 0x0B]))
    expected = bytes([0x83, 0x0B]) if change == "removed" else registers(5)
    assert await client.ask(read(5, 1)) == expected


async def test_a_change_of_another_unit_disturbs_no_write(plant: Plant, client: Client) -> None:
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, write(LIMIT, 20)))
    await plant.adapter.asked.wait()
    plant.units.put(30, plant.unit)
    plant.units.remove(30)
    plant.adapter.free.set()
    assert await client.reply() == (1, UNIT, write(LIMIT, 20))


async def test_units_come_and_go_under_traffic(plant: Plant, client: Client) -> None:
    changing = True
    changes = 0

    async def change() -> None:
        nonlocal changes
        while changing:
            plant.units.put(30, plant.unit)
            await asyncio.sleep(0)
            plant.units.remove(30)
            await asyncio.sleep(0)
            changes += 1

    changer = asyncio.create_task(change())
    answers = {await client.ask(read(5, 1), unit=30, transaction=number) for number in range(300)}
    steady = {await client.ask(read(6, 1), transaction=number) for number in range(100)}
    changing = False
    await changer
    assert changes > 0
    assert answers <= {registers(5), bytes([0x83, 0x0B])}
    assert steady == {registers(6)}
