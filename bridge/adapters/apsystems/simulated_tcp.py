"""A serial server on the loopback interface, with the simulated coordinator behind it."""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bridge.adapters.pty import Pacer, Wire
from bridge.datastore.clock import Clock

_HOST = "127.0.0.1"
_READ_MAX = 4096


class TcpWire:
    """Raw TCP for one host at a time; a new one takes over. Use as an asynchronous context."""

    def __init__(
        self, clock: Clock, received: Callable[[bytes], None], port: int, bytes_per_s: float
    ) -> None:
        self._received = received
        self._wanted = port
        self._pacer = Pacer(clock, bytes_per_s)
        self._server: asyncio.Server | None = None
        self._host: asyncio.StreamWriter | None = None
        #: The TCP port it listens on, 0 while unplugged.
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.replug()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.unplug()

    async def replug(self) -> None:
        """Listen; raises OSError where the port is taken."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, _HOST, self._wanted)
            self._wanted = self.port = self._server.sockets[0].getsockname()[1]

    async def unplug(self) -> None:
        """Hang up and stop listening."""
        server, self._server, self.port = self._server, None, 0
        if server is not None:
            server.close()
        self._hang_up()
        if server is not None:
            await server.wait_closed()

    async def send(self, data: bytes) -> None:
        """Send at the line's pace; without a host the bytes are lost."""
        await self._pacer.send(data, self._write)

    def _write(self, part: bytes) -> None:
        if self._host is not None:
            self._host.write(part)

    def _hang_up(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hang_up()
        self._host = writer
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_MAX):
                if self._host is writer:
                    self._received(data)
        if self._host is writer:
            self._host = None
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class BothWires:
    """Two wires of one device: what it says goes to both."""

    def __init__(self, *wires: Wire) -> None:
        self._wires = wires

    async def send(self, data: bytes) -> None:
        """Send on all."""
        await asyncio.gather(*(wire.send(data) for wire in self._wires))

    async def unplug(self) -> None:
        """Take all away."""
        for wire in self._wires:
            await wire.unplug()

    async def replug(self) -> None:
        """Bring all back."""
        for wire in self._wires:
            await wire.replug()
