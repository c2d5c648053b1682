"""Far ends for tests of lines: pseudo-terminals under the kernel's own rules, and a bounded wait for them."""

import asyncio
import contextlib
import os
import select
from collections.abc import Callable
from pathlib import Path

from bridge.adapters.line import Line, SerialSettings, open_line
from bridge.datastore.clock import SystemClock

SETTINGS = SerialSettings(19200)
#: Far beyond what any of this takes, also on a machine that does ten other things.
BOUND_S = 20.0


class Terminal:
    """A PTY as the kernel makes it, whose other side a test plays: the slave is known by its path."""

    def __init__(self, link: Path | None = None) -> None:
        self.master, slave = os.openpty()
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)
        if link is not None:
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)

    def say(self, data: bytes) -> None:
        assert os.write(self.master, data) == len(data)

    async def hear(self, count: int) -> bytes:
        heard = b""
        async with asyncio.timeout(BOUND_S):
            while len(heard) < count:
                with contextlib.suppress(BlockingIOError):
                    heard += os.read(self.master, 4096)
                await asyncio.sleep(0.001)
        return heard

    @property
    def held_open(self) -> bool:
        poll = select.poll()
        poll.register(self.master, 0)
        return not poll.poll(0)

    def unplug(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


async def until(true: Callable[[], bool]) -> None:
    """Wait for the kernel, a thread or a process to get there."""
    async with asyncio.timeout(BOUND_S):
        while not true():
            await asyncio.sleep(0.002)


async def read_exactly(line: Line, count: int) -> bytes:
    data = b""
    async with asyncio.timeout(BOUND_S):
        while len(data) < count:
            data += await line.read()
    return data


async def opened(port: str) -> Line:
    return await open_line(port, SETTINGS, SystemClock())
