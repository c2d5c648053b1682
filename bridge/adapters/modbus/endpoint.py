"""Where a bus is: the port or host that its devices share, and how it is opened."""

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import Protocol

from bridge.adapters.line import (
    Line,
    PortMissing,
    SerialSettings,
    is_socket,
    open_line,
    port_identity,
)
from bridge.adapters.modbus.codec import Codec, MbapCodec, RtuCodec
from bridge.adapters.modbus.datagrams import open_datagrams
from bridge.adapters.modbus.options import ModbusOptions, Transport, host_address
from bridge.datastore.clock import Clock

#: How long a host may take to accept; one on the same network answers in milliseconds.
CONNECT_WITHIN_S = 4.0
#: A dead connection is noticed after 10 s of silence and three unanswered probes 5 s apart.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
#: Bytes that the far end has not acknowledged for this long end the connection, in milliseconds.
_UNACKNOWLEDGED_MS = 10_000
#: Bits of a character on an RTU line: start, eight data, parity or a second stop bit, stop.
_BITS = 11


class BusLine(Protocol):
    """An open line as a bus uses it."""

    async def read(self) -> bytes:
        """Return what has arrived, one datagram where the line has such. Raises LineLost."""

    def write(self, data: bytes) -> None:
        """Send one frame without waiting. Raises LineLost."""

    def close(self) -> None:
        """Give the port back."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One port or host. Devices with equal `identity` share a bus."""

    name: str
    identity: str
    way: Transport
    settings: SerialSettings

    @property
    def character_s(self) -> float:
        """Time of one character on the wire, 0 where there is none of ours to wait for."""
        return _BITS / self.settings.baudrate if self.way == "rtu" and not is_socket(self.name) else 0.0

    @property
    def is_connection(self) -> bool:
        """True for a TCP connection, which can be made anew."""
        return self.name.startswith("tcp://") or is_socket(self.name)

    def codec(self) -> Codec:
        """Return a new framing for the line."""
        if self.way in ("tcp", "udp"):
            return MbapCodec(datagrams=self.way == "udp")
        return RtuCodec()

    async def open(self, clock: Clock) -> BusLine:
        """Open the line; raises LineFault."""
        if self.name.startswith(("tcp://", "udp://")):
            host, port = host_address(self.name[len("tcp://") :])
            opened = open_datagrams if self.way == "udp" else _connect
            return await opened(host, port, self.name, clock)
        return await open_line(self.name, self.settings, clock)


def endpoint_of(options: ModbusOptions) -> Endpoint:
    """Return where a device is. Blocks for a look at the port's node; raises PortUnusable."""
    settings = SerialSettings(options.baudrate, options.parity, options.stop_bits)
    if options.host is None:
        assert options.port is not None  # noqa: S101 - the options see to it
        return Endpoint(options.port, port_identity(options.port), options.way, settings)
    host, port = host_address(options.host)
    scheme = "udp" if options.way == "udp" else "tcp"
    name = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    return Endpoint(name, name.lower(), options.way, settings)


async def _connect(host: str, port: int, name: str, clock: Clock) -> Line:
    """Connect to a Modbus TCP device; raises PortMissing."""
    loop = asyncio.get_running_loop()
    connection: socket.socket | None = None
    fault: OSError | None = None
    try:
        async with clock.timeout(CONNECT_WITHIN_S):
            for family, kind, proto, _, address in await loop.getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            ):
                connection = socket.socket(family, kind, proto)
                connection.settimeout(0)
                try:
                    await loop.sock_connect(connection, address)
                    return _line(connection, name)
                except OSError as refusal:
                    connection.close()
                    fault = refusal
    except TimeoutError as late:
        if connection is not None:
            connection.close()
        raise PortMissing(name, _advice(f"no connection within {CONNECT_WITHIN_S:g} s")) from late
    except (socket.gaierror, UnicodeError) as unknown:
        raise PortMissing(
            name, f"host {host!r} has no address: mend its name, or write its IP address"
        ) from unknown
    except asyncio.CancelledError:
        if connection is not None:
            connection.close()
        raise
    raise PortMissing(name, _advice(_said(fault)))


def _line(connection: socket.socket, name: str) -> Line:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
    return Line(connection.detach(), name)


def _said(fault: OSError | None) -> str:
    """Return the system's own words; asyncio puts others in their place."""
    if fault is None or fault.errno is None:
        return "no address"
    return os.strerror(fault.errno).lower()


def _advice(found: str) -> str:
    return (
        f"{found}: expected a Modbus TCP device to listen there; is it on, and is Modbus TCP enabled in it?"
    )
