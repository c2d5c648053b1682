"""What captured devices say in text, as points: their labels, their kinds of blocks, what is missing."""

from collections.abc import Mapping

import pytest

from bridge.adapters.vedirect.options import FAMILY, VeDirectOptions
from bridge.datastore.values import Quality, Value
from tests.adapters.vedirect.products import (
    BMV712,
    BMV_REGISTERS,
    BMV_SERIAL,
    HISTORY,
    ORION,
    PHOENIX,
    SMARTSOLAR,
    VECTORS,
    block,
    rig_of,
)

SOLAR_POINTS = {
    "/Serial": "HQ1942K7LJ8", "/ProductId": 0xA053, "/ProductName": "SmartSolar MPPT 75|15",
    "/FirmwareVersion": "1.56", "/Dc/0/Voltage": 12.45, "/Dc/0/Current": 0, "/Pv/V": 0.01, "/Yield/Power": 0,
    "/State": 0, "/MppOperationMode": 0, "/DeviceOffReason": 1, "/ErrorCode": 0, "/Load/State": 1, "/Load/I": 0,
    "/Yield/User": 0.03, "/History/Daily/0/Yield": 0, "/History/Daily/0/MaxPower": 24,
    "/History/Daily/1/Yield": 0.01, "/History/Daily/1/MaxPower": 15, "/History/DaySequence": 3,
    "/Alarms/HighVoltage": 0, "/Alarms/HighTemperature": 0,
}  # fmt: skip
BMV_POINTS = {
    "/ProductId": 0xA381, "/FirmwareVersion": "4.08", "/Dc/0/Voltage": 26.457, "/Dc/1/Voltage": 0.034,
    "/Dc/0/Current": -6.032, "/Dc/0/Power": -160, "/ConsumedAmphours": -6.673, "/Soc": 93.7,
    "/TimeToGo": 26100, "/Alarms/Alarm": 0, "/Relay/0/State": 0, "/Alarms/LowVoltage": 0,
    "/Settings/MonitorMode": 0,
}  # fmt: skip
ORION_POINTS = {
    "/Serial": "HQ2433EWGZZ", "/ProductId": 0xA3F0, "/FirmwareVersion": "1.12", "/Dc/0/Voltage": 13.22,
    "/Dc/0/Current": 0, "/Dc/0/Power": 0, "/Dc/In/V": 12.62, "/Dc/In/I": 0, "/Dc/In/P": 0, "/State": 0,
    "/DeviceOffReason": 9, "/ErrorCode": 0,
}  # fmt: skip
PHOENIX_POINTS = {
    "/Serial": "HQ2117ABCDE", "/ProductId": 0xA2E2, "/FirmwareVersion": "1.23", "/Mode": 2, "/State": 9,
    "/Ac/Out/L1/V": 230.01, "/Ac/Out/L1/I": 0.5, "/Ac/Out/L1/S": 120, "/Dc/0/Voltage": 25.6,
    "/Alarms/LowVoltage": 0, "/Alarms/Overload": 0, "/DeviceOffReason": 0,
}  # fmt: skip

CAPTURES = [
    ("solar_charger", "bluesolar_mppt", SMARTSOLAR, SOLAR_POINTS),
    ("battery_monitor", "smartshunt", BMV712, BMV_POINTS),
    ("dcdc", "orion_dcdc", ORION, ORION_POINTS),
    ("inverter", "phoenix_inverter", PHOENIX, PHOENIX_POINTS),
]


@pytest.mark.parametrize(("product", "map_name", "capture", "points"), CAPTURES)
async def test_a_captured_device_is_learnt_and_followed_by_text_alone(
    monkeypatch: pytest.MonkeyPatch,
    product: str,
    map_name: str,
    capture: bytes,
    points: Mapping[str, Value],
) -> None:
    async with rig_of(monkeypatch, capture, deaf=True) as rig:
        await rig.clock.advance(15)
        assert {path: rig.device.value(path) for path in points} == points
        identity = rig.device.identity
        assert identity is not None
        assert identity.product == product
        options = VeDirectOptions(adapter="vedirect", port="joined")
        assert FAMILY.native_map(options, identity) == map_name
        for _ in range(12):  # nothing of it flickers while the device is asked in vain
            await rig.clock.advance(5)
            assert {path: rig.device.value(path) for path in points} == points


@pytest.mark.parametrize(("product", "map_name", "capture", "points"), CAPTURES)
async def test_a_learnt_class_is_remembered(
    monkeypatch: pytest.MonkeyPatch, product: str, map_name: str, capture: bytes, points: Mapping[str, Value]
) -> None:
    async with rig_of(monkeypatch, capture, deaf=True) as rig:
        await rig.clock.advance(15)
    far = rig.simulator
    far.silent = True
    async with rig_of(monkeypatch, device=far, state=rig.state) as later:
        await later.clock.advance(2)
        assert later.device.identity.product == product
        assert later.device.has(next(path for path in points if path.startswith("/Dc")))
        assert not later.device.alive


LABELS = [
    ("SMARTSOLAR", "smartsolar_75-15_capture", {"MPPT": "7", "CS": "99", "ERR": "200"},
     {"/MppOperationMode": 7, "/State": 99, "/ErrorCode": 200, "/Alarms/HighVoltage": 0}),
    ("SMARTSOLAR", "smartsolar_75-15_capture", {"ERR": "17", "LOAD": "off", "OR": "0x80000000"},
     {"/Alarms/HighTemperature": 2, "/Load/State": 0, "/DeviceOffReason": 0x80000000}),
    ("SMARTSOLAR", "smartsolar_75-15_capture", {"ERR": "2", "Relay": "ON", "V": "---"},
     {"/Alarms/HighVoltage": 2, "/Relay/0/State": 1, "/Dc/0/Voltage": None}),
    ("BMV", "bmv712_main_block_capture", {"TTG": "-1", "SOC": "---", "CE": "---", "T": "---"},
     {"/TimeToGo": None, "/Soc": None, "/ConsumedAmphours": None, "/Dc/0/Temperature": None}),
    ("BMV", "bmv712_main_block_capture", {"Alarm": "On", "Relay": "On", "AR": "141", "T": "-12"},
     {"/Alarms/Alarm": 2, "/Relay/0/State": 1, "/Alarms/LowVoltage": 2, "/Alarms/HighVoltage": 0,
      "/Alarms/LowSoc": 2, "/Alarms/LowStarterVoltage": 2, "/Alarms/MidVoltage": 2, "/Dc/0/Temperature": -12}),
    ("BMV", "bmv712_main_block_capture", {"VM": "13228", "DM": "-5", "MON": "-9"},
     {"/Dc/0/MidVoltage": 13.228, "/Dc/0/MidVoltageDeviation": -0.5, "/Settings/MonitorMode": -9}),
    ("PHOENIX", "phoenix_text", {"MODE": "5", "CS": "1", "AR": "256", "WARN": "3"},
     {"/Mode": 5, "/State": 1, "/Alarms/Overload": 2, "/Alarms/LowVoltage": 1, "/Alarms/HighVoltage": 1,
      "/Alarms/Ripple": 0}),
    ("PHOENIX", "phoenix_text", {"MODE": "253", "WARN": "257", "AR": "1"},
     {"/Mode": 253, "/Alarms/LowVoltage": 2, "/Alarms/Overload": 1}),
    ("PHOENIX", "phoenix_text", {"AR": "13824", "AC_OUT_V": "11502", "AC_OUT_I": "-1"},
     {"/Alarms/Ripple": 2, "/Alarms/LowVoltageAcOut": 2, "/Alarms/ShortCircuit": 2, "/Alarms/BmsLockout": 2,
      "/Alarms/HighVoltageAcOut": 0, "/Ac/Out/L1/V": 115.02, "/Ac/Out/L1/I": -0.1}),
]  # fmt: skip


@pytest.mark.parametrize(("_", "vector", "changed", "points"), LABELS)
async def test_labels(
    monkeypatch: pytest.MonkeyPatch,
    _: str,
    vector: str,
    changed: Mapping[str, str],
    points: Mapping[str, Value | None],
) -> None:
    fields = {**VECTORS[vector]["expected"]["text"][0], **changed}
    async with rig_of(monkeypatch, block(fields), deaf=True) as rig:
        await rig.clock.advance(15)
        assert {path: rig.device.value(path) for path in points} == points
        for path, value in points.items():
            assert rig.device.reading(path).quality is (Quality.ABSENT if value is None else Quality.OK)


async def test_a_charger_with_three_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {
        "PID": "0xA340", "FWE": "0325FF", "SER#": "HQ2230SMART", "V": "13800", "V2": "13790", "V3": "12010",
        "I": "9900", "I2": "200", "I3": "-100", "T": "---", "ERR": "0", "CS": "5", "MODE": "1",
    }  # fmt: skip
    async with rig_of(monkeypatch, block(fields), deaf=True) as rig:
        await rig.clock.advance(8)
        found = [rig.device.value(f"/Dc/{n}/{what}") for n in range(3) for what in ("Voltage", "Current")]
        assert found == [13.8, 9.9, 13.79, 0.2, 12.01, -0.1]
        assert rig.device.value("/Mode") == 1  # told by text alone


async def test_a_label_that_has_gone_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = dict(VECTORS["smartsolar_75-15_capture"]["expected"]["text"][0])
    async with rig_of(monkeypatch, block(fields), deaf=True) as rig:
        await rig.clock.advance(5)
        del fields["IL"]
        rig.simulator.blocks = [block(fields)]
        await rig.clock.advance(3)
        assert rig.device.reading("/Load/I").quality is Quality.ABSENT


async def test_a_bmv_600_names_neither_product_nor_serial_number(monkeypatch: pytest.MonkeyPatch) -> None:
    main = {
        "V": "12800", "VS": "12700", "I": "-15", "CE": "-13205", "SOC": "988", "TTG": "-1", "Alarm": "Off",
        "Relay": "On", "AR": "0", "BMV": "602S", "FW": "212",
    }  # fmt: skip
    async with rig_of(monkeypatch, block(main), block({**HISTORY, "H13": "2", "H14": "1"}), deaf=True) as rig:
        await rig.clock.advance(12)
        found = [rig.device.value(f"/{path}") for path in ("Soc", "Relay/0/State", "Serial", "ProductName")]
        assert found == [98.8, 1, "0000_charger", "Victron battery monitor"]
        assert rig.device.value("/History/LowStarterVoltageAlarms") == 2
        assert rig.device.reading("/ProductId").quality is Quality.ABSENT


# -- blocks without a product id ---------------------------------------------------------------------


async def test_history_comes_in_a_block_of_its_own_and_ages_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig_of(monkeypatch, BMV712, block(HISTORY), registers=BMV_REGISTERS, product_id=0xA381) as rig:
        await rig.clock.advance(8)
        assert rig.device.value("/Serial") == BMV_SERIAL
        assert rig.device.value("/History/DeepestDischarge") == -102.738
        assert rig.device.value("/History/TotalAhDrawn") == -4120.3
        assert rig.device.value("/History/ChargedEnergy") == 132.4
        assert rig.device.value("/History/MinimumVoltage") == 21.01
        rig.simulator.blocks = [BMV712]
        await rig.clock.advance(5.5)
        assert rig.device.reading("/History/DeepestDischarge").quality is Quality.STALE
        assert rig.device.value("/Soc") == 93.7
        rig.simulator.blocks = [block(HISTORY)]  # without a main block nobody knows whose it is
        await rig.clock.advance(2)
        assert rig.device.value("/History/ChargeCycles") == 41
        rig.simulator.registers.clear()
        await rig.clock.advance(20)
        assert rig.device.reading("/History/ChargeCycles").quality is Quality.STALE


async def test_a_history_before_anybody_is_known_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, block(HISTORY), deaf=True) as rig:
        await rig.clock.advance(10)
        assert rig.device.identity is None
        assert not rig.device.alive


async def test_the_history_of_another_device_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, SMARTSOLAR, deaf=True, options={"product": "battery_monitor"}) as rig:
        rig.simulator.blocks.append(block(HISTORY))
        await rig.clock.advance(8)
        assert rig.device.reading("/History/ChargeCycles").quality is Quality.STALE
