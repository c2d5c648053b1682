"""`layout: per_inverter`: each inverter is a unit of its own, one after the other."""

import json
from pathlib import Path

import pytest

from bridge.cli import main

SITE = """
listeners: [{{tcp: "127.0.0.1:1502"}}]
devices:
  roof: {{adapter: apsystems, port: /dev/ttyAMA0, ecu_id: D8A3011B9781, location: [52.1, 5.2], unit: {unit}, layout: {layout},
         inverters: [{{serial: "408000158215", model: yc600}}, {{serial: "802000018915", model: qs1}}]}}
"""


def units(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, unit: int, layout: str
) -> list[tuple[int, str]]:
    site = tmp_path / "site.yaml"
    site.write_text(SITE.format(unit=unit, layout=layout))
    main(["check", str(site), "--json"])
    told = json.loads(capsys.readouterr().out)
    return [(one["unit"], one["map"]) for one in told["units"]] or [
        error["message"] for error in told["errors"]
    ]


def test_the_roof_is_one_unit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert units(capsys, tmp_path, 50, "roof") == [(50, "apsystems_roof")]


def test_each_inverter_is_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert units(capsys, tmp_path, 50, "per_inverter") == [
        (50, "apsystems_inverter"),
        (51, "apsystems_inverter_2"),
    ]


def test_there_is_no_unit_beyond_the_last(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (said,) = units(capsys, tmp_path, 246, "per_inverter")
    assert "found a unit of device 'roof' that would have to be 247, expected at most 246" in said
