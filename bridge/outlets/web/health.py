"""Whether serving lives, for whoever watches over the bridge."""

from collections.abc import Callable

from aiohttp import web


def add_healthz(application: web.Application, serving: Callable[[], bool]) -> None:
    """Add `/healthz`: 200 while serving lives, else 503. It asks for no login, and tells nothing else."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="serving\n") if serving() else web.Response(status=503, text="not serving\n")

    application.router.add_get("/healthz", page)
