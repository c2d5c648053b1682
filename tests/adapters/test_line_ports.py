import contextlib
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import serial

from bridge.adapters import line_faults, ports
from bridge.adapters.line import (
    LineFault,
    PortBusy,
    PortDenied,
    PortMissing,
    PortUnusable,
    SerialSettings,
    open_line,
    port_identity,
    same_port,
)
from bridge.datastore.clock import SystemClock
from tests.adapters.far_ends import BOUND_S, SETTINGS, Terminal, opened, read_exactly, until

#: Linux, include/uapi/asm-generic/ioctls.h
TIOCGEXCL = 0x80045440
NOBODY = 65534

HOLD = """
import sys, serial
port = serial.Serial(sys.argv[1], 19200, exclusive=True)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    terminal.unplug()


@pytest.fixture
def holder():
    """Start a program of another make that takes a port for itself."""
    running = []

    def start(path: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        running.append(process)
        assert process.stdout.readline() == b"open\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=BOUND_S)


async def test_a_second_opening_in_the_bridge_is_refused(terminal):
    line = await opened(terminal.path)
    with pytest.raises(
        PortBusy, match=r"in use by this process itself: .* give each device a port of its own"
    ):
        await opened(terminal.path)
    line.close()
    (await opened(terminal.path)).close()


async def test_another_programs_port_is_refused_and_the_program_named(terminal, holder):
    process = holder(terminal.path)
    with pytest.raises(PortBusy) as refusal:
        await opened(terminal.path)
    assert f"(pid {process.pid})" in str(refusal.value)
    assert "stop that program" in str(refusal.value)


async def test_another_program_is_refused_while_the_line_is_open(terminal):
    line = await opened(terminal.path)
    with pytest.raises(serial.SerialException, match="exclusively lock"):
        serial.Serial(terminal.path, 19200, exclusive=True)
    line.close()
    serial.Serial(terminal.path, 19200, exclusive=True).close()


async def test_a_killed_holder_does_not_keep_the_port(terminal, holder):
    process = holder(terminal.path)
    process.send_signal(signal.SIGKILL)
    process.wait(BOUND_S)
    (await opened(terminal.path)).close()


async def test_a_port_of_hardware_refuses_programs_that_ask_for_no_lock(terminal, monkeypatch):
    """A terminal taken for hardware: TIOCEXCL is the same call for both."""
    monkeypatch.setattr(ports, "_PTY_MAJORS", range(0))
    beside = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
    line = await opened(terminal.path)
    assert exclusive(beside)
    line.close()
    assert not exclusive(beside)
    os.close(beside)


async def test_a_pty_keeps_no_exclusive_mark_that_would_outlive_a_crash(terminal):
    beside = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
    line = await opened(terminal.path)
    assert not exclusive(beside)
    line.close()
    os.close(beside)


def exclusive(descriptor: int) -> bool:
    return struct.unpack("i", fcntl.ioctl(descriptor, TIOCGEXCL, bytes(4)))[0] == 1


async def test_a_port_this_user_may_not_open_names_its_group(terminal):
    os.chmod(terminal.path, 0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(PortDenied) as refusal:
            await opened(terminal.path)
    finally:
        os.seteuid(user)
    message = str(refusal.value)
    assert "permission denied to user" in message
    assert "with mode 0000: expected to read and write it; join its group (sudo usermod -aG " in message


def dangling(folder):
    (folder / "link").symlink_to(folder / "pts5")
    return folder / "link"


def plain_file(folder):
    (folder / "notes").write_text("no port")
    return folder / "notes"


@pytest.mark.parametrize(
    ("port", "kind", "message"),
    [
        (lambda folder: folder / "ttyUSB7", PortMissing, "no such port; .*plug it in, or"),
        (dangling, PortMissing, "is a link to .*/pts5, which is gone"),
        (plain_file, PortUnusable, "no serial port: expected a tty device, a PTY or socket://"),
        (lambda folder: folder, PortUnusable, "is a directory: expected a tty device"),
        (lambda _: "/dev/null", PortUnusable, "no serial port"),
        (lambda _: "", PortUnusable, "found an empty name"),
        (lambda _: "/dev/tty\0", PortUnusable, "null byte"),
        (lambda _: "socket://", PortUnusable, "expected socket://HOST:PORT with a port of 1 to 65535"),
        (lambda _: "socket://host", PortUnusable, "expected socket://HOST:PORT"),
        (lambda _: "socket://host:0", PortUnusable, "expected socket://HOST:PORT"),
        (lambda _: "socket://host:65536", PortUnusable, "expected socket://HOST:PORT"),
        (lambda _: "socket://host:4001?logging=debug", PortUnusable, "expected socket://HOST:PORT"),
        (
            lambda _: "socket://no-such-host.invalid:4001",
            PortMissing,
            "'no-such-host.invalid' has no address",
        ),
        (lambda _: f"socket://{'x' * 70}:4001", PortMissing, "expected a serial server|has no address"),
        (lambda _: "socket://127.0.0.1:1", PortMissing, "refused: expected a serial server"),
    ],
)
async def test_what_cannot_be_opened_says_why_and_what_to_do(tmp_path, port, kind, message):
    name = str(port(tmp_path))
    with pytest.raises(kind, match=message) as refusal:
        await opened(name)
    assert str(refusal.value).startswith(f"port {name}: ")
    assert refusal.value.port == name


@pytest.mark.parametrize("baudrate", [0, -9600, 12345])
async def test_a_baud_rate_no_port_has_is_refused(terminal, baudrate):
    with pytest.raises(PortUnusable, match=f"found baudrate {baudrate}: expected a standard one, as 9600"):
        await open_line(terminal.path, SerialSettings(baudrate), SystemClock())
    (await opened(terminal.path)).close()


async def test_a_missing_port_lists_those_that_are_there(tmp_path, monkeypatch):
    (tmp_path / "usb-VictronEnergy_VE_Direct_cable-if00-port0").touch()
    monkeypatch.setattr(line_faults, "_BY_ID", tmp_path)
    with pytest.raises(PortMissing, match=r"choose one of those there now: .*/usb-VictronEnergy_VE_Direct"):
        await opened("/dev/serial/by-id/usb-gone")


async def test_a_refused_opening_leaves_no_descriptor_open(terminal, holder, tmp_path):
    holder(terminal.path)
    ports_refused = {terminal.path, str(plain_file(tmp_path))}
    for port in ports_refused:
        with pytest.raises(LineFault):
            await opened(port)
    assert not ports_refused & open_files()


def open_files() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile, as the listing's own is
            found.add(str(entry.readlink()))
    return found


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("socket://Moxa.lan:4001", "SOCKET://moxa.LAN.:04001/", True),
        ("socket://localhost:4001", "socket://127.0.0.1:4001", True),
        ("socket://[::1]:4001", "socket://localhost:4001", True),
        ("socket://[fe80:0:0::1]:4001", "socket://[FE80::1]:4001", True),
        ("socket://moxa.lan:4001", "socket://moxa.lan:4002", False),
        ("socket://moxa.lan:4001", "socket://other.lan:4001", False),
        ("socket://moxa.lan:4001", "/dev/moxa.lan:4001", False),
        ("/dev/absent", "/dev/./absent", True),
        ("/dev/absent0", "/dev/absent1", False),
    ],
)
def test_two_names_of_one_port(a, b, same):
    assert same_port(a, b) is same
    assert same_port(b, a) is same


def test_links_to_one_port_are_found_out(terminal, tmp_path):
    for name, target in (("by-id", terminal.path), ("by-path", tmp_path / "by-id")):
        (tmp_path / name).symlink_to(target)
    assert same_port(str(tmp_path / "by-path"), terminal.path)
    assert same_port(str(tmp_path / "by-path"), str(tmp_path / "by-id"))
    other = Terminal()
    assert not same_port(other.path, terminal.path)
    other.unplug()


def test_a_badly_spelt_socket_has_no_identity():
    with pytest.raises(PortUnusable):
        port_identity("socket://")


@pytest.fixture
def socat(tmp_path):
    """Two ports joined by a null modem of another make."""
    program = shutil.which("socat")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("socat is not installed, which CI must have")
        pytest.skip("socat is not installed")
    ends = [tmp_path / "here", tmp_path / "there"]
    process = subprocess.Popen([program, *(f"pty,link={end},raw,echo=0" for end in ends)])
    yield process, *ends
    process.kill()
    process.wait(BOUND_S)


async def test_a_null_modem_of_another_make(socat):
    process, here, there = socat
    await until(lambda: here.exists() and there.exists())
    line = await open_line(str(here), SETTINGS, SystemClock())
    with serial.Serial(str(there), 19200, timeout=BOUND_S) as device:
        device.write(bytes(range(256)))
        assert await read_exactly(line, 256) == bytes(range(256))
        line.write(bytes(range(256)))
        await line.drain()
        assert device.read(256) == bytes(range(256))
        process.kill()
        await until(lambda: line.lost)
    line.close()
