"""`doctor` as a command: what it prints, and how it ends. Machines are made of files."""

import importlib
from pathlib import Path

import pytest

from bridge.doctor.machine import Account
from tests.cli.conftest import Command
from tests.doctor.boxes import Box

ELSEWHERE = 'devices:\n  charger: {adapter: vedirect, port: "socket://127.0.0.1:4001", unit: 20}\n'
#: By its module's name: the package has the command under it as well.
DOCTOR = importlib.import_module("bridge.cli.doctor")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    made = Box(tmp_path / "box")
    made.having(account=Account("root", 0, frozenset({0})))
    monkeypatch.setattr(DOCTOR, "MACHINE", lambda: made.machine)
    monkeypatch.setattr(DOCTOR, "_SITES", (tmp_path / "site.yaml",))
    return made


def test_nothing_to_do(box: Box, command: Command) -> None:
    ended = command("doctor")
    assert (ended.status, ended.out) == (
        0, "no site file here: only the machine was looked at\n\nnothing to do\n"
    )  # fmt: skip
    assert command("doctor", "--json").objects == []


def test_something_to_do(box: Box, tmp_path: Path, command: Command) -> None:
    box.having(clock_wrong=lambda: True)
    (tmp_path / "site.yaml").write_text(
        f'state: {tmp_path}/state\nlisteners: [{{tcp: "127.0.0.1:0"}}]\n{ELSEWHERE}'
    )
    ended = command("doctor")
    assert ended.status == 1
    assert ended.out.startswith(
        f"bridge: no bridge of {tmp_path}/site.yaml runs on this machine\n    start it"
    )
    assert ended.out.endswith("2 things to do\n")
    told = command("doctor", str(tmp_path / "site.yaml"), "--json")
    assert told.status == 1
    assert [set(one) for one in told.objects] == [{"check", "found", "cure"}] * 2
    assert [one["check"] for one in told.objects] == ["bridge", "clock"]


def test_a_bad_site_file_is_something_to_do(box: Box, tmp_path: Path, command: Command) -> None:
    (tmp_path / "bad.yaml").write_text("devices: [}")
    ended = command("doctor", str(tmp_path / "bad.yaml"))
    assert ended.status == 1
    assert f"site file: {tmp_path}/bad.yaml:1:" in ended.out
    assert ended.out.endswith("1 thing to do\n")


def test_a_site_file_that_is_not_there(box: Box, command: Command) -> None:
    ended = command("doctor", "nowhere.yaml")
    assert ended.status == 2
    assert "found no site file" in ended.err
