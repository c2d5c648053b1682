"""A unit's image at the very moment something is over, at the ends of the status block, and where phases part."""

import pytest

from bridge.register_maps.blocks.status import pack_status
from bridge.register_maps.format import Kind
from bridge.register_maps.image import MapRefusal
from tests.register_maps.plant import Plant, words

STATUS = 0xFE00


async def test_at_the_moment_its_time_is_over_a_value_is_served_no_more() -> None:
    plant = Plant()
    device = plant.device(["/Fast"])
    image = plant.image(
        "registers: [{address: 1, type: u16, path: /Fast}]\ncoils: [{address: 0, path: /Fast, mirror: 2}]",
        device,
    )
    device.publish("fast", {"/Fast": 7})
    assert words(image.read_registers("holding", 1, 1)) == [7]
    await plant.clock.advance(4.999)
    assert words(image.read_registers("holding", 1, 1)) == [7]
    assert image.read_bits("coils", 0, 1) == b"\x01"
    await plant.clock.advance(0.001)
    assert plant.clock.monotonic() == device.alive_until
    assert image.read_registers("holding", 1, 1) == 0x0B
    assert image.read_bits("coils", 0, 1) == 0x0B


async def test_at_the_moment_a_group_is_over_its_pattern_is_served() -> None:
    plant = Plant()
    device = plant.device(["/Fast", "/Brief"])
    image = plant.image("registers: [{address: 1, type: u16, path: /Brief}]", device)
    device.publish("fast", {"/Fast": 7})
    device.publish("brief", {"/Brief": 9})
    assert words(image.read_registers("holding", 1, 1)) == [9]
    await plant.clock.advance(2.0)
    assert words(image.read_registers("holding", 1, 1)) == [0xFFFF]


@pytest.mark.parametrize(
    ("address", "count", "answer"),
    [
        (STATUS, 12, "answered"),
        (STATUS + 11, 1, "answered"),
        (STATUS - 1, 1, 0x0B),
        (STATUS - 1, 2, 0x0B),
        (STATUS - 1, 13, 0x0B),
        (STATUS + 11, 2, 0x02),
        (STATUS + 12, 1, 0x02),
    ],
)
def test_only_a_read_wholly_inside_the_block_is_answered_for_a_device_never_heard(
    address: int, count: int, answer: int | str
) -> None:
    plant = Plant()
    device = plant.device(["/Fast"])
    image = plant.image("registers: [{address: 0xFDFF, type: u16, path: /Fast}]", device)
    found = image.read_registers("holding", address, count)
    assert (found if isinstance(found, int) else "answered") == answer


@pytest.mark.parametrize(
    ("table", "path"),
    [("holding", "/Held"), ("input", "/Measured"), ("coils", "/Switched"), ("discrete", None)],
)
def test_the_path_in_the_log_is_that_of_the_table_asked(table: str, path: str | None) -> None:
    plant = Plant()
    device = plant.device(["/Held", "/Measured", "/Switched"])
    image = plant.image(
        """
        registers:
          - {address: 1, type: u16, path: /Held}
          - {address: 1, type: u16, path: /Measured, table: input}
        coils: [{address: 1, path: /Switched, mirror: 2}]
        """,
        device,
    )
    assert image.paths_at(table, 1) == path


@pytest.mark.parametrize("values", [{"/A": None, "/B": None}, {"/A": 1, "/B": 2}, {"/A": 1, "/B": None}])
def test_a_write_goes_to_the_first_alternative_unless_only_another_is_there(
    values: dict[str, int | None],
) -> None:
    plant = Plant()
    device = plant.device(["/A", "/B"])
    image = plant.image(
        "registers: [{address: 1, type: u16, path: /X, source: [/A, /B], write: true}]", device
    )
    device.publish("fast", values)
    assert image.decode_registers(1, b"\0\x05").changes == {"/A": 5}
    device.publish("fast", {"/A": None, "/B": 2})
    assert image.decode_registers(1, b"\0\x05").changes == {"/B": 5}


TOTAL = """
    registers:
      - {address: 1, type: s32b, path: /Ac/Power, block: total_power, stale: exception,
         source: [/Ac/Power, /Ac/L1/Power, /Ac/L2/Power, /Ac/L3/Power]}
"""


@pytest.mark.parametrize(
    ("slow", "shown"),
    [
        ({"/Ac/L1/Power": 100, "/Ac/L2/Power": 20, "/Ac/L3/Power": 3}, [0, 123]),
        ({"/Ac/L1/Power": 100, "/Ac/L2/Power": None, "/Ac/L3/Power": None}, [0, 100]),
    ],
)
async def test_a_total_of_phases_is_never_that_of_some_of_them(
    slow: dict[str, int | None], shown: list[int]
) -> None:
    plant = Plant()
    device = plant.device(["/Fast", "/Ac/L1/Power"], slow=["/Ac/Power", "/Ac/L2/Power", "/Ac/L3/Power"])
    image = plant.image(TOTAL, device)
    device.publish("slow", {"/Ac/Power": None, **slow})
    for _ in range(6):
        device.publish("fast", {"/Fast": 1, "/Ac/L1/Power": 100})
        assert words(image.read_registers("holding", 1, 2)) == shown
        await plant.clock.advance(3.0)
    await plant.clock.advance(1.5)
    device.publish("fast", {"/Fast": 1, "/Ac/L1/Power": 100})
    await plant.clock.advance(0.5)  # the group of the other phases is over now, L1 is not
    assert image.read_registers("holding", 1, 2) == 0x0B


def test_one_phase_of_an_unheard_group_makes_no_total() -> None:
    plant = Plant()
    device = plant.device(["/Fast", "/Ac/L1/Power"], slow=["/Ac/L2/Power"])
    image = plant.image(TOTAL, device, Kind.NATIVE)
    device.publish("fast", {"/Fast": 1, "/Ac/L1/Power": 100})
    assert image.read_registers("holding", 1, 2) == 0x0B
    device.publish("slow", {"/Ac/L2/Power": 20})
    assert words(image.read_registers("holding", 1, 2)) == [0, 120]


def test_a_total_never_heard_does_not_hide_the_phases_that_are() -> None:
    plant = Plant()
    device = plant.device(["/Fast", "/Ac/L1/Power"], slow=["/Ac/Power"])
    image = plant.image(TOTAL, device)
    device.publish("fast", {"/Fast": 1, "/Ac/L1/Power": 100})
    assert words(image.read_registers("holding", 1, 2)) == [0, 100]
    device.publish("slow", {"/Ac/Power": 105})
    assert words(image.read_registers("holding", 1, 2)) == [0, 105]


@pytest.mark.parametrize(("amount", "shown"), [(-1, 0), (0, 0), (1, 1), (0xFFFE, 0xFFFE), (0xFFFF, 0xFFFE)])
def test_amounts_of_the_status_block_stop_at_both_ends(amount: int, shown: int) -> None:
    block = pack_status(
        link=1,
        age_s=-0.5,
        attempts=0x1_0001,
        outcome=1,
        address=0,
        exception_code=0,
        errors=0x1_0000_0001,
        uptime_s=-1.0,
        wear_left=amount,
        set_points=amount,
    )
    assert words(block) == [1, 0, 1, 1, 0, 0, 0, 1, 0, 0, shown, shown]


def test_a_bit_takes_only_what_its_rule_allows() -> None:
    plant = Plant()
    device = plant.device(["/A", "/B"])
    image = plant.image(
        """
        registers:
          - {address: 1, type: bit, bit: 0, path: /A, write: {values: [1]}}
          - {address: 1, type: bit, bit: 1, path: /B, write: true}
        """,
        device,
    )
    device.publish("fast", {"/A": 1, "/B": 1})
    assert image.decode_registers(1, b"\0\1").changes == {"/A": 1, "/B": 0}
    assert image.decode_mask(1, 0xFFFD, 0).changes == {"/B": 0}
    for ask in (lambda: image.decode_registers(1, b"\0\2"), lambda: image.decode_mask(1, 0xFFFE, 0)):
        with pytest.raises(MapRefusal) as refused:
            ask()
        assert refused.value.code == 0x03


@pytest.mark.parametrize(("raw", "value"), [(0, 4), (5, 0.5), (15, 1.5), (10, 1), (20, 7)])
def test_only_the_very_number_is_taken_as_another(raw: int, value: float) -> None:
    plant = Plant()
    image = plant.image(
        "registers: [{address: 1, type: u16, scale: 10, path: /A, write: [0, 60], accept: {0: 4, 2: 7}}]",
        plant.device(["/A"]),
    )
    assert image.decode_registers(1, raw.to_bytes(2, "big")).changes == {"/A": value}


async def test_bits_too_are_served_no_more_at_the_moment_their_time_is_over() -> None:
    plant = Plant()
    device = plant.device(["/Fast"])
    image = plant.image("discrete_inputs: [{address: 0, path: /Fast}]", device)
    device.publish("fast", {"/Fast": 1})
    assert image.read_bits("discrete", 0, 1) == b"\x01"
    await plant.clock.advance(5.0)
    assert image.read_bits("discrete", 0, 1) == 0x0B


@pytest.mark.parametrize(("count", "packed"), [(1, "01"), (7, "7F"), (8, "FF"), (9, "FF01"), (16, "FFFF")])
def test_bits_fill_as_many_bytes_as_they_need(count: int, packed: str) -> None:
    plant = Plant()
    device = plant.device(["/Fast"])
    entries = ", ".join(f"{{address: {n}, path: /Fast}}" for n in range(16))
    image = plant.image(f"discrete_inputs: [{entries}]", device)
    device.publish("fast", {"/Fast": 1})
    assert image.read_bits("discrete", 0, count) == bytes.fromhex(packed)


def test_reading_leaves_every_table_as_long_as_it_was() -> None:
    plant = Plant()
    device = plant.device(["/Fast"])
    image = plant.image(
        "registers:\n"
        "  - {address: 1, type: u16, path: /Fast}\n"
        "  - {address: 0xFDFF, type: u16, path: /Fast}\n"
        "  - {address: 0xFF00, type: u16, path: /Fast}\n",
        device,
    )
    device.publish("fast", {"/Fast": 7})
    lengths = [[len(island) for island in table.data] for table in image._tables.values()]
    for address, count in ((1, 1), (0xFDFF, 1), (0xFDFF, 13), (STATUS, 12), (STATUS + 3, 2), (0xFF00, 1)):
        for _ in range(2):
            assert len(words(image.read_registers("holding", address, count))) == count
    assert [[len(island) for island in table.data] for table in image._tables.values()] == lengths
    assert words(image.read_registers("holding", 0xFF00, 1)) == [7]


def test_a_persona_may_have_what_it_likes_where_others_have_the_status_block() -> None:
    plant = Plant()
    device = plant.device(["/Ac/Power"])
    image = plant.image(
        "detect: {address: 11, type: u16, values: {1648: EM24}, methods: [tcp]}\n"
        "registers:\n"
        "  - {address: 11, type: u16, value: 1648}\n"
        "  - {address: 0xFE00, type: u32b, path: /Ac/Power}\n",
        device,
        Kind.PERSONA,
    )
    assert image.read_registers("holding", STATUS, 2) == 0x0B
    device.publish("fast", {"/Ac/Power": 0x12345})
    assert words(image.read_registers("holding", STATUS, 2)) == [1, 0x2345]


def test_what_another_device_told_before_it_proved_itself_alive_is_shown_once_it_does() -> None:
    plant = Plant()
    device, meter = plant.device(["/Fast"]), plant.device(["/Beat"], name="meter", slow=["/Slow"])
    meter.publish("slow", {"/Slow": 9})
    image = plant.image(
        "registers: [{address: 1, type: u16, path: /X, source: 'meter:/Slow'}]", device, meter=meter
    )
    device.publish("fast", {"/Fast": 1})
    assert words(image.read_registers("holding", 1, 1)) == [0xFFFF]
    meter.publish("fast", {"/Beat": 1})
    assert words(image.read_registers("holding", 1, 1)) == [9]


@pytest.mark.parametrize(
    ("address", "count", "path"), [(0, 1, None), (0, 2, "/A"), (1, 1, "/A"), (2, 1, None)]
)
def test_a_path_is_named_only_for_what_touches_it(address: int, count: int, path: str | None) -> None:
    plant = Plant()
    image = plant.image("registers: [{address: 1, type: u16, path: /A}]", plant.device(["/A"]))
    assert image.paths_at("holding", address, count) == path
