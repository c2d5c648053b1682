"""The flat table that `maps show` prints, and the address that stands for a path."""

import json
import re

import pytest

from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Kind
from bridge.register_maps.measures import unit_of_measure
from bridge.register_maps.rows import Row, primary, rows_of
from tests.register_maps.plant import loaded

MAP = """
    registers:
      - {address: 1, type: u16, value: 5}
      - {address: 4, type: u16, path: /Mode, table: input}
      - {address: 5, type: u16, scale: 0.1, path: /Dc/0/Voltage}
      - {address: 6, type: e16, path: /Mode, values: {on: 1, off: 4}, accept: {0: 4}, write: true}
      - {address: 7, type: u16, scale: 10, path: /Limit, write: [0, 60.5]}
      - {address: 8, type: u16, path: /Step, write: {values: [1, 2]}}
      - {address: 9, type: mapu16, values: {5: 252}, path: /State}
    coils: [{address: 0, path: /Mode, on: 1, off: 4, mirror: 2}]
    discrete_inputs: [{address: 0, path: /Alarms/HighVoltage, on: [1, 2]}]
"""


def row(table: str, address: int, kind: str, path: str | None, **more: object) -> dict[str, object]:
    plain = {"table": table, "address": address, "type": kind, "length": 1, "scale": 1, "path": path}
    return {**plain, "write": False, "values": None, "unit_of_measure": "", **more}


def test_rows_as_json() -> None:
    rows = [r.as_json() for r in rows_of(loaded(MAP)) if r.address < 0xFE00]
    assert json.loads(json.dumps(rows)) == [
        row("holding", 1, "u16", None),
        row("holding", 2, "u16", None, write=True, mirror="/Mode"),
        row("holding", 5, "u16", "/Dc/0/Voltage", scale=0.1, unit_of_measure="V"),
        row("holding", 6, "e16", "/Mode", write=True, values={"on": 1, "off": 4}),
        row("holding", 7, "u16", "/Limit", scale=10, write={"min": 0, "max": 60.5}),
        row("holding", 8, "u16", "/Step", write={"values": [1, 2]}),
        row("holding", 9, "mapu16", "/State", values={"5": 252}),
        row("input", 4, "u16", "/Mode"),
        row("coils", 0, "bit", "/Mode", write=True, values={"on": 1, "off": 4}),
        row("discrete", 0, "bit", "/Alarms/HighVoltage"),
    ]


def test_the_status_block_is_in_every_map_but_personas() -> None:
    block = [(r.address, r.length, r.path) for r in rows_of(loaded(MAP)) if r.address >= 0xFE00]
    assert block == [
        (0xFE00, 1, "/Link/State"),
        (0xFE01, 1, "/Link/Age"),
        (0xFE02, 1, "/Link/CommandCount"),
        (0xFE03, 1, "/Link/LastOutcome"),
        (0xFE04, 1, "/Link/LastAddress"),
        (0xFE05, 1, "/Link/LastException"),
        (0xFE06, 2, "/Link/Errors"),
        (0xFE08, 2, "/Link/Uptime"),
        (0xFE0A, 1, "/Link/WearLeft"),
        (0xFE0B, 1, "/Link/SetPoints"),
    ]
    persona = "detect: {address: 1, type: u16, values: {5: A}, methods: [tcp]}\nregisters: [{address: 1, type: u16, value: 5}]"
    assert [r.address for r in rows_of(loaded(persona, Kind.PERSONA))] == [1]
    bridge = Catalogue().load("bridge").map
    assert bridge is not None
    assert [r.address for r in rows_of(bridge)][:3] == [0, 1, 2]


@pytest.mark.parametrize(
    ("path", "address"), [("/Mode", 6), ("/Limit", 7), ("/Alarms/HighVoltage", 0), ("/Nope", None)]
)
def test_the_primary_register_of_a_path(path: str, address: int | None) -> None:
    found = primary(rows_of(loaded(MAP)), path)
    assert (found and found.address) == address


def test_the_primary_current_of_a_charger_is_the_plain_one() -> None:
    charger = Catalogue().load("bluesmart_charger").map
    assert charger is not None
    found = primary(rows_of(charger), "/Dc/0/Current")
    assert isinstance(found, Row)
    assert (found.address, found.type, found.scale) == (0x3001, "s16", 10)


@pytest.mark.parametrize(
    ("paths", "unit"),
    [
        (
            "/Dc/0/Voltage /Pv/V /Ac/Out/L1/V /Settings/FloatVoltage /Info/BatteryLowVoltage /System/MinCellVoltage",
            "V",
        ),
        ("/Dc/0/Current /Ac/Out/L1/I /Load/I /Ac/In/1/CurrentLimit /Settings/ChargeCurrentLimitMax", "A"),
        ("/Link/ChargeCurrent /Info/MaxChargeCurrent /Info/MaxDischargeCurrent", "A"),
        ("/Dc/0/Power /Ac/Out/L1/P /Yield/Power /Ac/MaxPower /Ac/PowerLimit /Ess/AcPowerSetpoint", "W"),
        ("/Ac/Out/L1/S", "VA"),
        ("/Ac/Out/L1/F /Ac/Frequency", "Hz"),
        (
            "/Ac/Energy/Forward /Yield/User /History/Daily/0/Yield /Inverters/1/Panels/2/Energy /Energy/InverterToAcOut",
            "kWh",
        ),
        ("/ConsumedAmphours /Capacity /InstalledCapacity", "Ah"),
        ("/Soc /Soh", "%"),
        ("/TimeToGo /Link/Age /Link/Uptime /Device/Uptime /Uptime /Bms/SourceAge", "s"),
        ("/Dc/0/Temperature /Device/InternalTemperature /System/MinCellTemperature", "°C"),
        ("/Mode /State /ErrorCode /Alarms/HighVoltage /Alarms/HighTemperature /Alarms/HighChargeCurrent", ""),
        ("/FirmwareVersion /Line/FramingReplies /Relay/0/State /Serial /ProductId /Settings/BatteryType", ""),
    ],
)
def test_units_of_measure(paths: str, unit: str) -> None:
    assert {path: unit_of_measure(path) for path in paths.split()} == dict.fromkeys(paths.split(), unit)


@pytest.mark.parametrize("name", Catalogue().names())
def test_every_step_of_a_writable_register_survives_the_stock_client(name: str) -> None:
    """The stock client writes int(value * scale): truncated, so some steps of some scales arrive one short.

    A step is what the register shows by its format, or its raw unit where it has none; a scale finer than the
    step leaves room for the truncation.
    """
    found = Catalogue().load(name).map
    assert found is not None
    for register in found.registers:
        if register.write is None or register.write.minimum is None or register.write.maximum is None:
            continue
        scale = float(register.scale)
        shown = re.match(r"%\.(\d)f", register.form or "")
        steps = 10 ** int(shown[1]) if shown is not None else scale
        for count in range(round(register.write.minimum * steps), round(register.write.maximum * steps) + 1):
            arrived = int(count / steps * scale) / scale
            assert round(arrived * steps) == count, (register.path, count / steps)
