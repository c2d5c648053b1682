"""Modbus devices on one line, what else may not be on it, and one source in two personas."""

import os
from pathlib import Path

import pytest

from bridge.site.families import InstalledFamilies
from bridge.site.loader import SiteLoad, load_site

ONE = "  one: {adapter: modbus, map: sdm630, port: /dev/ttyS7, unit: 1, remote_unit: 1, baudrate: 9600}\n"


def loaded(folder: Path, text: str) -> SiteLoad:
    site = folder / "site.yaml"
    site.write_text(text)
    return load_site(site, os.environ, InstalledFamilies(), lambda *_: None)


def lines(folder: Path, problems: tuple[object, ...]) -> list[str]:
    return [
        str(problem).removeprefix(f"{folder}/site.yaml:").replace(f"{folder}/", "") for problem in problems
    ]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("baudrate: 9600", []),
        (
            "baudrate: 19200",
            [
                "3:99: found baudrate 19200 on '/dev/ttyS7', on which device 'one' has 9600 (site.yaml:2), "
                "devices on one line have the same settings"
            ],
        ),
        (
            "remote_unit: 2",
            [
                "3:8: found baudrate 19200 on '/dev/ttyS7', on which device 'one' has 9600 (site.yaml:2), "
                "devices on one line have the same settings"
            ],
        ),
        (
            "baudrate: 9600, parity: E, stop_bits: 2",
            [
                "3:113: found parity E on '/dev/ttyS7', on which device 'one' has N (site.yaml:2), "
                "devices on one line have the same settings",
                "3:127: found stop_bits 2 on '/dev/ttyS7', on which device 'one' has 1 (site.yaml:2), "
                "devices on one line have the same settings",
            ],
        ),
        (
            "baudrate: 9600, transport: rtu_over_tcp",
            [
                "3:116: found transport rtu_over_tcp on '/dev/ttyS7', on which device 'one' has rtu (site.yaml:2), "
                "devices on one line have the same settings"
            ],
        ),
    ],
)
def test_devices_of_one_line_agree(tmp_path: Path, other: str, said: list[str]) -> None:
    """One line under two names, too."""
    two = f"  two: {{adapter: modbus, map: sdm630, port: /dev/../dev/ttyS7, unit: 2, remote_unit: 2, {other}}}\n"
    two = two.replace("remote_unit: 2, remote_unit: 2", "remote_unit: 2")
    found = loaded(tmp_path, f"devices:\n{ONE}{two}")
    assert [line.replace("/dev/../dev/", "/dev/") for line in lines(tmp_path, found.problems)] == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"listeners: [{{rtu: /dev/ttyS7, name: line}}]\ndevices:\n{ONE}",
            "3:45: found the port '/dev/ttyS7', which listener 'line' has (site.yaml:1), give each a port of its own",
        ),
        (
            f"devices:\n{ONE}  two: {{adapter: vedirect, port: /dev/ttyS7, unit: 2}}\n",
            "2:45: found the port '/dev/ttyS7', which device 'two' has (site.yaml:3), give each a port of its own",
        ),
        (
            "devices:\n" + ONE.replace("/dev/ttyS7", "ttyS7"),
            "2:45: found the port 'ttyS7', expected a device path such as /dev/ttyUSB0, a PTY or "
            "socket://host:port, did you mean '/dev/ttyS7'?",
        ),
    ],
    ids=["listener", "another family", "no path"],
)
def test_a_line_is_shared_with_modbus_devices_alone(tmp_path: Path, text: str, said: str) -> None:
    assert lines(tmp_path, loaded(tmp_path, text).problems) == [said]


SOLAR = """devices:
  solar: {adapter: vedirect, product: solar_charger, port: /dev/ttyS1, unit: 21}
  other: {adapter: vedirect, product: solar_charger, port: /dev/ttyS2, unit: 22}
serve:
  - {unit: 1, map: personas/em24, device: solar}
"""


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("{unit: 2, map: personas/em24, device: other}", []),
        ("{unit: 23, map: bluesolar_mppt, device: solar}", []),
        (
            "{unit: 2, map: personas/abb_b23, device: solar}",
            [
                "6:20: found 'solar' as personas/abb_b23 of unit 2, and as personas/em24 of unit 1 (site.yaml:5): "
                "a GX that reads both counts it twice, serve it by one of them"
            ],
        ),
        (
            "{unit: 2, map: ./both.yaml, device: other, sources: {east: solar}}",
            [
                "6:20: found 'solar' as ./both.yaml of unit 2, and as personas/em24 of unit 1 (site.yaml:5): "
                "a GX that reads both counts it twice, serve it by one of them"
            ],
        ),
    ],
    ids=["two sources", "its native map", "two personas", "in a sum"],
)
def test_one_source_in_two_personas_is_warned_of(tmp_path: Path, view: str, said: list[str]) -> None:
    (tmp_path / "both.yaml").write_text(
        "kind: persona\nextends: personas/em24\nregisters:\n"
        "  - {address: 0x0028, type: s32l, scale: 10, path: /Ac/Power, invalid: none,\n"
        '     source: {sum: ["/Yield/Power", "east:/Yield/Power"]}}\n'
    )
    found = loaded(tmp_path, f"{SOLAR}  - {view}\n")
    assert found.problems == ()
    assert lines(tmp_path, found.warnings) == said
