"""An HTTP listener of an outlet, on the loop that serves Modbus; slow clients bother themselves alone."""

import errno
import logging
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

_log = logging.getLogger(__name__)

#: How long a stop waits for replies under way.
_DRAIN_S = 1.0
#: Longest request line and header, and longest body taken unless a handler says otherwise.
_LINE_MAX, _BODY_MAX = 8_190, 64 << 10
_BACKLOG = 64


class _OurFaults(logging.Filter):
    """Leaves out that somebody speaks no HTTP: strangers could fill the log with what they send."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass whatever else aiohttp has to say."""
        fault = record.exc_info[1] if record.exc_info else None
        return not isinstance(fault, HttpProcessingError)


#: What aiohttp logs about requests.
REQUEST_LOG = logging.getLogger("bridge.outlets.http.requests")
REQUEST_LOG.addFilter(_OurFaults())


class HttpFault(Exception):
    """An address that cannot be listened on; the text says why and what to do."""


class HttpServer:
    """Serves an application on one address from `start` to `stop`; port 0 takes a free one."""

    def __init__(self, outlet: str, host: str, port: int, application: web.Application) -> None:
        self._outlet = outlet
        self._host = host
        self._port = port
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_DRAIN_S,
            logger=REQUEST_LOG,
        )

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Serve. Raises HttpFault."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=_BACKLOG).start()
        except OSError as fault:
            await self._runner.cleanup()
            raise HttpFault(self._said(fault)) from fault
        _log.info("outlet=%s serving=http://%s:%d", self._outlet, self._host, self.port)

    async def stop(self) -> None:
        """Take nobody more, and end what is under way."""
        await self._runner.cleanup()

    def _said(self, fault: OSError) -> str:
        where = f"outlet {self._outlet}: cannot listen on {self._host}:{self._port}"
        if fault.errno == errno.EADDRINUSE:
            return (
                f"{where}: the port is in use by another program: stop that one (find it by "
                f"`ss -ltnp 'sport = :{self._port}'`) or choose another port in the site file"
            )
        if fault.errno == errno.EADDRNOTAVAIL:
            return f"{where}: this machine has no such address: expected one of its own, or 0.0.0.0 for all"
        return f"{where}: {fault.strerror or fault}: expected an address of this machine and a free port"


def application(body_max: int = _BODY_MAX) -> web.Application:
    """Return an empty application with bounded requests."""
    return web.Application(
        client_max_size=body_max, handler_args={"max_line_size": _LINE_MAX, "max_field_size": _LINE_MAX}
    )


def add_healthz(application: web.Application, serving: Callable[[], bool]) -> None:
    """Add `/healthz`: 200 while serving lives, else 503. It asks for no login, and tells nothing else."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="serving\n") if serving() else web.Response(status=503, text="not serving\n")

    application.router.add_get("/healthz", page)
