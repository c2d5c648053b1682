"""Playing the device's side of a recording into a PTY, at the pace of the line it came from."""

import array
import asyncio
import contextlib
import fcntl
import os
import select
import termios
import tty
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

from bridge.adapters.trace import FROM_DEVICE, TO_DEVICE, TraceEntry, TraceError, is_trace, read_trace
from bridge.datastore.clock import Clock

#: 8N1: a start bit, eight data bits, a stop bit.
BITS_PER_BYTE = 10
#: A raw file is cut into pieces of about this length in time: what a USB adapter hands over at once.
_PIECE_S = 0.008
#: How often the PTY is looked at for bytes from its reader, or for one to come.
_LOOK_EVERY_S = 0.02
#: How long the end of a replay waits for its reader to take the last bytes.
_LINGER_S = 10.0
_READ_SIZE = 4_096


def entries_of(path: Path, baudrate: int, *, raw: bool | None = None) -> Iterator[TraceEntry]:
    """Return the entries of a trace, or of a raw file as a line of that baud rate would bring them.

    `raw` None looks at how the file begins. Raises TraceError, also while the entries are taken.
    """
    if raw is None:
        raw = not is_trace(path)
    return _raw_entries(path, baudrate) if raw else read_trace(path)


def _raw_entries(path: Path, baudrate: int) -> Iterator[TraceEntry]:
    bytes_per_s = baudrate / BITS_PER_BYTE
    piece = max(1, int(bytes_per_s * _PIECE_S))
    done = 0
    try:
        with path.open("rb") as file:
            while data := file.read(piece):
                done += len(data)
                # A piece is there when its last bit has come.
                yield TraceEntry(done / bytes_per_s, FROM_DEVICE, data)
    except OSError as fault:
        raise TraceError(f"{path}: cannot be read ({fault.strerror})") from fault


async def play(
    entries: Iterable[TraceEntry],
    clock: Clock,
    send: Callable[[bytes], Awaitable[None]],
    *,
    speed: float = 1.0,
) -> int:
    """Send the device's chunks at their times, `speed` times as fast; returns the bytes sent.

    Times count from the beginning of the replay, so that a late chunk does not delay those after it.
    """
    began = clock.monotonic()
    sent = 0
    for entry in entries:
        if entry.direction != FROM_DEVICE:
            continue
        wait = began + entry.time_s / speed - clock.monotonic()
        if wait > 0:
            await clock.sleep(wait)
        await send(entry.data)
        sent += len(entry.data)
    return sent


class Comparison:
    """Compares what a reader sends with what the trace says was sent to the device."""

    def __init__(self, entries: Iterable[TraceEntry]) -> None:
        self._expected = b"".join(entry.data for entry in entries if entry.direction == TO_DEVICE)
        self._found = bytearray()

    def take(self, data: bytes) -> None:
        """Take bytes that the reader sent."""
        self._found += data

    def difference(self) -> str | None:
        """Say where the two part, None when they are the same."""
        expected, found = self._expected, bytes(self._found)
        if expected == found:
            return None
        pairs = zip(expected, found, strict=False)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(found)))
        return (
            f"byte {at} of those sent to the device: found {_shown(found[at:])}, "
            f"expected {_shown(expected[at:])} "
            f"({len(found)} bytes sent, {len(expected)} in the trace)"
        )


class ReplayPort:
    """A PTY that stands in for a device's port: sent bytes are lost while nobody has it open.

    Unlike a simulator's line it never drops a byte because its reader is slow: a recording is to arrive
    whole. `taken` hears what the reader sends; `link` is kept pointing at the PTY while it is open.
    """

    def __init__(self, clock: Clock, link: Path | None, taken: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._link = link
        self._taken = taken
        self._master = -1
        self.path = ""

    def open(self) -> None:
        """Make the PTY and its link. Raises TraceError when the link's name is taken by something else."""
        self._master, slave = os.openpty()
        self.path = os.ttyname(slave)
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        os.close(slave)  # the poll then tells whether a reader has the port open
        try:
            self._point_link()
        except OSError as fault:
            self.close()
            raise TraceError(f"link {self._link}: {fault.strerror}: expected a new name or a link") from fault

    def close(self) -> None:
        """Unplug: the link goes, and a reader's line is lost."""
        if self._link is not None:
            with contextlib.suppress(OSError):
                if str(self._link.readlink()) == self.path:
                    self._link.unlink()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    @property
    def has_reader(self) -> bool:
        """True while somebody has the port open."""
        return not self._events(select.POLLIN) & select.POLLHUP

    async def wait_for_reader(self) -> None:
        """Return as soon as somebody has opened the port."""
        while not self.has_reader:
            await self._clock.sleep(_LOOK_EVERY_S)

    async def send(self, data: bytes) -> None:
        """Send as one on a wire would: what finds no reader is lost, a slow reader is waited for."""
        while data and self.has_reader:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                await self._clock.sleep(_LOOK_EVERY_S)
            except OSError:
                return

    async def listen(self) -> None:
        """Hand what the reader sends to `taken`, until cancelled."""
        while True:
            self._drain()
            await self._clock.sleep(_LOOK_EVERY_S)

    async def linger(self) -> None:
        """Wait until the reader has taken the last bytes, or left; at most 10 s."""
        end = self._clock.monotonic() + _LINGER_S
        empty = 0
        # Twice empty: the system moves bytes from the one side's buffer to the other's in its own time.
        while empty < 2 and self.has_reader and self._clock.monotonic() < end:
            empty = 0 if self._untaken() else empty + 1
            await self._clock.sleep(_LOOK_EVERY_S)
        self._drain()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):  # nothing there, or nobody
            while data := os.read(self._master, _READ_SIZE):
                self._taken(data)

    def _untaken(self) -> int:
        """Return how many bytes wait at the reader's side; 0 where it lets nobody look."""
        count = array.array("i", [0])
        try:
            slave = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return 0
        try:
            fcntl.ioctl(slave, termios.FIONREAD, count)
        finally:
            os.close(slave)
        return count[0]

    def _events(self, wanted: int) -> int:
        poll = select.poll()
        poll.register(self._master, wanted)
        return next((events for _, events in poll.poll(0)), 0)

    def _point_link(self) -> None:
        if self._link is None:
            return
        if self._link.exists() and not self._link.is_symlink():
            raise FileExistsError(17, "there is a file of that name")
        # Made aside and moved over, so that there is no moment without a link.
        aside = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        aside.symlink_to(self.path)
        aside.replace(self._link)


async def replay(
    port: ReplayPort,
    entries: Callable[[], Iterable[TraceEntry]],
    clock: Clock,
    *,
    speed: float = 1.0,
    wait: bool = True,
    again: bool = False,
) -> int:
    """Play into an open port until the end (`again`: for ever); returns the bytes played.

    `wait` holds the first byte back until somebody has opened the port. Raises TraceError.
    """
    listening = asyncio.create_task(port.listen())
    try:
        if wait:
            await port.wait_for_reader()
        played = await play(entries(), clock, port.send, speed=speed)
        while again:
            played += await play(entries(), clock, port.send, speed=speed)
            await clock.sleep(0)
        await port.linger()
    finally:
        listening.cancel()
    return played


def _shown(data: bytes) -> str:
    if not data:
        return "the end"
    return data[:8].hex(" ") + (" .." if len(data) > 8 else "")
