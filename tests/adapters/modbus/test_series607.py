"""A Series607 through the whole adapter: what is mended, what is told, how it is switched."""

import logging
from itertools import pairwise

import pytest

from bridge.adapters.modbus.quirks.series607 import Series607
from bridge.datastore.clock import ManualClock
from bridge.datastore.values import LinkState, Outcome, Quality
from tests.adapters.modbus.rig import Rig

MODE, STATE, VOLTAGE = "/Mode", "/State", "/Dc/0/Voltage"
OVERLOAD, FAULT = "/Alarms/Overload", "/FaultCode"
ON, OFF = 2, 4


async def test_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        shown = {path: rig.device.value(path) for path in rig.device.paths}
        assert shown == {
            "/Serial": "WAGON1",
            "/ProductName": "Series607 1000W",
            "/HardwareVersion": "0.0.1",
            "/FirmwareVersion": "0.0.1",
            VOLTAGE: 25.9,
            "/Ac/Out/L1/V": 230,
            "/Ac/Out/L1/I": 1.0,  # the Arduino's own register says 0.1
            "/Ac/Out/L1/P": 230,
            MODE: ON,
            STATE: 9,
            "/Alarms/LowVoltage": 0,
            "/Alarms/HighVoltage": 0,
            OVERLOAD: 0,
            "/Alarms/HighTemperature": 0,
            FAULT: 0,
        }
        assert rig.device.link is LinkState.ONLINE
        assert rig.device.identity is not None
        assert rig.device.identity.serial == "WAGON1"


async def test_it_is_asked_for_its_two_islands_and_not_across_the_hole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert set(rig.requests) == {
            "2a0305a00001",  # model
            "2a0310050002",  # versions; the serial number is the site's
            "2a0330010006",
            "2a0330100004",
        }


async def test_requests_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, options={"poll": 0.1}) as rig:
        await rig.clock.advance(3)
        heard = [received.time for received in rig.simulator.received]
        assert len(heard) > 20
        assert min(after - before for before, after in pairwise(heard)) >= 0.05


@pytest.mark.parametrize(
    ("panel", "alarm", "code"),
    [
        ("f01", "/Alarms/LowVoltage", 1),
        ("f02", "/Alarms/HighVoltage", 2),
        ("f03", OVERLOAD, 3),
        ("f04", "/Alarms/HighTemperature", 4),
        ("f05", OVERLOAD, 5),
    ],
)
async def test_faults(monkeypatch: pytest.MonkeyPatch, panel: str, alarm: str, code: int) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave(panel)
        await rig.clock.advance(4)
        alarms = {path: rig.device.value(path) for path in rig.device.paths if path.startswith("/Alarms/")}
        assert alarms == {path: 2 if path == alarm else 0 for path in alarms}
        assert (rig.device.value(STATE), rig.device.value(FAULT)) == (2, code)
        rig.simulator.misbehave("well")
        await rig.clock.advance(4)
        assert (rig.device.value(STATE), rig.device.value(FAULT), rig.device.value(alarm)) == (9, 0, 0)


@pytest.mark.parametrize(("value", "state"), [(OFF, 0), (ON, 9)])
async def test_switching_is_confirmed_by_the_state(
    monkeypatch: pytest.MonkeyPatch, value: int, state: int
) -> None:
    async with Rig(monkeypatch, on=value == OFF) as rig:
        await rig.known()
        began = rig.clock.monotonic()
        assert await rig.write({MODE: value}) == {MODE: Outcome.CONFIRMED}
        assert 0.8 < rig.clock.monotonic() - began <= 3.0
        assert rig.simulator.panel.running is (value == ON)
        assert rig.device.value(MODE) == value
        await rig.clock.advance(3)
        assert (rig.device.value(MODE), rig.device.value(STATE)) == (value, state)
        assert rig.device.held(MODE) == value
        assert rig.simulator.panel.switched == 1


async def test_a_button_that_does_nothing_is_no_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("stuck")
        assert await rig.write({MODE: OFF}) == {MODE: Outcome.TIMED_OUT}
        assert rig.simulator.panel.registers[0x3005] == OFF  # the wish stands in the register
        assert rig.device.value(MODE) == ON  # the truth is told


async def test_an_echo_without_effect_is_no_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("ignore_writes")
        assert await rig.write({MODE: OFF}) == {MODE: Outcome.TIMED_OUT}
        assert rig.device.value(MODE) == ON


async def test_a_mode_that_does_not_exist_is_refused_before_any_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        with pytest.raises(Exception, match="expected one of 2 \\(on\\), 4 \\(off\\)"):
            await rig.begin({MODE: 5})


async def test_the_button_on_the_panel_ends_the_hold(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write({MODE: ON}) == {MODE: Outcome.CONFIRMED}
        assert rig.device.held(MODE) == ON
        rig.simulator.misbehave("button")
        await rig.clock.advance(5)
        assert (rig.device.value(MODE), rig.device.held(MODE)) == (OFF, None)
        assert "set-point=/Mode hold ended: changed at the device from 2 to 4" in caplog.text
        assert len([frame for frame in rig.requests if frame.startswith("2a06")]) == 1


async def test_an_off_goes_before_the_retries_of_a_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("silent")
        await rig.clock.advance(0.6)  # a read is waiting for its reply now, two retries to come
        before = len(rig.requests)
        task = rig.begin({MODE: OFF})
        await rig.clock.advance(1.2)
        assert rig.requests[before : before + 1] == ["2a0630050004"]
        rig.simulator.misbehave("well")
        await rig.clock.advance(6)
        assert (await task)[MODE] is Outcome.CONFIRMED


@pytest.mark.parametrize(
    ("shown", "value"),
    [("5", 25.9), ("0", 25.9), ("388", 60.32)],
    ids=["below what a battery can have", "none", "wrapped round in its register, twice the same"],
)
async def test_impossible_voltages(monkeypatch: pytest.MonkeyPatch, shown: str, value: float) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("garbage", shown)
        await rig.clock.advance(2)
        assert rig.device.value(VOLTAGE) == pytest.approx(value)


def test_a_fault_that_ends_is_never_shown_as_another() -> None:
    """State and alarms are read one after the other: what ends between them looks like the lost overload."""
    quirk = Series607(ManualClock())
    none = dict.fromkeys(
        ("/Alarms/LowVoltage", "/Alarms/HighVoltage", "/Alarms/HighTemperature", OVERLOAD), 0
    )
    quirk.heard({STATE: 2})
    assert quirk.heard({**none, "/Alarms/LowVoltage": 2})[FAULT] == 1
    assert quirk.heard(none) == {**none, FAULT: 0}  # it has ended since the state was read
    quirk.heard({STATE: 9})
    assert quirk.heard(none)[FAULT] == 0
    quirk.heard({STATE: 2})
    assert [quirk.heard(none)[FAULT] for _ in range(2)] == [0, 3]


async def test_a_single_leap_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        seen = set()
        rig.device.changed.connect(lambda _: seen.add(rig.device.value(VOLTAGE)))
        rig.simulator.misbehave("garbage", "388")
        await rig.clock.advance(0.5)  # one poll of the fast island
        rig.simulator.misbehave("well")
        await rig.clock.advance(3)
        assert rig.device.value(VOLTAGE) == 25.9
        assert all(volts in (25.9, None) for volts in seen)


async def test_what_the_display_shows_when_it_goes_off_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several hundred volts for a moment; a command's read-backs find them more than once."""
    async with Rig(monkeypatch) as rig:
        await rig.known()
        seen = set()
        rig.device.changed.connect(lambda _: seen.add(rig.device.value(VOLTAGE)))
        for later in range(10):  # wherever the polls lie
            await rig.write({MODE: OFF})
            await rig.clock.advance(3 + later * 0.05)
            await rig.write({MODE: ON})
            await rig.clock.advance(3)
        assert seen <= {25.9, 0, None}


@pytest.mark.parametrize("was_on", [False, True])
async def test_the_first_voltage_is_none_to_measure_others_by(was_on: bool) -> None:
    """It may be what the display shows of an inverter that goes off at once."""
    clock = ManualClock()
    quirk = Series607(clock)
    if was_on:
        quirk.heard({STATE: 9, VOLTAGE: 25.9})
        await clock.advance(1.5)
        assert quirk.heard({STATE: 9, VOLTAGE: 25.9})[VOLTAGE] == 25.9
        quirk.heard({STATE: 0, VOLTAGE: 0.0})
    shown = []
    for volts in (60.32, 60.32, 25.8, 25.9, 25.9):
        await clock.advance(0.75)
        shown.append(quirk.heard({STATE: 9, VOLTAGE: volts}).get(VOLTAGE))
    assert shown == [None, None, None, None, 25.9]


async def test_a_good_voltage_does_not_stand_in_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("garbage", "5")
        await rig.clock.advance(4)
        assert rig.device.value(VOLTAGE) == 25.9
        await rig.clock.advance(3)
        assert rig.device.reading(VOLTAGE).quality is Quality.ABSENT
        assert rig.device.alive


async def test_an_arduino_that_lives_by_its_usb_cable_says_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("usb_only")
        await rig.clock.advance(4)
        assert (rig.device.value(STATE), rig.device.value(VOLTAGE), rig.device.value(MODE)) == (0, 0.0, OFF)
        assert rig.device.value("/Ac/Out/L1/I") == 0.0
        assert rig.device.link is LinkState.ONLINE


async def test_another_product_on_the_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Rig(monkeypatch) as rig:
        rig.simulator.misbehave("other_model")
        await rig.clock.advance(30)
        assert rig.device.link is LinkState.WRONG_DEVICE
        assert not rig.device.alive
        told = [record.message for record in caplog.records if "wrong device" in record.message]
        assert told == [
            "device=wagon wrong device: unit 42, register 0x05A0: found 0x17B9, expected 0x17B8 (Series607 1000W) "
            "for the map series607: name the right unit, or another map"
        ]
        rig.simulator.misbehave("well")
        await rig.clock.advance(20)
        assert rig.device.link is LinkState.ONLINE
