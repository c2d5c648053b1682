"""Live values to browsers by server-sent events: made once a second for all who look at the same thing.

A browser that reads too slowly misses a round and gets the next; streams are bounded in number.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable

from aiohttp import web

from bridge.datastore.clock import Clock
from bridge.outlets.web.facts import Json
from bridge.outlets.web.gate import Refusal
from bridge.outlets.web.sessions import Sessions
from bridge.outlets.web.visitors import visitor_of

#: Streams at once: of everybody, and of one address.
STREAMS_MAX, OF_ONE_MAX = 32, 8
EVERY_S = 1.0
#: How long a browser waits before it opens a stream again, in milliseconds.
_RETRY_MS = 3000
#: How long one round may take to be sent before the browser is taken for gone.
_SEND_WITHIN_S = 20.0

#: Makes what is sent of a topic, None where there is no such topic any more.
Maker = Callable[[str], Json]


class Streams:
    """All open streams, by topic."""

    def __init__(self, clock: Clock, sessions: Sessions, make: Maker) -> None:
        self._clock = clock
        self._sessions = sessions
        self._make = make
        self._round = asyncio.Event()
        self._topics: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()
        self._made: dict[str, bytes] = {}
        self._closing = False

    def __len__(self) -> int:
        return self._topics.total()

    async def run(self) -> None:
        """Make a round every second while somebody looks, until cancelled."""
        while True:
            await self._clock.sleep(EVERY_S)
            if not len(self):
                continue
            self._made = {topic: self._written(topic) for topic, count in self._topics.items() if count}
            self._round.set()
            self._round = asyncio.Event()

    def close(self) -> None:
        """End all streams."""
        self._closing = True
        self._made = {}
        self._round.set()

    async def serve(self, request: web.Request, topic: str) -> web.StreamResponse:
        """Send a topic until the browser, its session or the bridge goes away. Raises Refusal."""
        visitor = visitor_of(request)
        address = visitor.address
        if len(self) >= STREAMS_MAX or self._addresses[address] >= OF_ONE_MAX:
            raise Refusal(
                503,
                "too many pages are open: close some; values are shown when a page is loaded",
                {"Retry-After": "30"},
            )
        self._topics[topic] += 1
        self._addresses[address] += 1
        try:
            reply = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
            reply.headers["X-Accel-Buffering"] = "no"
            await reply.prepare(request)
            await reply.write(f"retry: {_RETRY_MS}\n\n".encode() + self._written(topic))
            with contextlib.suppress(ConnectionError, TimeoutError):
                while not self._closing and (
                    visitor.session is None or self._sessions.lives(visitor.session)
                ):
                    await self._round.wait()
                    if sent := self._made.get(topic):
                        async with asyncio.timeout(_SEND_WITHIN_S):
                            await reply.write(sent)
            return reply
        finally:
            self._topics[topic] -= 1
            self._addresses[address] -= 1
            self._topics, self._addresses = +self._topics, +self._addresses

    def _written(self, topic: str) -> bytes:
        return b"data: " + json.dumps(self._make(topic), allow_nan=False).encode() + b"\n\n"
