"""TCP listeners: sockets, admission, the idle sweep, and an orderly end."""

import asyncio
import contextlib
import errno
import logging

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from bridge.server.context import RequestContext
from bridge.server.dispatch import Dispatch
from bridge.server.handler import Connection
from bridge.server.reads import Reads
from bridge.server.requests import REQUESTS
from bridge.server.seams import check_seams
from bridge.server.terms import Terms

_log = logging.getLogger(__name__)

#: Connections one listener takes; a Cerbo GX uses one per device, a SCADA system a handful.
CONNECTIONS_MAX = 128
#: A connection without a request for this long is closed (DESIGN: idle sweep).
IDLE_S = 600.0
#: How long `stop` lets requests under way be answered.
DRAIN_S = 2.0
#: The idle sweep runs this many times in one idle time.
_SWEEPS = 20


class ListenError(Exception):
    """A listener that cannot be opened; the text says why and what to do."""


class _Server(ModbusTcpServer):
    """pymodbus's server with the bridge's context and connections."""

    def __init__(self, host: str, port: int, terms: Terms, connections_max: int) -> None:
        # The store that pymodbus insists on is replaced at once and never read.
        unused = SimDevice(id=1, simdata=[SimData(address=0, count=1, datatype=DataType.REGISTERS)])
        super().__init__(unused, address=(host, port), custom_pdu=REQUESTS)
        self.context = RequestContext(terms, None)  # type: ignore[assignment]  # see `seams`
        self.terms = terms
        self.reads = Reads(terms)
        self.dispatch = Dispatch(terms, self.decoder)
        self.connections: set[Connection] = set()
        self.ending = False
        self.emptied = asyncio.Event()
        self.emptied.set()
        self._connections_max = connections_max

    def callback_new_connection(self) -> Connection:
        """Make the protocol of one connection."""
        return Connection(self)

    async def listen(self) -> bool:
        """Open the socket; unlike pymodbus's, lets the OSError out."""
        self.is_closing = False
        self.is_listener = True
        self.transport = await self.call_create()
        return True

    def admit(self, connection: Connection) -> bool:
        """Judge a new connection by the cap and by its address."""
        peer = connection.peer
        if peer is None or self.ending:  # asyncio may still hand over what it had accepted
            return False
        if not self.terms.access.may_read(peer):
            cure = self.terms.access.line_to_read(peer)
            reason = f"this address may not read; to allow it, say in the site file: {cure}"
            self.terms.connection_refused(peer, reason)
            return False
        if len(self.connections) >= self._connections_max:
            self.terms.connection_refused(peer, f"all {self._connections_max} connections are taken")
            return False
        self.connections.add(connection)
        self.terms.counters.connections += 1
        self.emptied.clear()
        return True

    def left(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.terms.counters.connections -= 1
        if not self.connections:
            self.emptied.set()


class TcpListener:
    """One `tcp:` listener of a site. Port 0 takes any free one; `address` says which."""

    def __init__(
        self,
        host: str,
        port: int,
        terms: Terms,
        *,
        connections_max: int = CONNECTIONS_MAX,
        idle_s: float = IDLE_S,
    ) -> None:
        self.terms = terms
        self._host = host
        self._port = port
        self._connections_max = connections_max
        self._idle_s = idle_s
        self._server: _Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._address = (host, port)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, the real port once started."""
        return self._address

    @property
    def serving(self) -> bool:
        """True between `start` and `stop`."""
        return self._server is not None

    async def start(self) -> None:
        """Open the socket and serve. Raises ListenError, and SeamError for a pymodbus that does not fit."""
        check_seams()
        server = _Server(self._host, self._port, self.terms, self._connections_max)
        try:
            await server.serve_forever(background=True)
        except OSError as fault:
            await server.shutdown()  # type: ignore[no-untyped-call]
            raise ListenError(_bind_error(self._host, self._port, self.terms.name, fault)) from fault
        self._server = server
        sockets = server.transport.sockets  # type: ignore[attr-defined]  # an asyncio.Server, see `seams`
        self._address = sockets[0].getsockname()[:2]
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(server))
        _log.info("listener=%s serving=tcp://%s:%d", self.terms.name, *self._address)

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Accept nobody, answer what is under way within `drain_s`, leave nothing open."""
        server, self._server = self._server, None
        if server is None:
            return
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        server.ending = True
        server.transport.close()
        for connection in tuple(server.connections):
            connection.finish()
        try:
            with contextlib.suppress(TimeoutError):
                async with self.terms.clock.timeout(drain_s):
                    await server.emptied.wait()
        finally:  # also when stopping is itself cut short
            for connection in tuple(server.connections):
                connection.abort()
        await server.emptied.wait()
        await server.shutdown()  # type: ignore[no-untyped-call]
        _log.info("listener=%s stopped", self.terms.name)

    async def _sweep(self, server: _Server) -> None:
        """Close connections that are idle, or whose address has lost its right to read."""
        clock = self.terms.clock
        quiet_since: dict[Connection, float] = {}
        while True:
            await clock.sleep(self._idle_s / _SWEEPS)
            now = clock.monotonic()
            quiet_since = {c: since for c, since in quiet_since.items() if c in server.connections}
            for connection in tuple(server.connections):
                if connection.peer is not None and not self.terms.access.may_read(connection.peer):
                    connection.abort()
                elif connection.heard or connection.waiting:
                    connection.heard = False
                    quiet_since[connection] = now
                elif now - quiet_since.get(connection, now) >= self._idle_s:
                    _log.info("listener=%s peer=%s idle: closed", self.terms.name, connection.peer)
                    connection.abort()


def _bind_error(host: str, port: int, name: str, fault: OSError) -> str:
    where = f"listener {name}: cannot listen on tcp://{host}:{port}"
    if fault.errno == errno.EADDRINUSE:
        return (
            f"{where}: the port is in use by another program (perhaps another bridge): stop that one "
            f"(find it by `ss -ltnp 'sport = :{port}'`) or choose another port in the site file"
        )
    if fault.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{where}: ports below 1024 need a right this process does not have: run as the "
            "installed service, give the interpreter the right by `setcap cap_net_bind_service=+ep`, "
            "or choose port 1502"
        )
    if fault.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no address {host}: expected one of its own, or 0.0.0.0 for all"
    return f"{where}: {fault.strerror or fault}: expected an address of this machine and a free port"
