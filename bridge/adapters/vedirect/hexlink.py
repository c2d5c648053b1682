"""The HEX side of one VE.Direct line: one request in flight, matched replies, urgent ones first.

Timing from field reports on MPPT and IP22 chargers: a reply that has not come after 500 ms does not come;
sending without waiting loses most replies; 50 ms from frame to frame loses none.
"""

import asyncio
import enum
from collections.abc import Callable

from bridge.adapters.turns import Turns
from bridge.adapters.vedirect.hex import Command, HexFrame
from bridge.datastore.clock import Clock

REPLY_TIMEOUT_S = 0.5
TRIES = 3
#: Least time from one request to the next.
GAP_S = 0.05


class Priority(enum.IntEnum):
    """Who goes first when the line is free."""

    OFF = 0
    COMMAND = 1
    READ = 2


class NoReply(Exception):
    """Every try went unanswered, or the caller's time is over."""


class GivenUp(Exception):
    """The caller said that the request is no longer wanted."""


class Rejected(Exception):
    """The device does not know the command itself (reply 3); asking again is pointless."""


class HexLink:
    """Requests over one open line. `send` writes bytes; replies come in through `received`."""

    def __init__(self, clock: Clock, send: Callable[[bytes], None], count_error: Callable[[], None]) -> None:
        self._clock = clock
        self._send = send
        self._count_error = count_error
        self._turns = Turns()
        self._reply: asyncio.Future[HexFrame] | None = None
        self._awaited: tuple[int, int | None] | None = None
        self._free_at = 0.0
        self.unmatched_frame_errors = 0

    def received(self, frame: HexFrame) -> bool:
        """Take a frame from the device; True when it answers the request in flight."""
        reply = self._reply
        if reply is None or reply.done():
            if frame.command == Command.PRODUCT_ID:
                self.unmatched_frame_errors += 1
            return False
        matches = (frame.command, frame.register) == self._awaited
        if matches or frame.command in (Command.APP_VERSION, Command.PRODUCT_ID):
            reply.set_result(frame)
            return True
        return False

    async def request(
        self,
        frame: bytes,
        awaited: tuple[int, int | None],
        priority: Priority,
        *,
        tries: int = TRIES,
        until: float | None = None,
        unwanted: Callable[[], bool] = lambda: False,
    ) -> HexFrame:
        """Send a frame until its reply (command, register or None) comes.

        Each try waits its turn again, so that a request of a better priority goes out before the retry.
        Raises NoReply after `tries` or at monotonic `until`, GivenUp when `unwanted` before a try,
        Rejected when the device does not know the command.
        """
        for _ in range(tries):
            async with self._turns.turn(priority):
                if unwanted():
                    raise GivenUp
                await self._clock.sleep(self._free_at - self._clock.monotonic())
                if unwanted():
                    raise GivenUp
                limit = REPLY_TIMEOUT_S
                if until is not None:
                    limit = min(limit, until - self._clock.monotonic())
                    if limit <= 0:
                        break
                reply = await self._try(frame, awaited, limit)
            if reply is None:
                self._count_error()
                continue
            if reply.command == Command.APP_VERSION:
                raise Rejected
            if reply.command == Command.PRODUCT_ID:
                self._count_error()
                continue
            return reply
        raise NoReply(f"no reply to {frame.decode('ascii').strip()}")

    async def _try(self, frame: bytes, awaited: tuple[int, int | None], limit: float) -> HexFrame | None:
        self._awaited = awaited
        self._reply = asyncio.get_running_loop().create_future()
        self._free_at = self._clock.monotonic() + GAP_S
        try:
            self._send(frame)
            async with self._clock.timeout(limit):
                return await self._reply
        except TimeoutError:
            return None
        finally:
            self._reply = None
