"""No map may be taken for a model that stock Victron clients know."""

import pytest

from bridge.register_maps.format import Kind
from bridge.register_maps.probes import STOCK_PROBES
from tests.register_maps.plant import load, registers


@pytest.mark.parametrize("probe", STOCK_PROBES, ids=lambda p: p.model)
def test_a_register_that_can_show_a_model_is_found(probe: object) -> None:
    assert hasattr(probe, "address")
    length = len(probe.words)  # type: ignore[attr-defined]
    entries = [f"address: {probe.address + i}, type: u16, path: /P{i}" for i in range(length)]
    errors = load(registers(*entries)).errors
    assert any(probe.model in e.message for e in errors), probe  # type: ignore[attr-defined]
    assert errors[0].line == 2
    assert errors[0].hint == "move it to another address"


@pytest.mark.parametrize(
    ("entries", "model"),
    [
        (["address: 0x0B, type: u16, value: 1650"], "EM24"),
        (["address: 0x0B, type: u16, value: 7"], None),
        (["address: 0x0A, type: u32b, path: /X"], "EM24"),
        (["address: 0x0A, type: text, length: 4, path: /X"], None),
        (["address: 5000, type: u16, path: /X"], "EV charger"),
        (["address: 5000, type: e16, values: {a: 1}, path: /X"], None),
        (["address: 4999, type: u16, path: /X", "address: 5001, type: u16, path: /Y"], None),
        (["address: 0x1000, type: text, length: 8, path: /Serial"], None),
        (["address: 0x1000, type: text, length: 8, encoding: utf-8, path: /Serial"], "VM-3P75CT"),
        (["address: 0x1000, type: u16, path: /X"], "VM-3P75CT"),
        (["address: 0x8960, type: u16, path: /X"], None),
        (["address: 0x8960, type: u32b, path: /X"], "ABB"),
        (["address: 1307, type: text, length: 16, path: /X"], "ComAp"),
        (["address: 1307, type: text, length: 4, path: /X"], None),
        (["address: 768, type: u16, value: 1", "address: 769, type: u16, path: /X"], "DSE"),
        (["address: 768, type: u16, value: 2", "address: 769, type: u16, path: /X"], None),
        # A gap reads 0, which is the family PRIME of CRE: week 23 of platform 0 is 230.0 V at scale 10.
        (["address: 4, type: u16, path: /X", "address: 9, type: u16, path: /Y"], "CRE"),
        (["address: 4, type: u16, path: /X"], None),
        (["address: 770, type: u16, path: /X, table: input"], None),
        (["address: 770, type: text, length: 6, path: /X"], "DEIF"),
        (["address: 770, type: text, length: 6, path: /X, table: input"], "DEIF"),
        (
            [
                "address: 770, type: text, length: 6, path: /X",
                "address: 1, type: u16, path: /Y, table: input",
            ],
            None,
        ),
    ],
)
def test_what_can_be_mistaken(entries: list[str], model: str | None) -> None:
    errors = load(registers(*entries)).errors
    assert any(model in e.message for e in errors) if model else not errors, errors


def test_a_persona_imitates_what_it_declares_and_nothing_else() -> None:
    text = """
        detect: {address: 0x000B, type: u16, values: {1648: EM24}, methods: [tcp]}
        registers:
          - {address: 0x0000, type: s32l, scale: 10, path: /Ac/L1/Voltage}
          - {address: 0x0004, type: s32l, scale: 10, path: /Ac/L3/Voltage}
          - {address: 0x000B, type: u16, value: 1648}
          - {address: 0x1000, type: u16, path: /X}
          - {address: 0x8960, type: u32b, path: /Y}
    """
    errors = load(text, Kind.PERSONA).errors
    assert ["ABB" in e.message for e in errors] == [True], "UDP probes and those after EM24 do not reach it"
