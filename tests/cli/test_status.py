"""`status` against a foreign server with scripted status blocks."""

import pytest

from tests.cli.conftest import UNIT, Command
from tests.cli.far_end import FarEnd


def test_as_json(far: FarEnd, site: str, command: Command) -> None:
    far.status(
        UNIT,
        age_s=0.4,
        attempts=70_001,
        outcome=2,
        address=0x3011,
        exception_code=4,
        errors=70_000,
        uptime_s=90_061.0,
        wear_left=88,
        set_points=1,
    )
    ended = command("status", "--site", site, "--json")
    assert ended.status == 0
    assert ended.objects[0] == {
        "unit": UNIT,
        "device": "charger",
        "map": "bluesmart_charger",
        "link": "online",
        "age_s": 0,
        "errors": 70_000,
        "uptime_s": 90_061,
        "attempts": 70_001 - 65_536,
        "last_outcome": "adjusted",
        "last_address": 0x3011,
        "last_exception": 4,
        "wear_left": 88,
        "set_points": 1,
    }
    assert [row["device"] for row in ended.objects] == ["charger", "bridge"]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, ["online", "1 s", "0", "1 min 40 s", "none yet", "100", "0"]),
        ({"link": 0, "age_s": None, "uptime_s": 0}, ["starting", "never", "0 s"]),
        ({"link": 3, "age_s": 70}, ["silent: connected, but nothing is heard", "70 s"]),
        ({"link": 4}, ["port missing: unplugged?"]),
        ({"link": 5}, ["wrong device on the port"]),
        ({"link": 9}, ["unknown (9)"]),
        ({"outcome": 7, "uptime_s": 90_061}, ["timed_out", "1 d 1 h"]),
        ({"outcome": 99, "uptime_s": 3_700}, ["none yet", "1 h 1 min"]),
    ],
)
def test_for_a_person(far: FarEnd, site: str, command: Command, fields: dict, shown: list[str]) -> None:
    far.status(UNIT, **fields)
    ended = command("status", "--site", site)
    assert ended.status == 0
    heading, charger, bridge = ended.out.splitlines()
    assert heading.split()[:3] == ["unit", "device", "link"]
    assert charger.startswith(f"{UNIT}    charger  ")
    assert [text for text in shown if text not in charger] == []
    assert bridge.startswith("247   bridge")


def test_a_unit_without_a_block_of_its_own_is_found_in_the_bridges(
    far: FarEnd, site: str, command: Command
) -> None:
    for offset in range(12):
        del far.registers[UNIT]["holding", 0xFE00 + offset]
    far.status(247, 1000 + 16 * UNIT, errors=3)
    assert command("status", "--site", site, "--json").objects[0]["errors"] == 3


def test_a_unit_that_is_not_served_is_said_so(far: FarEnd, site: str, command: Command) -> None:
    del far.registers[UNIT]
    for offset in range(12):
        del far.registers[247]["holding", 1000 + 16 * UNIT + offset]
    ended = command("status", "--site", site)
    assert "not served by this bridge" in ended.out
    assert command("status", "--site", site, "--json").objects[0]["link"] is None
