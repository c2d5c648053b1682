"""Modbus over UDP: each datagram is one frame, whatever came before it."""

import asyncio
import socket
from collections import deque

from bridge.adapters.line import LineLost, PortMissing
from bridge.datastore.clock import Clock

#: How long a host name may take to be looked up.
_LOOKUP_WITHIN_S = 4.0
#: Unread datagrams kept; a master has one request under way.
_UNREAD_MAX = 64


class DatagramLine(asyncio.DatagramProtocol):
    """A socket joined to one host, read datagram by datagram."""

    def __init__(self, name: str) -> None:
        self.port = name
        self._unread: deque[bytes] = deque(maxlen=_UNREAD_MAX)
        self._arrived = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None
        self._reason: str | None = None

    async def read(self) -> bytes:
        """Return one datagram. Raises LineLost."""
        while not self._unread:
            self._check()
            self._arrived.clear()
            await self._arrived.wait()
        return self._unread.popleft()

    def write(self, data: bytes) -> None:
        """Send one datagram. Raises LineLost."""
        self._check()
        if self._transport is not None:
            self._transport.sendto(data)

    def close(self) -> None:
        """Close the socket."""
        self._lose("closed by the bridge")
        if self._transport is not None:
            self._transport.close()

    def join(self, transport: asyncio.DatagramTransport) -> None:
        """Take the socket."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - joined to one host
        """Keep a datagram for its reader."""
        self._unread.append(data)
        self._arrived.set()

    def error_received(self, exc: Exception) -> None:
        """Take a refusal of the host's system: nobody listens there."""
        said = (getattr(exc, "strerror", None) or str(exc)).lower()
        self._lose(f"{said}: expected a Modbus UDP device there; is it on, and is Modbus UDP enabled in it?")

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the socket's end."""
        self._lose("closed" if exc is None else str(exc))

    def _check(self) -> None:
        if self._reason is not None:
            raise LineLost(self.port, self._reason)

    def _lose(self, reason: str) -> None:
        if self._reason is None:
            self._reason = reason
        self._arrived.set()


async def open_datagrams(host: str, port: int, name: str, clock: Clock) -> DatagramLine:
    """Join a socket to a host; raises PortMissing."""
    loop = asyncio.get_running_loop()
    try:
        async with clock.timeout(_LOOKUP_WITHIN_S):
            transport, line = await loop.create_datagram_endpoint(
                lambda: DatagramLine(name), remote_addr=(host, port), family=socket.AF_UNSPEC
            )
    except TimeoutError as late:
        raise PortMissing(name, "its name could not be looked up in time: write its IP address") from late
    except (OSError, UnicodeError) as fault:
        raise PortMissing(
            name,
            f"{str(fault).lower()}: expected a host on this network; mend its name, or write its IP address",
        ) from fault
    line.join(transport)
    return line
