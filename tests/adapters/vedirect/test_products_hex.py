"""Devices whose text falls silent for HEX, or that send none: their values, and who they are."""

from collections.abc import Mapping
from typing import Any

import pytest

from bridge.adapters.vedirect.hex import Command, encode_register
from bridge.datastore.values import LinkState, Quality, Value
from tests.adapters.vedirect.products import (
    BMV712,
    BMV_REGISTERS,
    BMV_SERIAL,
    HISTORY,
    PHOENIX,
    PHOENIX_REGISTERS,
    SMARTSOLAR,
    SOLAR_REGISTERS,
    block,
    rig_of,
    u16,
    u32,
)

#: Old firmware: text comes back this long after the last HEX message.
PAUSE_S = 4.0

QUIET = [
    (SMARTSOLAR, SOLAR_REGISTERS, 0xA053,
     {"/Dc/0/Voltage": 12.45, "/Pv/V": 0.01, "/State": 0, "/Load/State": 1, "/Yield/User": 0.03,
      "/Settings/ChargeCurrentLimit": 15, "/Settings/LoadControl": 1, "/Mode": 1, "/Dc/0/Current": 0}),
    (BMV712, BMV_REGISTERS, 0xA381,
     {"/Dc/0/Voltage": 26.46, "/Dc/0/Current": -6.032, "/Soc": 93.7, "/TimeToGo": 26100,
      "/ConsumedAmphours": -6.7, "/History/ChargeCycles": 41, "/Alarms/LowVoltage": 0, "/Relay/0/State": 0,
      "/Settings/Capacity": 200}),
    (PHOENIX, PHOENIX_REGISTERS, 0xA2E2,
     {"/Dc/0/Voltage": 25.6, "/Ac/Out/L1/V": 230.01, "/Ac/Out/L1/S": 120, "/State": 9, "/Mode": 2,
      "/Alarms/Overload": 0, "/Ac/Out/RatedPower": 800}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "registers", "product_id", "points"), QUIET)
async def test_old_firmware_that_stops_its_text_for_hex(
    monkeypatch: pytest.MonkeyPatch,
    text: bytes,
    registers: Mapping[int, bytes],
    product_id: int,
    points: Mapping[str, Value],
) -> None:
    async with rig_of(
        monkeypatch, text, registers=registers, product_id=product_id, text_pause_s=PAUSE_S
    ) as rig:
        await rig.clock.advance(20)
        sent = rig.simulator.blocks_sent
        for _ in range(120):
            await rig.clock.advance(1)
            assert rig.device.alive
            assert {path: rig.device.value(path) for path in points} == points
        assert rig.simulator.blocks_sent == sent  # and so no value came by two ways


async def test_values_of_old_firmware_are_as_fresh_as_its_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(
        monkeypatch, BMV712, registers=BMV_REGISTERS, product_id=0xA381, text_pause_s=PAUSE_S
    ) as rig:
        await rig.clock.advance(20)
        rig.simulator.registers[0xED8C] = u32(12345)
        await rig.clock.advance(3)
        assert rig.device.value("/Dc/0/Current") == 12.345
        rig.simulator.silent = True
        await rig.clock.advance(5.2)
        assert rig.device.reading("/Dc/0/Current").quality is Quality.STALE
        assert not rig.device.alive
        rig.simulator.silent = False
        await rig.clock.advance(4)
        assert rig.device.alive
        assert rig.device.value("/Dc/0/Current") is not None


async def test_new_firmware_is_not_asked_for_what_its_text_says(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, SMARTSOLAR, registers=SOLAR_REGISTERS, period_s=2.0) as rig:
        await rig.clock.advance(60)
        assert rig.device.value("/Settings/ChargeCurrentLimit") == 15
        assert [rig.simulator.asked(register) for register in (0xEDD5, 0x0201, 0xEDBB)] == [0, 0, 0]
        assert rig.simulator.asked(0xEDF0) >= 10
        assert rig.simulator.asked(0xEDF7) <= 2


async def test_a_register_the_device_disowns_twice_is_asked_for_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig_of(monkeypatch, SMARTSOLAR, registers=SOLAR_REGISTERS) as rig:
        await rig.clock.advance(60)
        assert rig.simulator.asked(0xEDBD) == 2
        assert rig.device.reading("/Pv/I").quality is Quality.ABSENT


async def test_a_fallback_serves_where_the_better_register_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registers = {**BMV_REGISTERS, 0xED8F: u16(-61)}
    async with rig_of(monkeypatch, registers=registers, product_id=0xA381) as rig:
        await rig.clock.advance(20)
        assert rig.device.value("/Dc/0/Current") == -6.032
        assert rig.simulator.asked(0xED8F) == 0
    del registers[0xED8C]
    async with rig_of(monkeypatch, registers=registers, product_id=0xA381) as rig:
        await rig.clock.advance(20)
        assert rig.device.value("/Dc/0/Current") == -6.1


@pytest.mark.parametrize(("raw", "celsius"), [(u16(29815), 25.0), (u16(26315), -10.0), (u16(0xFFFF), None)])
async def test_temperatures_of_registers(
    monkeypatch: pytest.MonkeyPatch, raw: bytes, celsius: float | None
) -> None:
    registers = {**BMV_REGISTERS, 0xEDEC: raw, 0x0FFE: u16(0xFFFF)}
    async with rig_of(monkeypatch, registers=registers, product_id=0xA381) as rig:
        await rig.clock.advance(15)
        assert rig.device.value("/Dc/0/Temperature") == celsius
        assert rig.device.reading("/TimeToGo").quality is Quality.ABSENT  # infinite


async def test_energy_of_old_firmware_comes_in_four_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for width in (u16, u32):
        registers = {**SOLAR_REGISTERS, 0xEDD3: width(412)}
        async with rig_of(monkeypatch, registers=registers, product_id=0xA053) as rig:
            await rig.clock.advance(15)
            assert rig.device.value("/History/Daily/0/Yield") == 4.12


async def test_changes_told_unasked_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, PHOENIX, registers=PHOENIX_REGISTERS) as rig:
        await rig.clock.advance(8)
        rig.simulator.blocks = []
        rig.simulator.say(encode_register(Command.ASYNC, 0x031C, u16(256)))
        await rig.clock.advance(0.1)
        assert rig.device.value("/Alarms/Overload") == 1


# -- who it is ---------------------------------------------------------------------------------------


async def test_a_monitor_without_serial_number_in_text_tells_it_by_hex(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig_of(monkeypatch, BMV712, registers=BMV_REGISTERS, product_id=0xA381) as rig:
        await rig.clock.advance(10)
        assert rig.device.value("/Serial") == BMV_SERIAL
        assert rig.device.value("/ProductName") == "BMV-712 Smart"


async def test_a_device_without_text(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, registers=BMV_REGISTERS, product_id=0xA381) as rig:
        await rig.clock.advance(12)
        assert rig.device.identity.product == "battery_monitor"
        assert rig.device.value("/Serial") == BMV_SERIAL
        assert rig.device.value("/Soc") == 93.7


@pytest.mark.parametrize(
    ("registers", "product_id", "serial"),
    [
        ({0x0100: bytes.fromhex("0081A3FE"), 0x010A: b"HQ7"}, None, "HQ7"),  # command 4 is not known
        ({0x0100: bytes.fromhex("A381"), 0x010A: b"HQ7"}, None, None),  # its bytes may be swapped
        ({}, None, None),  # nobody knows what it is
        ({}, 0xA381, "A381_charger"),  # tells no serial number: one is made of product id and name
        ({0x010A: b"HQ 7-1\0"}, 0xA381, "HQ71"),
    ],
)
async def test_identity_by_hex_alone(
    monkeypatch: pytest.MonkeyPatch,
    registers: Mapping[int, bytes],
    product_id: int | None,
    serial: str | None,
) -> None:
    async with rig_of(monkeypatch, registers={**registers, 0x0FFF: u16(5000)}, product_id=product_id) as rig:
        await rig.clock.advance(20)
        assert rig.device.value("/Serial") == serial
        assert rig.device.value("/Soc") == (None if serial is None else 50)


async def test_a_site_that_names_the_product_needs_no_known_product_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig_of(
        monkeypatch, registers={0x0FFF: u16(5000)}, product_id=0xBEEF, options={"product": "battery_monitor"}
    ) as rig:
        await rig.clock.advance(20)
        assert rig.device.value("/Soc") == 50


async def test_text_alone_and_no_serial_number(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, BMV712, deaf=True) as rig:
        await rig.clock.advance(10)
        assert rig.device.value("/Serial") == "A381_charger"
        assert rig.device.value("/Soc") == 93.7


async def test_a_known_monitor_that_has_become_deaf_keeps_its_serial_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig_of(monkeypatch, BMV712, registers=BMV_REGISTERS, product_id=0xA381) as rig:
        await rig.clock.advance(10)
    rig.simulator.deaf = True
    async with rig_of(monkeypatch, device=rig.simulator, state=rig.state) as later:
        await later.clock.advance(15)
        assert later.device.value("/Serial") == BMV_SERIAL


async def test_a_true_serial_number_replaces_the_one_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, BMV712, registers=BMV_REGISTERS, product_id=0xA381, deaf=True) as rig:
        await rig.clock.advance(15)
        assert rig.device.value("/Serial") == "A381_charger"
        rig.simulator.deaf = False
        await rig.clock.advance(40)
        assert rig.device.value("/Serial") == BMV_SERIAL
        assert rig.device.alive


@pytest.mark.parametrize(
    ("far", "within_s"),
    [
        ({"registers": SOLAR_REGISTERS, "blocks": (SMARTSOLAR,)}, 4),
        ({"registers": BMV_REGISTERS, "blocks": (BMV712,), "product_id": 0xA381}, 4),
        ({"registers": BMV_REGISTERS, "blocks": (BMV712,), "product_id": 0xA381, "text_pause_s": PAUSE_S}, 5),
        ({"registers": BMV_REGISTERS, "blocks": (), "product_id": 0xA381}, 5),
    ],
)
async def test_the_first_value_comes_soon(
    monkeypatch: pytest.MonkeyPatch, far: dict[str, Any], within_s: float
) -> None:
    far = dict(far)
    async with rig_of(monkeypatch, *far.pop("blocks"), **far) as rig:
        await rig.clock.advance(within_s)
        assert rig.device.value("/Dc/0/Voltage") is not None


@pytest.mark.parametrize("pause_s", [0.0, PAUSE_S])
async def test_another_monitor_on_the_cable_is_found_out(
    monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    async with rig_of(
        monkeypatch, BMV712, registers=BMV_REGISTERS, product_id=0xA381, text_pause_s=pause_s
    ) as rig:
        await rig.clock.advance(15)
        rig.simulator.registers[0x010A] = b"HQ2000OTHER"
        await rig.clock.advance(15)
        assert rig.device.link is LinkState.WRONG_DEVICE
        assert not rig.device.alive
        await rig.clock.advance(60)  # and its text, which names nobody, does not bring it back
        assert rig.device.link is LinkState.WRONG_DEVICE
        assert rig.device.value("/Serial") is None
        rig.simulator.registers[0x010A] = BMV_SERIAL.encode()
        await rig.clock.advance(20)
        assert rig.device.alive
        assert rig.device.value("/Serial") == BMV_SERIAL


async def test_a_pinned_serial_must_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, BMV712, deaf=True, options={"serial": BMV_SERIAL}) as rig:
        await rig.clock.advance(20)
        assert rig.device.link is LinkState.WRONG_DEVICE


async def test_a_device_named_by_its_text_is_not_asked_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, SMARTSOLAR, block(HISTORY), registers=SOLAR_REGISTERS) as rig:
        await rig.clock.advance(30)
        assert rig.simulator.asked(0x010A) == 0
        assert rig.device.alive


async def test_a_silent_line_is_asked_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, deaf=True) as rig:
        await rig.clock.advance(60)
        assert 10 <= len(rig.simulator.received) <= 60
        assert rig.device.link is LinkState.SILENT


async def test_an_unplugged_line_ends_the_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, registers=BMV_REGISTERS, product_id=0xA381) as rig:
        await rig.clock.advance(10)
        for _ in range(3):
            await rig.wire.unplug()
            await rig.clock.advance(7)
            assert not rig.device.alive
            await rig.wire.replug()
            await rig.clock.advance(12)
            assert rig.device.value("/Soc") == 93.7
