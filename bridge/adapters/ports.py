"""Opening byte ports exclusively, by name: device paths, PTYs and `socket://host:port`.

Everything here blocks and belongs into a thread; `line.open_line` sees to that.
"""

import contextlib
import errno
import fcntl
import ipaddress
import os
import re
import socket
import stat
import struct
import termios
from dataclasses import dataclass
from typing import Literal

from bridge.adapters.line_faults import LineFault, PortMissing, PortUnusable, explained, said

#: How long a TCP server may take to accept; one on the same network answers in milliseconds.
CONNECT_WITHIN_S = 4.0
#: A dead network is noticed after 10 s of silence and three unanswered probes 5 s apart.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
#: Bytes that the far end has not acknowledged for this long end the connection, in milliseconds.
_UNACKNOWLEDGED_MS = 10_000
#: Device majors of Unix 98 PTYs (Linux, Documentation/admin-guide/devices.txt).
_PTY_MAJORS = range(136, 144)
_SOCKET = re.compile(r"socket://(?P<host>\[[^\]]+\]|[^/:\[\]]+):(?P<port>[0-9]{1,5})/?", re.IGNORECASE)
_MODEM_LINES = struct.pack("I", termios.TIOCM_DTR | termios.TIOCM_RTS)


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """How a serial port talks: baud rate, eight data bits, parity, stop bits. Sockets ignore it."""

    baudrate: int
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1

    def __str__(self) -> str:
        return f"{self.baudrate} 8{self.parity}{self.stop_bits}"


def is_socket(port: str) -> bool:
    """True for a port spelled `socket://..`, well or badly."""
    return port[:9].lower() == "socket://"


def socket_address(port: str) -> tuple[str, int]:
    """Return host and TCP port of `socket://host:port`; raises PortUnusable for another spelling."""
    found = _SOCKET.fullmatch(port)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise PortUnusable(
            port, "expected socket://HOST:PORT with a port of 1 to 65535, as socket://192.168.1.31:4001"
        )
    return found["host"].strip("[]"), int(found["port"])


def port_identity(port: str) -> str:
    """Return a name that all spellings of one port share: links resolved, hosts in one spelling.

    Raises PortUnusable for a badly spelled socket.
    """
    if is_socket(port):
        host, number = socket_address(port)
        host = host.lower().rstrip(".")
        with contextlib.suppress(ValueError):
            host = ipaddress.ip_address("127.0.0.1" if host in ("localhost", "::1") else host).compressed
        return f"socket://{host}:{number}"
    real = os.path.realpath(port)
    with contextlib.suppress(OSError):
        node = os.stat(real)  # noqa: PTH116 - names of ports are text throughout
        if stat.S_ISCHR(node.st_mode):
            return f"tty:{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}"
    return real


def same_port(a: str, b: str) -> bool:
    """True when two names lead to one port now (`/dev/serial/by-id/..` and `/dev/ttyUSB0`)."""
    return a == b or port_identity(a) == port_identity(b)


def open_descriptor(port: str, settings: SerialSettings) -> int:
    """Open a port for this process alone and return its non-blocking descriptor. Raises LineFault."""
    return _connect(port) if is_socket(port) else _open_tty(port, settings)


def release(descriptor: int) -> None:
    """Let others open the port although closing it may still wait for bytes to leave."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCNXCL)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _connect(port: str) -> int:
    host, number = socket_address(port)
    try:
        connection = socket.create_connection((host, number), timeout=CONNECT_WITHIN_S)
    except socket.gaierror as fault:
        raise PortMissing(
            port, f"host {host!r} has no address ({fault.strerror}): mend its name, or write its IP address"
        ) from fault
    except (OSError, UnicodeError) as fault:
        found = (
            f"no connection within {CONNECT_WITHIN_S:g} s" if isinstance(fault, TimeoutError) else said(fault)
        )
        raise PortMissing(
            port,
            f"{found}: expected a serial server (raw TCP, no telnet) to listen there; is it running?",
        ) from fault
    try:
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, seconds in _KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
    except OSError as fault:
        connection.close()
        raise PortMissing(port, f"{said(fault)}: the connection ended as soon as it was made") from fault
    return connection.detach()


def _open_tty(port: str, settings: SerialSettings) -> int:
    speed = getattr(termios, f"B{settings.baudrate}", None)
    if speed is None or settings.baudrate <= 0:
        raise PortUnusable(
            port, f"found baudrate {settings.baudrate}: expected a standard one, as 9600, 19200, 38400"
        )
    if not port:
        raise PortUnusable(port, "found an empty name: expected a tty device, a PTY or socket://HOST:PORT")
    try:
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as fault:
        raise explained(port, fault) from fault
    try:
        _claim(descriptor, port)
        _configure(descriptor, speed, settings)
    except (OSError, termios.error) as fault:
        os.close(descriptor)
        raise explained(port, OSError(*fault.args)) from fault
    except LineFault:
        os.close(descriptor)
        raise
    return descriptor


def _claim(descriptor: int, port: str) -> None:
    """Take the port for this process alone; raises PortBusy, PortUnusable."""
    if not os.isatty(descriptor):
        raise PortUnusable(
            port, "found something that is no serial port: expected a tty device, a PTY or socket://"
        )
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # TIOCEXCL sticks to a PTY until its master closes, also past the death of the process that set it:
    # after a crash the next start could not open a PTY that is well. The lock above ends with its process.
    if os.major(os.fstat(descriptor).st_rdev) not in _PTY_MAJORS:
        fcntl.ioctl(descriptor, termios.TIOCEXCL)


def _configure(descriptor: int, speed: int, settings: SerialSettings) -> None:
    """Set raw bytes, and drive DTR and RTS, which power the isolated side of Victron's RS232 cable.

    Nothing is flushed: what came between opening and now is the device's own.
    """
    control = termios.CS8 | termios.CREAD | termios.CLOCAL | termios.HUPCL
    if settings.parity != "N":
        control |= termios.PARENB | (termios.PARODD if settings.parity == "O" else 0)
    if settings.stop_bits == 2:
        control |= termios.CSTOPB
    attributes = termios.tcgetattr(descriptor)
    characters = attributes[6]
    # With a minimum of 1 an empty port answers "try again", so that 0 bytes always mean hung up.
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    # A lost frame is the codec's business, so parity faults are dropped by the driver.
    kept = termios.IGNPAR | (termios.INPCK if settings.parity != "N" else 0)
    termios.tcsetattr(descriptor, termios.TCSANOW, [kept, 0, control, 0, speed, speed, characters])
    try:
        fcntl.ioctl(descriptor, termios.TIOCMBIS, _MODEM_LINES)
    except OSError as fault:
        if fault.errno not in (errno.EINVAL, errno.ENOTTY):  # PTYs have no modem lines
            raise
