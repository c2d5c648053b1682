"""Sources that no device of a site can feed, found before anything is served."""

import pytest

from bridge.register_maps.checks import unknown_sources
from bridge.register_maps.format import Kind
from tests.register_maps.plant import loaded, registers

HAS = {(None, "/Dc/0/Voltage"), (None, "/Ac/Power"), ("roof", "/P")}


def has(device: str | None, path: str) -> bool:
    return (device, path) in HAS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("/Dc/0/Voltage", None),
        ("[/Nope, /Dc/0/Voltage]", None),
        ("roof:/P", None),
        ("{sum: [/Ac/Power, 'roof:/P']}", None),
        ("/Dc/0/Voltge", "found /Dc/0/Voltge, which the device does not have"),
        ("[/Nope, /Neither]", "found /Nope or /Neither, which"),
        ("shed:/P", "found shed:/P, which"),
        ("{sum: [/Ac/Power, 'roof:/Q']}", "found /Ac/Power or roof:/Q, which"),
    ],
)
def test_native_maps(source: str, found: str | None) -> None:
    text = registers(f"address: 1, type: u16, path: /X, source: {source}")
    errors = unknown_sources(loaded(text), has, ["/Dc/0/Voltage"])
    assert [e.message.removeprefix("source: ")[: len(found or "")] for e in errors] == (
        [found] if found else []
    )
    assert [(e.line, e.column) for e in errors] == ([(2, 5)] if found else [])


def test_the_nearest_path_is_named() -> None:
    errors = unknown_sources(
        loaded(registers("address: 1, type: u16, path: /Dc/0/Voltge")), has, ["/Dc/0/Voltage"]
    )
    assert errors[0].hint == "did you mean /Dc/0/Voltage?"


PERSONA = """
    detect: {address: 11, type: u16, values: {1648: EM24}, methods: [tcp]}
    registers:
      - {address: 11, type: u16, value: 1648}
      - {address: 0x28, type: s32l, path: /Ac/Power, source: %s}
      - {address: 0x33, type: u16, path: /Ac/Frequency}
"""


@pytest.mark.parametrize(("source", "errors"), [("/Ac/Power", 0), ("[/Nope, 'roof:/P']", 0), ("/Nope", 1)])
def test_a_persona_needs_some_power_and_nothing_else(source: str, errors: int) -> None:
    found = unknown_sources(loaded(PERSONA % source, Kind.PERSONA), has)
    assert ["no power" in e.message for e in found] == [True] * errors
