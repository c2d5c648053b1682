"""Adapters on USB without a driver, and programs that take adapters away."""

import pytest

from bridge.doctor.usb import competing, undriven
from tests.doctor.boxes import CABLE, CABLE_WORDS, Box

CH340 = ("1a86", "7523", "")
MK3 = ("VictronEnergy", "MK3-USB Interface")
DEP = "lib/modules/6.1.0/modules.dep"


def test_an_adapter_with_a_port_is_well(box: Box) -> None:
    box.add("ttyUSB0", "1-1", usb=CABLE)
    (box.roots.sys / "bus/usb/devices").mkdir(parents=True)
    (box.roots.sys / "bus/usb/devices/1-1").symlink_to(box.roots.sys / "devices/1-1")
    assert box.told(undriven) == []
    box.on_usb("1-2", ("046d", "c31c", ""))  # a keyboard
    assert box.told(undriven) == []


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ("kernel/drivers/usb/serial/ftdi_sio.ko.xz: kernel/usbserial.ko", ["-> sudo modprobe ftdi_sio"]),
        ("kernel/drivers/net/dummy.ko:", ["this kernel has no ftdi_sio: plug it into a Raspberry Pi"]),
        ("", ["on the machine itself: sudo modprobe ftdi_sio; where its kernel has none, as on a NAS"]),
    ],
)
def test_an_adapter_without_a_driver(box: Box, modules: str, words: list[str]) -> None:
    box.on_usb("1-1", CABLE, CABLE_WORDS)
    box.write(DEP, modules)
    (line,) = box.told(undriven)
    assert "VictronEnergy BV VE Direct cable (0403:6015) is on USB and no serial port has come of it" in line
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    ("ids", "words", "rate", "guess"),
    [(CABLE, CABLE_WORDS, 19200, False), (CABLE, MK3, 2400, False), (CH340, ("", ""), 19200, True)],
)
def test_the_line_for_ser2net(
    box: Box, ids: tuple[str, str, str], words: tuple[str, str], rate: int, guess: bool
) -> None:
    box.on_usb("1-1", ids, words)
    box.write(DEP, "kernel/drivers/net/dummy.ko:")
    (line,) = box.told(undriven)
    assert (
        'connection: &cable {accepter: "tcp,4001", connector: "serialdev,/dev/ttyUSB0,'
        f'{rate}n81,local"}}' in line
    )
    assert 'port: "socket://ADDRESS-OF-THE-PI:4001"' in line
    assert ("is a guess" in line) == guess


def test_an_adapter_that_a_program_has_taken(box: Box) -> None:
    box.on_usb("1-1", CH340, driver="usbfs")
    (line,) = box.told(undriven)
    assert "a program has taken it before its driver could" in line
    assert "apt remove brltty" in line


@pytest.mark.parametrize(
    ("program", "line", "found"),
    [
        ("ModemManager", "/usr/sbin/ModemManager", "ModemManager (pid 7) tries every new serial port"),
        ("brltty", "/bin/brltty", "brltty (pid 7) takes such adapters"),
        ("serial-starter.", "/bin/sh /opt/victronenergy/serial-starter/serial-starter.sh", "stop-tty.sh"),
        ("sh", "/bin/sh /opt/victronenergy/serial-starter/serial-starter.sh", "stop-tty.sh"),
        ("sshd", "/usr/sbin/sshd", None),
    ],
)
def test_programs_that_take_ports(box: Box, program: str, line: str, found: str | None) -> None:
    box.on_usb("1-1", CH340)
    box.program(7, program, line)
    told = box.told(competing)
    assert [found in one for one in told if found] == ([True] if found else [])
    assert len(told) == bool(found)


def test_programs_that_leave_it_alone(box: Box) -> None:
    box.program(7, "ModemManager")
    box.program(8, "brltty")
    assert box.told(competing) == []  # nothing here that they would take
    box.on_usb("1-1", CABLE)
    box.write("etc/udev/rules.d/60-inverter-bridge.rules")
    assert box.told(competing) == []  # told to leave it, and no adapter that braille displays have
