"""`maps class-file` prints or writes the file, and the script that installs it."""

from pathlib import Path

import pytest

from bridge.register_maps.class_file import read_stamp
from tests.cerbo.conftest import Command

NAME = "bluesmart_charger"


def test_the_file_is_printed(command: Command) -> None:
    ended = command("maps", "class-file", NAME)
    assert ended.status == 0
    compile(ended.out, "printed", "exec")
    assert read_stamp(ended.out) is not None


def test_the_script_carries_the_file(command: Command) -> None:
    script = command("maps", "class-file", NAME, "--install-script").out
    assert script.startswith("#!/bin/sh\n")
    assert command("maps", "class-file", NAME).out.rstrip() in script


def test_both_are_written(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "charger.py"
    ended = command("maps", "class-file", NAME, "--out", file, "--install-script")
    assert (ended.status, ended.out) == (0, "")
    assert file.read_text() == command("maps", "class-file", NAME).out
    assert (tmp_path / f"install_{NAME}.sh").exists()
    assert str(file) in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["personas/em24"], "a stock GX reads a persona as it is"),
        (["bluesmart_chargr"], "did you mean 'bluesmart_charger'"),
        ([NAME, "--out", "no/such/folder/x.py"], "could not be written"),
    ],
)
def test_what_cannot_be(command: Command, arguments: list[str], said: str) -> None:
    ended = command("maps", "class-file", *arguments)
    assert ended.status == 1
    assert said in ended.err


def test_a_map_of_ones_own(command: Command, tmp_path: Path) -> None:
    own = tmp_path / "heater.yaml"
    own.write_text(
        "device: {role: acload}\n"
        "detect: {address: 0x0100, type: u16, values: {0x4801: Heater}, units: [60]}\n"
        "registers:\n"
        "  - {address: 0x0100, type: u16, value: 0x4801}\n"
        "  - {address: 0x1000, type: text, length: 8, path: /Serial, info: true}\n"
        "  - {address: 0x3000, type: s16, path: /Ac/Power}\n"
        "discrete_inputs:\n  - {address: 0, path: /Hot, on: 1}\n"
    )
    ended = command("maps", "class-file", str(own))
    assert ended.status == 0
    assert "class BridgeHeater(" in ended.out
    assert "left out: /Hot" in ended.err
