"""The page's socket: TLS or not, and no more connections than leave Modbus all the room it needs."""

import asyncio
import logging
import ssl
from collections import Counter
from pathlib import Path
from typing import cast

from aiohttp import web

from bridge.outlets.http import REQUEST_LOG, HttpFault

_log = logging.getLogger(__name__)

#: Connections at once, of all and of one address. A browser opens six; a proxy is one address for everybody.
CONNECTIONS_MAX, OF_ONE_MAX = 160, 40
#: How long a connection may stay without a request.
KEEP_ALIVE_S = 30.0
_DRAIN_S = 1.0


class _Door(asyncio.Protocol):
    """Counts a connection, then hands it to aiohttp; one too many is closed unread."""

    def __init__(self, listener: "PageListener") -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        inner = self._listener.admit(stream)
        if inner is None:
            stream.abort()
            return
        stream.set_protocol(inner)
        inner.connection_made(transport)


class PageListener:
    """Serves an application on one address from `start` to `stop`; port 0 takes a free one."""

    def __init__(
        self,
        host: str,
        port: int,
        application: web.Application,
        tls: ssl.SSLContext | None = None,
        of_one_max: int = OF_ONE_MAX,
    ) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._of_one_max = of_one_max
        self._server: asyncio.Server | None = None
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_DRAIN_S,
            keepalive_timeout=KEEP_ALIVE_S,
            logger=REQUEST_LOG,
        )

    async def start(self) -> None:
        """Serve. Raises HttpFault."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Door(self), self.host, self.port, ssl=self._tls, backlog=64
            )
        except OSError as fault:
            await self._runner.cleanup()
            raise HttpFault(
                f"outlet web: cannot listen on {self.host}:{self.port} ({fault.strerror or fault}): "
                "expected an address of this machine and a port that no other program has: "
                "choose another in `listen` of `web`"
            ) from fault
        self.port = self._server.sockets[0].getsockname()[1]
        scheme = "http" if self._tls is None else "https"
        _log.info("outlet=web serving=%s://%s:%d", scheme, self.host, self.port)

    async def stop(self) -> None:
        """Take nobody more, and end what is under way."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._runner.cleanup()

    def admit(self, transport: asyncio.Transport) -> asyncio.Protocol | None:
        """Return what speaks on a connection, None for one too many."""
        server = self._runner.server
        if server is None:
            return None
        open_ = server.connections
        if len(open_) >= CONNECTIONS_MAX:
            return None
        peers = Counter(_peer(one.transport) for one in open_)
        if peers[_peer(transport)] >= self._of_one_max:
            return None
        return server()


def _peer(transport: asyncio.BaseTransport | None) -> str:
    name = transport.get_extra_info("peername") if transport is not None else None
    return str(name[0]) if isinstance(name, tuple) else ""


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context for the page's own certificate. Blocks. Raises HttpFault."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as fault:
        raise HttpFault(
            f"outlet web: {certificate} and {key} cannot be used ({fault}): expected a certificate and its "
            "key in PEM, without a pass phrase"
        ) from fault
    return context
