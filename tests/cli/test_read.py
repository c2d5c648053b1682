"""`read` and `watch` against a foreign server that serves the rows of the charger's map."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.target import find_target
from tests.cli.conftest import UNIT, Command
from tests.cli.far_end import FarEnd, heed_interrupts

VOLTAGE = {
    "device": "charger",
    "path": "/Dc/0/Voltage",
    "value": 13.42,
    "unit_of_measure": "V",
    "age_s": 1,
    "status": "ok",
    "unit": UNIT,
    "table": "holding",
    "address": 0x3000,
}


@pytest.mark.parametrize("named", ["charger", str(UNIT)])
def test_one_value_as_json(site: str, command: Command, named: str) -> None:
    ended = command("read", "--site", site, named, "/Dc/0/Voltage", "--json")
    assert (ended.status, ended.err) == (0, "")
    assert ended.objects == [VOLTAGE]


def test_one_value_for_a_person(site: str, command: Command) -> None:
    ended = command("read", "--site", site, "charger", "/Dc/0/Voltage", "/Mode", "/Serial")
    assert ended.status == 0
    assert ended.out.splitlines() == [
        "/Dc/0/Voltage  13.42 V, 1 s old",
        "/Mode          1 (on), 1 s old",
        "/Serial        HQ2133FWXYZ, 1 s old",
    ]


def test_without_a_path_all_of_the_map_each_once(site: str, command: Command) -> None:
    listed = command("maps", "show", "bluesmart_charger", "--json").objects
    read = command("read", "--site", site, "charger", "--json").objects
    paths = [row["path"] for row in read]
    assert len(paths) == len(set(paths))
    assert set(paths) == {row["path"] for row in listed if row["path"] is not None}
    assert {row["status"] for row in read} == {"ok", "absent"}


def test_units_of_measure_are_those_of_the_map(site: str, command: Command) -> None:
    listed = command("maps", "show", "bluesmart_charger", "--json").objects
    by_place = {(row["table"], row["address"], row["path"]): row["unit_of_measure"] for row in listed}
    for row in command("read", "--site", site, "charger", "--json").objects:
        assert row["unit_of_measure"] == by_place[row["table"], row["address"], row["path"]], row["path"]


@pytest.mark.parametrize(
    ("prepare", "status", "value", "age_s"),
    [
        (lambda far: far.put(UNIT, 0x3000, [0xFFFF]), "absent", None, 1),
        (lambda far: far.silent.add(UNIT), "stale", None, 1),
        (lambda far: far.status(UNIT, age_s=None), "ok", 13.42, None),
        (lambda far: far.status(UNIT, age_s=99.9), "ok", 13.42, 99),
        (lambda far: far.put(UNIT, 0x3000, [0]), "ok", 0, 1),
    ],
    ids=["invalid pattern", "0B", "never heard", "old", "zero is a value"],
)
def test_status_and_age(far: FarEnd, site: str, command: Command, prepare, status, value, age_s) -> None:
    prepare(far)
    ended = command("read", "--site", site, "charger", "/Dc/0/Voltage", "--json")
    assert ended.status == 0
    assert ended.objects == [VOLTAGE | {"status": status, "value": value, "age_s": age_s}]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["chargr", "/Mode"], 1, "serves no device 'chargr': did you mean 'charger'?"),
        (["22", "/Mode"], 1, "serves no device '22'"),
        (["charger", "/Dc/0/Voltag"], 1, "did you mean /Dc/0/Voltage?"),
        (["charger", "/x"], 1, "`inverter-bridge maps show bluesmart_charger` lists them"),
        ([], 2, "Missing argument 'DEVICE'"),
        (["--demo", "charger"], 2, "--site and --demo exclude each other"),
        (["--at", "nonsense:x", "charger"], 2, "--at: found 'nonsense:x', expected host:port"),
    ],
)
def test_mistakes_are_answered(
    site: str, command: Command, arguments: list[str], status: int, said: str
) -> None:
    ended = command("read", "--site", site, *arguments)
    assert ended.status == status
    assert said in ended.err


def test_a_register_that_another_program_lacks_is_named(far: FarEnd, site: str, command: Command) -> None:
    del far.registers[UNIT]["holding", 0x3000]
    ended = command("read", "--site", site, "charger", "/Dc/0/Voltage")
    assert ended.status == 1
    assert "holding address 12288 (/Dc/0/Voltage): the bridge has no such register" in ended.err


def test_site_yaml_here_is_the_default(
    far: FarEnd, site: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path(site).parent
    monkeypatch.chdir(here)
    without = command("read", "charger", "/Mode")
    assert without.status == 2
    assert "say --site SITE, or --demo" in without.err
    Path(site).rename(here / "site.yaml")
    assert command("read", "charger", "/Mode", "--json").objects[0]["value"] == 1


def test_a_bad_site_file_is_shown_like_check_does(tmp_path: Path, command: Command) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("listners: []\n")
    ended = command("read", "--site", str(bad), "charger")
    assert ended.status == 2
    assert f"{bad}:1:1:" in ended.err
    assert "listeners" in ended.err


def test_watch_prints_one_object_a_line(far: FarEnd, site: str, command: Command) -> None:
    ended = command(
        *("watch", "--site", site, "charger", "/Dc/0/Voltage", "/Mode"),
        *("--json", "--interval", "0.05", "--count", "3"),
    )
    assert ended.status == 0
    assert [line["path"] for line in ended.lines] == ["/Dc/0/Voltage", "/Mode"] * 3
    assert ended.lines[0] == VOLTAGE


def test_watch_goes_on_while_the_device_is_silent(far: FarEnd, site: str, command: Command) -> None:
    far.silent.add(UNIT)
    ended = command(
        "watch", "--site", site, "charger", "/Mode", "--json", "--interval", "0.05", "--count", "2"
    )
    assert ended.status == 0
    assert [json.loads(line)["status"] for line in ended.out.splitlines()] == ["stale", "stale"]


def test_watch_for_a_person_begins_with_the_time(site: str, command: Command) -> None:
    ended = command("watch", "--site", site, "charger", "/Mode", "--count", "1")
    clock, path, *value = ended.out.split()
    assert clock.count(":") == 2
    assert (path, value) == ("/Mode", ["1", "(on),", "1", "s", "old"])


def test_watch_ends_quietly_at_an_interrupt(site: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "watch", "--site", site, "charger", "/Mode", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["value"] == 1
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err.strip()) == (130, "")


def test_the_demo_is_found_without_a_site_file(far: FarEnd, command: Command) -> None:
    target = find_target(None, demo=True, at=None)
    assert str(target.address) == "127.0.0.1:5020"
    assert (target.unit("charger").unit, target.unit("charger").map) == (UNIT, "bluesmart_charger")
    ended = command("read", "--demo", "--at", f"127.0.0.1:{far.port}", "charger", "/Mode", "--json")
    assert (ended.status, ended.objects[0]["value"]) == (0, 1)
