"""What a unit costs in memory, as tracemalloc counts it."""

import gc
import tracemalloc
from collections.abc import Callable

from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.image import UnitImage
from bridge.register_maps.layout import layout_of
from tests.register_maps.plant import Plant, loaded

KIB = 1024
THOUSAND = """
registers:
  - {address: 0x2000, repeat: {count: 1000, stride: 2, path: "/Cells/{n}"},
     registers: [{address: 0, type: s32b, scale: 1000, path: /Voltage}]}
"""


def grown(make: Callable[[], object]) -> float:
    """KiB still held after `make`, by what it returns and what it leaves behind."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = make()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        del kept
    finally:
        tracemalloc.stop()
    return held / KIB


def test_a_further_unit_of_a_thousand_points() -> None:
    """Its device, points, values and image; the map and the family's point specs serve all its units."""
    plant = Plant()
    found = loaded(THOUSAND)
    specs = [PointSpec(r.path, "V") for r in found.registers if r.path is not None]
    layout_of(found)

    def unit() -> object:
        device = plant.store.add("pack")
        device.declare(specs, [GroupSpec("fast", 5.0)], [["fast"]])
        image = UnitImage(found, device, plant.clock, 30)
        device.publish("fast", {spec.path: 3.0 + n / 1000 for n, spec in enumerate(specs)})
        assert image.read_registers("holding", 0x2000, 2) == (3000).to_bytes(4, "big")
        return device, image

    assert grown(unit) <= 250


def test_a_thousand_registers_of_a_map_and_their_layout() -> None:
    def load() -> object:
        found = loaded(THOUSAND)
        return found, layout_of(found)

    assert grown(load) <= 640


def test_a_further_view() -> None:
    plant = Plant()
    found = Catalogue().load("bluesmart_charger").map
    assert found is not None
    paths = [r.path for r in found.registers if r.path is not None and r.path not in ("/Serial",)]
    device = plant.device(paths)
    UnitImage(found, device, plant.clock, 20)
    assert grown(lambda: UnitImage(found, device, plant.clock, 21)) <= 16
