"""Modbus RTU as a slave on a serial line that it may share with others.

Silent for other units, for broadcasts and for whatever is no frame. A reply leaves after the 3.5 characters
of silence that end its request, and not at all once another byte has come: the master has gone on, and a
late reply would meet its next request or another slave's reply.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from bridge.server.answers import Answers
from bridge.server.codes import Code
from bridge.server.listening import DRAIN_S
from bridge.server.mbap import PREFIX, exception_reply, head
from bridge.server.rtu import Heard, Kind, RtuFraming, mbap_of, rtu_of
from bridge.server.seams import check_seams
from bridge.server.terms import Terms

_log = logging.getLogger(__name__)

#: How long a write waits for its outcome where nothing says otherwise: a line cannot be used meanwhile.
REPLY_WITHIN_S = 0.3
#: Start bit, eight data bits, parity or a second stop bit, stop bit (Modbus over Serial Line 1.02, 2.5.1).
_BITS = 11
#: Characters of silence between two frames, and what stands for them above 19200 Bd (2.5.1.1).
_GAP_CHARACTERS, _GAP_FAST_S, _FAST_BAUDRATE = 3.5, 0.00175, 19200
#: Writes that may wait for devices at once; a master that has lost patience sends more. One more is told 06.
WAITING_MAX = 16
#: Bytes looked through in one turn of the loop; then all connections have theirs.
_TURN_BYTES = 256
#: Functions whose reply may look like a request of theirs.
_BIT_READS = (1, 2)
#: How long `start` waits for the port; one that is missing does not keep the others from serving.
OPEN_WITHIN_S = 1.0
#: A port that stayed open this long is back: its next fault is a new one.
SETTLED_S = 1.0


class Line(Protocol):
    """An open byte line. Every call may raise the port's fault."""

    async def read(self) -> bytes:
        """Return what has arrived, at least one byte."""

    def write(self, data: bytes) -> None:
        """Send without waiting."""

    def close(self) -> None:
        """Give the port back."""


class Pauses(Protocol):
    """How long to wait before a port is opened again."""

    def pause(self) -> float:
        """Return the next pause in seconds."""

    def reset(self) -> None:
        """Begin again with the first pause."""


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A port as its listener is given it: its name, its speed, how it is opened and what breaks it."""

    name: str
    baudrate: int
    open: Callable[[], Awaitable[Line]]
    fault: type[Exception]
    pauses: Pauses


def gap_s(baudrate: int) -> float:
    """Return how long 3.5 characters are, in seconds."""
    return _GAP_FAST_S if baudrate > _FAST_BAUDRATE else _GAP_CHARACTERS * _BITS / baudrate


class RtuListener:
    """One `rtu:` listener of a site; opens its port, and opens it again for ever."""

    def __init__(self, port: SerialPort, terms: Terms) -> None:
        self.terms = terms
        #: True while the port is open.
        self.open = False
        self._port = port
        self._keeping: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._told: set[str] = set()
        self._session: _Session | None = None

    @property
    def serving(self) -> bool:
        """True between `start` and `stop`, also while the port is missing."""
        return self._keeping is not None

    @property
    def peers(self) -> Mapping[str, int]:
        """Nobody: there are no connections."""
        return {}

    async def start(self) -> None:
        """Open the port and serve; goes on trying where it is missing. Raises SeamError."""
        check_seams()
        self._tried.clear()
        self._keeping = asyncio.get_running_loop().create_task(self._keep(), name=f"rtu {self._port.name}")
        with contextlib.suppress(TimeoutError):
            async with self.terms.clock.timeout(OPEN_WITHIN_S):
                await self._tried.wait()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take no more requests, answer those under way within `drain_s`, close the port."""
        keeping, self._keeping = self._keeping, None
        if keeping is None:
            return
        try:
            if self._session is not None:
                with contextlib.suppress(TimeoutError):
                    async with self.terms.clock.timeout(drain_s):
                        await self._session.finish()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        _log.info("listener=%s stopped", self.terms.name)

    async def _keep(self) -> None:
        """Keep the port open until cancelled; each kind of fault is told once until the port is well."""
        clock = self.terms.clock
        while True:
            opened_at = None
            try:
                line = await self._port.open()
                opened_at = clock.monotonic()
                await self._serve(line)
            except self._port.fault as fault:
                if opened_at is not None and clock.monotonic() - opened_at >= SETTLED_S:
                    self._told.clear()
                    self._port.pauses.reset()
                kind = type(fault).__name__
                if kind not in self._told:
                    self._told.add(kind)
                    _log.warning('listener=%s fault="%s"', self.terms.name, fault)
            except Exception as fault:  # noqa: BLE001 - a defect of ours must not end the listener
                self.terms.failed(0, f"line {self._port.name}", fault)
            self._tried.set()
            await clock.sleep(self._port.pauses.pause())

    async def _serve(self, line: Line) -> None:
        session = self._session = _Session(self.terms, line, self._port)
        self.open = True
        self._tried.set()
        _log.info(
            "listener=%s serving=rtu://%s baudrate=%d", self.terms.name, self._port.name, self._port.baudrate
        )
        try:
            await session.run()
        finally:
            self.open = False
            self._session = None
            await session.end()
            line.close()


class _Session:
    """An open port: frames in, replies out."""

    def __init__(self, terms: Terms, line: Line, port: SerialPort) -> None:
        self._fault = port.fault
        self._terms = terms
        self._line = line
        self._answers = Answers(terms)
        self._read = self._answers.reader(None)
        self._framing = RtuFraming(terms.units.__contains__)
        self._gap_s = gap_s(port.baudrate)
        self._character_s = _BITS / port.baudrate
        #: Monotonic time at which the last byte sent has left.
        self._quiet_at = 0.0
        #: Counts what has arrived, so that a reply can tell whether something came after its request.
        self._arrivals = 0
        #: Unit and PDU of the newest reply, and whether the line has been found to echo what we send.
        self._sent = b""
        self._echoes = False
        self._finishing = False
        self._waiting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the line is lost, whose fault is raised."""
        while True:
            data = await self._line.read()
            self._arrivals += 1
            came_at = self._terms.clock.monotonic()
            for start in range(0, len(data), _TURN_BYTES):
                if start:
                    await asyncio.sleep(0)
                piece = data[start : start + _TURN_BYTES]
                self._hear(self._framing.receive(piece, came_at), last=start + len(piece) == len(data))

    def _hear(self, found: list[Heard], *, last: bool) -> None:
        """Deal with frames; last: nothing came with them after the piece they were in."""
        for heard in found:
            if self._is_echo(heard):
                continue
            if heard.kind is Kind.REQUEST and not self._finishing:
                self._take(heard if last else replace(heard, last=False))
            elif heard.kind is Kind.BROADCAST:
                self._terms.counters.broadcasts += 1

    def _is_echo(self, heard: Heard) -> bool:
        """True for our own reply come back, as some RS485 adapters hear themselves.

        The echo of a write looks like its request, and taking it for one would never end. The echo of a
        read cannot be mistaken: it is the proof that this line echoes. (That of three bytes of bits could be
        a request, which nobody makes by chance.)
        """
        if heard.frame != self._sent:
            return False
        self._echoes = self._echoes or heard.kind is Kind.FOREIGN or heard.frame[1] in _BIT_READS
        if self._echoes:
            self._sent = b""
        return self._echoes

    async def finish(self) -> None:
        """Take nothing more, wait for what is under way and until its last byte has left."""
        self._finishing = True
        if self._waiting:
            await asyncio.wait(tuple(self._waiting))
        await self._terms.clock.sleep(self._quiet_at - self._terms.clock.monotonic())

    async def end(self) -> None:
        """Give up what is under way; changes go on without their replies."""
        tasks = tuple(self._waiting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, heard: Heard) -> None:
        """Answer a request, unless the master has gone on already: then only writes are done."""
        frame = mbap_of(heard.frame)
        reply = self._answers.at_once(frame, self._read)
        if reply is None and len(self._waiting) >= WAITING_MAX:
            self._terms.counters.requests += 1
            self._terms.counters.exceptions += 1
            reply = exception_reply(*head(frame), Code.BUSY)
        if reply is not None and not heard.last:
            return
        arrivals = self._arrivals if heard.last else -1
        task = asyncio.get_running_loop().create_task(self._answer(frame, reply, arrivals))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _answer(self, frame: bytes, reply: bytes | None, arrivals: int) -> None:
        ended = self._terms.clock.monotonic() + self._gap_s
        if reply is None:
            reply = await self._answers.answer(frame, None)
        gap_s = ended - self._terms.clock.monotonic()
        if gap_s > 0:
            await self._terms.clock.sleep(gap_s)
        if self._arrivals == arrivals:
            with contextlib.suppress(self._fault):  # a lost line is told to its reader
                self._line.write(rtu_of(reply))
                self._sent = reply[PREFIX:]
                self._quiet_at = self._terms.clock.monotonic() + len(reply) * self._character_s
