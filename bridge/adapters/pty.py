"""A pseudo-terminal that stands in for a serial port: what a simulator plays its device on.

Bytes leave at the line's true pace. A port that nobody has open loses what is sent to it, as a wire does;
so does one whose reader does not read. `unplug` takes the port away as pulling the adapter does, `replug`
brings it back under the same link.
"""

import asyncio
import contextlib
import fcntl
import os
import select
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from bridge.datastore.clock import Clock

#: Bytes a second at 19200 Bd with 8 data bits, no parity and one stop bit.
BYTES_PER_S_19200 = 1920.0
#: Bytes handed over at once: few wake-ups a second, and still only milliseconds of line time.
_SLICE = 16
#: How often a port without reader is looked at.
_ATTENTION_S = 0.05
_READ_MAX = 4096


class Wire(Protocol):
    """The device's end of a line, as a simulator uses it."""

    async def send(self, data: bytes) -> None:
        """Send at the line's pace; returns when the last byte has left."""

    async def unplug(self) -> None:
        """Take the port away under whoever has it open."""

    async def replug(self) -> None:
        """Bring it back under the same link; no effect while it is there."""


class Pacer:
    """Lets bytes go at a line's pace: each slice is handed over when its last byte would have arrived."""

    def __init__(self, clock: Clock, bytes_per_s: float) -> None:
        self._clock = clock
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0

    async def send(self, data: bytes, hand_over: Callable[[bytes], None]) -> None:
        """Hand `data` over slice by slice; a late wake-up is made good within the same data."""
        self._free_at = max(self._free_at, self._clock.monotonic())
        for start in range(0, len(data), _SLICE):
            part = data[start : start + _SLICE]
            self._free_at += len(part) / self._bytes_per_s
            wait = self._free_at - self._clock.monotonic()
            if wait > 0:
                await self._clock.sleep(wait)
            hand_over(part)


class PtyLine:
    """A PTY and the link that names it. Use as an asynchronous context; `received` hears the far end."""

    def __init__(
        self,
        clock: Clock,
        received: Callable[[bytes], None],
        link: Path | None = None,
        bytes_per_s: float = BYTES_PER_S_19200,
    ) -> None:
        self._clock = clock
        self._received = received
        self._link = link
        self._pacer = Pacer(clock, bytes_per_s)
        self._master: int | None = None
        self._hung_up = select.poll()
        self._attention: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        #: The terminal's own path, None while unplugged. Only the link stays the same over a `replug`.
        self.port: Path | None = None

    async def __aenter__(self) -> Self:
        await self.replug()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.unplug()

    async def replug(self) -> None:
        """Open a new terminal and put the link on it; raises OSError where the link cannot be made."""
        async with self._changing:
            if self._master is None:
                await self._plug()

    async def unplug(self) -> None:
        """Close the terminal under its reader and take the link away."""
        async with self._changing:
            master, port = self._master, self.port
            if master is None or port is None:
                return
            self._master = self.port = None
            if self._attention is not None:
                self._attention.cancel()
            asyncio.get_running_loop().remove_reader(master)
            os.close(master)
            if self._link is not None:
                await asyncio.to_thread(_take_away, self._link, port)

    async def _plug(self) -> None:
        master, port = _open_raw()
        try:
            if self._link is not None:
                await asyncio.to_thread(_point, self._link, port)
        except BaseException:
            os.close(master)
            raise
        self._master, self.port = master, port
        self._hung_up = select.poll()
        self._hung_up.register(master, 0)  # a hang-up is always told
        self._attention = asyncio.create_task(self._await_readers(master))

    async def send(self, data: bytes) -> None:
        """Send at the line's pace; without a reader the bytes are lost."""
        await self._pacer.send(data, self._write)

    def _attached(self) -> bool:
        return self._master is not None and not self._hung_up.poll(0)

    def _write(self, part: bytes) -> None:
        if self._master is None or not self._attached():
            return
        with contextlib.suppress(OSError):  # a full buffer or a reader just gone: the bytes are lost
            os.write(self._master, part)

    async def _await_readers(self, master: int) -> None:
        """Listen while somebody has the port open; a hung-up terminal would wake the loop without end."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._attached():
                await self._clock.sleep(_ATTENTION_S)
            gone = asyncio.Event()
            loop.add_reader(master, self._read, master, gone)
            await gone.wait()
            if self.port is not None and not _forget_unread(self.port):
                await self._exchange(master)
                return

    async def _exchange(self, master: int) -> None:
        """Put a fresh terminal under the link.

        A terminal once opened with TIOCEXCL stays exclusive as long as its master lives, so that nobody
        but root could open it again.
        """
        async with self._changing:
            if self._master == master:
                await self._plug()
                os.close(master)

    def _read(self, master: int, gone: asyncio.Event) -> None:
        try:
            data = os.read(master, _READ_MAX)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last reader has closed the port
            data = b""
        if data:
            self._received(data)
        else:
            asyncio.get_running_loop().remove_reader(master)
            gone.set()


def _open_raw() -> tuple[int, Path]:
    """Open a terminal in raw mode, in the state "nobody has it open"."""
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        port = Path(os.ttyname(slave))
    finally:
        os.close(slave)  # from here on the master tells a hang-up until somebody opens the port
    os.set_blocking(master, False)
    return master, port


def _forget_unread(port: Path) -> bool:
    """Empty the port's input, so that what one reader left does not greet the next. False where barred."""
    try:
        slave = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        with contextlib.suppress(termios.error):
            termios.tcflush(slave, termios.TCIFLUSH)
        # Root passes the bar that TIOCEXCL leaves behind; others would not.
        fcntl.ioctl(slave, termios.TIOCNXCL)
    finally:
        os.close(slave)
    return True


def _point(link: Path, port: Path) -> None:
    """Make `link` name the port in one step, also where another link stands; a real file is left alone."""
    if link.exists() and not link.is_symlink():
        raise FileExistsError(
            f"{link}: found a file, expected a free name or an old link; choose another path"
        )
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(port)
    fresh.replace(link)


def _take_away(link: Path, port: Path) -> None:
    """Remove the link where it still names the port."""
    with contextlib.suppress(OSError):
        if link.readlink() == port:
            link.unlink()
