"""Listeners on TCP: sockets, the idle sweep, and an orderly end, whatever is spoken on the connections."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Mapping

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from bridge.server.admission import Admission
from bridge.server.answers import Answers
from bridge.server.connection import Connection
from bridge.server.context import RequestContext
from bridge.server.listening import DRAIN_S, ListenError, bind_error
from bridge.server.mbap_connection import MbapConnection
from bridge.server.requests import REQUESTS
from bridge.server.rtu_connection import RtuConnection
from bridge.server.seams import check_seams
from bridge.server.terms import Terms
from bridge.server.tls import TlsDoor, TlsFiles, listening_socket, tls_context
from bridge.server.turns import Turns

_log = logging.getLogger(__name__)

#: A connection without a request for this long is closed (DESIGN: idle sweep).
IDLE_S = 600.0
#: The idle sweep runs this many times in one idle time.
_SWEEPS = 20


class _Server(ModbusTcpServer):
    """pymodbus's server with the bridge's context and connections."""

    def __init__(
        self,
        address: tuple[str, int],
        terms: Terms,
        admission: Admission,
        connection: type[Connection],
        tls: ssl.SSLContext | None,
    ) -> None:
        # The store that pymodbus insists on is replaced at once and never read.
        unused = SimDevice(id=1, simdata=[SimData(address=0, count=1, datatype=DataType.REGISTERS)])
        super().__init__(unused, address=address, custom_pdu=REQUESTS)
        self.context = RequestContext(terms, None)  # type: ignore[assignment]  # see `seams`
        self.terms = terms
        self.answers = Answers(terms)
        self.admission = admission
        self.connections: set[Connection] = set()
        self.turns = Turns()
        self._connection = connection
        self._tls = tls
        self._where = address

    def callback_new_connection(self) -> Connection:
        """Make the protocol of one connection."""
        return self._connection(self)

    def keep(self, connection: Connection) -> None:
        """Make a connection known to pymodbus, which does so itself with those that it accepts."""
        self.active_connections[connection.unique_id] = connection
        connection.listener = self

    async def listen(self) -> bool:
        """Open the socket; unlike pymodbus's, lets the OSError out."""
        self.is_closing = False
        self.is_listener = True
        if self._tls is None:
            self.transport = await self.call_create()
        else:
            listening = await asyncio.to_thread(listening_socket, *self._where)
            self.transport = TlsDoor(self, self._tls, listening)  # type: ignore[assignment]
        return True


class TcpListener:
    """A `tcp:`, `tls:` or `rtu_tcp:` listener. Port 0 takes any free one; `address` says which.

    connections_max: None goes by the number of units. tls: files of a listener that demands certificates.
    rtu: True for RTU frames on the connections; the units must then be without aliases.
    """

    def __init__(
        self,
        host: str,
        port: int,
        terms: Terms,
        *,
        connections_max: int | None = None,
        idle_s: float = IDLE_S,
        tls: TlsFiles | None = None,
        rtu: bool = False,
    ) -> None:
        self.terms = terms
        self.admission = Admission(terms, connections_max)
        self._host = host
        self._port = port
        self._idle_s = idle_s
        self._tls = tls
        self._connection: type[Connection] = RtuConnection if rtu else MbapConnection
        self._scheme = "tls" if tls is not None else "rtu_tcp" if rtu else "tcp"
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
        context = None
        if self._tls is not None:
            context = await asyncio.to_thread(tls_context, self._tls, self.terms.name)
        self.admission.ending = False
        address = (self._host, self._port)
        server = _Server(address, self.terms, self.admission, self._connection, context)
        try:
            await server.serve_forever(background=True)
        except OSError as fault:
            await server.shutdown()  # type: ignore[no-untyped-call]
            raise ListenError(bind_error(self._scheme, *address, self.terms.name, fault)) from fault
        self._server = server
        sockets = server.transport.sockets  # type: ignore[attr-defined]  # an asyncio.Server, see `seams`
        self._address = sockets[0].getsockname()[:2]
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(server))
        _log.info("listener=%s serving=%s://%s:%d", self.terms.name, self._scheme, *self._address)

    @property
    def peers(self) -> Mapping[str, int]:
        """Open connections by address."""
        return self.admission.peers

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Accept nobody, answer what is under way within `drain_s`, leave nothing open."""
        server, self._server = self._server, None
        if server is None:
            return
        self.admission.ending = True
        server.transport.close()
        for connection in tuple(server.connections):
            connection.finish()
        try:
            if self._sweeper is not None:
                self._sweeper.cancel()
                await asyncio.gather(self._sweeper, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with self.terms.clock.timeout(drain_s):
                    await self.admission.emptied.wait()
        finally:  # also when stopping is itself cut short
            for connection in tuple(server.connections):
                connection.abort()
        await self.admission.emptied.wait()
        await server.shutdown()  # type: ignore[no-untyped-call]
        _log.info("listener=%s stopped", self.terms.name)

    async def _sweep(self, server: _Server) -> None:
        """Close connections that are idle, or whose address has lost its right to read."""
        clock, access = self.terms.clock, self.terms.access
        quiet_since: dict[Connection, float] = {}
        while True:
            await clock.sleep(self._idle_s / _SWEEPS)
            now = clock.monotonic()
            quiet_since = {c: since for c, since in quiet_since.items() if c in server.connections}
            for connection in tuple(server.connections):
                connection.judge_reads()
                if connection.peer is not None and not access.may_read(connection.peer):
                    connection.abort()
                elif connection.heard or connection.waiting:
                    connection.heard = False
                    quiet_since[connection] = now
                elif now - quiet_since.get(connection, now) >= self._idle_s:
                    _log.info("listener=%s peer=%s idle: closed", self.terms.name, connection.peer)
                    connection.abort()
