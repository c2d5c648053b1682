"""Serial ports of a site, on terminals of this machine and in folders of made ones."""

import os
import pty
import stat
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bridge.doctor.finding import Running
from bridge.doctor.machine import Account
from bridge.doctor.ports import ports
from tests.doctor.boxes import CABLE, PI, Box, up

SITE = "devices:\n  charger: {{adapter: vedirect, port: {port}, unit: 20}}\n"
RTU = "listeners: [{{rtu: {port}}}]\ndevices: {{}}\n"
SLCAN = "devices:\n  pack: {{adapter: can_battery, interface: slcan, channel: {port}, dialect: pylontech, unit: 30}}\n"
SOCKET = 'devices:\n  charger: {adapter: vedirect, port: "socket://127.0.0.1:4001", unit: 20}\n'


@pytest.fixture
def terminal() -> Iterator[str]:
    """A port that is there; its group may read and write it."""
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    os.close(slave)
    os.chmod(name, 0o660)
    yield name
    os.close(master)


@pytest.mark.parametrize("site", [SITE, RTU, SLCAN])
def test_a_port_that_is_not_there(box: Box, site: str) -> None:
    box.add("ttyUSB0", "1-1", usb=CABLE, by_id="usb-cable")
    (line,) = box.told(ports, site.format(port="/dev/ttyUSB77"))
    assert "/dev/ttyUSB77 of " in line
    assert line.endswith(f"name one of those there now: {box.roots.dev}/serial/by-id/usb-cable")


def test_a_port_that_is_not_there_in_a_container(box: Box) -> None:
    assert "no serial port is here now" in box.told(ports, SITE.format(port="/dev/ttyUSB77"))[0]
    box.contain()
    assert "volumes: [/dev:/dev]" in box.told(ports, SITE.format(port="/dev/ttyUSB77"))[0]


def test_a_port_elsewhere_and_no_site(box: Box) -> None:
    assert box.told(ports, SOCKET) == []
    assert box.told(ports) == []
    assert box.told(ports, "devices: [}") == []


def test_a_port_that_may_be_used(box: Box, terminal: str) -> None:
    node = os.stat(terminal)
    box.having(account=replace(PI, gids=frozenset({node.st_gid})))
    assert box.told(ports, SITE.format(port=terminal)) == []


@pytest.mark.parametrize(
    ("in_container", "mode", "cure"),
    [
        (False, 0o660, "sudo usermod -aG {group} pi, then log out and in again"),
        (False, 0o600, "`inverter-bridge service install` brings the udev rules"),
        (True, 0o660, "group_add: ['{gid}']"),
    ],
)
def test_a_port_that_may_not_be_used(
    box: Box, terminal: str, monkeypatch: pytest.MonkeyPatch, in_container: bool, mode: int, cure: str
) -> None:
    owned = os.stat_result((stat.S_IFCHR | mode, 1, 1, 1, 0, 20, 0, 0, 0, 0))
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: owned if str(path) == terminal else real(path, **how))
    if in_container:
        box.contain()
    (line,) = box.told(ports, SITE.format(port=terminal))
    assert f"{terminal} of device charger is closed to user pi: it belongs to root" in line
    assert f"mode {mode:04o}" in line
    assert cure.format(group="dialout", gid=20) in line


def test_it_is_the_services_user_who_counts(box: Box, terminal: str) -> None:
    box.having(account=Account("root", 0, frozenset({0})))
    assert box.told(ports, SITE.format(port=terminal)) == []
    box.write("etc/systemd/system/inverter-bridge.service", "[Service]\nUser=nobody\nSupplementaryGroups=\n")
    os.chmod(terminal, 0o600)
    (line,) = box.told(ports, SITE.format(port=terminal))
    assert "closed to user nobody" in line


def test_a_file_is_no_port(box: Box) -> None:
    box.write("file")
    (line,) = box.told(ports, SITE.format(port=box.folder / "root/file"))
    assert "is no serial port" in line


def test_who_else_has_it_open(box: Box, terminal: str) -> None:
    box.having(account=Account("root", 0, frozenset({0})))
    (box.program(4711, "minicom") / "5").symlink_to(terminal)
    site = SITE.format(port=terminal)
    (line,) = box.told(ports, site)
    assert f"{terminal} of device charger is open in minicom (pid 4711) -> stop that program" in line
    assert len(box.told(ports, site, up(pid=99))) == 1
    assert box.told(ports, site, up(pid=4711)) == []  # the bridge itself
    assert box.told(ports, site, up()) == []  # it cannot be told which one it is
    assert box.told(ports, site, Running("closed")) == []


def test_two_devices_on_one_port_are_told_of_once(box: Box) -> None:
    bus = "".join(
        f"  meter{unit}: {{adapter: modbus, map: em24, port: /dev/ttyUSB77, remote_unit: {unit}, unit: {unit}}}\n"
        for unit in (1, 2)
    )
    assert len(box.told(ports, f"devices:\n{bus}")) == 1


def test_the_console_of_the_system(box: Box, terminal: str) -> None:
    box.having(account=Account("root", 0, frozenset({0})))
    node = box.add("ttyAMA0", "soc/uart", uart="4", node=terminal)
    site = SITE.format(port=node)
    assert box.told(ports, site) == []
    box.kernel("consoles", "ttyAMA0              -W- (EC p a)   204:64\n")
    (line,) = box.told(ports, site)
    assert "is the console of the system" in line
