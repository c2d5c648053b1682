"""A blocking bus behind two threads, one that reads and one that writes, each doing nothing else.

The asynchronous reader of python-can turns an unplugged adapter into a loop that uses all of a processor,
and its reading thread ends with the first garbled line: hence a thread that expects both.
"""

import asyncio
import collections
import contextlib
import threading
from collections.abc import Callable, Sequence

from bridge.adapters.can.bus import UNSENT_SETS_MAX, BusEars
from bridge.adapters.can.driver import Driver, ErrorFrame, Garbled, Ignored, NotSent, open_driver
from bridge.adapters.can.faults import bus_name
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions
from bridge.adapters.line_faults import LineFault, LineLost

#: So many damaged lines without one frame between them mean another bit rate or a broken adapter. Going on
#: would only use the processor.
_GARBLED_MAX = 100
#: Longest that closing waits for the threads; an adapter that hangs keeps its thread, not the bridge.
_CLOSE_WITHIN_S = 2.0

_Waiting = tuple[tuple[CanFrame, ...], "asyncio.Future[int]"]


class ThreadedBus:
    """An open bus of python-can as a `BusLine`."""

    def __init__(self, driver: Driver, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._driver = driver
        self._name = name
        self._loop = loop
        self._ears: BusEars | None = None
        self._ended = threading.Event()
        self._fault_told = False
        self._unsent: collections.deque[_Waiting] = collections.deque()
        self._work = threading.Condition()
        self._threads: list[threading.Thread] = []

    def listen(self, ears: BusEars) -> None:
        """Start both threads."""
        self._ears = ears
        for target in (self._read, self._write):
            thread = threading.Thread(target=target, name=f"{target.__name__} {self._name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def send(self, frames: Sequence[CanFrame]) -> "asyncio.Future[int]":
        """Queue a set of frames for the writing thread."""
        taken: asyncio.Future[int] = self._loop.create_future()
        dropped: _Waiting | None = None
        with self._work:
            if len(self._unsent) >= UNSENT_SETS_MAX:
                dropped = self._unsent.popleft()
            self._unsent.append((tuple(frames), taken))
            self._work.notify()
        if dropped is not None:
            _settle(dropped[1], 0)
        return taken

    async def close(self) -> None:
        """End both threads and close the bus; an adapter that hangs is left behind after a while."""
        self._end()
        self._ears = None
        with self._work:
            waiting = tuple(self._unsent)
            self._unsent.clear()
        for _, taken in waiting:
            _settle(taken, 0)
        closed = asyncio.Event()

        def work() -> None:
            for thread in self._threads:
                thread.join(_CLOSE_WITHIN_S / 2)
            self._driver.close()
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=work, name=f"close {self._name}", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await closed.wait()

    def abandon(self) -> None:
        """Close a bus that nobody listens to, without waiting."""
        self._end()
        threading.Thread(target=self._driver.close, name=f"close {self._name}", daemon=True).start()

    def _end(self) -> None:
        self._ended.set()
        with self._work:
            self._work.notify_all()

    # -- in the threads ----------------------------------------------------------------------------

    def _read(self) -> None:
        garbled = 0
        while not self._ended.is_set():
            try:
                heard = self._driver.receive()
            except Garbled:
                garbled += 1
                self._tell(lambda ears: ears.garbled())
                if garbled >= _GARBLED_MAX:
                    self._lose(
                        LineLost(
                            self._name,
                            f"{garbled} damaged lines and not one frame: expected the bit rate of the bus; "
                            "look at `bitrate`, the cable and the adapter's firmware",
                        )
                    )
                    return
            except LineFault as fault:
                self._lose(fault)
                return
            else:
                if heard is None:
                    continue
                if isinstance(heard, CanFrame):
                    garbled = 0
                    self._tell(lambda ears, frame=heard: ears.frame(frame))  # type: ignore[misc]
                elif isinstance(heard, ErrorFrame):
                    self._tell(lambda ears, state=heard.bus_off: ears.error(state))  # type: ignore[misc]
                elif isinstance(heard, Ignored):
                    self._tell(lambda ears: ears.ignored())

    def _write(self) -> None:
        while True:
            with self._work:
                while not self._unsent and not self._ended.is_set():
                    self._work.wait()
                if self._ended.is_set():
                    return
                frames, taken = self._unsent.popleft()
            count = 0
            try:
                for frame in frames:
                    self._driver.send(frame)
                    count += 1
            except NotSent:
                pass
            except LineFault as fault:
                self._lose(fault)
                self._on_loop(_settle, taken, count)
                return
            self._on_loop(_settle, taken, count)

    def _lose(self, fault: LineFault) -> None:
        self._end()

        def tell(ears: BusEars) -> None:
            if not self._fault_told:
                self._fault_told = True
                ears.lost(fault)

        self._tell(tell)

    def _tell(self, what: Callable[[BusEars], None]) -> None:
        def on_loop() -> None:
            if self._ears is not None:
                what(self._ears)

        self._on_loop(on_loop)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop has closed: nobody is left to be told
            self._end()


def opened(options: CanOptions, loop: asyncio.AbstractEventLoop) -> ThreadedBus:
    """Open a bus for a loop. Blocks. Raises PortMissing, PortBusy, PortDenied, PortUnusable."""
    return ThreadedBus(open_driver(options), bus_name(options), loop)


def _settle(taken: "asyncio.Future[int]", count: int) -> None:
    if not taken.done():
        taken.set_result(count)
