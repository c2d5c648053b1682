"""Modbus over UDP: every datagram is one request on its own, answered to its own sender, or not at all.

There is no connection to judge or to close, and an address can be forged: whatever is not one whole MBAP
frame from an address that may read is dropped without a word, and sites allow writes only on purpose.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from typing import cast

from bridge.server.access import Peer, peer_address
from bridge.server.answers import Answers
from bridge.server.codes import Code
from bridge.server.listening import DRAIN_S, ListenError, bind_error
from bridge.server.mbap import PREFIX, exception_reply, frame_end, head
from bridge.server.seams import check_seams
from bridge.server.terms import Terms

_log = logging.getLogger(__name__)

#: Requests that may wait for devices at once; one more is told 06.
WAITING_MAX = 64

#: Datagrams looked at in one turn of the loop, and how many may wait for later ones; more are lost, as they
#: are where the system's own buffer is full.
TURN, LATER_MAX = 8, 256

#: A sender as the system names it: two parts for IPv4, four for IPv6.
_Sender = tuple[str, int] | tuple[str, int, int, int]


class _Datagrams(asyncio.DatagramProtocol):
    """The socket of a listener."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._answers = Answers(terms)
        self._transport: asyncio.DatagramTransport | None = None
        self._full = False
        self._taken = 0
        self._later: deque[tuple[bytes, _Sender]] = deque()
        self.closed = asyncio.Event()
        self.waiting: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Hear that the socket is closed."""
        self.closed.set()

    def pause_writing(self) -> None:
        """Drop requests while the network does not take the replies."""
        self._full = True

    def resume_writing(self) -> None:
        """Take requests again."""
        self._full = False

    def error_received(self, exc: Exception) -> None:
        """Hear that a reply did not arrive: its sender is gone, and nobody is left to tell."""
        _log.debug("listener=%s reply lost: %s", self._terms.name, exc)

    def datagram_received(self, data: bytes, addr: _Sender) -> None:
        """Answer one request, now or in a later turn: uvloop hands over many in one."""
        if self._full or len(data) < PREFIX or frame_end(data, 0) != len(data):
            return
        if self._taken < TURN and not self._later:
            self._take(data, addr)
        elif len(self._later) < LATER_MAX:
            self._later.append((data, addr))

    def _next_turn(self) -> None:
        self._taken = 0
        while self._later and self._taken < TURN:
            self._take(*self._later.popleft())

    def _take(self, data: bytes, addr: _Sender) -> None:
        if not self._taken:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._taken += 1
        if self._full:
            return
        peer = Peer(peer_address(addr[0]))
        if not self._terms.access.may_read(peer):
            cure = self._terms.access.line_to_read(peer)
            reason = f"this address may not read; to allow it, say in the site file: {cure}"
            self._terms.connection_refused(peer, reason)
            return
        reply = self._answers.at_once(data, self._answers.reader(peer))
        if reply is not None:
            self._send(reply, addr)
        elif len(self.waiting) >= WAITING_MAX:
            self._terms.counters.requests += 1
            self._terms.counters.exceptions += 1
            self._send(exception_reply(*head(data), Code.BUSY), addr)
        else:
            task = asyncio.get_running_loop().create_task(self._answer(data, peer, addr))
            self.waiting.add(task)
            task.add_done_callback(self.waiting.discard)

    async def _answer(self, frame: bytes, peer: Peer, addr: _Sender) -> None:
        self._send(await self._answers.answer(frame, peer), addr)

    def _send(self, reply: bytes, addr: _Sender) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(reply, addr)


class UdpListener:
    """One `udp:` listener of a site. Port 0 takes any free one; `address` says which."""

    def __init__(self, host: str, port: int, terms: Terms) -> None:
        self.terms = terms
        self._host = host
        self._port = port
        self._address = (host, port)
        self._transport: asyncio.DatagramTransport | None = None
        self._datagrams: _Datagrams | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, the real port once started."""
        return self._address

    @property
    def serving(self) -> bool:
        """True between `start` and `stop`."""
        return self._transport is not None

    @property
    def peers(self) -> Mapping[str, int]:
        """Nobody: there are no connections."""
        return {}

    async def start(self) -> None:
        """Open the socket and serve. Raises ListenError, and SeamError for a pymodbus that does not fit."""
        check_seams()
        loop = asyncio.get_running_loop()
        where = (self._host, self._port)
        try:
            transport, datagrams = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self.terms), local_addr=where
            )
        except OSError as fault:
            raise ListenError(bind_error("udp", *where, self.terms.name, fault)) from fault
        self._transport, self._datagrams = transport, datagrams
        self._address = transport.get_extra_info("sockname")[:2]
        _log.info("listener=%s serving=udp://%s:%d", self.terms.name, *self._address)

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take no more requests, answer those under way within `drain_s`, and close."""
        transport, datagrams = self._transport, self._datagrams
        self._transport = self._datagrams = None
        if transport is None or datagrams is None:
            return
        datagrams.pause_writing()
        tasks = tuple(datagrams.waiting)
        try:
            if tasks:
                with contextlib.suppress(TimeoutError):
                    async with self.terms.clock.timeout(drain_s):
                        await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            transport.close()
            await datagrams.closed.wait()
        _log.info("listener=%s stopped", self.terms.name)
