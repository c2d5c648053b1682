"""One open byte line to a device: serial port, PTY or TCP, all behind the same few calls.

A line reads whatever arrives at once, also while its session is busy: a device's small input buffer
overflows when it is not drained every 250 ms.
"""

import asyncio
import contextlib
import logging
import os
import threading
from typing import Protocol

from bridge.adapters.line_faults import LineFault, LineLost, PortBusy, PortDenied, PortMissing, PortUnusable
from bridge.adapters.opening import open_apart
from bridge.adapters.ports import (
    SerialSettings,
    is_socket,
    open_descriptor,
    port_identity,
    release,
    same_port,
)
from bridge.datastore.clock import Clock

_log = logging.getLogger(__name__)

#: Unread bytes kept. A session that is this far behind wants the newest ones, never the oldest.
UNREAD_MAX = 65_536
#: Bytes waiting to leave. No family has more than a few frames under way: this many mean a stuck line.
UNSENT_MAX = 16_384
_READ_SIZE = 4_096


class Tap(Protocol):
    """Hears every byte of a line as it passes; `trace.TraceWriter` is one. Must not block."""

    def received(self, data: bytes) -> None:
        """Take bytes that came from the device."""

    def sent(self, data: bytes) -> None:
        """Take bytes that left for the device."""


class Line:
    """An open line, made by `open_line` and used on one event loop by one reader."""

    def __init__(self, descriptor: int, port: str, tap: Tap | None = None) -> None:
        self.port = port
        self._descriptor = descriptor
        self._tap = tap
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self._unsent = bytearray()
        self._arrived = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._reason: str | None = None
        self._closed = False
        self._late = False
        #: True once any byte has arrived.
        self.heard = False
        self._loop.add_reader(descriptor, self._readable)

    @property
    def lost(self) -> bool:
        """True once the far end is gone or the line was closed."""
        return self._reason is not None

    async def read(self) -> bytes:
        """Return what has arrived, at least one byte. Raises LineLost once the far end is gone."""
        while not self._unread:
            self._check()
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._unread)
        self._unread.clear()
        self._late = False
        return data

    def write(self, data: bytes) -> None:
        """Send without waiting. Raises LineLost when the far end is gone or takes nothing any more."""
        self._check()
        if not self._unsent:
            data = data[self._send(data) :]
            self._check()
            if not data:
                return
            self._all_sent.clear()
            self._loop.add_writer(self._descriptor, self._writable)
        self._unsent += data
        if len(self._unsent) > UNSENT_MAX:
            self._lose(f"its far end leaves {len(self._unsent)} bytes waiting: is the device on and reading?")
            self._check()

    async def drain(self) -> None:
        """Wait until the system has taken all that was written. Raises LineLost."""
        await self._all_sent.wait()
        self._check()

    def close(self) -> None:
        """Give the port back; whoever still reads or writes gets LineLost."""
        if self._closed:
            return
        self._closed = True
        self._lose("closed by the bridge")
        release(self._descriptor)
        _close(self._descriptor)

    def _check(self) -> None:
        if self._reason is not None:
            raise LineLost(self.port, self._reason)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as fault:
            self._lose(_gone(fault))
            return
        if not data:
            self._lose("its far end hung up: unplugged, switched off, or its program ended")
            return
        self.heard = True
        if self._tap is not None:
            self._tap.received(data)
        self._unread += data
        if len(self._unread) > UNREAD_MAX:
            if not self._late:
                _log.warning(
                    "port=%s unread=%d session is late, dropping the oldest bytes",
                    self.port,
                    len(self._unread),
                )
                self._late = True
            del self._unread[:-UNREAD_MAX]
        self._arrived.set()

    def _writable(self) -> None:
        del self._unsent[: self._send(bytes(self._unsent))]
        if not self._unsent and not self.lost:
            self._loop.remove_writer(self._descriptor)
            self._all_sent.set()

    def _send(self, data: bytes) -> int:
        """Hand over what the system takes now and return how much that was."""
        try:
            taken = os.write(self._descriptor, data) if data else 0
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as fault:
            self._lose(_gone(fault))
            return 0
        if self._tap is not None and taken:
            self._tap.sent(data[:taken])
        return taken

    def _lose(self, reason: str) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._unsent.clear()
        self._arrived.set()
        self._all_sent.set()


async def open_line(port: str, settings: SerialSettings, clock: Clock, trace: Tap | None = None) -> Line:
    """Open a device path, a PTY or `socket://host:port` for this process alone.

    Raises PortMissing (also for a port that hangs), PortBusy, PortDenied or PortUnusable.
    """
    descriptor = await open_apart(port, lambda: open_descriptor(port, settings), _close, clock)
    return Line(descriptor, port, trace)


def _close(descriptor: int) -> None:
    """Close in a thread: a serial driver may wait 30 s for bytes to leave (its `closing_wait`)."""

    def work() -> None:
        with contextlib.suppress(OSError):
            os.close(descriptor)

    threading.Thread(target=work, name="close line", daemon=True).start()


def _gone(fault: OSError) -> str:
    return f"lost ({(fault.strerror or str(fault)).lower()}): unplugged, switched off, or its program ended"


__all__ = [
    "Line",
    "LineFault",
    "LineLost",
    "PortBusy",
    "PortDenied",
    "PortMissing",
    "PortUnusable",
    "SerialSettings",
    "Tap",
    "is_socket",
    "open_line",
    "port_identity",
    "same_port",
]
