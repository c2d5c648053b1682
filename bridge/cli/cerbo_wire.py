"""One connection of a stock GX: a request, its answer or none, and how long that took."""

import asyncio
import contextlib
import struct
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import click

from bridge.register_maps.format import Table
from bridge.site.addresses import HostPort, listen_address

#: Waiting time of a probe from the list of devices, and of the network scan (dbus-modbus-client 1.83).
PROBE_S = 1.0
SCAN_S = 0.25
#: After this many times its waiting time an answer is given up for good.
_PATIENCE = 4.0
_HEAD = struct.Struct(">HHHB")


#: Where this machine asks a listener on all addresses.
_OWN = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound


def reach(listening: HostPort) -> HostPort:
    """Return where this machine reaches a listener."""
    return HostPort(_OWN.get(listening.host, listening.host), listening.port)


def written_address(written: str) -> HostPort:
    """Read HOST or HOST:PORT; raises UsageError."""
    try:
        return listen_address(written if ":" in written else f"{written}:502")
    except ValueError as fault:
        raise click.UsageError(f"--at: found {written!r}, {fault}") from None


class NotReached(Exception):
    """Nobody takes connections there; the text says what was found."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Registers, or the exception's code, or (both None) nothing at all; `late` when the client had gone."""

    words: tuple[int, ...] | None
    exception: int | None
    seconds: float
    late: bool = False

    @property
    def said(self) -> str:
        """The answer in words, for a register that cannot be read."""
        if self.exception is not None:
            return f"exception {self.exception:02X}"
        return "no answer" if self.words is None else f"an answer after {self.seconds:.2f} s"


class Wire:
    """A connection, for `async with`. Raises NotReached where nobody takes it."""

    def __init__(self, address: HostPort) -> None:
        self.address = address
        self.slowest_s = 0.0
        self._number = 0
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        await self._streams()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open is not None:
            writer = self._open[1]
            self._close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def read(self, unit: int, table: Table, address: int, count: int, within_s: float) -> Answer:
        """Read registers as the client does: one request, no retry, a new connection after silence.

        Waits on beyond `within_s`, so that a late answer can be told from none.
        """
        began = time.monotonic()
        function = 4 if table is Table.INPUT else 3
        try:
            async with asyncio.timeout(within_s * _PATIENCE):
                pdu = await self._exchange(unit, struct.pack(">BHH", function, address, count))
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            self._close()
            return Answer(None, None, time.monotonic() - began)
        seconds = time.monotonic() - began
        self.slowest_s = max(self.slowest_s, seconds)
        late = seconds > within_s
        if pdu[0] & 0x80:
            return Answer(None, pdu[1] if len(pdu) > 1 else 0, seconds, late)
        if len(pdu) != 2 + 2 * count or pdu[1] != 2 * count:
            return Answer(None, None, seconds, late)
        return Answer(struct.unpack(f">{count}H", pdu[2:]), None, seconds, late)

    async def _exchange(self, unit: int, pdu: bytes) -> bytes:
        reader, writer = await self._streams()
        self._number = self._number % 0xFFFF + 1
        writer.write(_HEAD.pack(self._number, 0, len(pdu) + 1, unit) + pdu)
        await writer.drain()
        while True:
            number, _, length, answering = _HEAD.unpack(await reader.readexactly(_HEAD.size))
            answer = await reader.readexactly(max(1, length - 1))
            if number == self._number and answering == unit:
                return answer

    async def _streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._open is None:
            try:
                async with asyncio.timeout(PROBE_S * _PATIENCE):
                    self._open = await asyncio.open_connection(self.address.host, self.address.port)
            except TimeoutError:
                raise NotReached(f"{self.address} does not take connections: found no answer") from None
            except OSError as fault:
                said = fault.strerror or str(fault)
                raise NotReached(f"{self.address} does not take connections: {said}") from None
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def refuses_quickly(host: str, port: int = 80, within_s: float = 1.0) -> str | None:
    """Say what stands in the way where a port does not refuse connections at once; None when it does."""
    try:
        async with asyncio.timeout(within_s):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return (
            f"{host}:{port} neither takes nor refuses connections: a GX waits there before it tries SunSpec"
        )
    except OSError:
        return None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return f"{host}:{port} takes connections: a GX asks there for a Fronius Solar API before it tries SunSpec"
