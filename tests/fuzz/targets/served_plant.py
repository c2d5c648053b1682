"""The small plant behind a listener's own protocol objects, joined in memory, on one loop for all inputs."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Path, Value
from bridge.register_maps.image import MapRefusal, UnitWrite
from bridge.server.connection import Connection
from bridge.server.listener import TcpListener, _Server
from bridge.server.mbap_connection import MbapConnection
from bridge.server.rtu_connection import RtuConnection
from bridge.server.rtu_line import SerialPort, _Session
from bridge.server.terms import Terms
from bridge.server.udp import _Datagrams
from bridge.server.units import Units
from tests.fuzz.targets.oracle import LIMIT, MODE, UNIT
from tests.server.plant import PlainUnit, Plant

#: Passes through the loop in which everything that can happen has happened.
_PASSES = 12
#: Passes after which an unanswered request never will be.
_PASSES_MOST = 3000
#: Whose errors are broken promises.
_LOGS = ("bridge", "aiohttp", "asyncio")
#: Who asks, by the rights that the defaults of a site give: read and write, read, nothing.
OWNER, READER, STRANGER = "127.0.0.1", "192.168.1.9", "8.8.8.8"


class StrictUnit(PlainUnit):
    """Judges all addresses of a write before any value."""

    def decode_registers(self, address: int, data: bytes) -> UnitWrite:
        """Return the changes; raises MapRefusal."""
        if any(number not in (MODE, LIMIT) for number in range(address, address + len(data) // 2)):
            raise MapRefusal(2, "no such register")
        return super().decode_registers(address, data)


class _Faults(logging.Handler):
    """Remembers what the server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage() + (f" {record.exc_info[1]!r}" if record.exc_info else ""))


@contextlib.contextmanager
def _heard(log: logging.Logger, by: logging.Handler) -> Iterator[None]:
    """Let a log go to a handler of ours and no further."""
    propagate, log.propagate = log.propagate, False
    log.addHandler(by)
    try:
        yield
    finally:
        log.removeHandler(by)
        log.propagate = propagate


class Loop:
    """A persistent loop that remembers what nobody caught."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._uncaught: list[str] = []
        self._faults = _Faults()
        self.loop.set_exception_handler(lambda _, told: self._uncaught.append(repr(told)))

    def run(self, doing: Coroutine[Any, Any, None]) -> None:
        """Run to the end; raises for whatever was logged as an error or caught by nobody."""
        with contextlib.ExitStack() as listening:
            for name in _LOGS:
                listening.enter_context(_heard(logging.getLogger(name), self._faults))
            self.loop.run_until_complete(doing)
        told = [*self._uncaught, *self._faults.told]
        self._uncaught.clear()
        self._faults.told.clear()
        assert not told, told

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run what ends everything, and close the loop."""
        self.loop.run_until_complete(last)
        self.loop.run_until_complete(_all_ended())
        self.loop.close()


async def _all_ended() -> None:
    """Cancel whatever is still under way."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class ServedPlant(Plant):
    """A plant whose device is served from `begin` on; `fresh` makes it as new for the next input."""

    def __init__(self, unit: type[StrictUnit] = StrictUnit) -> None:
        super().__init__(ManualClock())
        self.unit = unit(self.device)
        self._desk: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Bring the device to life."""
        self.come_alive()
        self._desk = asyncio.get_running_loop().create_task(self.device.run(self.adapter))
        await asyncio.sleep(0)

    async def end(self) -> None:
        """Let the device go."""
        if self._desk is not None:
            self._desk.cancel()
            await asyncio.gather(self._desk, return_exceptions=True)

    def fresh(self) -> None:
        """Forget what the former input has done."""
        self.device.publish("set", {"/Mode": 1, "/Settings/ChargeCurrentLimit": 16})
        self.adapter.commands.clear()
        self.attempts.clear()

    def executed(self) -> Sequence[dict[Path, Value]]:
        """Return every batch that the device was given."""
        return self.adapter.commands


class FakeStream(asyncio.Transport):
    """The bridge's end of a TCP connection that is no more than two lists."""

    def __init__(self, protocol: Connection, peer: str) -> None:
        super().__init__({"peername": (peer, 40000)})
        self.sent = bytearray()
        self.closed = False
        self.paused = False
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed, "written to a closed connection"
        self.sent += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    async def feed(self, pieces: Sequence[bytes]) -> None:
        """Let pieces arrive, as far as the bridge reads."""
        for piece in pieces:
            left = memoryview(piece)
            passes = 0
            while left and not self.closed:
                if self.paused:
                    passes += 1
                    assert passes < _PASSES_MOST, "the bridge reads no more"
                    await asyncio.sleep(0)
                    continue
                room = self._protocol.get_buffer(-1)
                assert len(room), "no room for what arrives"
                size = min(len(room), len(left))
                room[:size] = left[:size]
                left = left[size:]
                self._protocol.buffer_updated(size)

    async def settle(self, until: Callable[[], bool] = lambda: True) -> None:
        """Let the loop turn until something is so, and a little longer."""
        for _ in range(_PASSES_MOST):
            if until() or self.closed:
                break
            await asyncio.sleep(0)
        for _ in range(_PASSES):
            await asyncio.sleep(0)


def listener(plant: ServedPlant, *, rtu: bool) -> Callable[[], Connection]:
    """Return what makes the protocol of one connection, as the listener does."""
    served = TcpListener("127.0.0.1", 0, _terms(plant, rtu=rtu), rtu=rtu)
    kind = RtuConnection if rtu else MbapConnection
    server = _Server(("127.0.0.1", 0), served.terms, served.admission, kind, None)

    def made() -> Connection:
        connection = server.callback_new_connection()
        server.keep(connection)
        return connection

    return made


def _terms(plant: ServedPlant, *, rtu: bool) -> Terms:
    units = Units(aliases={}) if rtu else Units()
    units.put(UNIT, plant.unit)
    return Terms("lan", units, plant.access, plant.clock, plant.counters)


class FakeDatagrams(asyncio.DatagramTransport):
    """A socket of datagrams: what the bridge sends, with whom it sends it to."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[bytes, str]] = []

    def sendto(self, data: Any, addr: Any = None) -> None:
        self.sent.append((bytes(data), addr[0]))

    def is_closing(self) -> bool:
        return False


def datagrams(plant: ServedPlant) -> tuple[_Datagrams, FakeDatagrams]:
    """Return the protocol of a UDP listener and its socket."""
    protocol, transport = _Datagrams(_terms(plant, rtu=False)), FakeDatagrams()
    protocol.connection_made(transport)
    return protocol, transport


class LineGone(Exception):
    """The fault of a line that is taken away."""


class FakeLine:
    """A serial line: what arrives is put into a queue, what is sent is kept."""

    def __init__(self) -> None:
        self.arriving: asyncio.Queue[bytes] = asyncio.Queue()
        self.sent: list[bytes] = []

    async def read(self) -> bytes:
        return await self.arriving.get()

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None: ...


class _NoPauses:
    def pause(self) -> float:
        return 1.0

    def reset(self) -> None: ...


def line_session(plant: ServedPlant) -> tuple[_Session, FakeLine]:
    """Return a session of an RTU listener on a line of 19200 Bd."""
    line = FakeLine()

    async def opened() -> FakeLine:
        return line

    port = SerialPort("line", 19200, opened, LineGone, _NoPauses())
    return _Session(_terms(plant, rtu=True), line, port), line
