"""What a stock client reads from a persona, and from which points of which family it comes."""

import zlib
from collections.abc import Mapping

import pytest

from bridge.datastore.values import Path, Value
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Kind, RegisterMap, Table
from bridge.register_maps.image import UnitImage
from bridge.register_maps.loader import load_text
from bridge.register_maps.packing import decode
from bridge.register_maps.probes import STOCK_PROBES
from tests.cerbo.rig import METER, ROOF, Bridge, shipped
from tests.register_maps.plant import Plant, load, loaded, words

VEBUS: Mapping[Path, Value | None] = {
    "/Serial": "HQ1234",
    **{f"/Ac/Out/L{n}/{q}": v for n in (1, 2, 3) for q, v in (("V", 230 + n), ("I", 0.5), ("P", 100 * n))},
    "/Ac/Out/L1/F": 50.0,
}
PHOENIX = {"/Serial": "HQ5", "/Ac/Out/L1/V": 229.8, "/Ac/Out/L1/I": 0.9, "/Ac/Out/L1/P": 207.0}
MPPT = {"/Serial": "HQ6", "/Yield/Power": 88, "/Yield/User": 45.67, "/Pv/V": 41.2}
GX = {"/Serial": "gx", **{f"/Ac/Grid/L{n}/Power": -n * 10 for n in (1, 2, 3)}}


def shown(image: UnitImage, path: str) -> Value | None:
    """A path as the map's own types decode it."""
    register = next(r for r in image.map.registers if r.path == path)
    data = image.read_registers(Table.HOLDING, register.address, register.length)
    assert isinstance(data, bytes), f"exception {data}"
    return decode(register.type, data, register.scale, register.invalid)


def serve(name: str | RegisterMap, values: Mapping[Path, Value | None]) -> UnitImage:
    bridge = Bridge()
    return bridge.serve(1, name, bridge.device("device", values))


@pytest.mark.parametrize("persona", ["personas/em24", "personas/abb_b23"])
@pytest.mark.parametrize(
    ("device", "power", "phases"),
    [
        (ROOF, 412.0, (412.0, 0, 0)),
        (METER, -1530.0, (-510.0, -510.0, -510.0)),
        (VEBUS, 600.0, (100.0, 200.0, 300.0)),
        (PHOENIX, 207.0, (207.0, 0, 0)),
        (MPPT, 88.0, (88.0, 0, 0)),
        (GX, -60.0, (-10.0, -20.0, -30.0)),
    ],
    ids=["roof", "meter", "vebus", "phoenix", "mppt", "gx"],
)
def test_power_comes_from_whichever_the_device_has(
    persona: str, device: Mapping[Path, Value], power: float, phases: tuple[float, ...]
) -> None:
    image = serve(persona, device)
    assert shown(image, "/Ac/Power") == power
    assert tuple(shown(image, f"/Ac/L{n}/Power") for n in (1, 2, 3)) == phases


@pytest.mark.parametrize(
    ("device", "expected"), [(ROOF, 3), (METER, 0), (VEBUS, 0), (PHOENIX, 3), (MPPT, 3), (GX, 0)]
)
def test_em24_has_the_phases_of_the_device(device: Mapping[Path, Value], expected: int) -> None:
    assert shown(serve("personas/em24", device), "/PhaseConfig") == expected


def test_em24_of_two_phases() -> None:
    values = {path: value for path, value in METER.items() if "/L3/" not in path}
    assert shown(serve("personas/em24", values), "/PhaseConfig") == 2


def test_em24_as_the_client_reads_it() -> None:
    """80 registers from 0 in one read: low word first, the model amid the currents."""
    image = serve("personas/em24", METER)
    read = words(image.read_registers(Table.HOLDING, 0, 80))
    assert read[0:6] == [2300, 0, 2310, 0, 2320, 0]
    assert read[11] == 1648
    assert read[12:14] == [0xFFFF & -1500, 0xFFFF]
    assert read[0x28:0x2A] == [0xFFFF & -15300, 0xFFFF]
    assert read[0x33] == 500
    assert read[0x34:0x36] == [8123, 0]
    assert read[0x4E:0x50] == [991, 0]
    assert words(image.read_registers(Table.HOLDING, 0xA000, 1)) == [7]
    assert words(image.read_registers(Table.HOLDING, 0xA100, 1)) == [3]
    assert image.read_registers(Table.HOLDING, 0x5000, 7) == b"40213377".ljust(14, b"\0")


def test_abb_b23_as_the_client_reads_it() -> None:
    image = serve("personas/abb_b23", METER)
    assert image.read_registers(Table.HOLDING, 0x8960, 2) == b"B23 "
    assert words(image.read_registers(Table.HOLDING, 0x8900, 2)) == [40213377 >> 16, 40213377 & 0xFFFF]
    assert words(image.read_registers(Table.HOLDING, 0x5B14, 2)) == [0xFFFD, 0xFFFF & -153000]
    assert words(image.read_registers(Table.HOLDING, 0x5000, 4)) == [0, 0, 1, 81230 & 0xFFFF]
    assert words(image.read_registers(Table.HOLDING, 0x5B3A, 4)) == [0x7FFF] * 4, "no power factor"


def test_abb_currents_have_no_sign() -> None:
    assert shown(serve("personas/abb_b23", METER), "/Ac/L1/Current") == 1.5


@pytest.mark.parametrize(
    ("serial", "expected"),
    [
        ("40213377", 40213377),
        ("0007", 7),
        ("123456789A", zlib.crc32(b"123456789A") & 0x7FFFFFFF),
        ("99999999999", zlib.crc32(b"99999999999") & 0x7FFFFFFF),
    ],
)
def test_abb_serial_is_a_positive_number(serial: str, expected: int) -> None:
    assert shown(serve("personas/abb_b23", {**ROOF, "/Serial": serial}), "/Serial") == expected


def test_abb_serials_differ() -> None:
    serials = [f"HQ22{number:05}" for number in range(200)]
    found = {shown(serve("personas/abb_b23", {**ROOF, "/Serial": serial}), "/Serial") for serial in serials}
    assert len(found) == len(serials)


@pytest.mark.parametrize("persona", ["personas/em24", "personas/abb_b23"])
class TestLoss:
    def test_a_lost_device_answers_with_exceptions_alone(self, persona: str) -> None:
        bridge = Bridge()
        device = bridge.device("meter", METER)
        image = bridge.serve(1, persona, device)
        device.forget()
        for register in image.map.registers:
            assert image.read_registers(Table.HOLDING, register.address, register.length) == 0x0B

    async def test_one_lost_measurement_ends_the_answers(self, persona: str) -> None:
        """The meters have no number that says so."""
        plant = Plant()
        values = {path: value for path, value in METER.items() if isinstance(value, float)}
        device = plant.device(values.keys() - {"/Ac/Power"}, slow=["/Ac/Power"])
        image = plant.image(shipped(persona), device)
        fast = {path: value for path, value in values.items() if path != "/Ac/Power"}
        device.publish("fast", fast)
        device.publish("slow", {"/Ac/Power": 5.0})
        assert shown(image, "/Ac/Power") == 5.0
        for _ in range(7):
            await plant.clock.advance(3.0)
            device.publish("fast", fast)
        with pytest.raises(AssertionError, match="exception 11"):
            shown(image, "/Ac/Power")

    def test_what_was_never_there_reads_zero(self, persona: str) -> None:
        image = serve(persona, {"/Serial": "1", "/Ac/Power": 5.0})
        assert shown(image, "/Ac/L1/Voltage") == 0
        assert shown(image, "/Ac/Frequency") == 0

    def test_what_does_not_fit_reads_zero_never_a_pattern(self, persona: str) -> None:
        assert shown(serve(persona, {**METER, "/Ac/Power": 1e12}), "/Ac/Power") == 0


MINE = """
kind: persona
extends: personas/em24
registers:
  - {address: 0x0028, type: s32l, scale: 10, path: /Ac/Power, invalid: none, source: {sum: ["roof:/Ac/Power", "shed:/Ac/Power"]}}
  - {address: 0x0014, type: s32l, scale: 10, path: /Ac/L2/Power, invalid: none, source: {path: "shed:/Ac/Power", negate: true}}
"""


def test_points_summed_over_devices_with_sign_and_phase() -> None:
    mine = load_text(MINE, "mine.yaml", "mine", Kind.NATIVE, Catalogue().load)
    assert mine.map is not None, mine.errors
    bridge = Bridge()
    roof, shed = bridge.device("roof", ROOF), bridge.device("shed", {"/Ac/Power": 88.0})
    image = bridge.serve(1, mine.map, roof, shed=shed)
    assert shown(image, "/Ac/Power") == 500.0
    assert shown(image, "/Ac/L2/Power") == -88.0
    shed.forget()
    assert image.read_registers(Table.HOLDING, 0x0028, 2) == 0x0B


def test_the_first_stock_type_that_matches_is_the_one_imitated() -> None:
    for name, model in (
        ("personas/em24", "Carlo Gavazzi EM24 Ethernet"),
        ("personas/abb_b23", "ABB B21, B23, B24"),
    ):
        image = serve(name, METER)
        methods = image.map.detect.methods if image.map.detect else ()
        matched = [
            probe.model
            for probe in STOCK_PROBES
            if probe.methods.intersection(methods)
            and isinstance(data := image.read_registers(probe.table, probe.address, len(probe.words)), bytes)
            and all(not ok or word in ok for word, ok in zip(words(data), probe.words, strict=True))
        ]
        assert matched[0] == model


BAD_BLOCKS = [
    ("{address: 1, type: u16, path: /A, block: magnitude}", "without a list of sources"),
    ("{address: 1, type: u16, path: /A, block: magnitud, source: [/A]}", "did you mean 'magnitude'"),
    ("{address: 1, type: u16, path: /A, block: magnitude, source: [/A], write: true}", "only read"),
]


@pytest.mark.parametrize(("entry", "said"), BAD_BLOCKS)
def test_blocks_that_cannot_be(entry: str, said: str) -> None:
    assert any(said in str(error) for error in load(f"registers:\n  - {entry}\n").errors)


def test_a_block_follows_its_sources() -> None:
    bridge = Bridge()
    device = bridge.device("d", {"/A": -3, "/B": 7})
    image = bridge.serve(
        5,
        loaded("registers:\n  - {address: 1, type: u16, path: /X, block: magnitude, source: [/A, /B]}"),
        device,
    )
    assert words(image.read_registers(Table.HOLDING, 1, 1)) == [3]
    device.publish("live", {"/A": None})
    assert words(image.read_registers(Table.HOLDING, 1, 1)) == [7]
    device.publish("live", {"/A": -9})
    assert words(image.read_registers(Table.HOLDING, 1, 1)) == [9]
