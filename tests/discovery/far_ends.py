"""Real far ends for probes: the families' simulators on PTYs, played on the test's own loop, and mute or foreign
terminals."""

import asyncio
import contextlib
import os
import threading
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from bridge.adapters.probing import Pace
from bridge.datastore.clock import SystemClock
from bridge.discovery.ports import Roots
from bridge.discovery.probe import Inquiry
from bridge.site.families import InstalledFamilies
from tests.adapters.far_ends import Terminal

#: Far beyond what any of this takes.
BOUND_S = 40.0
#: Where somebody speaks by himself, or answers: listening and asking end as soon as he has.
PATIENT = Pace(listening=20.0, asking=20.0)
#: Where somebody speaks only when he is asked.
ASKING = Pace(listening=0.02, asking=20.0)
#: Where nobody ever does, waiting proves nothing.
BRISK = Pace(listening=0.02, asking=0.02)


class Plays(Protocol):
    """A simulator."""

    playing: asyncio.Event

    async def run(self, link: Path | None = None) -> None: ...


def inquiry(roots: Roots, pace: Pace = PATIENT, **fields: Any) -> Inquiry:
    return Inquiry(InstalledFamilies(), SystemClock(), pace=pace, roots=roots, **fields)


@contextlib.asynccontextmanager
async def played(simulator: Plays, link: Path) -> AsyncIterator[str]:
    """Play a simulator on a PTY; yields its port."""
    task = asyncio.create_task(simulator.run(link))
    try:
        async with asyncio.timeout(BOUND_S):
            await simulator.playing.wait()
        yield str(link)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Apart:
    """Simulators on a loop of a thread of their own, so that a command may run its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._tasks: list[asyncio.Task[None]] = []

    def play(self, make: Callable[[], Plays], link: Path) -> str:
        """Make a simulator on that loop and play it; returns its port."""

        async def start() -> None:
            simulator = make()
            self._tasks.append(asyncio.create_task(simulator.run(link)))
            async with asyncio.timeout(BOUND_S):
                await simulator.playing.wait()

        asyncio.run_coroutine_threadsafe(start(), self._loop).result(BOUND_S)
        return str(link)

    def end(self) -> None:
        async def stop() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(BOUND_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


def raw_terminal(link: Path, said: bytes = b"") -> Terminal:
    """Make a terminal that echoes nothing, in which something has been said already."""
    terminal = Terminal(link)
    tty.setraw(terminal.master)
    if said:
        terminal.say(said)
    return terminal


class Talker:
    """A terminal that says the same again and again to whoever has it open, and keeps what it was told."""

    def __init__(self, link: Path, sentence: bytes) -> None:
        self._terminal = raw_terminal(link)
        self._sentence = sentence
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.told = b""
        self.port = str(link)

    def __enter__(self) -> "Talker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()
        self._terminal.unplug()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            with contextlib.suppress(OSError):
                self.told += os.read(self._terminal.master, 4096)
            if self._sentence and self._terminal.held_open:
                with contextlib.suppress(OSError):
                    os.write(self._terminal.master, self._sentence)


@contextlib.contextmanager
def holding(port: str) -> Iterator[None]:
    """Have a port open as another program does, without locking it."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield
    finally:
        os.close(descriptor)


class Machine:
    """What a kernel shows of a machine, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.roots = Roots(folder / "dev", folder / "sys", folder / "proc")
        for root in (self.roots.dev, self.roots.sys / "class/tty", self.roots.proc):
            root.mkdir(parents=True)

    def add(
        self,
        name: str,
        socket: str,
        *,
        usb: tuple[str, str, str] | None = None,
        words: tuple[str, str] = ("", ""),
        by_id: str | None = None,
        by_path: str | None = None,
        uart: str | None = None,
        node: str | None = None,
    ) -> str:
        """Plug in an adapter: `usb` is vendor, product, serial; `node` what its device leads to."""
        device = self.roots.sys / "devices" / socket
        place = device / "1.0" / name if usb else device
        place.mkdir(parents=True)
        if usb:
            for file, text in zip(("idVendor", "idProduct", "serial"), usb, strict=True):
                (device / file).write_text(f"{text}\n")
            for file, text in zip(("manufacturer", "product"), words, strict=True):
                (device / file).write_text(f"{text}\n")
            (device / "1.0/bInterfaceNumber").write_text("00\n")
        entry = self.roots.sys / "class/tty" / name
        entry.mkdir()
        (entry / "device").symlink_to(place)
        if uart is not None:
            (entry / "type").write_text(f"{uart}\n")
        port = self.roots.dev / name
        if node is None:
            port.touch()
        else:
            port.symlink_to(node)
        for folder, link in (("by-id", by_id), ("by-path", by_path)):
            if link is not None:
                where = self.roots.dev / "serial" / folder / link
                where.parent.mkdir(parents=True, exist_ok=True)
                where.unlink(missing_ok=True)  # as udev does: the newest adapter takes the name
                where.symlink_to(port)
        return str(port)
