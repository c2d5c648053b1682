"""The sections for evcc: documented keys, and what its plugins make of registers.

Keys: docs.evcc.io, plugins and Modbus; encodings: github.com/evcc-io/evcc, util/modbus/register.go.
"""

import struct
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from bridge.register_maps.format import RegisterMap
from tests.register_maps.plant import loaded
from tests.register_maps.tools import SHIPPED, every_type, made, shipped

#: decode -> struct format, low word first, patterns taken as 0.
ENCODINGS: dict[str, tuple[str, bool, tuple[int, ...]]] = {
    "uint16": ("H", False, ()),
    "uint16nan": ("H", False, (0xFFFF,)),
    "int16nan": ("h", False, (-0x8000, 0x7FFF)),
    "uint32nan": ("I", False, (0xFFFFFFFF,)),
    "uint32s": ("I", True, ()),
    "int32nan": ("i", False, (-0x80000000, 0x7FFFFFFF)),
    "int32s": ("i", True, ()),
    "uint64nan": ("Q", False, (0xFFFFFFFFFFFFFFFF,)),
    "int64": ("q", False, ()),
    "float32": ("f", False, ()),
    "float32s": ("f", True, ()),
    "bool8": ("H", False, ()),
}
TYPES = {"holding", "input", "coil", "writesingle", "writecoil"}
METER_KEYS = {"name", "type", "power", "energy", "soc"}
CHARGER_KEYS = {"name", "type", "status", "enabled", "enable", "maxcurrent"}


def read(found: RegisterMap) -> dict[str, Any]:
    return yaml.safe_load(made("evcc", found)) or {}


def plugins(node: Any) -> Iterator[dict[str, Any]]:
    """Every plugin in a tree."""
    if isinstance(node, dict):
        if "source" in node:
            yield node
        for value in node.values():
            yield from plugins(value)
    elif isinstance(node, list):
        for value in node:
            yield from plugins(value)


@pytest.mark.parametrize("name", [*SHIPPED, "every type"])
def test_keys_are_those_of_its_documentation(name: str) -> None:
    found = every_type() if name == "every type" else shipped(name)
    sections = read(found)
    assert set(sections) <= {"meters", "chargers"}
    for meter in sections.get("meters", []):
        assert {"name", "type", "power"} <= set(meter) <= METER_KEYS
    for charger in sections.get("chargers", []):
        assert set(charger) == CHARGER_KEYS
    for plugin in plugins(sections):
        match plugin["source"]:
            case "modbus":
                assert set(plugin) - {"scale"} == {"source", "uri", "id", "rtu", "register"}
                assert (plugin["uri"], plugin["id"], plugin["rtu"]) == ("192.168.1.9:1502", 20, False)
                assert set(plugin["register"]) == {"address", "type", "decode"}
                assert plugin["register"]["type"] in TYPES
                assert plugin["register"]["decode"] in ENCODINGS
            case "calc":
                assert set(plugin) in ({"source", "add"}, {"source", "mul"})
            case "combined":
                assert set(plugin) == {"source", "plugged", "charging"}
            case other:
                assert other == "const"


def value(plugin: dict[str, Any], registers: dict[int, int]) -> float:
    """What evcc makes of a plugin that reads."""
    if plugin["source"] == "calc":
        parts = [value(part, registers) for part in plugin.get("add", plugin.get("mul"))]
        return sum(parts) if "add" in plugin else parts[0] * parts[1]
    kind, low_first, nan = ENCODINGS[plugin["register"]["decode"]]
    count = struct.calcsize(kind) // 2
    words = [registers[plugin["register"]["address"] + n] for n in range(count)]
    (raw,) = struct.unpack(f">{kind}", struct.pack(f">{count}H", *(words[::-1] if low_first else words)))
    return plugin.get("scale", 1) * (0 if raw in nan else raw)


@pytest.mark.parametrize(
    ("registers", "watts"),
    [
        ({0x3000: 2650, 0x3001: 125}, 26.5 * 12.5),
        ({0x3000: 2650, 0x3001: 0xFFF6}, 26.5 * -1.0),
        ({0x3000: 0xFFFF, 0x3001: 125}, 0),
    ],
)
def test_the_power_of_a_charger_is_voltage_times_current(registers: dict[int, int], watts: float) -> None:
    (meter,) = read(shipped("bluesmart_charger"))["meters"]
    assert value(meter["power"], registers) == pytest.approx(watts)


def test_three_phases_are_summed_and_word_order_kept() -> None:
    entries = (
        f"address: {0x3000 + 2 * n}, type: s32l, scale: 10, path: /Ac/Grid/L{n}/Power" for n in (1, 2, 3)
    )
    found = loaded("registers:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries))
    (meter,) = read(found)["meters"]
    words = (0x2710, 0, 0xD8F0, 0xFFFF, 0x0064, 0)
    registers = {0x3002 + n: word for n, word in enumerate(words)}
    assert value(meter["power"], registers) == pytest.approx(1000 - 1000 + 10)


def test_a_battery_counts_out_as_positive() -> None:
    """evcc: power out of the battery is positive; Victron: power into it."""
    (meter,) = read(shipped("smartshunt"))["meters"]
    address = meter["power"]["register"]["address"]
    assert value(meter["power"], {address: 0, address + 1: 250}) == -250
    assert value(meter["soc"], {meter["soc"]["register"]["address"]: 8050}) == pytest.approx(80.5)


def test_a_charger_is_switched_by_its_coil_and_limited_where_no_memory_wears() -> None:
    (charger,) = read(shipped("bluesmart_charger"))["chargers"]
    assert charger["enable"]["register"] == {"address": 0, "type": "writecoil", "decode": "uint16"}
    assert charger["enabled"]["register"] == {"address": 0, "type": "coil", "decode": "bool8"}
    assert charger["maxcurrent"]["register"] == {"address": 0x3012, "type": "writesingle", "decode": "uint16"}
    assert charger["maxcurrent"]["scale"] == 10
    assert value(charger["status"]["charging"], {0x3001: 0}) == 0


def test_a_map_without_power_says_so() -> None:
    assert read(shipped("bridge")) == {}
    assert "# no meter" in made("evcc", shipped("bridge"))
