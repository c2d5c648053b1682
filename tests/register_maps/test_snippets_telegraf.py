"""The input for Telegraf: documented keys, its own reading of the registers, and the processor run.

Keys and types: github.com/influxdata/telegraf, plugins/inputs/modbus/README.md, version 1.32.
"""

import struct
import tomllib
from typing import Any

import pytest

from bridge.register_maps.format import RegisterMap
from tests.register_maps.tools import SHIPPED, every_type, held, made, shipped

#: type -> struct format and registers.
TYPES = {
    "INT16": ("h", 1),
    "UINT16": ("H", 1),
    "INT32": ("i", 2),
    "UINT32": ("I", 2),
    "INT64": ("q", 4),
    "UINT64": ("Q", 4),
    "FLOAT32": ("f", 2),
}
INPUT_KEYS = {"name", "controller", "timeout", "configuration_type", "request"}
REQUEST_KEYS = {"slave_id", "byte_order", "register", "measurement", "fields"}


def read(found: RegisterMap) -> dict[str, Any]:
    return tomllib.loads(made("telegraf", found))


def requests(found: RegisterMap) -> list[dict[str, Any]]:
    return [request for one in read(found)["inputs"]["modbus"] for request in one["request"]]


@pytest.mark.parametrize("name", [*SHIPPED, "every type"])
def test_keys_are_those_of_its_documentation(name: str) -> None:
    found = every_type() if name == "every type" else shipped(name)
    toml = read(found)
    assert set(toml) == {"inputs", "processors"}
    for one in toml["inputs"]["modbus"]:
        assert set(one) == INPUT_KEYS
        assert one["controller"] == "tcp://192.168.1.9:1502"
        assert one["configuration_type"] == "request"
    for request in requests(found):
        assert set(request) == REQUEST_KEYS
        assert request["slave_id"] == 20
        assert request["byte_order"] in ("ABCD", "CDAB")
        assert request["register"] in ("coil", "discrete", "holding", "input")
        bits = request["register"] in ("coil", "discrete")
        for field in request["fields"]:
            assert set(field) <= ({"address", "name"} if bits else {"address", "name", "type", "scale"})
            assert bits or field["type"] in TYPES
        names = [field["name"] for field in request["fields"]]
        assert len(names) == len(set(names))


def gathered(found: RegisterMap, registers: dict[tuple[str, int], int]) -> dict[str, float]:
    """The fields that the plugin would make of registers, unscaled ones as whole numbers."""
    fields: dict[str, float] = {}
    for request in requests(found):
        if request["register"] in ("coil", "discrete") or request["measurement"].endswith("_status"):
            continue
        for field in request["fields"]:
            kind, count = TYPES[field["type"]]
            words = [registers[request["register"], field["address"] + n] for n in range(count)]
            if request["byte_order"] == "CDAB":
                words.reverse()
            (raw,) = struct.unpack(f">{kind}", struct.pack(f">{count}H", *words))
            fields[field["name"]] = raw * field["scale"] if "scale" in field else raw
    return fields


class Metric:
    """Telegraf's metric, as far as the processor sees it."""

    def __init__(self, fields: dict[str, float]) -> None:
        self.fields = fields


def processed(found: RegisterMap, fields: dict[str, float]) -> dict[str, float]:
    """Run the processor: Starlark is a subset of Python, and this script of both."""
    (processor,) = read(found)["processors"]["starlark"]
    assert processor["namepass"] == [found.name.rpartition("/")[2]]
    known: dict[str, Any] = {"__builtins__": {"list": list}}
    exec(compile(processor["source"], "processor", "exec"), known)
    metric = known["apply"](Metric(dict(fields)))
    return dict(metric.fields)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["every type", "bluesmart_charger"])
def test_it_gathers_what_the_registers_say(name: str, seed: int) -> None:
    found = every_type() if name == "every type" else shipped(name)
    registers: dict[tuple[str, int], int] = {}
    expected: dict[str, Any] = {}
    for item, words, value in held(found, seed):
        for offset, word in enumerate(words):
            registers[item.register.table.value, item.register.address + offset] = word
        if not item.status and item.register.type.name != "mapu16":
            expected[item.slug] = value
    fields = gathered(found, registers)
    kept = processed(found, fields)
    for slug in fields.keys() & expected.keys():
        if expected[slug] is None and fields[slug] == fields[slug]:
            assert slug not in kept
        elif expected[slug] is not None:
            assert kept[slug] == pytest.approx(expected[slug], rel=1e-6, abs=1e-9), slug
    assert len(fields.keys() & expected.keys()) > 10


def test_word_orders_are_apart() -> None:
    orders = {
        field["name"]: request["byte_order"]
        for request in requests(every_type())
        for field in request["fields"]
    }
    assert orders["counts_u32l"] == orders["counts_s64l"] == orders["ac_l1_power"] == "CDAB"
    assert orders["dc_0_power"] == orders["counts_u64b"] == orders["dc_0_voltage"] == "ABCD"


def test_what_can_fail_alone_is_gathered_alone() -> None:
    """One refused request spoils all of its input; bits and a silent device answer 0B."""
    inputs = read(shipped("bluesmart_charger"))["inputs"]["modbus"]
    assert [[request["register"] for request in one["request"]] for one in inputs] == [
        *(["holding"], ["coil"], ["discrete"], ["holding"]),
    ]
    assert {field["address"] // 0x100 for field in inputs[-1]["request"][0]["fields"]} == {0xFE}
