"""Never an old value sold as new: what a unit serves when points, groups and devices fall silent."""

import pytest

from bridge.datastore.values import Identity, LinkState
from bridge.register_maps.format import Kind
from tests.register_maps.plant import Plant, bits, words

STALE = """
    registers:
      - {address: 1, type: u16, path: /Fast}
      - {address: 2, type: u16, path: /Slow, stale: %s}
      - {address: 3, type: u32b, path: /Slow, stale: %s}
"""


@pytest.mark.parametrize(
    ("policy", "slow", "fast_with_slow"),
    [("invalid", [0xFFFF], [7, 0xFFFF]), ("zero", [0], [7, 0]), ("hold", [9], [7, 9]), ("exception", 11, 11)],
)
async def test_a_stale_group_follows_its_policy(
    policy: str, slow: list[int] | int, fast_with_slow: list[int] | int
) -> None:
    plant = Plant()
    device = plant.device(["/Fast"], slow=["/Slow"])
    image = plant.image(STALE % (policy, "invalid"), device)
    device.publish("slow", {"/Slow": 9})
    for _ in range(6):
        device.publish("fast", {"/Fast": 7})
        await plant.clock.advance(4.0)
    assert words(image.read_registers("holding", 1, 1)) == [7]
    assert words(image.read_registers("holding", 3, 2)) == [0xFFFF, 0xFFFF]
    found = image.read_registers("holding", 2, 1), image.read_registers("holding", 1, 2)
    expected = [slow, fast_with_slow]
    assert [f if isinstance(f, int) else words(f) for f in found] == expected
    device.publish("slow", {"/Slow": 9})
    assert words(image.read_registers("holding", 1, 4)) == [7, 9, 0, 9], "the same value, heard again"


@pytest.mark.parametrize(("policy", "expected"), [("hold", [0xFFFF]), ("zero", [0]), ("invalid", [0xFFFF])])
def test_a_group_never_heard_has_nothing_to_hold(policy: str, expected: list[int]) -> None:
    plant = Plant()
    device = plant.device(["/Fast"], slow=["/Slow"])
    image = plant.image(STALE % (policy, policy), device)
    device.publish("fast", {"/Fast": 7})
    assert words(image.read_registers("holding", 2, 1)) == expected


async def test_hold_holds_a_zero() -> None:
    plant = Plant()
    device = plant.device(["/Fast"], slow=["/Slow"])
    image = plant.image(STALE % ("hold", "hold"), device)
    device.publish("slow", {"/Slow": 0})
    await plant.clock.advance(19.0)
    device.publish("fast", {"/Fast": 7})
    await plant.clock.advance(3.0)
    assert words(image.read_registers("holding", 2, 1)) == [0]


async def test_the_policy_of_the_map_is_that_of_registers_without_one() -> None:
    plant = Plant()
    device = plant.device(["/Fast"], slow=["/Slow"])
    image = plant.image("stale: exception\nregisters: [{address: 1, type: u16, path: /Slow}]", device)
    device.publish("fast", {"/Fast": 7})
    assert image.read_registers("holding", 1, 1) == 0x0B


async def test_bits_of_a_stale_point_fail_the_request_those_beside_it_do_not() -> None:
    plant = Plant()
    device = plant.device(["/Fast"], slow=["/Slow"])
    image = plant.image(
        """
        registers:
          - {address: 1, type: bit, bit: 0, path: /Slow}
          - {address: 1, type: bit, bit: 1, path: /Fast}
          - {address: 2, type: bit, bit: 0, path: /Fast}
        discrete_inputs:
          - {address: 0, path: /Slow}
          - {address: 1, path: /Fast}
        """,
        device,
    )
    device.publish("fast", {"/Fast": 1})
    assert image.read_bits("discrete", 0, 2) == 0x0B
    assert bits(image.read_bits("discrete", 1, 1), 1) == [1]
    assert image.read_registers("holding", 1, 1) == 0x0B
    assert words(image.read_registers("holding", 2, 1)) == [1]
    device.publish("slow", {"/Slow": 1})
    assert bits(image.read_bits("discrete", 0, 2), 2) == [1, 1]
    assert words(image.read_registers("holding", 1, 2)) == [3, 1]


async def test_a_dead_device_takes_the_whole_unit_even_when_nobody_watches() -> None:
    """No freshness watch runs here: the read itself looks at the clock."""
    plant = Plant()
    device = plant.device(["/Fast"], slow=["/Slow"])
    image = plant.image(STALE % ("hold", "hold"), device)
    device.publish("slow", {"/Slow": 9})
    device.publish("fast", {"/Fast": 7})
    assert words(image.read_registers("holding", 1, 1)) == [7]
    await plant.clock.advance(4.9)
    assert words(image.read_registers("holding", 1, 1)) == [7]
    await plant.clock.advance(0.2)
    assert image.read_registers("holding", 2, 1) == 0x0B
    assert image.read_registers("holding", 40, 1) == 2, "the address is judged before freshness"
    assert words(image.read_registers("holding", 0xFE01, 1)) == [5], "the status block always answers"
    device.publish("fast", {"/Fast": 7})
    assert words(image.read_registers("holding", 1, 2)) == [7, 9]


async def test_a_brief_group_is_judged_by_the_clock_too() -> None:
    plant = Plant()
    device = plant.device(["/Fast", "/Brief"])
    image = plant.image("registers: [{address: 1, type: u16, path: /Brief}]", device)
    device.publish("fast", {"/Fast": 7})
    assert words(image.read_registers("holding", 1, 1)) == [0xFFFF]
    device.publish("brief", {"/Brief": 5})
    assert words(image.read_registers("holding", 1, 1)) == [5]
    await plant.clock.advance(2.1)
    assert words(image.read_registers("holding", 1, 1)) == [0xFFFF]


def test_another_device_on_the_port_ends_it_at_once() -> None:
    plant = Plant()
    device = plant.device(["/Fast"])
    image = plant.image("registers: [{address: 1, type: u16, path: /Fast}]", device)
    device.publish("fast", {"/Fast": 7})
    assert words(image.read_registers("holding", 1, 1)) == [7]
    device.learn(Identity(serial="OTHER"))
    device.forget()
    device.set_link(LinkState.WRONG_DEVICE)
    assert image.read_registers("holding", 1, 1) == 0x0B


async def test_hold_ends_where_another_device_begins() -> None:
    plant = Plant()
    device = plant.device(["/Fast"], slow=["/Slow"])
    image = plant.image(STALE % ("hold", "hold"), device)
    device.publish("slow", {"/Slow": 9})
    await plant.clock.advance(21.0)
    device.publish("fast", {"/Fast": 7})
    assert words(image.read_registers("holding", 2, 1)) == [9]
    device.forget()
    device.learn(Identity(serial="OTHER"))
    device.publish("fast", {"/Fast": 8})
    assert words(image.read_registers("holding", 1, 2)) == [8, 0xFFFF]


async def test_a_new_image_has_nothing_to_hold() -> None:
    plant = Plant()
    device = plant.device(["/Fast"], slow=["/Slow"])
    device.publish("slow", {"/Slow": 9})
    await plant.clock.advance(21.0)
    device.publish("fast", {"/Fast": 7})
    assert words(plant.image(STALE % ("hold", "hold"), device).read_registers("holding", 2, 1)) == [0xFFFF]


async def test_held_bits_answer_once_heard() -> None:
    plant = Plant()
    device = plant.device(["/Fast"], slow=["/Slow"])
    image = plant.image("stale: hold\nregisters: [{address: 1, type: bit, bit: 0, path: /Slow}]", device)
    device.publish("fast", {"/Fast": 7})
    assert image.read_registers("holding", 1, 1) == 0x0B
    device.publish("slow", {"/Slow": 1})
    await plant.clock.advance(21.0)
    device.publish("fast", {"/Fast": 7})
    assert words(image.read_registers("holding", 1, 1)) == [1]


def test_a_link_that_goes_down_is_judged_at_once_even_without_points() -> None:
    plant = Plant()
    device = plant.device([])
    image = plant.image("registers: [{address: 1, type: u16, value: 7}]", device)
    device.publish("fast", {})
    assert words(image.read_registers("holding", 1, 1)) == [7]
    device.forget()
    device.set_link(LinkState.WRONG_DEVICE)
    assert image.read_registers("holding", 1, 1) == 0x0B


# -- sources -----------------------------------------------------------------------------------------


def test_alternatives_follow_what_the_device_has() -> None:
    plant = Plant()
    device = plant.device(["/B", "/C"], slow=["/C"])
    image = plant.image("registers: [{address: 1, type: u16, path: /X, source: [/A, /B, /C]}]", device)
    device.publish("fast", {"/B": 2, "/C": 3})
    assert words(image.read_registers("holding", 1, 1)) == [2]
    device.publish("fast", {"/B": None})
    assert words(image.read_registers("holding", 1, 1)) == [3]
    device.publish("fast", {"/B": 4})
    assert words(image.read_registers("holding", 1, 1)) == [4]


def test_an_alternative_never_heard_does_not_hide_one_that_was() -> None:
    plant = Plant()
    device = plant.device(["/A", "/B"])
    image = plant.image("registers: [{address: 1, type: u16, path: /X, source: [/A, /B]}]", device)
    device.publish("fast", {"/B": 2})
    assert words(image.read_registers("holding", 1, 1)) == [2]


def test_negate_turns_the_sign() -> None:
    plant = Plant()
    device = plant.device(["/P"])
    image = plant.image(
        "registers: [{address: 1, type: s16, path: /X, source: {path: /P, negate: true}}]", device
    )
    device.publish("fast", {"/P": 5})
    assert words(image.read_registers("holding", 1, 1)) == [0xFFFB]


SUM = """
    registers:
      - {address: 1, type: s16, path: /Ac/Power, source: {sum: [/P, "roof:/P", {path: "roof:/Q", negate: true}]%s}}
      - {address: 2, type: u16, path: /P}
"""


async def test_a_sum_over_devices_fails_the_whole_view_while_a_part_is_stale() -> None:
    plant = Plant()
    device, roof = plant.device(["/P"]), plant.device(["/P"], name="roof", slow=["/Q"])
    image = plant.image(SUM % "", device, roof=roof)
    device.publish("fast", {"/P": 10})
    assert image.read_registers("holding", 2, 1) == 0x0B
    roof.publish("fast", {"/P": 5})
    roof.publish("slow", {"/Q": 1})
    assert words(image.read_registers("holding", 1, 2)) == [14, 10]
    await plant.clock.advance(4.0)
    device.publish("fast", {"/P": 11})
    assert words(image.read_registers("holding", 1, 2)) == [15, 11]
    await plant.clock.advance(1.5)
    assert image.read_registers("holding", 2, 1) == 0x0B, "the roof is silent, and with it the view"
    assert words(image.read_registers("holding", 0xFE00, 1)) == [1]
    roof.publish("fast", {"/P": 5})
    assert words(image.read_registers("holding", 1, 2)) == [15, 11]


@pytest.mark.parametrize("proof", [{"/P": 5}, {}], ids=["with points", "without points"])
async def test_a_dead_device_takes_its_slow_points_with_it(proof: dict[str, int]) -> None:
    plant = Plant()
    device, roof = plant.device(["/P"]), plant.device(["/P"], name="roof", slow=["/Q"])
    image = plant.image(
        "registers: [{address: 1, type: u16, path: /X, source: 'roof:/Q'}]", device, roof=roof
    )
    roof.publish("slow", {"/Q": 1})
    roof.publish("fast", proof)
    device.publish("fast", {"/P": 1})
    assert words(image.read_registers("holding", 1, 1)) == [1]
    await plant.clock.advance(4.0)
    device.publish("fast", {"/P": 1})
    assert words(image.read_registers("holding", 1, 1)) == [1]
    await plant.clock.advance(2.0)
    assert words(image.read_registers("holding", 1, 1)) == [0xFFFF]
    roof.publish("fast", {"/P": 5})
    assert words(image.read_registers("holding", 1, 1)) == [1]


def test_a_sum_is_not_whole_without_a_device_that_is_not_there_or_has_not_declared_yet() -> None:
    plant = Plant()
    device = plant.device(["/P"])
    without = plant.image(SUM % "", device)
    undeclared = plant.image(SUM % "", device, roof=plant.store.add("roof"))
    device.publish("fast", {"/P": 10})
    assert [image.read_registers("holding", 2, 1) for image in (without, undeclared)] == [0x0B, 0x0B]


async def test_a_sum_may_count_a_missing_part_as_nothing() -> None:
    plant = Plant()
    device, roof = plant.device(["/P"]), plant.device(["/P", "/Q"], name="roof")
    image = plant.image(SUM % ", missing: zero", device, roof=roof)
    device.publish("fast", {"/P": 10})
    assert words(image.read_registers("holding", 1, 2)) == [10, 10]
    roof.publish("fast", {"/P": 5, "/Q": None})
    assert words(image.read_registers("holding", 1, 1)) == [15]


async def test_sums_of_energies_hold_their_last_value_over_a_restart() -> None:
    plant = Plant()
    text = "registers: [{address: 1, type: u32b, scale: 10, path: /Ac/Energy/Forward, source: {sum: [/E1, /E2]}}]"
    device = plant.device(["/E1"], slow=["/E2"])
    image = plant.image(text, device)
    device.publish("fast", {"/E1": 100.0})
    assert words(image.read_registers("holding", 1, 2)) == [0xFFFF, 0xFFFF], "never whole yet"
    device.publish("slow", {"/E2": 20.5})
    assert words(image.read_registers("holding", 1, 2)) == [0, 1205]
    await plant.clock.advance(20.5)
    device.publish("fast", {"/E1": 101.0})
    assert words(image.read_registers("holding", 1, 2)) == [0, 1205], "a part is lost: the sum stands still"
    image.close()
    again = plant.image(text, device)
    assert words(again.read_registers("holding", 1, 2)) == [0, 1205]
    device.publish("slow", {"/E2": 21.0})
    assert words(again.read_registers("holding", 1, 2)) == [0, 1220]


def test_a_persona_with_a_sum_of_nothing_reads_zero() -> None:
    plant = Plant()
    device = plant.device(["/P"])
    image = plant.image(
        "detect: {address: 11, type: u16, values: {1: A}, methods: [tcp]}\n"
        "registers: [{address: 1, type: u16, path: /X, source: {sum: [/A, /B]}}]",
        device,
        Kind.PERSONA,
    )
    device.publish("fast", {"/P": 1})
    assert words(image.read_registers("holding", 1, 1)) == [0]
