"""Every row of the protocol's tables is served or listed as left out, and every point stands in the map."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.adapters.vedirect import every_product as every
from bridge.adapters.vedirect.known import PRODUCTS
from bridge.adapters.vedirect.options import FAMILY
from bridge.register_maps.catalogue import Catalogue

ROWS = json.loads((Path(__file__).parents[2] / "data" / "vedirect" / "rows.json").read_text(encoding="utf-8"))
LEFT_OUT = (Path(__file__).parents[3] / "docs" / "vedirect-left-out.md").read_text(encoding="utf-8")
#: Labels and registers that tell who a device is; `known.py` and `introduction.py` take them.
IDENTITY_LABELS = {"PID", "FW", "FWE", "SER#"}
IDENTITY_REGISTERS = {every.PRODUCT_ID.id, every.SERIAL.id}
EVERY = sorted(PRODUCTS)


def numbers(text: str) -> Iterator[int]:
    """The register numbers of `0x0300-0x0311 0x031E`."""
    for word in text.split():
        first, _, last = word.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def section(heading: str) -> list[tuple[str, str, str]]:
    """The rows of a table of the document: product, label or register, reason."""
    _, _, rest = LEFT_OUT.partition(f"\n## {heading}\n")
    table = rest.partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z_]+) \| (\S+) \| (.+?) \|$", table, re.MULTILINE)
    return [row for row in rows if row[0] != "product"]


def labels_left_out(product: str) -> set[str]:
    return {label for name, label, _ in section("Labels") if name in (product, "every")}


def registers_left_out(product: str) -> set[int]:
    return {n for name, text, _ in section("Registers") if name in (product, "every") for n in numbers(text)}


def labels_served(product: str) -> set[str]:
    return {field.label for field in PRODUCTS[product].text} | IDENTITY_LABELS


def registers_served(product: str) -> set[int]:
    tables = (*PRODUCTS[product].registers, *PRODUCTS[product].written)
    return {register.id for register in tables} | IDENTITY_REGISTERS


@pytest.mark.parametrize("product", EVERY)
def test_every_label_is_served_or_left_out_with_a_reason(product: str) -> None:
    rows = set(ROWS["labels"][product].split())
    assert rows - labels_served(product) == labels_left_out(product)


@pytest.mark.parametrize("product", EVERY)
def test_every_register_is_served_or_left_out_with_a_reason(product: str) -> None:
    rows = {n for name in (product, "every") for n in numbers(ROWS["registers"][name])}
    assert {f"{n:04X}" for n in rows - registers_served(product)} == {
        f"{n:04X}" for n in registers_left_out(product)
    }


@pytest.mark.parametrize("product", EVERY)
def test_every_path_of_the_protocol_is_a_point(product: str) -> None:
    assert set(ROWS["paths"][product].split()) <= {spec.path for spec in PRODUCTS[product].points}


@pytest.mark.parametrize("product", EVERY)
def test_what_a_table_feeds_is_declared(product: str) -> None:
    made = PRODUCTS[product]
    fed = {path for field in made.text for path in field.paths} | {r.path for r in made.registers}
    declared = [spec.path for spec in made.points]
    assert fed <= set(declared)
    assert len(declared) == len(set(declared))
    assert len({register.id for register in made.registers}) == len(made.registers)


@pytest.mark.parametrize("product", EVERY)
def test_every_point_stands_in_the_native_map_and_nothing_else(product: str) -> None:
    loaded = Catalogue().load(FAMILY.native_maps[product]).map
    assert loaded is not None
    shown = {register.path for register in loaded.registers if register.path is not None}
    assert shown == {spec.path for spec in PRODUCTS[product].points}


@pytest.mark.parametrize("product", EVERY)
def test_what_can_be_written_can_be_written_by_modbus(product: str) -> None:
    loaded = Catalogue().load(FAMILY.native_maps[product]).map
    assert loaded is not None
    written = {register.path: register for register in loaded.registers if register.write is not None}
    specs = {spec.path: spec for spec in PRODUCTS[product].points if spec.writable}
    assert set(written) == set(specs)
    for path, spec in specs.items():
        assert written[path].self_clearing is spec.self_clearing
    switches = {path for path, spec in specs.items() if spec.choices and not spec.self_clearing}
    assert {coil.path for coil in loaded.coils if coil.mirror is not None} == switches


def test_no_two_native_maps_show_the_same_model() -> None:
    maps = [Catalogue().load(name).map for name in FAMILY.native_maps.values()]
    models = [next(iter(loaded.detect.values)) for loaded in maps if loaded and loaded.detect]
    assert len(models) == len(set(models)) == len(PRODUCTS)


@pytest.mark.parametrize("product", EVERY)
def test_kinds_of_values_stand_where_the_charger_has_them(product: str) -> None:
    def places(name: str) -> dict[str, tuple[int, str, object]]:
        loaded = Catalogue().load(name).map
        assert loaded is not None
        return {
            register.path: (register.address, register.type.name, register.scale)
            for register in reversed(loaded.registers)
            if register.path is not None and register.path in shared
        }

    shared = {
        "/Serial", "/ProductName", "/FirmwareVersion", "/ProductId", "/Dc/0/Voltage", "/State", "/Mode",
        "/Settings/ChargeCurrentLimit", "/Relay/0/State", "/Device/Uptime", "/DeviceOffReason", "/ErrorCode",
        "/Line/TextBlocks", "/Line/FramingReplies",
    }  # fmt: skip
    charger = places("bluesmart_charger")
    for path, place in places(FAMILY.native_maps[product]).items():
        assert place == charger[path]
