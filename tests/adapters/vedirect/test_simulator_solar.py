"""The simulated MPPT charger in advanced time: sun, load, history, and what changed between firmwares."""

import struct

import pytest

from bridge.adapters.vedirect.codec import HexFrame, TextBlock, TextError
from bridge.adapters.vedirect.hex import encode_get, encode_ping, encode_set
from bridge.adapters.vedirect.simulated_solar import SolarChargerSimulator
from bridge.datastore.clock import ManualClock
from tests.adapters.vedirect.simulator_bench import LIMIT, LIMIT_MAX, MODE, benches

MASK, STATE, OFF_REASON = 0x0202, 0x0201, 0x0207
LOAD, LOAD_STATE = 0xEDAB, 0xEDA8
BATTERY_TYPE, ABSORPTION = 0xEDF1, 0xEDF7
TODAY, TOTAL = 0x1050, 0x104F
YIELD_TODAY, YIELD_YESTERDAY = 0xEDD3, 0xEDD1
OLD_FIRMWARE = 0x0138


@pytest.fixture
async def bench():
    """Make solar chargers that play until the test ends."""
    async with benches() as make:

        async def solar_charger(**options):
            return await make(SolarChargerSimulator, **options)

        yield solar_charger


async def test_text_and_registers_agree(bench):
    made = await bench()
    made.simulator.device.light = 0.5
    text = await made.text(2.5)
    assert (text["CS"], text["MPPT"], text["OR"], text["ERR"]) == ("3", "2", "0x00000000", "0")
    assert await made.value(0xED8D) * 10 == pytest.approx(int(text["V"]), abs=30)
    assert await made.value(0xEDBC) == pytest.approx(int(text["PPV"]) * 100, rel=0.02)
    assert await made.value(0xEDBB) * 10 == pytest.approx(int(text["VPV"]), rel=0.02)
    assert await made.value(0xEDD7) == pytest.approx((int(text["I"]) + int(text["IL"])) / 100, abs=2)


async def test_the_battery_gets_no_more_than_the_limit(bench):
    """The limit wears flash; the load is served beside it."""
    made = await bench(seed=2)
    made.simulator.device.light = 1.0
    assert await made.value(LIMIT_MAX) == 150
    assert await made.put(LIMIT, 40) == (0, 40)
    text = await made.text()
    assert int(text["I"]) == pytest.approx(4000, abs=100)
    assert int(text["IL"]) > 0
    assert await made.put(LIMIT, 151) == (4, 150)
    assert await made.put(LIMIT, 9) == (4, 10)
    assert await made.value(LIMIT) == 40
    assert made.simulator.flash_writes == 1


async def test_voltages_are_for_a_user_defined_battery(bench):
    made = await bench()
    assert (await made.put(ABSORPTION, 1400))[0] == 2
    assert await made.put(BATTERY_TYPE, 255, size=1) == (0, 255)
    assert await made.put(ABSORPTION, 1400) == (0, 1400)
    assert await made.put(ABSORPTION, 9000) == (4, 1740)
    assert made.simulator.flash_writes == 2


@pytest.mark.parametrize(
    ("firmware", "with_mask", "in_force"),
    [(0x0156, False, 4), (0x0142, False, 4), (0x0141, False, 1), (0x0141, True, 4), (0x0116, True, 0)],
)
async def test_off_needs_the_remote_mask_before_1_42(bench, firmware, with_mask, in_force):
    """Without its bit an early firmware acknowledges and charges on; 1.16 and older report off as 0."""
    made = await bench(firmware=firmware)
    made.simulator.device.light = 0.6
    if with_mask:
        assert await made.put(MASK, 2, size=4) == (0, 2)
    assert await made.put(MODE, 4, size=1) == (0, in_force)
    assert await made.value(MODE) == in_force
    text = await made.text(6.0)
    assert (text["CS"] == "0") == (in_force != 1)
    assert made.simulator.flash_writes == 0


async def test_the_mask_is_forgotten_at_power_up(bench):
    made = await bench(firmware=0x0141)
    await made.put(MASK, 2, size=4)
    made.simulator.misbehave("reboot")
    await made.clock.advance(3.0)
    assert await made.value(MASK) == 0


@pytest.mark.parametrize(
    ("firmware", "flags", "old_flags"), [(0x0156, 0, 1), (0x0143, 1, 0), (0x0129, 1, 0), (0x0128, 1, 1)]
)
async def test_where_the_off_reason_is(bench, firmware, flags, old_flags):
    made = await bench(firmware=firmware)
    assert (await made.flags(OFF_REASON), await made.flags(0x0205)) == (flags, old_flags)


@pytest.mark.parametrize(("firmware", "width"), [(0x0112, 4), (0x0156, 2)])
async def test_the_width_of_yields(bench, firmware, width):
    made = await bench(firmware=firmware)
    for register in (YIELD_TODAY, YIELD_YESTERDAY):
        (reply,) = await made.ask(encode_get(register))
        assert len(reply.value) == width


@pytest.mark.parametrize(
    ("control", "flags", "shown", "on"),
    [
        (0, 0, 0, False),
        (4, 0, 4, True),
        (1, 0, 1, True),
        (5, 0, 5, False),
        (8, 4, 7, True),
        (255, 4, 7, True),
    ],
)
async def test_load_output(bench, control, flags, shown, on):
    """At noon a street-light timer is off; unknown controls are refused."""
    made = await bench()
    assert await made.put(LOAD, control, size=1) == (flags, shown)
    text = await made.text()
    assert text["LOAD"] == ("ON" if on else "OFF")
    assert (text["IL"] == "0") == (not on)
    assert await made.value(LOAD_STATE) == on
    assert made.simulator.flash_writes == (flags == 0)


async def test_a_timer_shows_in_the_upper_bits_at_night(bench):
    made = await bench(start_hour=22.0)
    await made.put(LOAD, 5, size=1)
    await made.clock.advance(1.0)
    assert await made.value(LOAD) == 0x85
    text = await made.text()
    assert (text["LOAD"], text["VPV"], text["CS"], text["OR"]) == ("ON", "0", "0", "0x00000001")
    assert int(text["I"]) < 0


async def test_a_model_without_load_output(bench):
    made = await bench(product_id=0xA056)
    text = await made.text()
    assert not {"LOAD", "IL"} & set(text)
    assert await made.flags(LOAD) == 1
    assert await made.flags(0xEDBD) == 0


async def test_a_day_passes(bench):
    """At 3600 times its pace: dark, charging, full, dark again; at midnight today becomes yesterday."""
    made = await bench(start_hour=3.0, day_speed=3600.0)
    await made.clock.advance(24.2)
    blocks = [block.fields for block in made.wire.heard(TextBlock)]
    states = [block["CS"] for block in blocks]
    assert list(dict.fromkeys(states))[:2] == ["0", "3"]
    assert states[-1] == "0"
    watts = [int(block["PPV"]) for block in blocks]
    assert watts[0] == watts[-1] == 0 < max(watts)
    turned = next(n for n in range(1, len(blocks)) if blocks[n]["HSDS"] != blocks[n - 1]["HSDS"])
    before, after = blocks[turned - 1], blocks[turned]
    assert (before["HSDS"], after["HSDS"]) == ("3", "4")
    assert (after["H20"], after["H22"], after["H23"]) == ("0", before["H20"], before["H21"])
    assert int(before["H20"]) > 20
    totals = [int(block["H19"]) for block in blocks]
    assert totals == sorted(totals)
    assert totals[-1] - totals[0] == pytest.approx(int(before["H20"]), abs=1)


async def test_history_of_days(bench):
    """34 bytes for each day it remembers, flag 04 for an empty one, nothing beyond the last register."""
    made = await bench()
    (today,) = await made.ask(encode_get(TODAY))
    assert len(today.value) == 34
    _, _, consumed, highest, lowest = struct.unpack_from("<BIIHH", today.value)
    assert lowest <= highest < 1700
    assert consumed < 100
    (yesterday,) = await made.ask(encode_get(TODAY + 1))
    text = await made.text()
    assert int.from_bytes(yesterday.value[1:5], "little") == pytest.approx(int(text["H22"]), abs=1)
    assert int.from_bytes(yesterday.value[-2:], "little") == int(text["HSDS"]) - 1
    assert [await made.flags(TODAY + day) for day in (3, 4, 30, 31)] == [0, 4, 4, 1]
    (total,) = await made.ask(encode_get(TOTAL))
    assert len(total.value) == 19
    assert int.from_bytes(total.value[6:10], "little") == pytest.approx(int(text["H19"]), abs=1)


async def test_it_tells_changes_for_two_minutes_after_hex(bench):
    made = await bench()
    made.simulator.device.light = 0.7
    await made.clock.advance(10.0)
    assert made.wire.heard(HexFrame) == []
    await made.ask(encode_ping())
    await made.clock.advance(110.0)
    told = {m.register for m in made.wire.heard(HexFrame) if m.command == 0xA}
    assert {0xED8D, 0xEDD5} <= told
    await made.clock.advance(12.0)
    since = made.clock.monotonic()
    await made.clock.advance(30.0)
    assert made.wire.heard(HexFrame, since) == []


async def test_firmware_1_16_tells_its_history(bench):
    made = await bench(firmware=0x0116)
    await made.clock.advance(30.0)
    assert {m.register for m in made.wire.heard(HexFrame)} == {TOTAL, TODAY}


async def test_old_firmware_stops_its_text_while_hex_is_spoken(bench):
    """As long as requests come; text is back some seconds after the last. New firmware goes on."""
    for firmware, pauses in ((OLD_FIRMWARE, True), (0x0156, False)):
        made = await bench(firmware=firmware)
        await made.text(2.5)
        for _ in range(10):
            assert len(await made.ask(encode_get(MODE), wait=1.0)) == 1
        assert (made.wire.heard(TextBlock, made.clock.monotonic() - 8.0) == []) == pauses
        await made.clock.advance(8.0)
        assert len(made.wire.heard(TextBlock, made.clock.monotonic() - 3.0)) >= 2


async def test_old_firmware_cuts_into_its_text(bench):
    """HEX frames stand in the middle of blocks, and both are whole for who knows."""
    made = await bench(firmware=OLD_FIRMWARE)
    for _ in range(40):
        await made.clock.advance(7.0 - made.clock.monotonic() % 1.0)
        await made.ask(encode_get(MODE), wait=0.5)
    blocks = made.wire.stream.split(b"\r\nPID")[1:]
    cut = [block for block in blocks if b":7" in block[: block.find(b"Checksum\t")]]
    assert cut
    assert made.wire.heard(TextError) == []
    assert len(made.wire.heard(TextBlock)) == len(blocks)
    assert len([m for m in made.wire.heard(HexFrame) if m.command == 7]) == 40


async def test_relay_thresholds_of_a_model_with_relay(bench):
    made = await bench(product_id=0xA050)
    assert (await made.text())["Relay"] == "OFF"
    assert await made.put(0x0350, 1250) == (0, 1250)
    assert made.simulator.flash_writes == 1
    assert await (await bench()).flags(0x0350) == 1


async def test_measurements_are_read_only(bench):
    made = await bench()
    for register in (0xED8D, 0xEDBB, LIMIT_MAX, STATE, TODAY):
        (reply,) = await made.ask(encode_set(register, b"\x00\x00"))
        assert (reply.flags, reply.value) == (2, b"")
    assert made.simulator.executed == []


@pytest.mark.parametrize(
    "options",
    [
        {"product_id": 0xA334},
        {"maximum_current": 101},
        {"minimum_current": 0},
        {"start_hour": 24.0},
        {"start_hour": float("nan")},
        {"day_speed": -1.0},
    ],
)
def test_impossible_solar_chargers(options):
    with pytest.raises(ValueError, match=r"found .* expected"):
        SolarChargerSimulator(ManualClock(), **options)
