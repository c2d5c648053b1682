"""Reading a unit: what is served where, and what answers with which exception."""

import pytest

from bridge.datastore.device import Device
from bridge.datastore.values import LinkState, Origin, WriteRequest
from bridge.register_maps.blocks.status import pack_status
from bridge.register_maps.format import Kind
from bridge.register_maps.image import UnitImage
from tests.register_maps.plant import Plant, bits, words

MAP = """
    registers:
      - {address: 0x0100, type: u16, value: 0x4201}
      - {address: 0x1000, type: text, length: 4, path: /Serial}
      - {address: 0x3000, type: u16, scale: 100, path: /Dc/0/Voltage}
      - {address: 0x3001, type: s32l, scale: 1000, path: /Dc/0/Current}
      - {address: 0x3010, type: e16, path: /Mode, values: {on: 1, off: 4}, write: true}
      - {address: 0x3018, type: bit, bit: 0, path: /Mode}
      - {address: 0x3018, type: bit, bit: 4, set: 2, path: /State}
      - {address: 0x3020, type: u16, path: /Restart, write: true, self_clearing: true}
      - {address: 0x3100, type: u16, path: /State, poll: false}
    coils:
      - {address: 0, path: /Mode, on: 1, off: 4, mirror: 0x3030}
      - {address: 9, path: /State, on: 1, off: 0, write: false}
    discrete_inputs:
      - {address: 3, path: /State, on: [2, 5]}
"""
PATHS = ["/Serial", "/Dc/0/Voltage", "/Dc/0/Current", "/Mode", "/State", "/Restart"]


@pytest.fixture
def plant() -> Plant:
    return Plant()


@pytest.fixture
def device(plant: Plant) -> Device:
    return plant.device(PATHS)


@pytest.fixture
def image(plant: Plant, device: Device) -> UnitImage:
    found = plant.image(MAP, device)
    device.publish(
        "fast",
        {
            "/Serial": "HQ22",
            "/Dc/0/Voltage": 28.79,
            "/Dc/0/Current": -1.5,
            "/Mode": 4,
            "/State": 2,
            "/Restart": 7,
        },
    )
    return found


@pytest.mark.parametrize(
    ("address", "count", "expected"),
    [
        (0x0100, 1, [0x4201]),
        (0x1000, 4, [0x4851, 0x3232, 0, 0]),
        (0x3000, 3, [2879, 0xFA24, 0xFFFF]),
        (0x3002, 1, [0xFFFF]),
        (0x300F, 3, [0, 4, 0]),
        (0x3018, 1, [0b10001]),
        (0x3020, 1, [0]),
        (0x3030, 1, [0]),
        (0x3100, 1, [2]),
    ],
)
def test_registers(image: UnitImage, address: int, count: int, expected: list[int]) -> None:
    assert words(image.read_registers("holding", address, count)) == expected
    assert words(image.read_registers("input", address, count)) == expected, "FC4 is answered from holding"


@pytest.mark.parametrize(
    ("table", "address", "count"),
    [
        ("holding", 0, 1),
        ("holding", 0x00FF, 2),
        ("holding", 0x0101, 1),
        ("holding", 0x2FFF, 1),
        ("holding", 0x3030, 2),
        ("holding", 0xFE0C, 1),
        ("holding", 0xFDFF, 2),
        ("holding", 0xFFFF, 125),
        ("coils", 10, 1),
        ("coils", 0, 11),
        ("discrete", 2, 1),
        ("nothing", 0, 1),
    ],
)
def test_what_is_not_there_is_an_address_error(
    image: UnitImage, table: str, address: int, count: int
) -> None:
    read = image.read_registers if table in ("holding", "input", "nothing") else image.read_bits
    assert read(table, address, count) == 2


def test_bits_are_packed_low_bit_first(image: UnitImage, device: Device) -> None:
    assert bits(image.read_bits("coils", 0, 10), 10) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert bits(image.read_bits("discrete", 3, 1), 1) == [1]
    device.publish("fast", {"/Mode": 77, "/State": 3})
    assert bits(image.read_bits("coils", 0, 1), 1) == [1], "a coil reads 0 only at its off value"
    assert words(image.read_registers("holding", 0x3030, 1)) == [1], "so does its mirror"
    assert bits(image.read_bits("discrete", 3, 1), 1) == [0]


@pytest.mark.parametrize(("gap", "readable"), [(31, True), (32, False)])
def test_gaps_up_to_the_hole_are_zero(plant: Plant, gap: int, readable: bool) -> None:
    device = plant.device(["/A"])
    text = (
        f"registers: [{{address: 100, type: u16, path: /A}}, {{address: {101 + gap}, type: u16, path: /A}}]"
    )
    image = plant.image(text, device)
    device.publish("fast", {"/A": 7})
    found = image.read_registers("holding", 100, gap + 2)
    assert (words(found) == [7, *[0] * gap, 7]) if readable else found == 2
    assert (image.read_registers("holding", 110, 5) == bytes(10)) is readable


def test_the_hole_is_the_maps_own(plant: Plant) -> None:
    device = plant.device(["/A"])
    image = plant.image(
        "device: {hole_max: 0}\nregisters: [{address: 1, type: u16, path: /A}, {address: 3, type: u16, path: /A}]",
        device,
    )
    device.publish("fast", {"/A": 7})
    assert [image.read_registers("holding", a, 1) for a in (1, 2, 3)] == [b"\0\7", 2, b"\0\7"]


def test_a_map_with_input_registers_keeps_the_tables_apart(plant: Plant) -> None:
    device = plant.device(["/A", "/B"])
    image = plant.image(
        "registers: [{address: 1, type: u16, path: /A}, {address: 1, type: u16, path: /B, table: input}]",
        device,
    )
    device.publish("fast", {"/A": 7, "/B": 9})
    assert image.read_registers("holding", 1, 1) == b"\0\7"
    assert image.read_registers("input", 1, 1) == b"\0\x09"
    assert image.read_registers("input", 0xFE00, 1) == 2


def test_a_publication_is_readable_before_it_returns(image: UnitImage, device: Device) -> None:
    seen: list[bytes | int] = []
    device.changed.connect(lambda _: seen.append(image.read_registers("holding", 0x3000, 1)))
    device.publish("fast", {"/Dc/0/Voltage": 12.5})
    assert seen == [(1250).to_bytes(2, "big")]


def test_only_what_changed_is_encoded_again(image: UnitImage, device: Device) -> None:
    heard: list[object] = []
    device.changed.connect(heard.append)
    device.publish("fast", {"/Dc/0/Voltage": 28.79})
    assert heard == []


def test_absent_values_serve_the_pattern_and_no_exception(image: UnitImage, device: Device) -> None:
    device.publish("fast", dict.fromkeys(PATHS))
    assert words(image.read_registers("holding", 0x3000, 3)) == [0xFFFF, 0xFFFF, 0x7FFF]
    assert words(image.read_registers("holding", 0x1000, 1)) == [0]
    assert words(image.read_registers("holding", 0x3018, 1)) == [0]
    assert words(image.read_registers("holding", 0x3030, 1)) == [0xFFFF]
    assert bits(image.read_bits("coils", 0, 1), 1) == [0]


def test_a_persona_serves_missing_measurements_as_zero(plant: Plant) -> None:
    device = plant.device(["/A", "/B"])
    image = plant.image(
        """
        detect: {address: 0x000B, type: u16, values: {1648: EM24}, methods: [tcp]}
        registers:
          - {address: 0x000B, type: u16, value: 1648}
          - {address: 0x0010, type: s32l, scale: 10, path: /A}
          - {address: 0x0012, type: u16, path: /Nowhere}
          - {address: 0x0013, type: u16, path: /B, invalid: 0xFFFF}
        """,
        device,
        Kind.PERSONA,
    )
    device.publish("fast", {"/A": None, "/B": None})
    assert words(image.read_registers("holding", 0x000B, 9)) == [1648, 0, 0, 0, 0, 0, 0, 0, 0xFFFF]
    assert image.read_registers("holding", 0xFE00, 1) == 2, "and has no status block"


def test_points_that_the_device_never_declared_are_absent(plant: Plant) -> None:
    device = plant.device(["/A"])
    image = plant.image("registers: [{address: 1, type: u16, path: /Other}]", device)
    device.publish("fast", {"/A": 1})
    assert words(image.read_registers("holding", 1, 1)) == [0xFFFF]


def test_paths_for_logs(image: UnitImage) -> None:
    assert image.paths_at("holding", 0x2FF0, 0x40) == "/Dc/0/Voltage"
    assert image.paths_at("input", 0x3002) == "/Dc/0/Current"
    assert image.paths_at("coils", 0) == "/Mode"
    assert image.paths_at("discrete", 0, 8) == "/State"
    assert image.paths_at("holding", 0x0100) is None


def test_after_close_nothing_follows(image: UnitImage, device: Device) -> None:
    image.close()
    device.publish("fast", {"/Dc/0/Voltage": 1.0})
    assert words(image.read_registers("holding", 0x3000, 1)) == [2879]


def test_status_block_of_a_unit_that_never_spoke(plant: Plant, device: Device) -> None:
    image = plant.image(MAP, device)
    assert words(image.read_registers("holding", 0xFE00, 12)) == [
        0,
        0xFFFF,
        0,
        0,
        0xFFFF,
        0,
        0,
        0,
        0,
        0,
        100,
        0,
    ]
    assert image.read_registers("holding", 0x3000, 1) == 0x0B
    assert image.read_registers("holding", 0x0100, 1) == 0x0B, "constants too"
    assert image.read_bits("coils", 0, 1) == 0x0B


async def test_status_block(plant: Plant, image: UnitImage, device: Device) -> None:
    device.count_error(0x10005)
    await plant.clock.advance(3.0)
    assert words(image.read_registers("holding", 0xFE00, 12)) == [1, 3, 0, 0, 0xFFFF, 0, 1, 5, 0, 3, 100, 0]
    assert words(image.read_registers("input", 0xFE06, 2)) == [1, 5], "FC4 too"
    device.set_link(LinkState.PORT_MISSING)
    await plant.clock.advance(70000.0)
    assert words(image.read_registers("holding", 0xFE00, 2)) == [4, 0xFFFF]


@pytest.mark.parametrize(("unit", "shown"), [(20, 0x3010), (21, 0xFFFF), (None, 0xFFFF)])
async def test_the_address_of_an_attempt_is_told_to_its_unit_only(
    image: UnitImage, device: Device, unit: int | None, shown: int
) -> None:
    await device.write(WriteRequest({"/Mode": 1}, Origin("modbus"), unit, {"/Mode": 0x3010}), 0)
    assert words(image.read_registers("holding", 0xFE02, 4)) == [1, 4, shown, 0x0B]


def test_a_read_that_reaches_outside_the_block_is_judged_whole(plant: Plant, device: Device) -> None:
    image = plant.image("kind: client\nregisters: [{address: 0xFDF8, type: u16, path: /State}]", device)
    assert image.read_registers("holding", 0xFDFF, 2) == 0x0B
    assert image.read_registers("holding", 0xFDFF, 14) == 2
    assert words(image.read_registers("holding", 0xFE00, 2)) == [0, 0xFFFF]
    device.publish("fast", {"/State": 5})
    assert words(image.read_registers("holding", 0xFDF8, 10)) == [5, 0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_counts_wrap_and_amounts_stop() -> None:
    block = pack_status(
        link=1,
        age_s=0.99,
        attempts=0x10002,
        outcome=8,
        address=0x3011,
        exception_code=5,
        errors=(1 << 32) + 3,
        uptime_s=2.0**32 + 4.5,
        wear_left=70_000,
        set_points=-1,
    )
    assert words(block) == [1, 0, 2, 8, 0x3011, 5, 0, 3, 0, 4, 0xFFFE, 0]


def test_serials_keep_only_what_stock_clients_bear(image: UnitImage, device: Device) -> None:
    device.publish("fast", {"/Serial": "R-1 é_A"})
    assert image.read_registers("holding", 0x1000, 4) == b"R1_A\0\0\0\0"
