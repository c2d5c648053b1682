"""Signs of life for systemd: when the bridge serves, and that it still does (sd_notify(3)).

Without systemd, that is without NOTIFY_SOCKET in the environment, nothing is sent.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Callable, Mapping

from bridge.datastore.clock import Clock

_log = logging.getLogger(__name__)


class Signs:
    """Tells systemd how the service fares. The environment is the process's own unless given."""

    def __init__(self, clock: Clock, environment: Mapping[str, str] | None = None) -> None:
        found = os.environ if environment is None else environment
        self._clock = clock
        self._address = found.get("NOTIFY_SOCKET", "")
        mine = found.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit = found.get("WATCHDOG_USEC", "")
        #: Seconds from one sign to the next, half of what the watchdog grants; 0 where there is none.
        self.every_s = int(limit) / 2e6 if mine and limit.isdecimal() else 0.0

    def ready(self) -> None:
        """All listeners answer."""
        self._send("READY=1\nSTATUS=serving")

    def stopping(self) -> None:
        """The bridge ends in order."""
        self._send("STOPPING=1")

    async def run(self, serving: Callable[[], bool]) -> None:
        """Give a sign again and again, from the loop that serves, while `serving` is true."""
        if not self.every_s:
            return
        while True:
            if serving():
                self._send("WATCHDOG=1")
            await self._clock.sleep(self.every_s)

    def _send(self, what: str) -> None:
        if not self._address:
            return
        where = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
            telling.settimeout(0)
            telling.sendto(what.encode(), where)
