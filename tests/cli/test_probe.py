"""The command `probe`, against simulators on a loop of their own and against others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.adapters.vebus_mk3.simulator import VeBusSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.cli import probe as probing
from tests.adapters.far_ends import Terminal
from tests.cli.conftest import Command
from tests.cli.far_end import heed_interrupts
from tests.discovery.far_ends import BOUND_S, BRISK, PATIENT, Apart, Machine, raw_terminal

NMEA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"


@pytest.fixture
def apart() -> Iterator[Apart]:
    made = Apart()
    yield made
    made.end()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path / "machine")
    monkeypatch.setattr(probing, "ROOTS", made.roots)
    monkeypatch.setattr(probing, "PACE", PATIENT)
    return made


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PACE", BRISK)


def test_equipment_that_works_is_0(apart: Apart, tmp_path: Path, command: Command) -> None:
    port = apart.play(ChargerSimulator, tmp_path / "charger")
    ended = command("probe", port)
    assert ended.status == 0
    assert ended.out == (
        f"{port}: operational: Blue Smart IP22 Charger 24|12, serial SIM2230A334, firmware 3.42 "
        "(vedirect, ac_charger)\n"
    )


def test_as_json(apart: Apart, tmp_path: Path, command: Command) -> None:
    port = apart.play(VeBusSimulator, tmp_path / "multi")
    ended = command("probe", port, "--family", "vebus_mk3", "--json")
    assert ended.status == 0
    assert ended.objects == {
        "port": port,
        "status": "operational",
        "family": "vebus_mk3",
        "product": None,
        "name": "SIMULATED MultiPlus",
        "serial": "SIM1",
        "firmware": "2648304",
        "text": "MK3 interface of version 1170216",
    }


@pytest.mark.usefixtures("brisk")
def test_silence_is_1_and_says_what_to_look_at(tmp_path: Path, command: Command) -> None:
    port = tmp_path / "port"
    terminal = Terminal(port)
    ended = command("probe", str(port))
    assert ended.status == 1
    assert "silent: nothing was heard, and nobody has answered any question: is the equipment on" in ended.out
    terminal.unplug()


def test_another_device_is_1_and_named(tmp_path: Path, command: Command) -> None:
    port = tmp_path / "gps"
    terminal = raw_terminal(port, NMEA)
    ended = command("probe", str(port), "--json")
    assert (ended.status, ended.objects["status"]) == (1, "wrong device")
    assert "a GPS or another NMEA 0183 talker" in ended.objects["text"]
    with pytest.raises(OSError, match=r"Input/output|temporarily"):
        os.read(terminal.master, 100)
    terminal.unplug()


def test_a_missing_port_is_1(tmp_path: Path, command: Command) -> None:
    ended = command("probe", str(tmp_path / "gone"))
    assert ended.status == 1
    assert "port missing: no such port" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x", "--family", "vedirct"], "did you mean 'vedirect'?"),
        (["x", "--family", "q"], "expected one of"),
        (["x", "--baudrate", "9601"], "found 9601, expected one of 1200"),
        (["x", "--unit", "0"], "--unit"),
        ([], "PORT"),
    ],
)
def test_wrong_usage_is_2(arguments: list[str], said: str, command: Command) -> None:
    ended = command("probe", *arguments)
    assert ended.status == 2
    assert said in ended.err


def test_ctrl_c_ends_it_without_a_word(tmp_path: Path) -> None:
    port = tmp_path / "port"
    terminal = Terminal(port)
    with subprocess.Popen(
        [sys.executable, "-m", "bridge", "probe", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    ) as running:
        try:
            began = time.monotonic()
            while not terminal.held_open:
                assert running.poll() is None
                assert time.monotonic() - began < BOUND_S
                time.sleep(0.01)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=30)
        finally:
            running.kill()
    assert (running.returncode, out, err.strip()) == (130, "", "")
    terminal.unplug()
