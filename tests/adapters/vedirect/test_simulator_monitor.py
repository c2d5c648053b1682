"""The simulated battery monitors in advanced time."""

import pytest

from bridge.adapters.vedirect.codec import TextBlock
from bridge.adapters.vedirect.hex import encode_get, encode_ping, encode_set
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.datastore.clock import ManualClock
from tests.adapters.vedirect.simulator_bench import benches

SYNCHRONISE, ZERO, CLEAR, CAPACITY = 0x102C, 0x1029, 0x1030, 0x1000
SOC, TTG, CONSUMED, CURRENT_MA = 0x0FFF, 0x0FFE, 0xEEFF, 0xED8C
RELAY, RELAY_MODE, RELAY_INVERT = 0x034E, 0x034F, 0x034D
ALARM_LOW, ALARM_LOW_CLEAR, ACKNOWLEDGE, REASON = 0x0320, 0x0321, 0x031F, 0x031E
SMARTSHUNT = 0xA389


@pytest.fixture
async def bench():
    """Make battery monitors that play until the test ends."""
    async with benches() as make:

        async def monitor(**options):
            return await make(BatteryMonitorSimulator, **options)

        yield monitor


def blocks_of(made):
    return [block.fields for block in made.wire.heard(TextBlock)]


async def test_two_blocks_a_second(bench):
    """The main one starts with PID, the history has none; each has its own checksum."""
    made = await bench()
    await made.clock.advance(3.5)
    blocks = blocks_of(made)
    assert [next(iter(block)) for block in blocks] == ["PID", "H1"] * 4
    assert "PID" not in blocks[1]
    assert list(blocks[1])[-2:] == ["H17", "H18"]


async def test_a_smartshunt_has_no_relay(bench):
    made = await bench(product_id=SMARTSHUNT)
    text = await made.text()
    assert (text["BMV"], text["PID"]) == ("SmartShunt 500A/50mV", "0xA389")
    assert not {"Relay", "VS", "SER#"} & set(text)
    assert [await made.flags(register) for register in (RELAY, RELAY_MODE, RELAY_INVERT)] == [1, 1, 1]


async def test_text_and_registers_agree(bench):
    made = await bench()
    made.simulator.device.bank.current_a = -6.032
    text = await made.text()
    assert text["I"] == "-6032"
    assert await made.value(CURRENT_MA, signed=True) == -6032
    assert await made.value(0xED8F, signed=True) == -60
    assert await made.value(0xED8E, signed=True) == int(text["P"])
    assert await made.value(SOC) == int(text["SOC"]) * 10
    assert await made.value(CONSUMED, signed=True) == pytest.approx(int(text["CE"]) / 100, abs=1)
    assert await made.value(TTG) == pytest.approx(int(text["TTG"]), abs=1)
    assert await made.value(0x0306, signed=True) == pytest.approx(int(text["H7"]) / 10, abs=1)


async def test_charge_follows_the_current(bench):
    """At 3600 times its pace: 20 A out of 200 Ah are 10 % an hour, and TTG counts down to the floor of 50 %."""
    made = await bench(speed=3600.0, capacity_ah=200)
    made.simulator.device.bank.current_a = -20.0
    first = await made.text(1.3)
    await made.clock.advance(1.0)
    later = await made.text(1.0)
    assert int(first["SOC"]) - int(later["SOC"]) == pytest.approx(200, abs=2)
    assert int(first["TTG"]) - int(later["TTG"]) == pytest.approx(120, abs=2)
    assert int(later["H2"]) == int(later["CE"]) < int(first["CE"]) < 0
    made.simulator.device.bank.current_a = 5.0
    text = await made.text()
    assert text["TTG"] == "-1"
    assert await made.value(TTG) == 0xFFFF


async def test_what_it_does_not_know_before_synchronisation(bench):
    made = await bench(synchronised=False)
    text = await made.text()
    assert (text["CE"], text["SOC"], text["TTG"]) == ("---", "---", "---")
    values = [await made.value(register) for register in (SOC, TTG, CONSUMED, 0xEEB6)]
    assert values == [0xFFFF, 0xFFFF, 0x7FFFFFFF, 0]


@pytest.mark.parametrize("value", [b"", b"\x01"])
async def test_synchronising_makes_the_battery_full(bench, value):
    made = await bench(synchronised=False)
    made.simulator.device.bank.current_a = 0.0
    (reply,) = await made.ask(encode_set(SYNCHRONISE, value))
    assert (reply.command, reply.flags) == (8, 0)
    text = await made.text()
    assert (text["SOC"], text["CE"]) == ("1000", "0")
    assert await made.value(0xEEB6) == 1
    assert made.simulator.actions == {SYNCHRONISE: 1}
    assert made.simulator.flash_writes == 0


async def test_zeroing_the_current(bench):
    made = await bench()
    made.simulator.device.bank.current_a = 0.125
    assert (await made.text())["I"] == "125"
    await made.ask(encode_set(ZERO, b"\x01"))
    assert (await made.text())["I"] == "0"
    made.simulator.device.bank.current_a = 1.125
    assert (await made.text())["I"] == "1000"


async def test_each_action_is_counted_each_time(bench):
    made = await bench()
    for _ in range(3):
        await made.ask(encode_set(ZERO, b"\x01"))
    await made.ask(encode_set(CLEAR, b""))
    assert made.simulator.actions == {ZERO: 3, CLEAR: 1}
    assert [done.register for done in made.simulator.executed] == [ZERO, ZERO, ZERO, CLEAR]
    assert [await made.flags(register) for register in (SYNCHRONISE, ZERO, CLEAR)] == [2, 2, 2]


async def test_an_action_that_is_refused_or_ignored_did_nothing(bench):
    made = await bench()
    for fault in ("refuse", "ignore_set", "deaf", "silent"):
        made.simulator.misbehave(fault)
        await made.ask(encode_set(ZERO, b"\x01"))
        made.simulator.misbehave("well")
    assert made.simulator.actions == {}


async def test_history_is_cleared(bench):
    made = await bench(speed=600.0)
    made.simulator.device.bank.current_a = -20.0
    assert int((await made.text(3.0))["H6"]) < 0
    made.simulator.device.bank.current_a = 0.0
    await made.ask(encode_set(CLEAR, b"\x01"))
    assert (await made.text())["H6"] == "0"


async def test_the_relay_obeys_in_remote_mode_only(bench):
    made = await bench()
    assert await made.put(RELAY, 1, size=1) == (0, 0)
    assert made.simulator.flash_writes == 0
    assert await made.put(RELAY_MODE, 2, size=1) == (0, 2)
    assert await made.put(RELAY, 1, size=1) == (0, 1)
    assert (await made.text())["Relay"] == "ON"
    assert made.simulator.flash_writes == 2
    assert await made.put(RELAY_MODE, 0, size=1) == (0, 0)
    assert (await made.text())["Relay"] == "OFF"


async def test_an_alarm_begins_is_acknowledged_and_ends(bench):
    made = await bench()
    bank = made.simulator.device.bank
    await made.put(ALARM_LOW, 235)
    await made.put(ALARM_LOW_CLEAR, 240)
    seen = []
    for volts in (24.5, 23.4, 23.8, 24.1):
        bank.battery_v = volts
        text = await made.text()
        seen.append((text["Alarm"], text["AR"], text["Relay"], text["H11"]))
    off, on = ("OFF", "0", "OFF"), ("ON", "1", "ON")
    assert seen == [(*off, "0"), (*on, "1"), (*on, "1"), (*off, "1")]
    bank.battery_v = 23.0
    await made.text()
    await made.ask(encode_set(ACKNOWLEDGE, b"\x01"))
    text = await made.text()
    assert (text["Alarm"], text["AR"]) == ("OFF", "1")
    assert await made.value(REASON) == 1


@pytest.mark.parametrize(
    ("asked", "flags", "shown", "in_force"),
    [(500, 0, 500, 500), (0, 4, 1, 200), (10000, 4, 9999, 200)],
)
async def test_capacity(bench, asked, flags, shown, in_force):
    made = await bench()
    assert await made.put(CAPACITY, asked) == (flags, shown)
    assert await made.value(CAPACITY) == in_force
    assert made.simulator.flash_writes == (flags == 0)


@pytest.mark.parametrize(
    ("auxiliary", "labels", "known"),
    [
        ("none", set(), ()),
        ("starter", {"VS"}, (0xED7D,)),
        ("midpoint", {"VM", "DM"}, (0x0382, 0x0383)),
        ("temperature", {"T"}, (0xEDEC,)),
    ],
)
async def test_the_second_input(bench, auxiliary, labels, known):
    made = await bench(auxiliary=auxiliary)
    assert {"VS", "VM", "DM", "T"} & set(await made.text()) == labels
    missing = {0xED7D: 0x7FFF, 0x0382: 0xFFFF, 0x0383: 0x7FFF, 0xEDEC: 0xFFFF}
    for register, pattern in missing.items():
        assert (await made.value(register) == pattern) == (register not in known)


async def test_a_temperature_sensor_can_be_missing(bench):
    made = await bench(auxiliary="temperature")
    assert (await made.text())["T"] == "21"
    assert await made.value(0xEDEC) == 29415
    made.simulator.device.bank.temperature_c = None
    assert (await made.text())["T"] == "---"
    assert await made.value(0xEDEC) == 0xFFFF


async def test_a_monitor_of_something_else_knows_no_charge(bench):
    made = await bench(monitor_mode=-9)
    text = await made.text()
    assert (text["MON"], text["SOC"], text["CE"], text["TTG"]) == ("-9", "---", "---", "---")


async def test_its_name_can_be_written(bench):
    made = await bench()
    (reply,) = await made.ask(encode_set(0x010C, b"Boathouse"))
    assert (reply.flags, reply.value) == (0, b"Boathouse")
    (reply,) = await made.ask(encode_get(0x010C))
    assert reply.value == b"Boathouse"


async def test_an_old_one_does_not_say_who_it_is(bench):
    made = await bench(hex_identity=False)
    assert [await made.flags(register) for register in (0x0100, 0x010A)] == [1, 1]
    (reply,) = await made.ask(b":451\n")
    assert reply.payload.hex().upper() == "81A3"
    assert (await (await bench(serial_in_text=True)).text())["SER#"] == "SIM2205A381"


async def test_text_stays_away_after_hex_where_asked_for(bench):
    made = await bench(quiet_text=True)
    await made.clock.advance(1.5)
    for _ in range(4):
        await made.ask(encode_ping(), wait=1.0)
    assert made.wire.heard(TextBlock, made.clock.monotonic() - 3.0) == []
    await made.clock.advance(7.0)
    assert len(made.wire.heard(TextBlock, made.clock.monotonic() - 2.0)) >= 2


@pytest.mark.parametrize(
    "options",
    [
        {"product_id": 0xA053},
        {"auxiliary": "wind"},
        {"monitor_mode": 9},
        {"capacity_ah": 0},
        {"nominal_v": 0.0},
        {"speed": float("nan")},
    ],
)
def test_impossible_monitors(options):
    with pytest.raises(ValueError, match=r"found .* expected"):
        BatteryMonitorSimulator(ManualClock(), **options)
