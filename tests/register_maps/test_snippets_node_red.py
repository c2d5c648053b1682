"""The flow for Node-RED: it hangs together, has the fields of its nodes, and its code runs.

Fields: node-red-contrib-modbus 5, `defaults` of modbus-client, modbus-read and modbus-write. A flow made here was
imported, read from and written with in Node-RED 3.1 with version 5.23.
"""

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from bridge.register_maps.format import RegisterMap
from bridge.register_maps.snippets_values import blocks, readables
from tests.register_maps.tools import SHIPPED, every_type, held, made, shipped

NODE = shutil.which("node")
CI = os.environ.get("CI") == "true"
runs_code = pytest.mark.skipif(
    NODE is None and not CI, reason="node is not installed (Debian package nodejs)"
)

PLACED = {"id", "type", "z", "name", "x", "y", "wires"}
FIELDS = {
    "modbus-read": PLACED
    | {"topic", "showStatusActivities", "logIOActivities", "showErrors", "showWarnings", "unitid", "dataType"}
    | {"adr", "quantity", "rate", "rateUnit", "delayOnStart", "enableDeformedMessages", "startDelayTime"}
    | {"server", "useIOFile", "ioFile", "useIOForPayload", "emptyMsgOnFail"},
    "modbus-write": PLACED
    | {
        "showStatusActivities",
        "showErrors",
        "showWarnings",
        "unitid",
        "dataType",
        "adr",
        "quantity",
        "server",
    }
    | {"emptyMsgOnFail", "keepMsgProperties", "delayOnStart", "startDelayTime"},
}
READ_TYPES = {"HoldingRegister", "InputRegister", "Coil", "Input"}
WRITE_TYPES = {"HoldingRegister", "MHoldingRegisters", "Coil"}


def flow(found: RegisterMap) -> list[dict[str, Any]]:
    nodes = json.loads(made("node-red", found))
    assert isinstance(nodes, list)
    return nodes


@pytest.mark.parametrize("name", [*SHIPPED, "every type"])
def test_it_hangs_together(name: str) -> None:
    nodes = flow(every_type() if name == "every type" else shipped(name))
    by_id = {node["id"]: node for node in nodes}
    assert len(by_id) == len(nodes)
    (tab,) = [node for node in nodes if node["type"] == "tab"]
    (client,) = [node for node in nodes if node["type"] == "modbus-client"]
    assert (client["tcpHost"], client["tcpPort"], client["clienttype"]) == ("192.168.1.9", "1502", "tcp")
    for node in nodes:
        for wires in node.get("wires", []):
            assert set(wires) <= set(by_id)
        if node["type"] not in ("tab", "modbus-client"):
            assert node["z"] == tab["id"]
        if node["type"] in FIELDS:
            assert set(node) == FIELDS[node["type"]]
            assert node["server"] == client["id"]
            assert node["unitid"] == "20"
            assert node["dataType"] in (READ_TYPES if node["type"] == "modbus-read" else WRITE_TYPES)
            assert 1 <= int(node["quantity"]) <= 125
    places = [(node["x"], node["y"]) for node in nodes if "x" in node]
    assert len(places) == len(set(places))


def run(code: str, payloads: list[Any]) -> list[Any]:
    """Run a function node's code on payloads, as Node-RED does; None where it sends nothing."""
    assert NODE is not None, "node is missing: install the Debian package nodejs"
    script = (
        "const [code, payloads] = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
        "const act = new Function('msg', 'node', code);\n"
        "const told = [];\n"
        "const sent = payloads.map(payload => act({payload}, {error: text => told.push(text)}));\n"
        "console.log(JSON.stringify([sent.map(msg => msg === null ? null : msg.payload), told]));\n"
    )
    done = subprocess.run(
        [NODE, "-e", script],
        input=json.dumps([code, payloads]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    sent, told = json.loads(done.stdout)
    assert sent.count(None) == len(told)
    return [*sent]


def code_behind(nodes: list[dict[str, Any]], kind: str, address: int) -> str:
    (node,) = [
        n for n in nodes if n["type"] == kind and n["adr"] == str(address) and n["dataType"][0] in "HMI"
    ]
    if kind == "modbus-read":
        (after,) = [n for n in nodes if n["id"] == node["wires"][0][0]]
        return str(after["func"])
    (before,) = [n for n in nodes if n["type"] == "function" and node["id"] in n["wires"][0]]
    return str(before["func"])


@runs_code
@pytest.mark.parametrize("name", ["every type", "bluesmart_charger"])
def test_it_names_what_the_registers_say(name: str) -> None:
    found = every_type() if name == "every type" else shipped(name)
    nodes = flow(found)
    rounds = [list(held(found, seed)) for seed in range(20)]
    for block in blocks(readables(found), found.device.hole_max):
        first = block[0].register
        payloads, expected = [], []
        for round_ in rounds:
            words = [0] * (block[-1].register.end - first.address)
            told = {}
            for item, held_words, value in round_:
                if item.slug in {own.slug for own in block}:
                    at = item.register.address - first.address
                    end = at + len(held_words)
                    words[at:end] = [a | b for a, b in zip(words[at:end], held_words, strict=True)]
                    told[item.slug] = value
            payloads.append(words)
            expected.append(told)
        named = run(code_behind(nodes, "modbus-read", first.address), payloads)
        for got, told in zip(named, expected, strict=True):
            assert got.keys() == told.keys()
            for slug, value in told.items():
                if isinstance(value, float | int):
                    assert got[slug] == pytest.approx(value, rel=1e-9, abs=1e-9), slug
                else:
                    assert got[slug] == (value or None), slug


@runs_code
@pytest.mark.parametrize(
    ("address", "payloads", "sent"),
    [
        (0x3026, [12.5, 0, 60, 60.1, -1, "x", 0.29], [125, 0, 600, None, None, None, 3]),
        (0x3028, [-2, 20, 21], [0xFFEC, 200, None]),
        (0x3016, [1, 4, 0, 2, "4"], [1, 4, 0, None, 4]),
        (0x3008, [-2, 5], [[0xFFFE, 0xFFFF], [5, 0]]),
        (0x3029, [700000], [[0x042C, 0x1D80]]),
        (0x3027, [1, 2], [1, None]),
    ],
)
def test_it_writes_the_raw_and_refuses_what_the_bridge_would(
    address: int, payloads: list[Any], sent: list[Any]
) -> None:
    assert run(code_behind(flow(every_type()), "modbus-write", address), payloads) == sent


@runs_code
def test_bits_are_named() -> None:
    nodes = flow(every_type())
    (coils,) = [n for n in nodes if n["type"] == "modbus-read" and n["dataType"] == "Coil"]
    assert (coils["adr"], coils["quantity"]) == ("0", "4")
    (code,) = [n["func"] for n in nodes if n["id"] == coils["wires"][0][0]]
    assert run(code, [[True, False, False, True], [False] * 4]) == [
        {"mode": True, "relay_0_state": True},
        {"mode": False, "relay_0_state": False},
    ]
