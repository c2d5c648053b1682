"""`maps list`, `show`, `check`: the JSON shapes outside checks rely on, and errors with their places."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command

GOOD = """\
name: mine
title: Test map
registers:
  - {address: 0x3000, type: u16, scale: 100, path: /Dc/0/Voltage}
  - {address: 0x3001, type: e16, path: /Mode, values: {on: 1, off: 4}, write: true}
  - {address: 0x3002, type: u16, scale: 10, path: /Settings/ChargeCurrentLimit, write: [0, 60]}
  - {address: 0x3003, type: u16, value: 7}
coils:
  - {address: 0, path: /Mode, on: 1, off: 4, mirror: 0x3010}
discrete_inputs:
  - {address: 0, path: /Alarms/HighVoltage, on: [1, 2]}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    return file


def test_list(command: Command) -> None:
    listed = command("maps", "list", "--json").objects
    assert {"name", "title", "kind"} == set.union(*(set(row) for row in listed))
    kinds = {row["name"]: row["kind"] for row in listed}
    assert kinds["bluesmart_charger"] == "native"
    assert kinds["bridge"] == "bridge"
    lines = command("maps", "list").out.splitlines()
    assert [line.split()[:2] for line in lines] == [[row["name"], row["kind"]] for row in listed]


ROW = {
    "table": "holding",
    "length": 1,
    "scale": 1,
    "type": "u16",
    "write": False,
    "values": None,
    "unit_of_measure": "",
}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (0x3000, {"path": "/Dc/0/Voltage", "scale": 100, "unit_of_measure": "V"}),
        (0x3001, {"path": "/Mode", "type": "e16", "write": True, "values": {"on": 1, "off": 4}}),
        (
            0x3002,
            {
                "path": "/Settings/ChargeCurrentLimit",
                "scale": 10,
                "write": {"min": 0, "max": 60},
                "unit_of_measure": "A",
            },
        ),
        (0x3003, {"path": None}),
        (0x3010, {"path": None, "mirror": "/Mode", "write": True}),
        (0xFE01, {"path": "/Link/Age", "unit_of_measure": "s"}),
    ],
    ids=lambda case: hex(case) if isinstance(case, int) else "",
)
def test_show_as_json(mine: Path, command: Command, address: int, expected: dict[str, object]) -> None:
    rows = command("maps", "show", str(mine), "--json").objects
    (row,) = [row for row in rows if (row["table"], row["address"]) == ("holding", address)]
    assert row == ROW | {"address": address} | expected


def test_show_names_all_four_tables_in_words(mine: Path, command: Command) -> None:
    ended = command("maps", "show", str(mine))
    assert ended.status == 0
    lines = [line.split() for line in ended.out.splitlines()]
    assert ["holding", "12289", "0x3001", "e16", "/Mode", "yes", "1=on,", "4=off"] in lines
    assert "(mirror of /Mode)" in ended.out
    assert "(constant)" in ended.out
    assert {line[0] for line in lines[1:]} == {"holding", "coils", "discrete"}


def test_show_of_a_name_misspelt(command: Command) -> None:
    ended = command("maps", "show", "bluesmart_chager")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "Error: there is no map 'bluesmart_chager': did you mean 'bluesmart_charger'?\n"


def test_check_of_a_good_file(mine: Path, command: Command) -> None:
    ended = command("maps", "check", str(mine))
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"{mine}: right, native map of ")


def test_check_shows_every_fault_in_its_place(mine: Path, command: Command) -> None:
    mine.write_text(GOOD.replace("scale: 100", "scael: 100").replace("type: e16", "type: e61"))
    ended = command("maps", "check", str(mine))
    assert ended.status == 2
    lines = ended.out.splitlines()
    assert [line.rpartition("mine.yaml:")[2].split(":")[0] for line in lines if "mine.yaml:" in line] == [
        "4",
        "5",
    ]
    assert "scale" in lines[0]
    assert lines[1].endswith("- {address: 0x3000, type: u16, scael: 100, path: /Dc/0/Voltage}")
    assert lines[2].rstrip().endswith("^")
    assert lines[2].index("^") == lines[1].index("scael")


def test_check_of_several_ends_with_2_when_one_is_wrong(mine: Path, tmp_path: Path, command: Command) -> None:
    ended = command("maps", "check", str(mine), str(tmp_path / "none.yaml"))
    assert ended.status == 2
    assert "mine.yaml: right" in ended.out
    assert "none.yaml:1:1: found no such file" in ended.out


@pytest.mark.parametrize("arguments", [["show"], ["check"]])
def test_a_broken_file_is_2_for_all(tmp_path: Path, command: Command, arguments: list[str]) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    ended = command("maps", *arguments, str(file))
    assert ended.status == 2
    assert "broken.yaml:1:1:" in ended.out + ended.err


@pytest.mark.parametrize("form", ["markdown", "csv", "html"])
def test_document_of_a_file_of_ones_own(mine: Path, command: Command, form: str) -> None:
    ended = command("maps", "document", str(mine), "--format", form)
    assert (ended.status, ended.err) == (0, "")
    assert "/Settings/ChargeCurrentLimit" in ended.out
    assert "412291" in ended.out


@pytest.mark.parametrize("arguments", [[], ["bluesmart_charger", "--all", "here"]])
def test_document_wants_a_name_or_all(command: Command, arguments: list[str]) -> None:
    ended = command("maps", "document", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert "expected one of them" in ended.err


def test_documents_that_cannot_be_written(tmp_path: Path, command: Command) -> None:
    (tmp_path / "file").touch()
    ended = command("maps", "document", "--all", str(tmp_path / "file/docs"))
    assert ended.status == 1
    assert ended.err.startswith(f"Error: could not write {tmp_path}/file/docs/")
    assert "choose a folder of your own" in ended.err


def test_documents_of_all_maps_in_csv(tmp_path: Path, command: Command) -> None:
    assert command("maps", "document", "--all", str(tmp_path), "--format", "csv").status == 0
    listed = command("maps", "list", "--json").objects
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.csv")} == {
        f"{row['name']}.csv" for row in listed
    }


def test_snippets_of_a_file_of_ones_own(mine: Path, command: Command) -> None:
    ended = command("maps", "snippets", str(mine), "--for", "mbpoll", "--host", "[FD00::0:7]", "--unit", "9")
    assert (ended.status, ended.err) == (0, "")
    assert "mbpoll -m tcp -p 502 -a 9 -0 -r 0x3000 -t 4 -c 1 -1 fd00::7  # /Dc/0/Voltage" in ended.out


@pytest.mark.parametrize("arguments", [["maps", "schema"], ["check", "--print-schema"]])
def test_schemas_are_json_and_name_their_draft(command: Command, arguments: list[str]) -> None:
    ended = command(*arguments)
    assert (ended.status, ended.err) == (0, "")
    assert ended.objects["$schema"] == "https://json-schema.org/draft/2020-12/schema"
