"""Commands of inverters, solar chargers, battery monitors and DC-DC converters: frames and outcomes."""

from collections.abc import Mapping

import pytest

from bridge.datastore.refusals import NotWritable, ValueRefused
from bridge.datastore.values import Outcome, Value
from tests.adapters.vedirect.products import (
    BMV712,
    BMV_REGISTERS,
    ORION,
    PHOENIX,
    PHOENIX_REGISTERS,
    SMARTSOLAR,
    SOLAR_REGISTERS,
    VECTORS,
    block,
    rig_of,
    u8,
    u16,
    u32,
)
from tests.adapters.vedirect.scripted import PARAMETER, READ_ONLY

CONFIRMED, ADJUSTED, REFUSED, TIMED_OUT = (
    Outcome.CONFIRMED,
    Outcome.ADJUSTED,
    Outcome.REFUSED,
    Outcome.TIMED_OUT,
)
MODE, RELAY, LOAD, LIMIT = "/Mode", "/Relay/0/State", "/Load/State", "/Settings/ChargeCurrentLimit"
SYNCHRONISE, ZERO = "/Actions/SynchroniseSoc", "/Actions/ZeroCurrent"
SYNCHRONISE_ID, ZERO_ID = 0x102C, 0x1029
SAVE = 0xEB99

ORION_REGISTERS = {0x0200: u8(1), 0x0201: u8(0), 0x0120: u32(4000)}


def inverter(monkeypatch: pytest.MonkeyPatch, registers: Mapping[int, bytes] | None = None, **how):
    """A Phoenix whose mode register takes 3 for 2, and whose text follows its registers."""
    rig = rig_of(monkeypatch, PHOENIX, registers={**PHOENIX_REGISTERS, **(registers or {})}, **how)
    rig.simulator.obey = lambda register, value: u8(2) if (register, value) == (0x0200, u8(3)) else value
    return rig


def monitor(monkeypatch: pytest.MonkeyPatch, registers: Mapping[int, bytes] | None = None, **how):
    how.setdefault("actions", frozenset({SYNCHRONISE_ID, ZERO_ID}))
    fields = VECTORS["bmv712_main_block_capture"]["expected"]["text"][0]
    fields = {label: text for label, text in fields.items() if label != "Relay"}
    return rig_of(
        monkeypatch,
        block(fields),
        registers={**BMV_REGISTERS, **(registers or {})},
        product_id=0xA381,
        **how,
    )


def solar(monkeypatch: pytest.MonkeyPatch, registers: Mapping[int, bytes] | None = None, **how):
    """An MPPT without a load switch in its text; its load follows its load control."""
    fields = dict(VECTORS["smartsolar_75-15_capture"]["expected"]["text"][0])
    del fields["LOAD"]
    fields["FW"] = how.pop("firmware", "159")
    rig = rig_of(monkeypatch, block(fields), registers={**SOLAR_REGISTERS, **(registers or {})}, **how)

    def obey(register: int, value: bytes) -> bytes:
        if register == 0xEDAB:
            rig.simulator.registers[0xEDA8] = u8(int(value[0] & 0x0F == 4))
        return value

    rig.simulator.obey = obey
    return rig


# -- inverters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "written", "outcome", "shown"),
    [
        (4, [u8(4)], CONFIRMED, 4),
        (5, [u8(5)], CONFIRMED, 5),
        (3, [u8(2)], CONFIRMED, 2),
        (2, [u8(2)], CONFIRMED, 2),
    ],
)
async def test_modes_of_an_inverter(
    monkeypatch: pytest.MonkeyPatch, value: int, written: list[bytes], outcome: Outcome, shown: int
) -> None:
    async with inverter(monkeypatch) as rig:
        await rig.clock.advance(8)
        rig.simulator.blocks = []
        assert await rig.write({MODE: value}) == {MODE: outcome}
        assert rig.simulator.written(0x0200) == written
        assert rig.device.value(MODE) == shown
        assert rig.simulator.written(SAVE) == []  # nothing is saved to flash
        assert rig.device.status().wear_left == 100


@pytest.mark.parametrize("value", [253, 1, 0, 6, 2.5])
async def test_modes_no_inverter_takes(monkeypatch: pytest.MonkeyPatch, value: Value) -> None:
    async with inverter(monkeypatch) as rig:
        await rig.clock.advance(8)
        with pytest.raises(ValueRefused):
            await rig.write({MODE: value})
        assert rig.simulator.written(0x0200) == []


@pytest.mark.parametrize(("flags", "outcome"), [(READ_ONLY, REFUSED), (PARAMETER, REFUSED)])
async def test_an_inverter_that_refuses(
    monkeypatch: pytest.MonkeyPatch, flags: int, outcome: Outcome
) -> None:
    async with inverter(monkeypatch) as rig:
        await rig.clock.advance(8)
        rig.simulator.refuse[0x0200] = flags
        assert await rig.write({MODE: 4}) == {MODE: outcome}
        assert rig.device.value(MODE) == 2


async def test_an_inverter_that_puts_another_mode_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    async with inverter(monkeypatch) as rig:
        await rig.clock.advance(8)
        rig.simulator.blocks = []
        rig.simulator.obey = lambda _, __: u8(2)
        assert await rig.write({MODE: 5}) == {MODE: ADJUSTED}
        assert rig.device.value(MODE) == 2


@pytest.mark.parametrize("mode", [4, 5])
async def test_the_owners_mode_is_sent_again_after_a_restart(
    monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    async with inverter(monkeypatch, text_pause_s=4) as rig:
        await rig.clock.advance(20)
        await rig.write({MODE: mode})
        rig.simulator.restart({0x0200: u8(2)})
        await rig.clock.advance(20)
        assert rig.simulator.written(0x0200) == [u8(mode)] * 2
        assert rig.device.value(MODE) == mode


async def test_a_mode_set_at_the_inverter_is_adopted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with inverter(monkeypatch, text_pause_s=4) as rig:
        await rig.clock.advance(20)
        await rig.write({MODE: 5})
        rig.simulator.registers[0x0200] = u8(2)
        await rig.clock.advance(20)
        assert rig.simulator.written(0x0200) == [u8(5)]
        assert rig.device.value(MODE) == 2


async def test_an_inverter_by_text_alone_tells_the_truth_about_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig_of(monkeypatch, PHOENIX, deaf=True) as rig:
        await rig.clock.advance(8)
        assert await rig.write({MODE: 4}) == {MODE: TIMED_OUT}
        assert rig.device.value(MODE) == 2


async def test_a_slow_talker_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, SMARTSOLAR, deaf=True, period_s=2.0) as rig:
        await rig.clock.advance(12)
        for _ in range(5):
            assert await rig.write({MODE: 4}) == {MODE: TIMED_OUT}
            await rig.clock.advance(0.35)


@pytest.mark.parametrize(
    ("mode", "outcome", "written"), [(2, CONFIRMED, [u8(1)]), (4, REFUSED, []), (0, REFUSED, [])]
)
async def test_the_relay_of_an_inverter(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mode: int,
    outcome: Outcome,
    written: list[bytes],
) -> None:
    async with inverter(monkeypatch, {0x034F: u8(mode)}) as rig:
        await rig.clock.advance(8)
        assert await rig.write({RELAY: 1}) == {RELAY: outcome}
        assert rig.simulator.written(0x034E) == written
        assert ("set the relay to remote control" in caplog.text) is (outcome is REFUSED)


# -- solar chargers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "value", "written", "shown"),
    [
        (0x81, 0, [u8(0)], 0),
        (0x81, 1, [u8(4)], 1),
        (0x84, 1, [], 1),  # already there, whatever the timer's bit says: no wear
        (0x00, 0, [], 0),
    ],
)
async def test_the_load_output(
    monkeypatch: pytest.MonkeyPatch, control: int, value: int, written: list[bytes], shown: int
) -> None:
    async with solar(monkeypatch, {0xEDAB: u8(control), 0xEDA8: u8(int(control & 15 != 0))}) as rig:
        await rig.clock.advance(15)
        left = rig.device.status().wear_left
        assert await rig.write({LOAD: value}) == {LOAD: CONFIRMED}
        assert rig.simulator.written(0xEDAB) == written
        assert rig.device.value(LOAD) == shown
        switched_on = bool(written) and value == 1
        assert rig.device.status().wear_left == left - switched_on


async def test_a_load_that_stays_off_is_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with solar(monkeypatch, {0xEDA8: u8(0)}) as rig:
        await rig.clock.advance(15)
        rig.simulator.obey = lambda _, value: value  # taken, and yet the battery is too low for it
        assert await rig.write({LOAD: 1}) == {LOAD: ADJUSTED}
        assert rig.device.value(LOAD) == 0
        assert rig.device.value("/Settings/LoadControl") == 4


async def test_a_loop_of_load_switching_spares_the_flash(monkeypatch: pytest.MonkeyPatch) -> None:
    async with solar(monkeypatch) as rig:
        await rig.clock.advance(15)
        outcomes = [(await rig.write({LOAD: step % 2}))[LOAD] for step in range(60)]
        switched_on = rig.simulator.written(0xEDAB).count(u8(4))
        assert switched_on <= 12  # ten at once, then one a minute
        assert len(rig.simulator.written(0xEDAB)) <= 2 * switched_on + 1
        assert set(outcomes[1::2]) == {CONFIRMED, Outcome.BUSY}
        assert set(outcomes[::2]) == {CONFIRMED}  # switching off is never refused


@pytest.mark.parametrize(
    ("firmware", "asked"), [("159", []), ("142", []), ("141", [u32(2)]), ("116", [u32(2)])]
)
async def test_old_mppts_are_told_once_that_they_may_be_switched(
    monkeypatch: pytest.MonkeyPatch, firmware: str, asked: list[bytes]
) -> None:
    async with solar(monkeypatch, {0x0202: u32(0)}, firmware=firmware) as rig:
        await rig.clock.advance(15)
        for mode in (4, 1, 4):
            assert await rig.write({MODE: mode}) == {MODE: CONFIRMED}
        assert rig.simulator.written(0x0202) == asked
        assert rig.simulator.written(0x0200) == [u8(4), u8(1), u8(4)]
        rig.simulator.restart({0x0200: u8(1)})
        await rig.clock.advance(20)
        assert rig.device.value(MODE) == 4
        assert rig.simulator.written(0x0202) == asked * 2


async def test_the_current_of_an_mppt_is_stored_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with solar(monkeypatch) as rig:
        await rig.clock.advance(15)
        left = rig.device.status().wear_left
        assert await rig.write({LIMIT: 10}) == {LIMIT: CONFIRMED}
        assert rig.simulator.written(0xEDF0) == [u16(100)]
        assert rig.device.status().wear_left == left - 1
        with pytest.raises(ValueRefused):
            await rig.write({LIMIT: 15.1})
        assert await rig.write({LIMIT: 0}) == {LIMIT: CONFIRMED}  # off by its mode, not by a current
        assert rig.simulator.written(0x0200) == [u8(4)]


async def test_charger_and_load_in_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    async with solar(monkeypatch) as rig:
        await rig.clock.advance(15)
        assert await rig.write({LIMIT: 10, LOAD: 1}) == {LIMIT: CONFIRMED, LOAD: CONFIRMED}
        rig.simulator.refuse[0xEDF0] = READ_ONLY
        assert await rig.write({LIMIT: 11, LOAD: 1}) == {LIMIT: REFUSED, LOAD: REFUSED}


# -- battery monitors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "outcome", "written", "shown"), [(2, CONFIRMED, [u8(1)], 1), (0, REFUSED, [], 0)]
)
async def test_the_relay_of_a_monitor(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mode: int,
    outcome: Outcome,
    written: list[bytes],
    shown: int,
) -> None:
    async with monitor(monkeypatch, {0x034F: u8(mode)}) as rig:
        await rig.clock.advance(12)
        left = rig.device.status().wear_left
        assert await rig.write({RELAY: 1}) == {RELAY: outcome}
        assert rig.simulator.written(0x034E) == written
        assert rig.device.value(RELAY) == shown
        assert ("found /Settings/RelayMode 0, expected 2" in caplog.text) is (outcome is REFUSED)
        if outcome is CONFIRMED:
            assert rig.device.status().wear_left == left - 1
            assert await rig.write({RELAY: 1}) == {RELAY: CONFIRMED}
            assert rig.simulator.written(0x034E) == written  # it is there already


@pytest.mark.parametrize(("path", "register"), [(SYNCHRONISE, SYNCHRONISE_ID), (ZERO, ZERO_ID)])
async def test_actions_act_once_each_time_and_read_nought(
    monkeypatch: pytest.MonkeyPatch, path: str, register: int
) -> None:
    async with monitor(monkeypatch) as rig:
        await rig.clock.advance(12)
        assert rig.device.value(path) == 0
        for _ in range(2):
            assert await rig.write({path: 1}) == {path: CONFIRMED}
            assert rig.device.value(path) == 0
        assert rig.simulator.acted == [register] * 2
        assert rig.simulator.written(register) == [b"", b""]  # the commands take no data
        assert rig.device.held(path) is None
        with pytest.raises(ValueRefused):
            await rig.write({path: 0})


@pytest.mark.parametrize("path", [SYNCHRONISE, ZERO])
async def test_an_action_without_an_answer_is_never_sent_again(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async with monitor(monkeypatch) as rig:
        await rig.clock.advance(12)
        rig.simulator.deaf = True
        assert await rig.write({path: 1}) == {path: TIMED_OUT}
        await rig.clock.advance(60)
        register = {SYNCHRONISE: SYNCHRONISE_ID, ZERO: ZERO_ID}[path]
        assert rig.simulator.written(register) == [b""]
        assert rig.device.value(path) == 0


async def test_an_action_the_monitor_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitor(monkeypatch, actions=frozenset()) as rig:
        await rig.clock.advance(12)
        assert await rig.write({SYNCHRONISE: 1}) == {SYNCHRONISE: REFUSED}


async def test_a_batch_stops_at_what_was_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitor(monkeypatch, {0x034F: u8(0)}) as rig:
        await rig.clock.advance(12)
        assert await rig.write({RELAY: 1, SYNCHRONISE: 1}) == {RELAY: REFUSED, SYNCHRONISE: REFUSED}
        assert rig.simulator.acted == []


async def test_what_a_monitor_measures_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitor(monkeypatch) as rig:
        await rig.clock.advance(12)
        with pytest.raises(NotWritable):
            await rig.write({"/Soc": 100})


async def test_a_monitor_by_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, BMV712, deaf=True) as rig:
        await rig.clock.advance(12)
        assert await rig.write({RELAY: 1}) == {RELAY: TIMED_OUT}


# -- DC-DC converters --------------------------------------------------------------------------------


async def test_switching_a_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, ORION, registers=ORION_REGISTERS) as rig:
        await rig.clock.advance(8)
        assert await rig.write({MODE: 0}) == {MODE: CONFIRMED}
        assert rig.simulator.written(0x0200) == [u8(4)]
        assert rig.device.value(MODE) == 4
        assert await rig.write({MODE: 1}) == {MODE: CONFIRMED}
        assert rig.device.value(MODE) == 1
