"""The documents of maps: committed ones are current, nothing is left out, formats are well formed."""

import csv
import html.parser
import io
import json
import re
from pathlib import Path

import pytest
from pymodbus.pdu import DecodePDU

from bridge.cli import main
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.document import document_of
from bridge.register_maps.document_examples import Example, examples_of
from bridge.register_maps.document_formats import FORMATS, as_csv, as_html, as_markdown
from bridge.register_maps.document_rows import document_rows
from bridge.register_maps.document_words import words_of
from bridge.register_maps.format import Kind, RegisterMap
from bridge.register_maps.rows import rows_of
from tests.register_maps.plant import loaded
from tests.repo.checkout import ROOT

SHIPPED = Catalogue().names()
SAY = "run `make docs`, look at what changed, and commit it"

MAP = """
    title: A <b>heater</b> & more, "quoted"
    detect: {address: 0x100, type: u16, values: {0x4801: Heater}, methods: [tcp], units: [60]}
    device: {hole_max: 8}
    registers:
      - {address: 0x100, type: u16, value: 0x4801}
      - {address: 0x3000, type: u16, scale: 100, path: /Dc/0/Voltage}
      - {address: 0x3001, type: s16, scale: 0.1, path: /Ac/Power, invalid: none}
      - {address: 0x3002, type: e16, path: /Mode, values: {on: 1, off: 4}, accept: {0: 4}, write: true}
      - {address: 0x3003, type: u32b, scale: 1/3600, path: /Ac/Energy/Forward, stale: hold}
      - {address: 0x3005, type: f32l, path: /Target, write: [5, 30.5]}
      - {address: 0x3007, type: bit, bit: 3, path: /Alarms/Overload}
      - {address: 0x3008, type: text, length: 4, path: /Serial, little: true, info: true}
      - {address: 0x300C, type: u16, path: /Actions/Reset, write: {values: [1, 2]}, self_clearing: true}
      - {address: 0x300D, type: mapu16, path: /Port, values: {5: 252}}
      - {address: 0x300E, type: s16, value: -2}
      - {address: 0x3010, type: s32b, scale: 10, path: /Dc/0/Voltage, alias: false}
    coils: [{address: 0, path: /Mode, on: 1, off: 4, mirror: 0x3014}]
    discrete_inputs: [{address: 9, path: /Alarms/HighVoltage, on: [1, 2]}]
"""


def shipped(name: str) -> RegisterMap:
    found = Catalogue().load(name).map
    assert found is not None
    return found


def files_below(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_the_committed_documents_are_those_of_the_maps(tmp_path: Path) -> None:
    assert main(["maps", "document", "--all", str(tmp_path)]) == 0
    made, committed = files_below(tmp_path), files_below(ROOT / "docs/registers")
    assert sorted(made) == sorted(committed), f"docs/registers: {SAY}"
    stale = [name for name in made if made[name] != committed[name]]
    assert stale == [], f"docs/registers: {SAY}"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_entry_of_a_map_stands_in_its_csv(name: str) -> None:
    found = shipped(name)
    read = list(csv.DictReader(io.StringIO(as_csv(document_of(found)), newline=""), strict=True))
    assert [(row["table"], int(row["decimal"])) for row in read] == [
        (row.table.value, row.address) for row in rows_of(found)
    ]
    for row in read:
        address = int(row["decimal"])
        assert int(row["address"], 16) == address
        assert int(row["1-based"]) == address + 1
        assert int(row["number"]) % 100_000 == address + 1 - (100_000 if address == 99_999 else 0)
        assert row["number"][0] == {"holding": "4", "input": "3", "coils": "0", "discrete": "1"}[row["table"]]


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("form", FORMATS)
def test_the_same_map_gives_the_same_text(name: str, form: str) -> None:
    assert FORMATS[form](document_of(shipped(name))) == FORMATS[form](document_of(shipped(name)))


@pytest.mark.parametrize(
    ("address", "cells"),
    [
        (0x0100, {"access": "constant", "values": "18433 (0x4801)", "number": "400257", "invalid": ""}),
        (0x3000, {"scale": "100", "unit_of_measure": "V", "invalid": "0xFFFF", "number": "412289"}),
        (0x3001, {"scale": "0.1", "unit_of_measure": "W", "invalid": "0"}),
        (0x3002, {"access": "read, write", "values": "1 on, 4 off; 0 is taken as 4"}),
        (0x3003, {"scale": "1/3600", "length": 2, "invalid": "0xFFFFFFFF"}),
        (0x3005, {"values": "5 to 30.5", "invalid": "NaN"}),
        (0x3007, {"values": "bit 3 of 0x3007: set 1, clear 0", "invalid": ""}),
        (0x3008, {"type": "text, low byte first", "length": 4, "invalid": "NULs"}),
        (0x300C, {"access": "write, reads 0", "values": "writable: 1 or 2"}),
        (0x300D, {"values": "5 = 252"}),
        (0x300E, {"values": "-2 (0xFFFE)"}),
        (0x3014, {"access": "read, write", "values": "0 at the value 4, else 1", "path": "/Mode"}),
        (0xFE01, {"unit_of_measure": "s", "path": "/Link/Age"}),
    ],
    ids=lambda case: hex(case) if isinstance(case, int) else "",
)
def test_cells(address: int, cells: dict[str, object]) -> None:
    rows = {row.address: row for row in document_rows(loaded(MAP)) if row.table == "holding"}
    assert {key: getattr(rows[address], key) for key in cells} == cells


def test_cells_of_bits() -> None:
    coil, discrete = (row for row in document_rows(loaded(MAP)) if row.table not in ("holding", "input"))
    assert (coil.number, coil.access, coil.values) == (
        "000001",
        "read, write",
        "0 at the value 4, else 1; writing 1 asks for 1",
    )
    assert (discrete.number, discrete.access, discrete.values) == (
        "100010",
        "read",
        "1 at the value 1 or 2, else 0",
    )


def test_what_the_document_says_of_the_whole() -> None:
    text = as_markdown(document_of(loaded(MAP)))
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[:8] == [
        *("What it is", "Detection", "Addressing", "Holding registers", "Coils", "Discrete inputs"),
        *("Freshness", "Status block"),
    ]
    assert "| `0x4801` | Heater |" in text
    assert "Gaps of up to 8 addresses (31 in most maps) read 0" in text
    assert "reads its invalid pattern" in text
    assert "reads its last value while stale" in text


@pytest.mark.parametrize(
    ("kind", "said", "not_said"),
    [
        (Kind.PERSONA, "does not have reads 0", "Status block"),
        (Kind.BRIDGE, "as long as the bridge lives", "exception 0B"),
        (Kind.CLIENT, "only the status block answers", "as long as the bridge lives"),
    ],
)
def test_freshness_by_kind(kind: Kind, said: str, not_said: str) -> None:
    text = as_markdown(document_of(loaded(MAP, kind)))
    assert said in text
    assert not_said not in text


class Reader(html.parser.HTMLParser):
    """Follows the tags of a page, and notes what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {key}" for key, _ in attrs if key in ("src", "href", "srcset", "data")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "code", "h1"):
            self.cells.append(data)


@pytest.mark.parametrize("name", [*SHIPPED, "of a test"])
def test_html_is_whole_escaped_and_loads_nothing(name: str) -> None:
    found = loaded(MAP) if name == "of a test" else shipped(name)
    text = as_html(document_of(found))
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.loads == []
    assert "url(" not in text
    assert "@import" not in text
    assert found.title in reader.cells
    assert {row.path for row in document_rows(found) if row.path} <= set(reader.cells)


def test_csv_is_that_of_rfc_4180() -> None:
    text = as_csv(document_of(loaded(MAP)))
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    widths = {len(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)}
    assert widths == {14}
    assert '"1 on, 4 off; 0 is taken as 4"' in text


def test_markdown_keeps_its_tables_whole() -> None:
    """A bar or a tag in a name of one's own map is text, not markup."""
    text = as_markdown(
        document_of(loaded(MAP.replace("{on: 1, off: 4}, accept", '{"o|n": 1, off: 4}, accept')))
    )
    assert "# A \\<b>heater\\</b> & more" in text
    row = next(line for line in text.splitlines() if "`0x3002`" in line)
    assert "o\\|n" in row
    assert len(re.split(r"(?<!\\)\|", row)) == 15


def every_example() -> list[tuple[str, Example]]:
    maps = [shipped(name) for name in SHIPPED]
    return [(found.name, example) for found in maps for example in examples_of(found)]


@pytest.mark.parametrize(("name", "example"), every_example(), ids=lambda case: getattr(case, "title", case))
def test_examples_are_modbus(name: str, example: Example) -> None:
    """A foreign decoder reads the same out of both frames, and the lengths are right."""
    for frame in (example.request, example.reply):
        assert frame[:4] == b"\x00\x01\x00\x00"
        assert int.from_bytes(frame[4:6]) == len(frame) - 6
    assert example.request[6] == example.reply[6]
    request = DecodePDU(True).decode(example.request[7:])
    reply = DecodePDU(False).decode(example.reply[7:])
    assert request is not None
    assert reply is not None
    assert reply.function_code & 0x7F == request.function_code
    if request.function_code in (3, 4) and not reply.isError():
        assert len(reply.registers) == request.count
        assert re.search(r"\d", example.told)


def test_an_example_says_what_its_frames_say() -> None:
    read = next(e for e in examples_of(shipped("bluesmart_charger")) if e.title == "Reading one register")
    assert read.request.hex(" ").upper() == "00 01 00 00 00 06 14 03 30 00 00 01"
    assert read.reply.hex(" ").upper() == "00 01 00 00 00 05 14 03 02 0A 5A"
    assert read.told == "/Dc/0/Voltage: 0A5A is 2650 / 100 = 26.5 V"


def test_maps_document_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maps", "document", "bluesmart_charger", "--format", "csv"]) == 0
    assert capsys.readouterr().out == as_csv(document_of(shipped("bluesmart_charger")))


def test_the_schemas_are_those_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    for command, file in ((["maps", "schema"], "map.json"), (["check", "--print-schema"], "site.json")):
        assert main(command) == 0
        made = json.loads(capsys.readouterr().out)
        assert made == json.loads((ROOT / "docs/schema" / file).read_text()), f"docs/schema/{file}: {SAY}"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/Dc/0/Voltage", "battery voltage"),
        ("/Dc/2/Current", "current of DC connection 2"),
        ("/Ac/Out/L2/V", "AC output voltage of L2"),
        ("/Ac/PowerFactor", "power factor"),
        ("/Ac/L3/PowerFactor", "power factor L3"),
        ("/History/Daily/3/MaximumPower", "maximum power of 3 days ago"),
        ("/Settings/TailCurrent", "tail current, set in the device"),
        ("/Energy/AcIn1ToAcOut", "energy from ac in 1 to ac out"),
        ("/Of/Nobody", ""),
    ],
)
def test_meanings(path: str, words: str) -> None:
    assert words_of(path) == words
