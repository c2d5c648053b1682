"""What becomes of faults that the loop itself meets, where no part of the house can answer for them."""

import asyncio
import contextlib
import logging
import os
import time
from typing import Any

from bridge.cli.errors import FAILED

_log = logging.getLogger(__name__)

_NO_MEMORY = b"out of memory: ended at once, to be started again; give the machine or the service more\n"
#: What asyncio says of an accept without a descriptor, a hundred times a second, and of its own next attempt
#: at a listener that has been closed meanwhile.
_NO_DESCRIPTOR, _CLOSED_SINCE = "socket.accept() out of system resource", "._start_serving("
#: How often the same is said again, in seconds.
_REMIND_S = 60.0


class LoopFaults:
    """An exception handler of a loop."""

    def __init__(self) -> None:
        self._said_at = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End where memory has run out in the middle of something: half a house would serve on, or hang.

        The service starts the bridge again; what must outlast it is on the disk already.
        """
        if isinstance(context.get("exception"), MemoryError):
            with contextlib.suppress(OSError):
                os.write(2, _NO_MEMORY)
            os._exit(FAILED)
        said = str(context.get("message", ""))
        if _NO_DESCRIPTOR in said:
            self._tell()
        elif _CLOSED_SINCE not in said:
            loop.default_exception_handler(context)

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._said_at >= _REMIND_S:
            self._said_at = now
            _log.warning(
                "connections wait: this process may open no file more; let clients close some, or let it "
                "open more (LimitNOFILE= of the service, ulimit -n)"
            )
