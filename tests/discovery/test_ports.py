"""Names of ports that last, on machines made of files."""

import os
import pty
import subprocess
import sys

import pytest

from bridge.discovery.ports import SerialPort, described, holders, serial_ports
from tests.discovery.far_ends import Machine

CABLE, STICK = ("0403", "6015", "VE1ABC"), ("1a86", "7523", "")
ID_CABLE = "usb-VictronEnergy_BV_VE_Direct_cable_VE1ABC-if00-port0"
ID_STICK = "usb-1a86_USB_Serial-if00-port0"


def test_a_cable_is_named_by_id(machine: Machine) -> None:
    node = machine.add(
        "ttyUSB0",
        "1-1",
        usb=CABLE,
        words=("VictronEnergy BV", "VE Direct cable"),
        by_id=ID_CABLE,
        by_path="p1",
    )
    assert serial_ports(machine.roots) == (
        SerialPort(
            node, str(machine.roots.dev / "serial/by-id" / ID_CABLE), "", "VictronEnergy BV VE Direct cable"
        ),
    )


def test_two_sticks_of_one_id_are_named_by_path(machine: Machine) -> None:
    for number in (0, 1):
        machine.add(f"ttyUSB{number}", f"1-{number}", usb=STICK, by_id=ID_STICK, by_path=f"usb-0:{number}")
    machine.add("ttyUSB2", "1-2", usb=CABLE, by_id=ID_CABLE)
    first, second, cable = serial_ports(machine.roots)
    assert [first.name, second.name] == [
        str(machine.roots.dev / f"serial/by-path/usb-0:{number}") for number in (0, 1)
    ]
    assert "2 adapters here call themselves the same" in first.why
    assert "leave each in its own" in second.why
    assert (cable.name, cable.why) == (str(machine.roots.dev / "serial/by-id" / ID_CABLE), "")


def test_without_udev_a_port_has_its_node_alone(machine: Machine) -> None:
    node = machine.add("ttyACM0", "1-1", usb=CABLE)
    (port,) = serial_ports(machine.roots)
    assert port.name == node
    assert "no udev, or a container" in port.why


def test_two_sticks_of_one_id_without_udev(machine: Machine) -> None:
    for number in (0, 1):
        machine.add(f"ttyUSB{number}", f"1-{number}", usb=STICK)
    assert ["changes when they are plugged in" in port.why for port in serial_ports(machine.roots)] == [
        True
    ] * 2


def test_ports_that_the_machine_does_not_have_are_left_out(machine: Machine) -> None:
    machine.add("ttyS0", "pnp/00:05", uart="4")
    machine.add("ttyS1", "platform/serial8250", uart="0")
    (machine.roots.sys / "class/tty/tty7").mkdir()
    (machine.roots.dev / "tty7").touch()
    assert [port.device for port in serial_ports(machine.roots)] == [str(machine.roots.dev / "ttyS0")]


def test_ports_stand_in_the_order_of_their_numbers(machine: Machine) -> None:
    for number in (10, 9, 2):
        machine.add(f"ttyUSB{number}", f"1-{number}", usb=(*CABLE[:2], str(number)))
    names = [port.device.rpartition("/")[2] for port in serial_ports(machine.roots)]
    assert names == ["ttyUSB2", "ttyUSB9", "ttyUSB10"]


def test_the_console_is_in_use(machine: Machine) -> None:
    machine.add("ttyAMA0", "soc/uart", uart="32")
    (machine.roots.proc / "consoles").write_text("ttyAMA0  -W- (EC p a)  204:64\n")
    (port,) = serial_ports(machine.roots)
    assert port.used_by == ("the console of the system",)


def test_a_machine_without_anything(machine: Machine) -> None:
    assert serial_ports(machine.roots) == ()


def test_an_adapter_is_described_by_all_its_names(machine: Machine) -> None:
    node = machine.add("ttyUSB0", "1-1", usb=CABLE, words=("VictronEnergy BV", "MK3"), by_id=ID_CABLE)
    assert described(node, machine.roots) == f"ttyUSB0 {ID_CABLE} VictronEnergy BV MK3"


def test_another_program_that_has_a_port_open_is_named() -> None:
    master, slave = pty.openpty()
    try:
        port = os.ttyname(slave)
        assert holders(port) == ()
        code = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('open', flush=True); input()"
        with subprocess.Popen(
            [sys.executable, "-c", code, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "open\n"
            (found,) = holders(port)
            other.communicate("\n", timeout=30)
        assert found.endswith(f"(pid {other.pid})")
        assert found.startswith("python")
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("port", ["/dev/nothing-of-the-kind", ".", "\0"])
def test_what_is_no_port_has_no_holders(port: str) -> None:
    assert holders(port) == ()
