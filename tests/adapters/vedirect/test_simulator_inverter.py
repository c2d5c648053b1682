"""The simulated Phoenix inverter in advanced time."""

import pytest

from bridge.adapters.vedirect.codec import TextBlock
from bridge.adapters.vedirect.hex import encode_get, encode_ping
from bridge.adapters.vedirect.simulated_inverter import InverterSimulator
from bridge.datastore.clock import ManualClock
from tests.adapters.vedirect.simulator_bench import MODE, UPTIME, benches

ON, DEVICE_ON, OFF, ECO = 2, 3, 4, 5
STATE, OFF_REASON, WARNED, ALARMED = 0x0201, 0x0207, 0x031C, 0x031E
SAVE, SET_POINT, SHUTDOWN, RESTART, SLEEP, WAKE = 0xEB99, 0x0230, 0x2210, 0x0321, 0x2206, 0x2207
RELAY, RELAY_MODE = 0x034E, 0x034F
LOW_VOLTAGE, OVERLOAD = 1, 256


@pytest.fixture
async def bench():
    """Make inverters that play until the test ends."""
    async with benches() as make:

        async def inverter(**options):
            return await make(InverterSimulator, **options)

        yield inverter


@pytest.mark.parametrize(
    ("asked", "flags", "shown", "in_force", "state"),
    [
        (OFF, 0, OFF, OFF, 0),
        (ON, 0, ON, ON, 9),
        (DEVICE_ON, 0, ON, ON, 9),
        (ECO, 0, ECO, ECO, 9),
        (1, 4, ON, ON, 9),
        (9, 4, ECO, ON, 9),
    ],
)
async def test_modes(bench, asked, flags, shown, in_force, state):
    made = await bench(load_va=120.0)
    assert await made.put(MODE, asked, size=1) == (flags, shown)
    assert await made.value(MODE) == in_force
    assert await made.value(STATE) == state
    text = await made.text()
    assert (text["MODE"], text["CS"]) == (str(in_force), str(state))
    assert (text["AC_OUT_S"], text["OR"]) == (("0", "0x00000004") if asked == OFF else ("120", "0x00000000"))
    assert made.simulator.flash_writes == 0


async def test_hibernation_is_recorded_and_not_obeyed(bench):
    made = await bench()
    assert await made.ask(b":8000200FD4E\n") == []
    assert len(made.simulator.forbidden) == 1
    assert await made.value(MODE) == ON


async def test_text_and_registers_agree(bench):
    made = await bench(load_va=460.0)
    text = await made.text()
    assert int(text["AC_OUT_V"]) == pytest.approx(23000, abs=10)
    assert (text["AC_OUT_I"], text["AC_OUT_S"]) == ("20", "460")
    assert await made.value(0x2201) == 20
    assert await made.value(0x2205) == 460
    assert await made.value(0xED8D) * 10 == int(text["V"])
    assert (await made.value(0x2202), await made.value(0x2203)) == (230, 800)


async def test_eco_sleeps_and_wakes_by_its_thresholds(bench):
    made = await bench(load_va=120.0)
    await made.put(MODE, ECO, size=1)
    await made.put(SLEEP, 30)
    await made.put(WAKE, 60)
    seen = []
    for load in (120.0, 31.0, 29.0, 59.0, 61.0):
        made.simulator.device.load_va = load
        text = await made.text()
        seen.append((text["CS"], text["AC_OUT_S"]))
    assert seen == [("9", "120"), ("9", "31"), ("1", "0"), ("1", "0"), ("9", "61")]


async def test_an_overload_is_borne_for_a_moment_and_then_trips(bench):
    """WARN passes by itself; AR stays until the inverter is switched on again."""
    made = await bench(load_va=900.0)
    text = await made.text(5.0)
    assert (text["WARN"], text["AR"], text["CS"]) == (str(OVERLOAD), "0", "9")
    made.simulator.device.load_va = 1100.0
    text = await made.text(6.0)
    assert (text["WARN"], text["AR"], text["CS"]) == ("0", str(OVERLOAD), "2")
    assert (text["AC_OUT_V"], text["OR"]) == ("0", "0x00000010")
    made.simulator.device.load_va = 100.0
    await made.put(MODE, OFF, size=1)
    assert (await made.value(ALARMED), await made.value(STATE)) == (OVERLOAD, 0)
    await made.put(MODE, ON, size=1)
    assert (await made.value(ALARMED), await made.value(STATE)) == (0, 9)


async def test_an_empty_battery_stops_it_until_it_is_charged(bench):
    made = await bench(load_va=100.0)
    seen = []
    for volts in (22.0, 21.0, 18.0, 24.0, 25.2):
        made.simulator.device.battery_v = volts
        text = await made.text()
        seen.append((text["WARN"], text["AR"], text["CS"]))
    assert seen == [("0", "0", "9"), ("1", "0", "9"), ("1", "1", "2"), ("0", "1", "2"), ("0", "1", "9")]
    assert await made.value(ALARMED) == LOW_VOLTAGE


@pytest.mark.parametrize(
    ("register", "asked", "in_force"),
    [
        (SET_POINT, 22500, 22500),
        (SET_POINT, 30000, 24610),
        (SET_POINT, 0, 20930),
        (SHUTDOWN, 2000, 2000),
        (SHUTDOWN, 100, 1800),
        (RESTART, 5000, 3400),
        (0x0320, 2150, 2150),
    ],
)
async def test_voltages_are_clamped_without_a_flag(bench, register, asked, in_force):
    made = await bench()
    assert await made.put(register, asked) == (0, in_force)
    assert await made.value(register) == in_force
    assert made.simulator.executed[-1].in_force == in_force


@pytest.mark.parametrize(("order", "after", "flash"), [(None, 23000, 0), (1, 22500, 1), (2, 23000, 0)])
async def test_settings_are_kept_only_when_saved(bench, order, after, flash):
    made = await bench()
    await made.put(SET_POINT, 22500)
    if order is not None:
        assert await made.put(SAVE, order, size=1) == (0, order)
    assert await made.value(SAVE) == 0
    made.simulator.misbehave("reboot")
    await made.clock.advance(3.0)
    assert await made.value(SET_POINT) == after
    assert made.simulator.flash_writes == flash


async def test_factory_settings_are_out_of_reach(bench):
    made = await bench()
    await made.put(SET_POINT, 22500)
    assert await made.ask(_framed(8, b"\x99\xeb\x00\x04")) == []
    assert [frame.register for frame in made.simulator.forbidden] == [SAVE]
    assert await made.value(SET_POINT) == 22500


def _framed(command, payload):
    check = (0x55 - command - sum(payload)) & 0xFF
    return f":{command:X}{payload.hex().upper()}{check:02X}\n".encode()


@pytest.mark.parametrize(("persistent", "flash"), [(False, 0), (True, 1)])
async def test_mode_survives_a_restart_only_where_it_is_kept(bench, persistent, flash):
    made = await bench(persistent_mode=persistent)
    await made.put(MODE, OFF, size=1)
    made.simulator.misbehave("reboot")
    await made.clock.advance(3.0)
    assert await made.value(UPTIME) in (2, 3)
    assert await made.value(MODE) == (OFF if persistent else ON)
    assert made.simulator.flash_writes == flash


async def test_the_relay_obeys_in_remote_mode_only(bench):
    made = await bench(relay=True)
    assert await made.value(RELAY_MODE) == 4
    assert await made.put(RELAY, 0, size=1) == (0, 1)  # acknowledged with what is in force
    assert (await made.text())["Relay"] == "ON"
    assert await made.put(RELAY_MODE, 2, size=1) == (0, 2)
    assert await made.put(RELAY, 0, size=1) == (0, 0)
    assert (await made.text())["Relay"] == "OFF"
    assert "Relay" not in await (await bench()).text()


async def test_text_stays_away_after_hex_where_asked_for(bench):
    made = await bench(quiet_text=True)
    assert await made.text()
    for _ in range(3):
        await made.ask(encode_ping(), wait=1.0)
    assert len(made.wire.heard(TextBlock, made.clock.monotonic() - 2.5)) == 0
    await made.clock.advance(2.5)
    assert made.wire.heard(TextBlock, made.clock.monotonic() - 2.0) == []
    await made.clock.advance(4.0)
    assert len(made.wire.heard(TextBlock, made.clock.monotonic() - 3.5)) >= 2


@pytest.mark.parametrize(
    ("firmware", "known", "unknown"),
    [(0x0110, (0xEB04,), (SLEEP, WAKE, 0x1040)), (0x0117, (SLEEP, WAKE, 0x1040, 0x1041), (0xEB04,))],
)
async def test_firmware_knows_its_registers(bench, firmware, known, unknown):
    made = await bench(firmware=firmware)
    assert [await made.flags(register) for register in known] == [0] * len(known)
    assert [await made.flags(register) for register in unknown] == [1] * len(unknown)


async def test_appliances_come_and_go(bench):
    made = await bench(seed=1)
    await made.clock.advance(600.0)
    loads = [int(block.fields["AC_OUT_S"]) for block in made.wire.heard(TextBlock)]
    assert min(loads) < 60 < 400 < max(loads)
    assert await made.value(0x1041) > 0
    assert await made.value(0x1040) == pytest.approx(600, abs=2)


@pytest.mark.parametrize(
    ("product_id", "battery_v", "ac_v"), [(0xA2E1, 12, 230), (0xA2E4, 48, 230), (0xA2FA, 24, 120)]
)
async def test_the_product_id_says_its_voltages(bench, product_id, battery_v, ac_v):
    made = await bench(product_id=product_id)
    text = await made.text()
    assert int(text["V"]) / 1000 == pytest.approx(battery_v * 1.06, rel=0.02)
    assert int(text["AC_OUT_V"]) == pytest.approx(ac_v * 100, abs=10)
    (reply,) = await made.ask(encode_get(0x010B))
    assert f"{battery_v}|800" in reply.value.decode()


@pytest.mark.parametrize(
    "options",
    [{"product_id": 0xA053}, {"product_id": 0xA2E3}, {"rated_va": 1}, {"firmware": 0}, {"load_va": -1.0}],
)
def test_impossible_inverters(options):
    with pytest.raises(ValueError, match=r"found .* expected"):
        InverterSimulator(ManualClock(), **options)
