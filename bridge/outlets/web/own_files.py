"""The page's own files: scripts, styles and pictures that are part of the bridge. No others can be named."""

from pathlib import Path

from aiohttp import web

from bridge.outlets.web.gate import Gate, Refusal

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class OwnFiles:
    """The files, read once: none of what a browser sends becomes part of a path."""

    def __init__(self) -> None:
        self._files = {
            file.name: (file.read_bytes(), _TYPES[file.suffix])
            for file in _FOLDER.iterdir()
            if file.suffix in _TYPES
        }

    def add_to(self, application: web.Application, gate: Gate) -> None:
        """Add the path."""
        gate.add(application, "GET", "/static/{name}", self._file, None)

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise Refusal(404, "found no such file")
        body, kind = found
        return web.Response(
            body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "max-age=3600"}
        )
