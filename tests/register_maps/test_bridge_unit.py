"""Unit 247: the bridge's own counters and everybody's status block."""

import pytest

from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import LinkState
from bridge.register_maps.bridge_unit import BridgeUnit, block_address
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.image import MapRefusal
from tests.register_maps.plant import Plant, words

COUNTERS = ["/Server/Connections", "/Server/ConnectionsRefused", "/Server/Requests", "/Server/Exceptions"]
COUNTERS += ["/Server/WritesRefused", "/Uptime"]


@pytest.fixture
def plant() -> Plant:
    return Plant()


@pytest.fixture
def bridge_device(plant: Plant) -> Device:
    device = plant.store.add("bridge")
    device.declare([PointSpec(path) for path in COUNTERS], [GroupSpec("server", None)], [])
    device.set_link(LinkState.ONLINE)
    return device


@pytest.fixture
def unit(plant: Plant, bridge_device: Device) -> BridgeUnit:
    loaded = Catalogue().load("bridge").map
    assert loaded is not None
    return BridgeUnit(loaded, bridge_device, plant.clock)


async def test_its_own_block_and_counters(plant: Plant, unit: BridgeUnit, bridge_device: Device) -> None:
    await plant.clock.advance(70_000.0)
    bridge_device.publish("server", {path: n for n, path in enumerate(COUNTERS, 70_000)})
    assert words(unit.read_registers("holding", 0, 12)) == [1, 0, 0, 0, 0xFFFF, 0, 0, 0, 1, 4464, 100, 0]
    assert words(unit.read_registers("holding", 100, 12))[:4] == [1, 4464, 1, 4465]
    assert words(unit.read_registers("input", 110, 2)) == [1, 4469]


def test_a_block_for_every_unit(plant: Plant, unit: BridgeUnit) -> None:
    charger, roof = plant.device(["/A"]), plant.device(["/A"], name="roof")
    unit.add(20, charger)
    unit.add(21, roof)
    unit.add(246, roof)
    charger.publish("fast", {"/A": 1})
    roof.count_error(3)
    assert block_address(20) == 1320
    assert words(unit.read_registers("holding", 1320, 12)) == [1, 0, 0, 0, 0xFFFF, 0, 0, 0, 0, 0, 100, 0]
    both = words(unit.read_registers("holding", 1320, 32))
    assert (both[0], both[12:16], both[16], both[22:24]) == (1, [0, 0, 0, 0], 0, [0, 3])
    assert words(unit.read_registers("holding", 4936 + 1, 1)) == [0xFFFF]
    unit.remove(21)
    assert unit.read_registers("holding", 1336, 1) == 2
    assert unit.read_registers("holding", 1320, 17) == 2


@pytest.mark.parametrize(
    ("address", "count"), [(12, 1), (0, 13), (99, 1), (114, 1), (1000, 1), (1320, 1), (4952, 1), (0xFE00, 1)]
)
def test_what_is_not_there(unit: BridgeUnit, address: int, count: int) -> None:
    assert unit.read_registers("holding", address, count) == 2


def test_it_has_no_bits_and_takes_no_writes(unit: BridgeUnit) -> None:
    assert unit.read_bits("coils", 0, 1) == 2
    with pytest.raises(MapRefusal) as registers:
        unit.decode_registers(100, bytes(4))
    with pytest.raises(MapRefusal) as block:
        unit.decode_registers(0, bytes(2))
    with pytest.raises(MapRefusal) as coils:
        unit.decode_coils(0, [True])
    with pytest.raises(MapRefusal) as mask:
        unit.decode_mask(100, 0, 1)
    assert [r.value.code for r in (registers, block, coils, mask)] == [2, 2, 2, 2]


@pytest.mark.parametrize("number", [0, 247, -1])
def test_only_site_units(unit: BridgeUnit, plant: Plant, number: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 246"):
        unit.add(number, plant.device([]))


def test_it_answers_before_anything_was_counted(unit: BridgeUnit) -> None:
    assert words(unit.read_registers("holding", 100, 2)) == [0xFFFF, 0xFFFF]
    assert unit.paths_at("holding", 104) == "/Server/Requests"
