"""Writes decoded: what they change, and what is refused with which code before anything is done."""

import pytest

from bridge.datastore.device import Device
from bridge.datastore.values import Value
from bridge.register_maps.image import MapRefusal, UnitImage, UnitWrite
from tests.register_maps.plant import Plant

MAP = """
    registers:
      - {address: 0x10, type: e16, path: /Mode, values: {on: 1, off: 4}, accept: {0: 4}, write: true}
      - {address: 0x11, type: u16, scale: 10, path: /Limit, write: [0, 60]}
      - {address: 0x12, type: s32l, scale: 1000, path: /Fine, write: [-100, 100]}
      - {address: 0x14, type: u16, path: /Volts}
      - {address: 0x15, type: u16, value: 5}
      - {address: 0x16, type: text, length: 2, path: /Name, write: true}
      - {address: 0x18, type: bit, bit: 0, path: /B0, write: true}
      - {address: 0x18, type: bit, bit: 2, set: 7, unset: 3, path: /B2, write: true}
      - {address: 0x19, type: bit, bit: 0, path: /B0}
      - {address: 0x19, type: bit, bit: 1, path: /B1, write: true}
      - {address: 0x1A, type: s16, path: /X, source: {path: /Flow, negate: true}, write: [-50, 50]}
      - {address: 0x1B, type: u16, path: /X, source: "roof:/Limit", write: true}
      - {address: 0x1C, type: u16, path: /X, source: [/Old, /New], write: true}
      - {address: 0x1D, type: u16, path: /X, source: /Nowhere, write: true}
      - {address: 0x1E, type: u16, path: /Step, write: {values: [1, 5]}}
      - {address: 0x1F, type: f32b, path: /Float, write: true}
      - {address: 0x22, type: u16, path: /Limit, write: true}
      - {address: 0x23, type: u16, path: /Volts, alias: false}
    coils:
      - {address: 0, path: /Mode, on: 1, off: 4, mirror: 0x21}
      - {address: 1, path: /Relay, on: 1, off: 0, mirror: 0x24}
      - {address: 2, path: /Volts, write: false}
"""
PATHS = [
    "/Mode",
    "/Limit",
    "/Fine",
    "/Volts",
    "/Name",
    "/B0",
    "/B1",
    "/B2",
    "/Flow",
    "/New",
    "/Step",
    "/Float",
    "/Relay",
]


@pytest.fixture
def roof_and_image() -> tuple[Device, UnitImage]:
    plant = Plant()
    device, roof = plant.device([*PATHS, "/Old"]), plant.device(["/Limit"], name="roof")
    image = plant.image(MAP, device, roof=roof)
    device.publish("fast", {**dict.fromkeys(PATHS, 1), "/Name": "ab", "/B2": 7, "/Old": None, "/Step": 5})
    return roof, image


@pytest.fixture
def image(roof_and_image: tuple[Device, UnitImage]) -> UnitImage:
    return roof_and_image[1]


def data(*words: int) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in words)


@pytest.mark.parametrize(
    ("address", "written", "changes"),
    [
        (0x10, [1], {"/Mode": 1}),
        (0x10, [0], {"/Mode": 4}),
        (0x11, [256], {"/Limit": 25.6}),
        (0x11, [0], {"/Limit": 0.0}),
        (0x12, [0x7960, 0xFFFE], {"/Fine": -100.0}),
        (0x10, [4, 100, 0x03E8, 0], {"/Mode": 4, "/Limit": 10.0, "/Fine": 1.0}),
        (0x16, [0x4849, 0], {"/Name": "HI"}),
        (0x18, [0b100], {"/B0": 0, "/B2": 7}),
        (0x1A, [5], {"/Flow": -5}),
        (0x1C, [9], {"/New": 9}),
        (0x1E, [5], {"/Step": 5}),
        (0x1F, [0x4050, 0], {"/Float": 3.25}),
        (0x21, [0], {"/Mode": 4}),
        (0x21, [1, 30], {"/Mode": 1, "/Limit": 30}),
        (0x24, [1], {"/Relay": 1}),
    ],
)
def test_registers(image: UnitImage, address: int, written: list[int], changes: dict[str, Value]) -> None:
    found = image.decode_registers(address, data(*written))
    assert found.changes == changes
    assert list(found.changes) == list(changes), "in the order of addresses"
    assert found.device is image.device
    assert next(iter(found.addresses.values())) == address
    assert set(found.addresses) == set(changes)


@pytest.mark.parametrize(
    ("address", "written", "code"),
    [
        (0x0F, [1], 2),
        (0x10, [1, 100, 0x03E8], 2),
        (0x13, [0], 2),
        (0x14, [1], 2),
        (0x15, [5], 2),
        (0x16, [0x4849], 2),
        (0x10, [1, 100, 0, 0, 7], 2),
        (0x24, [1, 1], 2),
        (0xFE00, [1], 2),
        (0xFFFF, [1, 1], 2),
        (0x19, [3], 2),
        (0x10, [2], 3),
        (0x10, [0xFFFF], 3),
        (0x11, [601], 3),
        (0x11, [0xFFFF], 3),
        (0x12, [0xFFFF, 0x7FFF], 3),
        (0x12, [0x86A1, 1], 3),
        (0x16, [0, 0], 3),
        (0x16, [0xE9E9, 0], 3),
        (0x18, [0b10], 3),
        (0x1E, [2], 3),
        (0x1F, [0x7FC0, 0], 3),
        (0x1F, [0x7F80, 0], 3),
        (0x21, [2], 3),
        (0x21, [0xFFFF], 3),
        (0x1D, [1], 2),
        (0x1A, [1, 1], 2),
    ],
)
def test_refused_registers(image: UnitImage, address: int, written: list[int], code: int) -> None:
    with pytest.raises(MapRefusal) as refusal:
        image.decode_registers(address, data(*written))
    assert refusal.value.code == code
    assert f"0x{address:04X}"[:4] in str(refusal.value)


def test_addresses_are_judged_before_values(image: UnitImage) -> None:
    with pytest.raises(MapRefusal) as refusal:
        image.decode_registers(0x10, data(2, 100, 0, 0, 1))
    assert refusal.value.code == 2


def test_a_write_to_another_devices_point(roof_and_image: tuple[Device, UnitImage]) -> None:
    roof, image = roof_and_image
    found = image.decode_registers(0x1B, data(7))
    assert (found.device, found.changes) == (roof, {"/Limit": 7})


@pytest.mark.parametrize(
    ("address", "coils", "changes"),
    [(0, [True], {"/Mode": 1}), (0, [False, True], {"/Mode": 4, "/Relay": 1}), (1, [False], {"/Relay": 0})],
)
def test_coils(image: UnitImage, address: int, coils: list[bool], changes: dict[str, Value]) -> None:
    found = image.decode_coils(address, coils)
    assert (found.changes, found.addresses[next(iter(changes))]) == (changes, address)


@pytest.mark.parametrize(("address", "coils"), [(3, [True]), (1, [True, True]), (2, [True])])
def test_refused_coils(image: UnitImage, address: int, coils: list[bool]) -> None:
    with pytest.raises(MapRefusal) as refusal:
        image.decode_coils(address, coils)
    assert refusal.value.code == 2


def test_one_point_twice_in_a_batch() -> None:
    plant = Plant()
    device = plant.device(["/A"])
    image = plant.image(
        "registers: [{address: 1, type: u16, path: /A, write: true}, {address: 2, type: u16, path: /A, write: true}]",
        device,
    )
    found = image.decode_registers(1, data(5, 5))
    assert (found.changes, found.addresses) == ({"/A": 5}, {"/A": 1})
    with pytest.raises(MapRefusal) as refusal:
        image.decode_registers(1, data(5, 6))
    assert refusal.value.code == 3


@pytest.mark.parametrize(
    ("address", "and_mask", "or_mask", "changes"),
    [
        (0x10, 0x0000, 4, {"/Mode": 4}),
        (0x11, 0xFF00, 0x14, {"/Limit": 2.0}),
        (0x18, 0xFFFE, 0, {"/B0": 0}),
        (0x18, 0xFFFA, 0, {"/B0": 0, "/B2": 3}),
        (0x18, 0xFFFF, 0, {}),
        (0x19, 0xFFFD, 0, {"/B1": 0}),
        (0x21, 0x0000, 0, {"/Mode": 4}),
    ],
)
def test_masks(
    image: UnitImage, address: int, and_mask: int, or_mask: int, changes: dict[str, Value]
) -> None:
    assert image.decode_mask(address, and_mask, or_mask).changes == changes


@pytest.mark.parametrize(
    ("address", "and_mask", "or_mask", "code"),
    [
        (0x12, 0, 1, 2),
        (0x14, 0, 1, 2),
        (0x15, 0, 1, 2),
        (0x1F, 0, 1, 2),
        (0x1A, 0, 1, 2),
        (0x19, 0xFFFE, 1, 2),
        (0x18, 0xFFFD, 2, 2),
        (0x40, 0, 1, 2),
        (0x10, 0, 2, 3),
        (0x11, 0, 0x0FFF, 3),
    ],
)
def test_refused_masks(image: UnitImage, address: int, and_mask: int, or_mask: int, code: int) -> None:
    with pytest.raises(MapRefusal) as refusal:
        image.decode_mask(address, and_mask, or_mask)
    assert refusal.value.code == code


def test_what_is_not_known_cannot_be_masked() -> None:
    plant = Plant()
    device = plant.device(["/A", "/B"], slow=["/B"])
    image = plant.image("registers: [{address: 1, type: u16, path: /B, write: true}]", device)
    for code in (0x0B, 3):
        with pytest.raises(MapRefusal) as refusal:
            image.decode_mask(1, 0, 1)
        assert refusal.value.code == code
        device.publish("fast", {"/A": 1})


def test_a_write_shows_nothing_before_the_device_has_it(image: UnitImage) -> None:
    before = image.read_registers("holding", 0x10, 20)
    found = image.decode_registers(0x11, data(256))
    assert isinstance(found, UnitWrite)
    assert image.read_registers("holding", 0x10, 20) == before
