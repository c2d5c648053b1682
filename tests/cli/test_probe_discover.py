"""The command `discover`: from a machine's ports and a network to a site file that `check` likes."""

import fcntl
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.adapters.modbus.simulator import Series607Simulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.cli import discover as discovering
from bridge.cli import probe as probing
from tests.adapters.far_ends import Terminal
from tests.cli.conftest import Command
from tests.cli.far_end import FarEnd
from tests.cli.test_own_server import Boat
from tests.discovery.far_ends import ASKING, BRISK, PATIENT, Apart, Machine, raw_terminal

USB = ("0403", "6015", "VE1ABC")
ID = "usb-VictronEnergy_BV_VE_Direct_cable_VE1ABC-if00-port0"


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
    monkeypatch.setattr(discovering, "own_networks", lambda: ())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return made


@pytest.fixture
def gx() -> Iterator[FarEnd]:
    with FarEnd() as end:
        serial = b"c0619ab2f6e1"
        end.put(100, 800, [int.from_bytes(serial[i : i + 2]) for i in range(0, 12, 2)])
        yield end


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let a person have typed this already."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def lan(end: FarEnd | Boat) -> tuple[str, ...]:
    return "--lan", "127.0.0.1", "--lan-port", str(end.port)


def test_a_cable_is_found_by_listening_and_the_site_file_is_right(
    apart: Apart, machine: Machine, tmp_path: Path, command: Command
) -> None:
    port = apart.play(ChargerSimulator, tmp_path / "charger")
    machine.add("ttyUSB0", "1-1", usb=USB, by_id=ID, node=port)
    ended = command("discover", "--no-lan", "--yes")
    by_id = machine.roots.dev / "serial/by-id" / ID
    assert (ended.status, ended.err) == (0, "")
    assert f"{by_id} ({machine.roots.dev / 'ttyUSB0'}): free" in ended.out
    assert "operational: Blue Smart IP22 Charger 24|12" in ended.out
    assert ended.out.endswith("wrote site.yaml: look at it, then `inverter-bridge run site.yaml`\n")
    assert (
        f"charger: {{adapter: vedirect, product: ac_charger, port: {by_id}, unit: 20}}"
        in Path("site.yaml").read_text()
    )
    checked = command("check", "site.yaml", "--json").objects
    assert checked["errors"] == []
    assert [(unit["unit"], unit["map"]) for unit in checked["units"]] == [(20, "bluesmart_charger")]


def test_only_ports_that_are_named_are_asked(
    apart: Apart, machine: Machine, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "PACE", ASKING)
    inverters = [Series607Simulator() for _ in range(2)]
    made = iter(inverters)
    ports = [apart.play(lambda: next(made), tmp_path / f"inverter{n}") for n in range(2)]
    for number, port in enumerate(ports):
        machine.add(f"ttyUSB{number}", f"1-{number}", usb=(*USB[:2], str(number)), node=port)
    named = str(machine.roots.dev / "ttyUSB1")
    # all but Modbus is asked before it, and nobody answers: that would take PATIENT's time
    monkeypatch.setattr("bridge.discovery.probe._ORDER", ("modbus",))
    monkeypatch.setattr("bridge.discovery.probe._LAST", "")
    ended = command("discover", "--no-lan", "--yes", "--port", named)
    assert ended.status == 0
    assert f"{machine.roots.dev / 'ttyUSB0'}: silent: nothing was heard, and nothing was sent" in ended.out
    assert f"{named}: operational: LuxorParts Series607 1000W" in ended.out
    assert [bool(inverter.received) for inverter in inverters] == [False, True]
    assert command("check", "site.yaml").status == 0


def test_a_port_besides_those_of_the_machine(apart: Apart, tmp_path: Path, command: Command) -> None:
    port = apart.play(ChargerSimulator, tmp_path / "charger")
    assert command("discover", "--no-lan", "--yes", "--port", port, "--output", "boat.yaml").status == 0
    assert f"port: {port}" in Path("boat.yaml").read_text()


def test_a_port_in_use_is_listed_with_its_holder_and_left_alone(
    machine: Machine, tmp_path: Path, command: Command
) -> None:
    terminal = Terminal(tmp_path / "port")
    machine.add("ttyUSB0", "1-1", usb=USB, node=terminal.path)
    process = machine.roots.proc / "4711"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("ModemManager\n")
    (process / "fd/7").symlink_to(terminal.path)
    ended = command("discover", "--no-lan", "--yes")
    assert ended.status == 1
    assert "in use by ModemManager (pid 4711)" in ended.out
    terminal.unplug()


@pytest.mark.parametrize(("typed", "may"), [("y\n", True), ("n\n", False), ("", False)])
def test_a_person_is_asked_whether_the_gx_may_write(
    typed: str, may: bool, gx: FarEnd, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, typed)
    ended = command("discover", *lan(gx))
    assert ended.status == 0
    assert f"127.0.0.1:{gx.port}, unit 100: Victron GX, serial c0619ab2f6e1" in ended.out
    assert "May the GX at 127.0.0.1 write?" in ended.out
    text = Path("site.yaml").read_text()
    assert ("write: [127.0.0.0/8, 127.0.0.1]" in text) is may
    assert f'gx: {{adapter: modbus, map: victron_gx_system, host: "127.0.0.1:{gx.port}"' in text
    assert command("check", "site.yaml").status == 0
    assert gx.writes == []


def test_yes_lets_it_write_without_asking(gx: FarEnd, command: Command) -> None:
    ended = command("discover", "--yes", *lan(gx))
    assert (ended.status, "May the GX" in ended.out) == (0, False)
    assert "write: [127.0.0.0/8, 127.0.0.1]" in Path("site.yaml").read_text()


def test_another_bridge_is_told_and_not_served_again(command: Command) -> None:
    with Boat() as boat:
        ended = command("discover", "--yes", *lan(boat))
    assert ended.status == 1
    assert "another Inverter Bridge" in ended.out
    assert "no GX answered" in ended.out
    assert not Path("site.yaml").exists()


@pytest.mark.parametrize(("typed", "overwritten"), [("y\ny\n", True), ("y\nn\n", False), ("", False)])
def test_no_file_is_overwritten_unasked(
    typed: str, overwritten: bool, gx: FarEnd, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("site.yaml").write_text("mine\n")
    answer(monkeypatch, typed)
    ended = command("discover", *lan(gx))
    assert "site.yaml is there already. Overwrite it?" in ended.out
    assert (Path("site.yaml").read_text() != "mine\n") is overwritten
    assert ended.status == (0 if overwritten else 1)
    assert [path.name for path in Path().iterdir() if path.name.endswith(".new")] == []


def test_yes_overwrites_no_file(gx: FarEnd, command: Command) -> None:
    Path("site.yaml").write_text("mine\n")
    ended = command("discover", "--yes", *lan(gx))
    assert (ended.status, gx.reads) == (1, [])
    assert "--yes overwrites no file: name another by --output" in ended.err
    assert Path("site.yaml").read_text() == "mine\n"


def test_a_directory_that_is_not_there(gx: FarEnd, command: Command) -> None:
    ended = command("discover", "--yes", *lan(gx), "--output", "gone/site.yaml")
    assert ended.status == 1
    assert "gone/site.yaml cannot be written (No such file or directory)" in ended.err


def test_a_machine_without_ports_and_networks_is_told_what_to_do(command: Command) -> None:
    ended = command("discover")
    assert ended.status == 1
    assert "no serial port here: plug the cable in" in ended.out
    assert "this machine is in no private network" in ended.out
    assert "found nothing that the bridge could serve" in ended.err
    assert not Path("site.yaml").exists()


def test_what_has_to_be_completed_is_shown_where_there_is_nothing_else(
    machine: Machine, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = raw_terminal(
        tmp_path / "port", b"t35180000000000000000\rt35540000000000\rt3054000000000\r" * 3
    )
    machine.add("ttyACM0", "1-1", usb=USB, node=terminal.path)
    monkeypatch.setattr(probing, "PACE", BRISK)
    ended = command("discover", "--no-lan", "--yes")
    assert ended.status == 1
    assert "a battery (or another BMS) speaks on its bus" in ended.out
    assert "#   pack: {adapter: can_battery, interface: slcan" in ended.err
    terminal.unplug()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lan", "10.0.0.0/8"], "at most 256 addresses"),
        (["--lan", "cerbo"], "expected an IPv4 network"),
        (["--lan", "10.0.0.0/24", "--no-lan"], "expected one of them"),
        (["--lan-port", "0"], "--lan-port"),
    ],
)
def test_wrong_usage_is_2(arguments: list[str], said: str, command: Command) -> None:
    ended = command("discover", *arguments)
    assert ended.status == 2
    assert said in ended.err


def test_a_sleeping_multi_is_taken_on(
    machine: Machine, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "PACE", BRISK)
    terminal = Terminal(tmp_path / "port")
    machine.add("ttyUSB0", "1-1", usb=USB, words=("VictronEnergy", "MK3-USB Interface"), node=terminal.path)
    ended = command("discover", "--no-lan", "--yes")
    assert ended.status == 0
    assert "asleep: MultiPlus or Quattro" in ended.out
    assert "multi: {adapter: vebus_mk3" in Path("site.yaml").read_text()
    assert command("check", "site.yaml").status == 0
    with pytest.raises(OSError, match=r"Input/output|temporarily"):
        os.read(terminal.master, 100)
    terminal.unplug()


def test_a_port_that_is_locked_is_told_though_its_holder_cannot_be_seen(
    machine: Machine, tmp_path: Path, command: Command
) -> None:
    terminal = raw_terminal(tmp_path / "port")
    machine.add("ttyUSB0", "1-1", usb=USB, node=terminal.path)
    descriptor = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    ended = command("discover", "--no-lan", "--yes")
    assert ended.status == 1
    assert "ttyUSB0: busy: in use by" in ended.out
    os.close(descriptor)
    terminal.unplug()
